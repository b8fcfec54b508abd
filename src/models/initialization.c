#include "models/initialization.h"

#include <math.h>

void rt_normal_weights(rt_graph *graph, rt_node_kind kind, double deviation)
{
    for (size_t i = 0; i < graph->node_count; ++i)
        if (graph->nodes[i].kind == kind)
            rt_graph_initialize(graph, graph->nodes[i].weight, RT_INITIALIZE_NORMAL, deviation);
}

void rt_uniform_weights(rt_graph *graph, rt_node_kind kind, double factor)
{
    for (size_t i = 0; i < graph->node_count && graph->error.status == RT_OK; ++i) {
        const rt_node *node = &graph->nodes[i];
        if (node->kind != kind)
            continue;
        const rt_parameter *weight = &graph->parameters[node->weight];
        const double fan_in = (double)(weight->count / weight->shape.dims[0]);
        rt_graph_initialize(graph, node->weight, RT_INITIALIZE_UNIFORM, sqrt(factor / fan_in));
    }
}

void rt_zero_biases(rt_graph *graph, rt_node_kind kind)
{
    for (size_t i = 0; i < graph->node_count; ++i)
        if (graph->nodes[i].kind == kind)
            rt_graph_initialize(graph, graph->nodes[i].bias, RT_INITIALIZE_ZERO, 0.0);
}

void rt_mobile_initialization(rt_graph *graph)
{
    rt_normal_weights(graph, RT_NODE_LINEAR, 0.01);
    rt_zero_biases(graph, RT_NODE_LINEAR);
    rt_zero_biases(graph, RT_NODE_CONVOLUTION);
}
