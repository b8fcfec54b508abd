#include "engine/calibration.h"

#include <math.h>
#include <stdlib.h>

#include "engine/inference.h"
#include "engine/narrow.h"

static void observe(void *context, const rt_kernel *kernel, const rt_kernel_io *io)
{
    const rt_calibration *calibration = context;
    if (kernel->node->kind != RT_NODE_CONVOLUTION)
        return;
    const rt_extent in = rt_kernel_source(kernel, 0);
    const rt_norm_rows rows = rt_norm_rows_of(kernel->batch * in.height * in.width, in.channels);
    rt_narrow_range(&rows, kernel->source_norms[0], io->src[0], &calibration->ranges[kernel->number]);
}

static rt_status run(rt_inference *inference, const float *images, size_t count, rt_calibration *calibration,
                     rt_error *err)
{
    const rt_graph *graph = rt_inference_graph(inference);
    rt_trace trace = {0};
    float *logits = malloc(count * graph->nodes[graph->output].shape.channels * sizeof *logits + 1);
    rt_status status = logits ? rt_trace_open(&trace, rt_inference_plan(inference), err)
                              : rt_fail(err, RT_ERROR_MEMORY, "no memory to calibrate on %zu images", count);
    if (status == RT_OK) {
        trace.observe = observe;
        trace.context = calibration;
        rt_inference_trace(inference, &trace);
        status = rt_inference_run(inference, images, count, logits, err);
        rt_inference_trace(inference, NULL);
    }
    rt_trace_close(&trace);
    free(logits);
    return status;
}

static rt_status refuse_infinite(const rt_calibration *calibration, const rt_plan *plan, rt_error *err)
{
    for (size_t i = 0; i < calibration->count; ++i)
        if (!isfinite(calibration->ranges[i].lowest) || !isfinite(calibration->ranges[i].highest))
            return rt_fail(err, RT_ERROR_NUMERIC,
                           "convolution '%s' reads values that are NaN or infinite: int8 has none",
                           rt_plan_kernel(plan, i)->node->name);
    return RT_OK;
}

rt_status rt_calibrate(rt_engine *engine, const rt_graph *graph, rt_parameters *parameters, const float *images,
                       size_t count, rt_calibration *calibration, rt_error *err)
{
    rt_inference *inference = NULL;
    *calibration = (rt_calibration){0};
    rt_status status = rt_inference_new(engine, graph, parameters, 0, &inference, err);
    if (status == RT_OK) {
        calibration->count = rt_plan_kernel_count(rt_inference_plan(inference));
        calibration->ranges = calloc(calibration->count, sizeof *calibration->ranges);
        status = calibration->ranges ? run(inference, images, count, calibration, err)
                                     : rt_fail(err, RT_ERROR_MEMORY, "no memory to calibrate a network");
    }
    if (status == RT_OK)
        status = refuse_infinite(calibration, rt_inference_plan(inference), err);
    rt_inference_free(inference);
    if (status != RT_OK)
        rt_calibration_free(calibration);
    return status;
}

void rt_calibration_free(rt_calibration *calibration)
{
    free(calibration->ranges);
    *calibration = (rt_calibration){0};
}
