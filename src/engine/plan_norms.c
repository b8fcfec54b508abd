/* Which batch norms leave work to their neighbours (norm_link.h). */
#include "engine/plan_state.h"

static bool all_readers_normalise(const rt_plan *plan, size_t norm)
{
    const rt_graph *graph = plan->graph;
    size_t readers = 0;
    for (size_t c = norm + 1; c < graph->node_count; ++c)
        for (size_t s = 0; s < graph->nodes[c].source_count; ++s)
            if (graph->nodes[c].sources[s] == (int)norm) {
                if (!(plan->kernels[c].reads_norms >> s & 1u))
                    return false;
                ++readers;
            }
    return readers > 0 && graph->output != (int)norm && !rt_graph_keeps(graph, norm);
}

static void defer(rt_plan *plan, size_t norm)
{
    const rt_graph *graph = plan->graph;
    rt_norm_link *link = plan->kernels[norm].norm;
    link->deferred = true;
    for (size_t c = norm + 1; c < graph->node_count; ++c)
        for (size_t s = 0; s < graph->nodes[c].source_count; ++s)
            if (graph->nodes[c].sources[s] == (int)norm)
                plan->kernels[c].source_norms[s] = link;
    /* Products are of the whole gradient: one reader has it, several have parts. */
    const rt_plan_node *node = &plan->nodes[norm];
    if (node->contribution_count == 1 && node->contributions[0].reader >= 0)
        link->products_by_reader = plan->kernels[node->contributions[0].reader].gives_products;
}

void rt_plan_link_norms(rt_plan *plan)
{
    for (size_t i = 0; i < plan->graph->node_count; ++i) {
        rt_norm_link *link = plan->kernels[i].norm;
        if (!link)
            continue;
        rt_kernel *source = &plan->kernels[plan->graph->nodes[i].sources[0]];
        if (plan->mode == RT_MODE_TRAIN && source->gives_moments && !source->reader_norm) {
            link->moments_by_source = true;
            source->reader_norm = link;
        }
        if (all_readers_normalise(plan, i))
            defer(plan, i);
    }
}

size_t rt_plan_holder(const rt_plan *plan, size_t i)
{
    const rt_norm_link *link = plan->kernels[i].norm;
    return link && link->deferred ? (size_t)plan->graph->nodes[i].sources[0] : i;
}
