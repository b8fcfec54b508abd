#include "engine/lone_kernel.h"

#include <stdlib.h>

#include "base/cpu.h"

rt_status rt_lone_kernel_open(rt_lone_kernel *lone, const rt_kernel *proto, const rt_kernel_class *class, rt_error *err)
{
    *lone = (rt_lone_kernel){.kernel = *proto};
    rt_kernel *kernel = &lone->kernel;
    kernel->class = class;
    RT_TRY(class->plan(kernel, err));
    lone->workspace = rt_aligned_zeros(kernel->workspace_bytes);
    if (!lone->workspace)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for the workspace of a %s",
                       rt_node_kind_name(kernel->node->kind));
    return class->prepare ? class->prepare(kernel, err) : RT_OK;
}

void rt_lone_kernel_close(rt_lone_kernel *lone)
{
    if (lone->kernel.class && lone->kernel.class->done)
        lone->kernel.class->done(&lone->kernel);
    free(lone->workspace);
    *lone = (rt_lone_kernel){0};
}

rt_status rt_lone_kernel_run(rt_lone_kernel *lone, const rt_lone_arrays *arrays, bool backward, double *seconds,
                             rt_error *err)
{
    rt_kernel *kernel = &lone->kernel;
    rt_kernel_io io = {
        .dst = arrays->dst,
        .workspace = lone->workspace,
        .scratch = arrays->scratch,
        .diff_dst = {arrays->diff_dst},
        .diff_dst_count = 1,
        .diff_src = {kernel->wants_diff_src ? arrays->diff_src : NULL},
    };
    for (size_t s = 0; s < kernel->node->source_count; ++s)
        io.src[s] = arrays->src[s];
    double started = rt_seconds();
    RT_TRY(backward ? kernel->class->backward(kernel, &io, err) : kernel->class->forward(kernel, &io, err));
    *seconds = rt_seconds() - started;
    return RT_OK;
}

static float *made_up(size_t count, uint32_t seed)
{
    float *values = rt_aligned_zeros(count * sizeof *values);
    for (size_t i = 0; values && i < count; ++i)
        values[i] = (float)(((uint32_t)i + seed) * 2654435761u >> 21) / 1024.0f - 1.0f;
    return values;
}

rt_status rt_lone_arrays_open(rt_lone_arrays *arrays, const rt_kernel *like, size_t scratch_bytes, rt_error *err)
{
    const size_t src = like->batch * rt_extent_floats(rt_kernel_source(like, 0)), dst = rt_kernel_elements(like);
    *arrays = (rt_lone_arrays){
        .dst = rt_aligned_zeros(dst * sizeof(float)),
        .diff_dst = made_up(dst, 1),
        .diff_src = rt_aligned_zeros(src * sizeof(float)),
        .scratch = rt_aligned_zeros(scratch_bytes),
    };
    bool whole = arrays->dst && arrays->diff_dst && arrays->diff_src && arrays->scratch;
    for (size_t s = 0; s < like->node->source_count; ++s) {
        arrays->src[s] = made_up(like->batch * rt_extent_floats(rt_kernel_source(like, s)), 2 + (uint32_t)s);
        whole &= arrays->src[s] != NULL;
    }
    return whole ? RT_OK
                 : rt_fail(err, RT_ERROR_MEMORY, "no memory for a %s of %zu images",
                           rt_node_kind_name(like->node->kind), like->batch);
}

void rt_lone_arrays_close(rt_lone_arrays *arrays)
{
    for (size_t s = 0; s < RT_MAX_SOURCES; ++s)
        free(arrays->src[s]);
    free(arrays->dst);
    free(arrays->diff_dst);
    free(arrays->diff_src);
    free(arrays->scratch);
    *arrays = (rt_lone_arrays){0};
}
