/* The two tables of `retort bench --kernels`. Each gathers what occurs in networks, every work once, times it, and
 * prints it. */
#ifndef RETORT_CLI_BENCH_KERNELS_H
#define RETORT_CLI_BENCH_KERNELS_H

#include "cli/bench.h"

/* Convolutions: every kernel that can compute one (engine/contest.h). */
typedef struct rt_bench_convolutions rt_bench_convolutions;

rt_bench_convolutions *rt_bench_convolutions_new(void); /* NULL without memory */
void rt_bench_convolutions_free(rt_bench_convolutions *all);
/* `graph` is a model's own. */
rt_status rt_bench_convolutions_add(rt_bench_convolutions *all, const rt_graph *graph, rt_error *err);
rt_status rt_bench_convolutions_run(rt_bench_convolutions *all, rt_engine *engine, rt_precision precision, size_t batch,
                                    size_t rounds, rt_error *err);
rt_status rt_bench_convolutions_print(const rt_bench_convolutions *all, size_t batch, rt_error *err);
void rt_bench_convolutions_json(const rt_bench_convolutions *all, json_t *object); /* sets keys of `object` */

/* All other layers: ours beside oneDNN's primitives for the same work (engine/comparison.h). */
typedef struct rt_bench_layers rt_bench_layers;

rt_bench_layers *rt_bench_layers_new(void);
void rt_bench_layers_free(rt_bench_layers *all);
rt_status rt_bench_layers_add(rt_bench_layers *all, const rt_graph *graph, rt_error *err);
rt_status rt_bench_layers_run(rt_bench_layers *all, rt_engine *engine, size_t batch, size_t rounds, rt_error *err);
rt_status rt_bench_layers_print(const rt_bench_layers *all, size_t batch, rt_error *err);
void rt_bench_layers_json(const rt_bench_layers *all, json_t *object);

#endif
