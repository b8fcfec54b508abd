/* What each node of a plan costs, and the denormals it makes. A plan writes into a trace only while one is set
 * (rt_plan_trace() of plan.h), which `retort bench` does for steps outside its timing. */
#ifndef RETORT_ENGINE_TRACE_H
#define RETORT_ENGINE_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/kernel.h"

/* Seconds, summed over all traced runs. `backward` includes adding up the gradients of several readers. */
typedef struct rt_node_trace {
    double prepare, forward, backward;
} rt_node_trace;

typedef struct rt_trace {
    rt_node_trace *nodes; /* [count], as the plan's kernels */
    size_t count;
    size_t images;         /* that forward has run on since the trace was opened, one batch after the other */
    bool counts_denormals; /* set it before the runs: each node's output, and each gradient it writes for a source */
    uint64_t denormals, values;
    void (*observe)(void *context, const rt_kernel *kernel, const rt_kernel_io *io); /* after each forward, or NULL */
    void *context;
} rt_trace;

typedef struct rt_plan rt_plan; /* plan.h */

rt_status rt_trace_open(rt_trace *trace, const rt_plan *plan, rt_error *err);
void rt_trace_close(rt_trace *trace); /* accepts a zeroed struct */

/* The plan's side: a kernel has run, on these pointers, for so long. */
void rt_trace_forward(rt_trace *trace, const rt_kernel *kernel, const rt_kernel_io *io, double seconds);
void rt_trace_backward(rt_trace *trace, const rt_kernel *kernel, const rt_kernel_io *io, double seconds);

#endif
