/* The inside of a plan, shared by plan.c (making and running it) and plan_memory.c (who lives where). */
#ifndef RETORT_ENGINE_PLAN_STATE_H
#define RETORT_ENGINE_PLAN_STATE_H

#include "engine/plan.h"

/* One gradient contribution to a node: what reader `reader` writes for its source `slot`. Readers below 0 are the
 * losses: RT_OUTPUT_READER at the output, and at tap `slot` RT_TAP_READER. */
typedef struct rt_contribution {
    int reader, slot;
} rt_contribution;

enum { RT_OUTPUT_READER = -1, RT_TAP_READER = -2 };

/* What the plan knows of one node besides its kernel. */
typedef struct rt_plan_node {
    bool needs_gradient;            /* it, or something before it, has trained parameters */
    bool active;                    /* needs_gradient, and the output or a tap depends on it: backward runs */
    rt_contribution *contributions; /* [contribution_count] */
    size_t contribution_count;
    bool summed_by_plan; /* several contributions, and the kernel takes one */
    float *sum;          /* where the plan adds them up */
    const float **terms; /* [contribution_count]: the addresses of the contributions */
    int value;           /* number of the value's buffer; -1 for the images */
} rt_plan_node;

struct rt_plan {
    rt_engine *engine;
    rt_graph *graph; /* the fused copy; owned */
    rt_parameters *parameters;
    uint64_t version; /* of the parameters that the kernels' weights were prepared from */
    size_t batch;
    rt_mode mode;
    rt_precision precision; /* resolved */
    rt_kernel *kernels;     /* [graph->node_count] */
    rt_kernel_io *io;
    rt_plan_node *nodes;
    float *output_gradient;
    float **tap_gradients; /* [graph->tap_count]; NULL for those that are not kept */
    void *arena, *scratch;
    size_t arena_bytes;
    int *value_last; /* last step that reads each node's value */
    double prepare_seconds;
    rt_trace *trace; /* borrowed; NULL unless somebody wants to know */
};

/* The step at which node i runs backward, when its n nodes run forward at 0 .. n - 1 and the losses at n. */
static inline int rt_backward_step(const rt_plan *plan, size_t i)
{
    return (int)(2 * plan->graph->node_count - i);
}

/* Links batch norms with their neighbours (norm_link.h), once kernels and contributions are known. */
void rt_plan_link_norms(rt_plan *plan);

/* The node whose memory holds node i's values: a deferred batch norm's is its source's. */
size_t rt_plan_holder(const rt_plan *plan, size_t i);

/* Gives every buffer its place in one arena and writes the addresses into plan->io. */
rt_status rt_plan_place(rt_plan *plan, rt_error *err);

#endif
