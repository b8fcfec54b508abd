/* What a plan decided, for reports and tests. */
#include <stdio.h>
#include <string.h>

#include "engine/plan_state.h"

size_t rt_plan_kernel_count(const rt_plan *plan)
{
    return plan->graph->node_count;
}

const rt_kernel *rt_plan_kernel(const rt_plan *plan, size_t i)
{
    return &plan->kernels[i];
}

int rt_plan_reorders(const rt_plan *plan)
{
    int count = 0;
    for (size_t i = 0; i < plan->graph->node_count; ++i)
        count += plan->kernels[i].reorders;
    return count;
}

int rt_plan_weight_packs(const rt_plan *plan)
{
    int count = 0;
    for (size_t i = 0; i < plan->graph->node_count; ++i)
        count += plan->kernels[i].weight_packs;
    return count;
}

int rt_plan_reference_kernels(const rt_plan *plan)
{
    int count = 0;
    for (size_t i = 0; i < plan->graph->node_count; ++i)
        for (int direction = 0; direction < 3; ++direction) {
            const char *implementation = plan->kernels[i].implementation[direction];
            count += implementation && strncmp(implementation, "ref", 3) == 0;
        }
    return count;
}

void rt_plan_precision(const rt_plan *plan, char words[RT_PLAN_PRECISION_WORDS])
{
    size_t convolutions = 0, narrow = 0;
    rt_precision precision = RT_PRECISION_FP32;
    for (size_t i = 0; i < plan->graph->node_count; ++i) {
        convolutions += plan->graph->nodes[i].kind == RT_NODE_CONVOLUTION;
        if (plan->kernels[i].multiplies_in == RT_PRECISION_FP32)
            continue;
        precision = plan->kernels[i].multiplies_in;
        ++narrow;
    }
    if (narrow == 0)
        snprintf(words, RT_PLAN_PRECISION_WORDS, "%s", rt_precision_names[RT_PRECISION_FP32]);
    else
        snprintf(words, RT_PLAN_PRECISION_WORDS, "%s in %zu of %zu convolutions", rt_precision_names[precision], narrow,
                 convolutions);
}

double rt_plan_flops(const rt_plan *plan)
{
    double macs = 0.0;
    for (size_t i = 0; i < plan->graph->node_count; ++i) {
        int passes = 1 + (plan->nodes[i].active ? 1 + plan->kernels[i].wants_diff_src : 0);
        macs += passes * (double)rt_node_macs(plan->graph, &plan->graph->nodes[i]);
    }
    return 2.0 * macs * (double)plan->batch;
}

double rt_plan_prepare_seconds(const rt_plan *plan)
{
    return plan->prepare_seconds;
}
