/* Builders of what came after convolutions: smooth activations, factors for channels, and transformers' tokens, which
 * are the pixels of a map of one row. */
#include "graph/building.h"

#include <math.h>

int rt_graph_sigmoid(rt_graph *graph, const char *name, int source)
{
    return rt_graph_pointwise(graph, RT_NODE_SIGMOID, name, source);
}

int rt_graph_silu(rt_graph *graph, const char *name, int source)
{
    return rt_graph_pointwise(graph, RT_NODE_SILU, name, source);
}

int rt_graph_gelu(rt_graph *graph, const char *name, int source)
{
    return rt_graph_pointwise(graph, RT_NODE_GELU, name, source);
}

int rt_graph_hard_sigmoid(rt_graph *graph, const char *name, int source)
{
    return rt_graph_pointwise(graph, RT_NODE_HARD_SIGMOID, name, source);
}

int rt_graph_hard_swish(rt_graph *graph, const char *name, int source)
{
    return rt_graph_pointwise(graph, RT_NODE_HARD_SWISH, name, source);
}

int rt_graph_scale(rt_graph *graph, const char *name, int source, int factors)
{
    rt_node *node = rt_graph_append(graph, RT_NODE_SCALE, name, (int[]){source, factors}, 2);
    if (!node)
        return -1;
    const rt_extent f = graph->nodes[factors].shape;
    if (f.height != 1 || f.width != 1 || f.channels != node->shape.channels)
        rt_graph_refuse(graph, "scale '%s': factors of %zu x %zu x %zu; they must be 1 x 1 x %zu", name, f.height,
                        f.width, f.channels, node->shape.channels);
    return rt_graph_number(graph, node);
}

int rt_graph_layer_norm(rt_graph *graph, const char *name, int source, double epsilon)
{
    rt_node *node = rt_graph_append(graph, RT_NODE_LAYER_NORM, name, &source, 1);
    if (!node)
        return -1;
    const rt_shape shape = {1, {node->shape.channels}};
    node->norm = (rt_norm){
        .weight = rt_graph_add_parameter(graph, name, "weight", RT_PARAMETER_NORM_WEIGHT, shape, RT_INITIALIZE_ONE, 0),
        .bias = rt_graph_add_parameter(graph, name, "bias", RT_PARAMETER_NORM_BIAS, shape, RT_INITIALIZE_ZERO, 0),
        .running_mean = -1,
        .running_var = -1,
        .epsilon = epsilon,
    };
    return rt_graph_number(graph, node);
}

int rt_graph_linear_each(rt_graph *graph, const char *name, int source, size_t features, bool bias)
{
    rt_node *node = rt_graph_append(graph, RT_NODE_LINEAR, name, &source, 1);
    if (!node)
        return -1;
    const size_t inputs = node->shape.channels;
    node->shape.channels = features;
    if (!rt_graph_check_extent(graph, node))
        return -1;
    node->weight = rt_graph_add_parameter(graph, name, "weight", RT_PARAMETER_WEIGHT, (rt_shape){2, {features, inputs}},
                                          RT_INITIALIZE_UNIFORM, 1.0 / sqrt((double)inputs));
    if (bias)
        node->bias = rt_graph_add_parameter(graph, name, "bias", RT_PARAMETER_BIAS, (rt_shape){1, {features}},
                                            RT_INITIALIZE_UNIFORM, 1.0 / sqrt((double)inputs));
    return rt_graph_number(graph, node);
}

int rt_graph_attention(rt_graph *graph, const char *name, int source, size_t heads)
{
    rt_node *node = rt_graph_append(graph, RT_NODE_ATTENTION, name, &source, 1);
    if (!node)
        return -1;
    if (heads == 0 || node->shape.channels % 3 != 0 || node->shape.channels / 3 % heads != 0) {
        rt_graph_refuse(graph,
                        "attention '%s': %zu channels for %zu heads; they must be three times a multiple of the heads",
                        name, node->shape.channels, heads);
        return -1;
    }
    const size_t tokens = node->shape.height * node->shape.width;
    const size_t most = (size_t)1 << 14; /* every token looks at every other: memory grows with the square */
    if (tokens > most)
        rt_graph_refuse(graph, "attention '%s': %zu tokens; at most %zu", name, tokens, most);
    node->shape.channels /= 3;
    node->heads = heads;
    return rt_graph_number(graph, node);
}

int rt_graph_tokens(rt_graph *graph, const char *name, int source, const char *token, const char *places)
{
    rt_node *node = rt_graph_append(graph, RT_NODE_TOKENS, name, &source, 1);
    if (!node)
        return -1;
    node->shape = (rt_extent){1, 1 + node->shape.height * node->shape.width, node->shape.channels};
    if (!rt_graph_check_extent(graph, node))
        return -1;
    /* Called biases, since nobody lets them decay. */
    node->weight = rt_graph_add_parameter(graph, token, NULL, RT_PARAMETER_BIAS,
                                          (rt_shape){3, {1, 1, node->shape.channels}}, RT_INITIALIZE_NORMAL, 0.02);
    node->bias =
        rt_graph_add_parameter(graph, places, NULL, RT_PARAMETER_BIAS,
                               (rt_shape){3, {1, node->shape.width, node->shape.channels}}, RT_INITIALIZE_NORMAL, 0.02);
    return rt_graph_number(graph, node);
}

int rt_graph_first_token(rt_graph *graph, const char *name, int source)
{
    if (graph->error.status != RT_OK)
        return -1;
    const rt_extent e = graph->nodes[source].shape;
    return rt_graph_subsample(graph, name, source, e.height > e.width ? e.height : e.width, e.channels);
}
