#include "engine/trace.h"

#include <stdlib.h>

#include "base/denormal.h"
#include "engine/plan.h"

rt_status rt_trace_open(rt_trace *trace, const rt_plan *plan, rt_error *err)
{
    *trace = (rt_trace){.count = rt_plan_kernel_count(plan)};
    trace->nodes = calloc(trace->count, sizeof *trace->nodes);
    return trace->nodes ? RT_OK : rt_fail(err, RT_ERROR_MEMORY, "no memory to trace %zu layers", trace->count);
}

void rt_trace_close(rt_trace *trace)
{
    free(trace->nodes);
    *trace = (rt_trace){0};
}

static void look_at(rt_trace *trace, const float *values, size_t count)
{
    trace->denormals += rt_denormal_count(values, count);
    trace->values += count;
}

void rt_trace_forward(rt_trace *trace, const rt_kernel *kernel, const rt_kernel_io *io, double seconds)
{
    trace->nodes[kernel->number].forward += seconds;
    if (trace->observe)
        trace->observe(trace->context, kernel, io);
    if (trace->counts_denormals)
        look_at(trace, io->dst, rt_kernel_elements(kernel));
}

void rt_trace_backward(rt_trace *trace, const rt_kernel *kernel, const rt_kernel_io *io, double seconds)
{
    trace->nodes[kernel->number].backward += seconds;
    /* Sources that share one array are looked at once. */
    for (size_t s = 0; trace->counts_denormals && s < kernel->node->source_count; ++s)
        if (io->diff_src[s] && (s == 0 || io->diff_src[s] != io->diff_src[0]))
            look_at(trace, io->diff_src[s], kernel->batch * rt_extent_floats(rt_kernel_source(kernel, s)));
}
