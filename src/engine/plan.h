/* A plan: a graph made ready to run at one batch size. Everything is decided here, once: fused nodes, kernels, memory.
 *
 *     rt_plan_new(engine, graph, parameters, 128, RT_MODE_TRAIN, &plan, err);
 *     rt_plan_forward(plan, images, seed, step, err);
 *     ... read rt_plan_output(plan), add the losses' gradients to rt_plan_output_gradient(plan) ...
 *     rt_plan_backward(plan, err);           // parameters->gradients is overwritten
 *
 * A step allocates nothing and creates no primitive. Plans of several batch sizes may share parameters. */
#ifndef RETORT_ENGINE_PLAN_H
#define RETORT_ENGINE_PLAN_H

#include <stdint.h>

#include "engine/arithmetic.h"
#include "engine/engine.h"
#include "engine/kernel.h"
#include "engine/trace.h"

typedef struct rt_plan rt_plan;

/* `graph` is the model's own graph: the plan fuses a copy. `parameters` are borrowed and must belong to that graph. */
rt_status rt_plan_new(rt_engine *engine, const rt_graph *graph, rt_parameters *parameters, size_t batch, rt_mode mode,
                      rt_plan **plan, rt_error *err);
/* The same in other numbers than fp32. A precision that the CPU would have to emulate is not refused here, so that
 * tests can have it. */
rt_status rt_plan_new_in(const rt_arithmetic *arithmetic, rt_engine *engine, const rt_graph *graph,
                         rt_parameters *parameters, size_t batch, rt_mode mode, rt_plan **plan, rt_error *err);
void rt_plan_free(rt_plan *plan); /* accepts NULL */

/* Runs the network on `images` [batch, height, width, channels], which must stay until backward has run. Prepares
 * weights first if the parameters changed. seed and step feed dropout. */
rt_status rt_plan_forward(rt_plan *plan, const float *images, uint64_t seed, uint64_t step, rt_error *err);

/* The logits [batch, classes] of the last forward; valid until the next. */
const float *rt_plan_output(const rt_plan *plan);

/* Where losses add d loss / d logits, [batch, classes]; zeroed by forward. NULL for a frozen plan. */
float *rt_plan_output_gradient(const rt_plan *plan);

/* The same of a tap that the graph keeps, by its number: values [batch, height, width, channels] of the last forward,
 * valid until backward; and where losses add their gradients, zeroed by forward. That one is NULL for a frozen plan and
 * where nothing trained lies before the tap. */
const float *rt_plan_tap(const rt_plan *plan, int tap);
float *rt_plan_tap_gradient(const rt_plan *plan, int tap);

/* Gradients of all parameters, from the gradients of the output and the taps. */
rt_status rt_plan_backward(rt_plan *plan, rt_error *err);

size_t rt_plan_batch(const rt_plan *plan);
size_t rt_plan_bytes(const rt_plan *plan); /* of the activation arena */

/* What the plan decided, for reports and tests. */
size_t rt_plan_kernel_count(const rt_plan *plan);
const rt_kernel *rt_plan_kernel(const rt_plan *plan, size_t i);
int rt_plan_reorders(const rt_plan *plan);          /* of activations or their gradients, inside a step */
int rt_plan_weight_packs(const rt_plan *plan);      /* layout changes of weights, once after each update */
int rt_plan_reference_kernels(const rt_plan *plan); /* kernels that fell to oneDNN's slow reference code */

/* "fp32", or "bf16 in 7 of 21 convolutions": what the plan multiplies in. */
enum { RT_PLAN_PRECISION_WORDS = 64 };
void rt_plan_precision(const rt_plan *plan, char words[RT_PLAN_PRECISION_WORDS]);

/* Floating-point operations of one forward and, of a plan that is trained, one backward: 2 for each multiply-accumulate
 * of convolutions and linear layers as they are defined, whatever algorithm runs. A layer's backward counts once for
 * its weights and once more where a gradient of its source is wanted. */
double rt_plan_flops(const rt_plan *plan);

/* Seconds that the latest forward spent on preparing weights; 0 where they had not changed. */
double rt_plan_prepare_seconds(const rt_plan *plan);

/* From now on forward and backward write what each node costs into `trace`, opened for this plan and borrowed until
 * rt_plan_trace(plan, NULL). Without a trace a plan reads no clock in between its nodes. */
void rt_plan_trace(rt_plan *plan, rt_trace *trace);

/* The values of a node by name after forward, [batch, height, width, channels], or NULL if it was fused away or its
 * memory was reused. */
const float *rt_plan_values(const rt_plan *plan, const char *name);

#endif
