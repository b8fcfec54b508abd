/* Taps: named places of a graph whose values losses may read. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph/graph.h"

int rt_graph_find_tap(const rt_graph *graph, const char *name)
{
    for (size_t i = 0; i < graph->tap_count; ++i)
        if (strcmp(graph->taps[i].name, name) == 0)
            return (int)i;
    return -1;
}

bool rt_graph_keeps(const rt_graph *graph, size_t node)
{
    for (size_t i = 0; i < graph->tap_count; ++i)
        if (graph->taps[i].kept && graph->taps[i].node == (int)node)
            return true;
    return false;
}

/* Networks have few taps: the list grows by one. */
static int add_tap(rt_graph *graph, const char *name, int node)
{
    rt_tap *larger = realloc(graph->taps, (graph->tap_count + 1) * sizeof *larger);
    if (!larger) {
        rt_fail(&graph->error, RT_ERROR_MEMORY, "no memory for tap '%s'", name);
        return -1;
    }
    graph->taps = larger;
    rt_tap *tap = &graph->taps[graph->tap_count];
    *tap = (rt_tap){.node = node};
    snprintf(tap->name, sizeof tap->name, "%s", name);
    return (int)graph->tap_count++;
}

void rt_graph_tap(rt_graph *graph, const char *name, int source)
{
    if (graph->error.status != RT_OK)
        return;
    if (source < 0 || (size_t)source >= graph->node_count)
        rt_graph_refuse(graph, "tap '%s': source %d is not a layer", name, source);
    else if (strlen(name) >= RT_NAME_CAPACITY)
        rt_graph_refuse(graph, "tap '%s': the name is longer than %d bytes", name, RT_NAME_CAPACITY - 1);
    else if (rt_graph_find_tap(graph, name) >= 0)
        rt_graph_refuse(graph, "tap '%s': another tap has that name", name);
    else
        add_tap(graph, name, source);
}

int rt_graph_keep(rt_graph *graph, const char *name)
{
    int tap = rt_graph_find_tap(graph, name), node = rt_graph_find(graph, name);
    if (tap < 0 && node >= 0 && graph->nodes[node].kind != RT_NODE_INPUT)
        tap = add_tap(graph, name, node);
    if (tap >= 0)
        graph->taps[tap].kept = true;
    return tap;
}

const char *rt_graph_usual_tap(const rt_graph *graph, bool map)
{
    /* Models tap their stages in order, and what the classifier reads last. */
    if (graph->tap_count == 0)
        return NULL;
    return graph->taps[map && graph->tap_count > 1 ? graph->tap_count - 2 : graph->tap_count - 1].name;
}
