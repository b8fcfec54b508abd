#include "engine/layer.h"

#include "engine/peers.h"

static bool extents_equal(rt_extent a, rt_extent b)
{
    return a.height == b.height && a.width == b.width && a.channels == b.channels;
}

static bool windows_equal(const rt_window *v, const rt_window *w)
{
    return v->kernel == w->kernel && v->stride == w->stride && v->padding == w->padding && v->dilation == w->dilation;
}

bool rt_layer_equal(const rt_layer *a, const rt_layer *b)
{
    return a->kind == b->kind && a->activation == b->activation && extents_equal(a->src, b->src) &&
           extents_equal(a->dst, b->dst) && windows_equal(&a->window, &b->window) && a->bias == b->bias;
}

bool rt_layer_of(const rt_graph *graph, const rt_node *node, bool frozen, rt_layer *layer)
{
    if (!rt_peer_of(node->kind))
        return false;
    *layer = (rt_layer){
        .kind = node->kind,
        .activation = node->activation,
        .src = graph->nodes[node->sources[0]].shape,
        .dst = node->shape,
        .bias = node->bias >= 0,
        .trained = !frozen,
        .frozen = frozen,
    };
    if (node->kind == RT_NODE_MAX_POOL || node->kind == RT_NODE_AVERAGE_POOL)
        layer->window = node->window;
    return true;
}

static int append(rt_graph *graph, const rt_layer *layer, int x)
{
    static const char name[] = "layer";
    switch (layer->kind) {
    case RT_NODE_BATCH_NORM:
        return rt_graph_batch_norm(graph, name, x);
    case RT_NODE_RELU:
        return rt_graph_relu(graph, name, x);
    case RT_NODE_RELU6:
        return rt_graph_relu6(graph, name, x);
    case RT_NODE_SIGMOID:
        return rt_graph_sigmoid(graph, name, x);
    case RT_NODE_SILU:
        return rt_graph_silu(graph, name, x);
    case RT_NODE_GELU:
        return rt_graph_gelu(graph, name, x);
    case RT_NODE_HARD_SIGMOID:
        return rt_graph_hard_sigmoid(graph, name, x);
    case RT_NODE_HARD_SWISH:
        return rt_graph_hard_swish(graph, name, x);
    case RT_NODE_ADD:
        return rt_graph_add(graph, name, x, x);
    case RT_NODE_MAX_POOL:
        return rt_graph_max_pool(graph, name, x, layer->window);
    case RT_NODE_AVERAGE_POOL:
        return rt_graph_average_pool(graph, name, x, layer->window);
    case RT_NODE_GLOBAL_AVERAGE_POOL:
        return rt_graph_global_average_pool(graph, name, x);
    case RT_NODE_LINEAR:
        return rt_graph_linear_each(graph, name, x, layer->dst.channels, layer->bias);
    default:
        rt_graph_refuse(graph, "a %s has no peer to be compared with", rt_node_kind_name(layer->kind));
        return -1;
    }
}

rt_status rt_layer_graph(const rt_layer *layer, rt_graph **graph, rt_error *err)
{
    rt_graph *made = rt_graph_new();
    if (!made)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for a %s", rt_node_kind_name(layer->kind));
    int number = append(made, layer, rt_graph_input(made, layer->src.height, layer->src.width, layer->src.channels));
    rt_graph_output(made, rt_graph_global_average_pool(made, "end", number));
    rt_status status = rt_graph_finish(made, err);
    if (status != RT_OK) {
        rt_graph_free(made);
        return status;
    }
    made->nodes[number].activation = layer->activation;
    *graph = made;
    return RT_OK;
}
