/* A frozen network that takes any number of images: batch norms folded, weights packed once, micro-batches that stay in
 * the cache. Teachers, evaluation and prediction run on it.
 *
 * There is one plan, of one size, and a micro-batch that is not full is filled up with zeros: a library may compute a
 * batch of 5 in another order than a batch of 16, and then an image's logits would depend on how many others there are.
 * So they depend on the image, the weights and the plan alone, as far as no kernel minds the place that an image has in
 * its batch. rt_place_probe() of place_probe.h asks whether one does. */
#ifndef RETORT_ENGINE_INFERENCE_H
#define RETORT_ENGINE_INFERENCE_H

#include "engine/plan.h"

typedef struct rt_inference rt_inference;

/* `graph` and `parameters` are borrowed; when the parameters change, the next call packs them again. `micro_batch` 0
 * takes rt_inference_micro_batch(). */
rt_status rt_inference_new(rt_engine *engine, const rt_graph *graph, rt_parameters *parameters, size_t micro_batch,
                           rt_inference **inference, rt_error *err);
/* The same in other numbers than fp32. */
rt_status rt_inference_new_in(const rt_arithmetic *arithmetic, rt_engine *engine, const rt_graph *graph,
                              rt_parameters *parameters, size_t micro_batch, rt_inference **inference, rt_error *err);
void rt_inference_free(rt_inference *inference); /* accepts NULL */

/* logits [count, classes] = network(images [count, height, width, channels]). */
rt_status rt_inference_run(rt_inference *inference, const float *images, size_t count, float *logits, rt_error *err);

/* The same for some of a batch's images: rows places[0 .. count - 1], ascending, of `images` give those rows of
 * `logits`; other rows are left as they are. */
rt_status rt_inference_run_some(rt_inference *inference, const float *images, const uint32_t *places, size_t count,
                                float *logits, rt_error *err);

/* From now on each run copies the values of a tap that the graph keeps to `values`, [height, width, channels] for each
 * image, at the rows where its logits go; NULL ends that. */
void rt_inference_tap(rt_inference *inference, int tap, float *values);

/* The fixed rule: as many images as keep the two largest neighbouring activations within about 1 MB a thread, or, where
 * weights outgrow a cache and are read anew for each micro-batch, within 128 MB in all; 8, 16, 32
 * or 64, so that usual batches divide by it. */
size_t rt_inference_micro_batch(const rt_graph *graph);

/* The images of its plan. */
size_t rt_inference_images(const rt_inference *inference);

const rt_graph *rt_inference_graph(const rt_inference *inference);

/* rt_plan_trace() of its plan. */
void rt_inference_trace(rt_inference *inference, rt_trace *trace);

/* The plan, for reports. */
const rt_plan *rt_inference_plan(const rt_inference *inference);

#endif
