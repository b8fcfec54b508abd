#include "engine/inference.h"

#include <stdlib.h>
#include <string.h>

#include "base/threads.h"

enum { RESTS = 4 };

struct rt_inference {
    rt_engine *engine;
    const rt_graph *graph;
    rt_parameters *parameters;
    size_t micro_batch;
    rt_plan *whole;        /* micro_batch images */
    rt_plan *rests[RESTS]; /* what calls have left over: whole batches and an epoch's last one, in turn */
    size_t oldest;         /* the next of `rests` to be replaced */
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
    enum { FEWEST = 8, MOST = 64 };
    const size_t cache = ((size_t)1 << 20) * (size_t)rt_threads_count(), memory = (size_t)128 << 20;
    size_t activations, weights;
    largest_bytes(graph, &activations, &weights);
    /* Weights that outgrow a cache are read anew for each micro-batch, which costs more than activations that do. */
    const size_t images = (weights > cache / 8 ? memory : cache) / activations / FEWEST * FEWEST;
    return images < FEWEST ? FEWEST : images > MOST ? MOST : images;
}

rt_status rt_inference_new(rt_engine *engine, const rt_graph *graph, rt_parameters *parameters, size_t micro_batch,
                           rt_inference **inference, rt_error *err)
{
    rt_inference *made = calloc(1, sizeof *made);
    if (!made)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for a frozen network");
    made->engine = engine;
    made->graph = graph;
    made->parameters = parameters;
    made->micro_batch = micro_batch ? micro_batch : rt_inference_micro_batch(graph);
    rt_status status = rt_plan_new(engine, graph, parameters, made->micro_batch, RT_MODE_FROZEN, &made->whole, err);
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
    rt_plan_free(inference->whole);
    for (size_t i = 0; i < RESTS; ++i)
        rt_plan_free(inference->rests[i]);
    free(inference);
}

/* The plan for `count` images left over, made when such a rest is first met. */
static rt_status plan_rest(rt_inference *inference, size_t count, rt_plan **plan, rt_error *err)
{
    for (size_t i = 0; i < RESTS; ++i)
        if (inference->rests[i] && rt_plan_batch(inference->rests[i]) == count) {
            *plan = inference->rests[i];
            return RT_OK;
        }
    rt_plan **slot = &inference->rests[inference->oldest];
    rt_plan_free(*slot);
    *slot = NULL;
    inference->oldest = (inference->oldest + 1) % RESTS;
    RT_TRY(rt_plan_new(inference->engine, inference->graph, inference->parameters, count, RT_MODE_FROZEN, slot, err));
    *plan = *slot;
    return RT_OK;
}

rt_status rt_inference_run(rt_inference *inference, const float *images, size_t count, float *logits, rt_error *err)
{
    size_t image_floats = rt_extent_floats(inference->graph->nodes[0].shape);
    size_t classes = inference->graph->nodes[inference->graph->output].shape.channels;
    for (size_t first = 0; first < count; first += inference->micro_batch) {
        size_t part = count - first < inference->micro_batch ? count - first : inference->micro_batch;
        rt_plan *plan = inference->whole;
        if (part < inference->micro_batch)
            RT_TRY(plan_rest(inference, part, &plan, err));
        RT_TRY(rt_plan_forward(plan, images + first * image_floats, 0, 0, err));
        memcpy(logits + first * classes, rt_plan_output(plan), part * classes * sizeof(float));
    }
    return RT_OK;
}

void rt_inference_trace(rt_inference *inference, rt_trace *trace)
{
    rt_plan_trace(inference->whole, trace);
    for (size_t i = 0; i < RESTS; ++i)
        if (inference->rests[i])
            rt_plan_trace(inference->rests[i], trace);
}

const rt_plan *rt_inference_plan(const rt_inference *inference)
{
    return inference->whole;
}
