/* The parts of `retort bench`: each measures one thing and prints it, for people or as one JSON object. */
#ifndef RETORT_CLI_BENCH_H
#define RETORT_CLI_BENCH_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "train/rehearsal.h"

typedef struct rt_bench_options {
    char **recipes; /* [recipe_count], borrowed from argv; more than one only with --kernels */
    size_t recipe_count;
    const char *const *overrides;
    size_t override_count;
    size_t steps;           /* 0: the mode's own default */
    size_t batch;           /* of --kernels; 0 likewise */
    int threads;            /* 0: what the recipe says */
    rt_precision precision; /* of --kernels */
    rt_catalogue *catalogue;
    bool synthetic, json, by_kind, by_node, kernels, tune_threads;
} rt_bench_options;

/* Each prints its result, or an error, and returns the exit code. */
int rt_bench_panel(const rt_bench_options *options, const rt_recipe *recipe); /* where the time of a step goes */
int rt_bench_threads(const rt_bench_options *options, const rt_recipe *recipe);
int rt_bench_kernels(const rt_bench_options *options);

/* Loads a recipe as `options` ask and prints its diagnostics; NULL when it is wrong. */
rt_recipe *rt_bench_recipe(const rt_bench_options *options, const char *path);

/* Prints the object as indented JSON, releases it, and returns the exit code. */
int rt_bench_print_json(json_t *object);

/* What a layer's name ends with: " + relu", " + relu6" or nothing. */
const char *rt_bench_activation(rt_activation activation);

/* A profile: what nodes cost, by a few more steps with a clock around each. */
typedef struct rt_bench_profile {
    rt_trace student, teacher; /* the teacher's is empty where there is none */
    const rt_rehearsal *rehearsal;
    size_t steps;
} rt_bench_profile;

rt_status rt_bench_profile_run(rt_rehearsal *rehearsal, size_t steps, rt_bench_profile *profile, rt_error *err);
void rt_bench_profile_close(rt_bench_profile *profile); /* accepts a zeroed struct */

rt_status rt_bench_print_kinds(const rt_bench_profile *profile, rt_error *err);
rt_status rt_bench_print_nodes(const rt_bench_profile *profile, rt_error *err); /* the slowest ones */
json_t *rt_bench_kinds_json(const rt_bench_profile *profile);                   /* NULL without memory */

#endif
