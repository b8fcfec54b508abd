/* Questions about a graph: names, sizes, costs. */
#include <string.h>

#include "graph/graph.h"

int rt_graph_find(const rt_graph *graph, const char *name)
{
    for (size_t i = 0; i < graph->node_count; ++i)
        if (strcmp(graph->nodes[i].name, name) == 0)
            return (int)i;
    return -1;
}

const char *rt_node_kind_name(rt_node_kind kind)
{
    static const char *const names[RT_NODE_KINDS] = {
        [RT_NODE_INPUT] = "input",
        [RT_NODE_CONVOLUTION] = "convolution",
        [RT_NODE_BATCH_NORM] = "batch norm",
        [RT_NODE_RELU] = "relu",
        [RT_NODE_RELU6] = "relu6",
        [RT_NODE_ADD] = "add",
        [RT_NODE_MAX_POOL] = "max pool",
        [RT_NODE_AVERAGE_POOL] = "average pool",
        [RT_NODE_GLOBAL_AVERAGE_POOL] = "global average pool",
        [RT_NODE_RESIZE] = "resize",
        [RT_NODE_LINEAR] = "linear",
        [RT_NODE_FLATTEN] = "flatten",
        [RT_NODE_CONCAT] = "concat",
        [RT_NODE_CHANNEL_SLICE] = "channel slice",
        [RT_NODE_CHANNEL_SHUFFLE] = "channel shuffle",
        [RT_NODE_SUBSAMPLE] = "subsample",
        [RT_NODE_DROPOUT] = "dropout",
        [RT_NODE_SIGMOID] = "sigmoid",
        [RT_NODE_SILU] = "silu",
        [RT_NODE_GELU] = "gelu",
        [RT_NODE_HARD_SIGMOID] = "hard sigmoid",
        [RT_NODE_HARD_SWISH] = "hard swish",
        [RT_NODE_SCALE] = "scale",
        [RT_NODE_LAYER_NORM] = "layer norm",
        [RT_NODE_ATTENTION] = "attention",
        [RT_NODE_TOKENS] = "tokens",
    };
    return kind < RT_NODE_KINDS ? names[kind] : "unknown";
}

bool rt_parameter_is_buffer(const rt_parameter *parameter)
{
    return parameter->kind >= RT_PARAMETER_RUNNING_MEAN;
}

size_t rt_graph_trained_count(const rt_graph *graph)
{
    size_t count = 0;
    for (size_t i = 0; i < graph->parameter_count; ++i)
        if (!rt_parameter_is_buffer(&graph->parameters[i]))
            count += graph->parameters[i].count;
    return count;
}

uint64_t rt_node_macs(const rt_graph *graph, const rt_node *node)
{
    const uint64_t tokens = node->shape.height * node->shape.width;
    if (node->kind == RT_NODE_ATTENTION) /* queries times keys, and what that gives times values */
        return 2 * tokens * tokens * node->shape.channels;
    if (node->kind != RT_NODE_CONVOLUTION && node->kind != RT_NODE_LINEAR)
        return 0;
    return (uint64_t)graph->parameters[node->weight].count * node->shape.height * node->shape.width;
}

uint64_t rt_graph_macs(const rt_graph *graph)
{
    uint64_t macs = 0;
    for (size_t i = 0; i < graph->node_count; ++i)
        macs += rt_node_macs(graph, &graph->nodes[i]);
    return macs;
}

size_t rt_extent_floats(rt_extent extent)
{
    return extent.height * extent.width * extent.channels;
}
