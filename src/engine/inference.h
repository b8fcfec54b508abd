/* A frozen network that takes any number of images: batch norms folded, weights packed once, micro-batches that stay in
 * the cache. Teachers, evaluation and prediction run on it. */
#ifndef RETORT_ENGINE_INFERENCE_H
#define RETORT_ENGINE_INFERENCE_H

#include "engine/plan.h"

typedef struct rt_inference rt_inference;

/* `graph` and `parameters` are borrowed; when the parameters change, the next call packs them again. `micro_batch` 0
 * takes rt_inference_micro_batch(). */
rt_status rt_inference_new(rt_engine *engine, const rt_graph *graph, rt_parameters *parameters, size_t micro_batch,
                           rt_inference **inference, rt_error *err);
void rt_inference_free(rt_inference *inference); /* accepts NULL */

/* logits [count, classes] = network(images [count, height, width, channels]). Each image's logits depend on nothing but
 * the image and the place it has in its micro-batch's plan. */
rt_status rt_inference_run(rt_inference *inference, const float *images, size_t count, float *logits, rt_error *err);

/* The fixed rule: as many images as keep the two largest neighbouring activations within about 1 MB a thread,
 * between 8 and 64. */
size_t rt_inference_micro_batch(const rt_graph *graph);

/* rt_plan_trace() for every plan that there is by now; open the trace for rt_inference_plan(). */
void rt_inference_trace(rt_inference *inference, rt_trace *trace);

/* The plan for whole micro-batches, for reports. */
const rt_plan *rt_inference_plan(const rt_inference *inference);

#endif
