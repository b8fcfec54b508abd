#include "engine/inference.h"

#include <stdlib.h>
#include <string.h>

#include "base/threads.h"

struct rt_inference {
    const rt_graph *graph;
    size_t micro_batch, image_floats, classes;
    rt_plan *plan;      /* micro_batch images, the only size there is */
    uint32_t *in_order; /* [micro_batch]: 0, 1, 2, ... */
    float **taps;       /* [graph->tap_count]: where their values go; NULL for those that nobody wants */
    float *gathered; /* [micro_batch, height, width, channels]: images that do not lie side by side, or are too few */
};

/* The bytes that the graph's largest activations and their source take for one image, and those of its largest weights.
 */
static void largest_bytes(const rt_graph *graph, size_t *activations, size_t *weights)
{
    *activations = *weights = 1;
    for (size_t i = 0; i < graph->node_count; ++i) {
        size_t bytes = 2 * rt_extent_floats(graph->nodes[i].shape) * sizeof(float);
        *activations = bytes > *activations ? bytes : *activations;
    }
    for (size_t i = 0; i < graph->parameter_count; ++i) {
        size_t bytes = graph->parameters[i].count * sizeof(float);
        *weights = bytes > *weights ? bytes : *weights;
    }
}

size_t rt_inference_micro_batch(const rt_graph *graph)
{
    const size_t cache = ((size_t)1 << 20) * (size_t)rt_threads_count(), memory = (size_t)128 << 20;
    size_t activations, weights, images = 8;
    largest_bytes(graph, &activations, &weights);
    /* Weights that outgrow a cache are read anew for each micro-batch, which costs more than activations that do. */
    const size_t bytes = weights > cache / 8 ? memory : cache;
    while (images < 64 && 2 * images <= bytes / activations)
        images *= 2;
    return images;
}

rt_status rt_inference_new(rt_engine *engine, const rt_graph *graph, rt_parameters *parameters, size_t micro_batch,
                           rt_inference **inference, rt_error *err)
{
    return rt_inference_new_in(NULL, engine, graph, parameters, micro_batch, inference, err);
}

rt_status rt_inference_new_in(const rt_arithmetic *arithmetic, rt_engine *engine, const rt_graph *graph,
                              rt_parameters *parameters, size_t micro_batch, rt_inference **inference, rt_error *err)
{
    rt_inference *made = calloc(1, sizeof *made);
    if (!made)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for a frozen network");
    made->graph = graph;
    made->micro_batch = micro_batch ? micro_batch : rt_inference_micro_batch(graph);
    made->image_floats = rt_extent_floats(graph->nodes[0].shape);
    made->classes = graph->nodes[graph->output].shape.channels;
    made->gathered = rt_aligned_zeros(made->micro_batch * made->image_floats * sizeof(float));
    made->in_order = calloc(made->micro_batch, sizeof *made->in_order);
    made->taps = calloc(graph->tap_count + 1, sizeof *made->taps);
    for (size_t i = 0; made->in_order && i < made->micro_batch; ++i)
        made->in_order[i] = (uint32_t)i;
    rt_status status =
        made->gathered && made->in_order && made->taps
            ? rt_plan_new_in(arithmetic, engine, graph, parameters, made->micro_batch, RT_MODE_FROZEN, &made->plan, err)
            : rt_fail(err, RT_ERROR_MEMORY, "no memory for a micro-batch of %zu images", made->micro_batch);
    if (status != RT_OK) {
        rt_inference_free(made);
        return status;
    }
    *inference = made;
    return RT_OK;
}

void rt_inference_free(rt_inference *inference)
{
    if (!inference)
        return;
    rt_plan_free(inference->plan);
    free(inference->gathered);
    free(inference->in_order);
    free(inference->taps);
    free(inference);
}

/* The images' own memory where they are a whole micro-batch side by side; otherwise a copy with zeros behind it. */
static const float *gather(rt_inference *inference, const float *images, const uint32_t *places, size_t count)
{
    size_t floats = inference->image_floats;
    /* Ascending places lie side by side exactly when the last is as far from the first as they are many. */
    if (count == inference->micro_batch && places[count - 1] - places[0] == count - 1)
        return images + places[0] * floats;
    for (size_t i = 0; i < count; ++i)
        memcpy(inference->gathered + i * floats, images + places[i] * floats, floats * sizeof(float));
    memset(inference->gathered + count * floats, 0, (inference->micro_batch - count) * floats * sizeof(float));
    return inference->gathered;
}

/* Copies rows of a micro-batch to their places, counted from row `first`. */
static void scatter(const float *from, size_t floats, const uint32_t *places, size_t count, float *to, size_t first)
{
    for (size_t i = 0; i < count; ++i)
        memcpy(to + (first + places[i]) * floats, from + i * floats, floats * sizeof(float));
}

/* One micro-batch. `first` is the row of logits and taps that place 0 stands for. */
static rt_status run_part(rt_inference *inference, const float *images, const uint32_t *places, size_t count,
                          float *logits, size_t first, rt_error *err)
{
    const rt_graph *graph = inference->graph;
    RT_TRY(rt_plan_forward(inference->plan, gather(inference, images, places, count), 0, 0, err));
    scatter(rt_plan_output(inference->plan), inference->classes, places, count, logits, first);
    for (size_t t = 0; t < graph->tap_count; ++t)
        if (inference->taps[t])
            scatter(rt_plan_tap(inference->plan, (int)t), rt_extent_floats(graph->nodes[graph->taps[t].node].shape),
                    places, count, inference->taps[t], first);
    return RT_OK;
}

static size_t part_of(const rt_inference *inference, size_t left)
{
    return left < inference->micro_batch ? left : inference->micro_batch;
}

rt_status rt_inference_run_some(rt_inference *inference, const float *images, const uint32_t *places, size_t count,
                                float *logits, rt_error *err)
{
    for (size_t first = 0; first < count; first += inference->micro_batch)
        RT_TRY(run_part(inference, images, places + first, part_of(inference, count - first), logits, 0, err));
    return RT_OK;
}

rt_status rt_inference_run(rt_inference *inference, const float *images, size_t count, float *logits, rt_error *err)
{
    for (size_t first = 0; first < count; first += inference->micro_batch)
        RT_TRY(run_part(inference, images + first * inference->image_floats, inference->in_order,
                        part_of(inference, count - first), logits, first, err));
    return RT_OK;
}

void rt_inference_tap(rt_inference *inference, int tap, float *values)
{
    inference->taps[tap] = values;
}

void rt_inference_trace(rt_inference *inference, rt_trace *trace)
{
    rt_plan_trace(inference->plan, trace);
}

size_t rt_inference_images(const rt_inference *inference)
{
    return inference->micro_batch;
}

const rt_graph *rt_inference_graph(const rt_inference *inference)
{
    return inference->graph;
}

const rt_plan *rt_inference_plan(const rt_inference *inference)
{
    return inference->plan;
}
