#include "graph/graph.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph/building.h"

/* Shapes come from recipes and files: whatever is larger than this is a mistake, and nothing below it overflows. */
static const size_t largest_extent = (size_t)1 << 32;

rt_graph *rt_graph_new(void)
{
    rt_graph *graph = calloc(1, sizeof *graph);
    if (graph)
        graph->output = -1;
    return graph;
}

void rt_graph_free(rt_graph *graph)
{
    if (!graph)
        return;
    free(graph->nodes);
    free(graph->taps);
    free(graph->parameters);
    free(graph);
}

rt_graph *rt_graph_copy(const rt_graph *graph)
{
    rt_graph *copy = malloc(sizeof *copy);
    if (!copy)
        return NULL;
    *copy = *graph;
    copy->nodes = malloc(graph->node_count * sizeof *copy->nodes);
    copy->taps = malloc((graph->tap_count + 1) * sizeof *copy->taps);
    copy->parameters = malloc((graph->parameter_count + 1) * sizeof *copy->parameters);
    if (!copy->nodes || !copy->taps || !copy->parameters) {
        rt_graph_free(copy);
        return NULL;
    }
    copy->node_capacity = graph->node_count;
    copy->parameter_capacity = graph->parameter_count + 1;
    memcpy(copy->nodes, graph->nodes, graph->node_count * sizeof *copy->nodes);
    if (graph->tap_count > 0)
        memcpy(copy->taps, graph->taps, graph->tap_count * sizeof *copy->taps);
    memcpy(copy->parameters, graph->parameters, graph->parameter_count * sizeof *copy->parameters);
    return copy;
}

void rt_graph_refuse(rt_graph *graph, const char *format, ...)
{
    if (graph->error.status != RT_OK)
        return;
    char message[sizeof graph->error.message];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    rt_fail(&graph->error, RT_ERROR_SHAPE, "%s", message);
}

/* Doubles the array when it is full. */
static bool grow(rt_graph *graph, void *array, size_t *capacity, size_t count, size_t size)
{
    if (count < *capacity)
        return true;
    size_t wanted = *capacity ? 2 * *capacity : 64;
    void *larger = realloc(*(void **)array, wanted * size);
    if (!larger) {
        rt_fail(&graph->error, RT_ERROR_MEMORY, "no memory for a network of %zu layers", wanted);
        return false;
    }
    *(void **)array = larger;
    *capacity = wanted;
    return true;
}

rt_node *rt_graph_append(rt_graph *graph, rt_node_kind kind, const char *name, const int *sources, size_t count)
{
    if (graph->error.status != RT_OK)
        return NULL;
    if (count > RT_MAX_SOURCES) {
        rt_graph_refuse(graph, "%s '%s': %zu sources; at most %d", rt_node_kind_name(kind), name, count,
                        RT_MAX_SOURCES);
        return NULL;
    }
    for (size_t i = 0; i < count; ++i)
        if (sources[i] < 0 || (size_t)sources[i] >= graph->node_count) {
            rt_graph_refuse(graph, "%s '%s': source %d is not a layer", rt_node_kind_name(kind), name, sources[i]);
            return NULL;
        }
    if (rt_graph_find(graph, name) >= 0) {
        rt_graph_refuse(graph, "%s '%s': another layer has that name", rt_node_kind_name(kind), name);
        return NULL;
    }
    if (strlen(name) >= RT_NAME_CAPACITY) {
        rt_graph_refuse(graph, "%s '%s': the name is longer than %d bytes", rt_node_kind_name(kind), name,
                        RT_NAME_CAPACITY - 1);
        return NULL;
    }
    if (!grow(graph, &graph->nodes, &graph->node_capacity, graph->node_count, sizeof *graph->nodes))
        return NULL;
    rt_node *node = &graph->nodes[graph->node_count++];
    *node = (rt_node){.kind = kind,
                      .source_count = count,
                      .weight = -1,
                      .bias = -1,
                      .norm = {.weight = -1, .bias = -1, .running_mean = -1, .running_var = -1}};
    snprintf(node->name, sizeof node->name, "%s", name);
    for (size_t i = 0; i < count; ++i)
        node->sources[i] = sources[i];
    if (count > 0)
        node->shape = graph->nodes[sources[0]].shape;
    return node;
}

int rt_graph_number(const rt_graph *graph, const rt_node *node)
{
    return graph->error.status == RT_OK ? (int)(node - graph->nodes) : -1;
}

bool rt_graph_check_extent(rt_graph *graph, const rt_node *node)
{
    const rt_extent e = node->shape;
    if (e.height == 0 || e.width == 0 || e.channels == 0)
        rt_graph_refuse(graph, "%s '%s': its output would be %zu x %zu x %zu; every size must be at least 1",
                        rt_node_kind_name(node->kind), node->name, e.height, e.width, e.channels);
    else if (e.height > largest_extent / e.width || e.height * e.width > largest_extent / e.channels)
        rt_graph_refuse(graph, "%s '%s': its output of %zu x %zu x %zu is too large", rt_node_kind_name(node->kind),
                        node->name, e.height, e.width, e.channels);
    return graph->error.status == RT_OK;
}

int rt_graph_add_parameter(rt_graph *graph, const char *name, const char *suffix, rt_parameter_kind kind,
                           rt_shape shape, rt_initialization initialization, double spread)
{
    if (graph->error.status != RT_OK ||
        !grow(graph, &graph->parameters, &graph->parameter_capacity, graph->parameter_count, sizeof *graph->parameters))
        return -1;
    rt_parameter *parameter = &graph->parameters[graph->parameter_count];
    *parameter =
        (rt_parameter){.kind = kind, .shape = shape, .count = 1, .initialization = initialization, .spread = spread};
    for (size_t i = 0; i < shape.count; ++i) {
        if (shape.dims[i] == 0 || shape.dims[i] > largest_extent / parameter->count) {
            rt_graph_refuse(graph, "'%s%s%s': it would have more than %zu values", name, suffix ? "." : "",
                            suffix ? suffix : "", largest_extent);
            return -1;
        }
        parameter->count *= shape.dims[i];
    }
    if (snprintf(parameter->name, sizeof parameter->name, suffix ? "%s.%s" : "%s", name, suffix) >=
        (int)sizeof parameter->name) {
        rt_graph_refuse(graph, "'%s%s%s': the name is too long", name, suffix ? "." : "", suffix ? suffix : "");
        return -1;
    }
    size_t *block = rt_parameter_is_buffer(parameter) ? &graph->buffer_floats : &graph->trained_floats;
    parameter->offset = *block;
    *block += (parameter->count + 15) / 16 * 16;
    return (int)graph->parameter_count++;
}

void rt_graph_initialize(rt_graph *graph, int parameter, rt_initialization initialization, double spread)
{
    if (graph->error.status != RT_OK || parameter < 0)
        return;
    graph->parameters[parameter].initialization = initialization;
    graph->parameters[parameter].spread = spread;
}

int rt_graph_array(rt_graph *graph, const char *name, rt_shape shape, bool trained)
{
    rt_parameter_kind kind = shape.count > 1 ? RT_PARAMETER_WEIGHT : RT_PARAMETER_BIAS;
    return rt_graph_add_parameter(graph, name, NULL, trained ? kind : RT_PARAMETER_MEMORY, shape, RT_INITIALIZE_ZERO,
                                  0);
}

static rt_window with_defaults(rt_window window)
{
    window.stride = window.stride ? window.stride : 1;
    window.dilation = window.dilation ? window.dilation : 1;
    window.groups = window.groups ? window.groups : 1;
    return window;
}

/* Output size of a sliding window along one side; 0 where the window does not fit. */
static size_t slide(size_t size, const rt_window *window)
{
    size_t reach = window->dilation * (window->kernel - 1) + 1;
    size_t padded = size + 2 * window->padding;
    if (padded < reach)
        return window->reaches_over && reach - padded < window->stride;
    size_t windows = (padded - reach) / window->stride + 1;
    /* One that reaches over must begin at a pixel, or in the padding before the first. */
    bool left_over = (padded - reach) % window->stride != 0 && windows * window->stride < size + window->padding;
    return windows + (window->reaches_over && left_over);
}

static bool place_window(rt_graph *graph, rt_node *node, rt_window window)
{
    const size_t largest_window = 1 << 16;
    window = with_defaults(window);
    if (window.kernel == 0 || window.kernel > largest_window || window.stride > largest_window ||
        window.padding > largest_window || window.dilation > largest_window) {
        rt_graph_refuse(graph,
                        "%s '%s': kernel %zu, stride %zu, padding %zu, dilation %zu; each must be 1 (padding 0) "
                        "to %zu",
                        rt_node_kind_name(node->kind), node->name, window.kernel, window.stride, window.padding,
                        window.dilation, largest_window);
        return false;
    }
    if (window.reaches_over && node->kind != RT_NODE_MAX_POOL) {
        rt_graph_refuse(graph, "%s '%s': only a max pool can reach over", rt_node_kind_name(node->kind), node->name);
        return false;
    }
    node->window = window;
    node->shape.height = slide(node->shape.height, &window);
    node->shape.width = slide(node->shape.width, &window);
    return true;
}

int rt_graph_input(rt_graph *graph, size_t height, size_t width, size_t channels)
{
    rt_node *node = rt_graph_append(graph, RT_NODE_INPUT, "images", NULL, 0);
    if (!node)
        return -1;
    node->shape = (rt_extent){height, width, channels};
    rt_graph_check_extent(graph, node);
    return rt_graph_number(graph, node);
}

int rt_graph_convolution(rt_graph *graph, const char *name, int source, rt_window window)
{
    rt_node *node = rt_graph_append(graph, RT_NODE_CONVOLUTION, name, &source, 1);
    if (!node || !place_window(graph, node, window))
        return -1;
    window = node->window;
    size_t inputs = node->shape.channels;
    node->shape.channels = window.channels;
    if (!rt_graph_check_extent(graph, node))
        return -1;
    if (inputs % window.groups != 0 || window.channels % window.groups != 0) {
        rt_graph_refuse(graph, "convolution '%s': %zu groups; they must divide its %zu inputs and %zu outputs", name,
                        window.groups, inputs, window.channels);
        return -1;
    }
    size_t area = window.kernel * window.kernel;
    node->weight =
        rt_graph_add_parameter(graph, name, "weight", RT_PARAMETER_WEIGHT,
                               (rt_shape){4, {window.channels, inputs / window.groups, window.kernel, window.kernel}},
                               RT_INITIALIZE_NORMAL, sqrt(2.0 / (double)(area * window.channels)));
    if (window.bias)
        node->bias = rt_graph_add_parameter(graph, name, "bias", RT_PARAMETER_BIAS, (rt_shape){1, {window.channels}},
                                            RT_INITIALIZE_UNIFORM, 1.0 / sqrt((double)(area * inputs / window.groups)));
    return rt_graph_number(graph, node);
}

int rt_graph_batch_norm(rt_graph *graph, const char *name, int source)
{
    return rt_graph_batch_norm_with(graph, name, source, 1e-5, 0.1);
}

int rt_graph_batch_norm_with(rt_graph *graph, const char *name, int source, double epsilon, double momentum)
{
    rt_node *node = rt_graph_append(graph, RT_NODE_BATCH_NORM, name, &source, 1);
    if (!node)
        return -1;
    rt_shape shape = {1, {node->shape.channels}};
    node->norm = (rt_norm){
        .weight = rt_graph_add_parameter(graph, name, "weight", RT_PARAMETER_NORM_WEIGHT, shape, RT_INITIALIZE_ONE, 0),
        .bias = rt_graph_add_parameter(graph, name, "bias", RT_PARAMETER_NORM_BIAS, shape, RT_INITIALIZE_ZERO, 0),
        .running_mean = rt_graph_add_parameter(graph, name, "running_mean", RT_PARAMETER_RUNNING_MEAN, shape,
                                               RT_INITIALIZE_ZERO, 0),
        .running_var =
            rt_graph_add_parameter(graph, name, "running_var", RT_PARAMETER_RUNNING_VAR, shape, RT_INITIALIZE_ONE, 0),
        .epsilon = epsilon,
        .momentum = momentum,
    };
    return rt_graph_number(graph, node);
}

int rt_graph_pointwise(rt_graph *graph, rt_node_kind kind, const char *name, int source)
{
    rt_node *node = rt_graph_append(graph, kind, name, &source, 1);
    return node ? rt_graph_number(graph, node) : -1;
}

int rt_graph_relu(rt_graph *graph, const char *name, int source)
{
    return rt_graph_pointwise(graph, RT_NODE_RELU, name, source);
}

int rt_graph_relu6(rt_graph *graph, const char *name, int source)
{
    return rt_graph_pointwise(graph, RT_NODE_RELU6, name, source);
}

int rt_graph_add(rt_graph *graph, const char *name, int a, int b)
{
    rt_node *node = rt_graph_append(graph, RT_NODE_ADD, name, (int[]){a, b}, 2);
    if (!node)
        return -1;
    const rt_extent x = graph->nodes[a].shape, y = graph->nodes[b].shape;
    if (x.height != y.height || x.width != y.width || x.channels != y.channels)
        rt_graph_refuse(graph, "add '%s': %zu x %zu x %zu and %zu x %zu x %zu; the shapes must be equal", name,
                        x.height, x.width, x.channels, y.height, y.width, y.channels);
    return rt_graph_number(graph, node);
}

static int pool(rt_graph *graph, rt_node_kind kind, const char *name, int source, rt_window window)
{
    rt_node *node = rt_graph_append(graph, kind, name, &source, 1);
    if (!node || !place_window(graph, node, window) || !rt_graph_check_extent(graph, node))
        return -1;
    if (2 * node->window.padding > node->window.kernel)
        rt_graph_refuse(graph, "%s '%s': padding %zu; at most half of the kernel's %zu", rt_node_kind_name(kind), name,
                        node->window.padding, node->window.kernel);
    return rt_graph_number(graph, node);
}

int rt_graph_max_pool(rt_graph *graph, const char *name, int source, rt_window window)
{
    return pool(graph, RT_NODE_MAX_POOL, name, source, window);
}

int rt_graph_average_pool(rt_graph *graph, const char *name, int source, rt_window window)
{
    return pool(graph, RT_NODE_AVERAGE_POOL, name, source, window);
}

int rt_graph_global_average_pool(rt_graph *graph, const char *name, int source)
{
    rt_node *node = rt_graph_append(graph, RT_NODE_GLOBAL_AVERAGE_POOL, name, &source, 1);
    if (!node)
        return -1;
    node->shape.height = node->shape.width = 1;
    return rt_graph_number(graph, node);
}

int rt_graph_resize(rt_graph *graph, const char *name, int source, size_t height, size_t width)
{
    rt_node *node = rt_graph_append(graph, RT_NODE_RESIZE, name, &source, 1);
    if (!node)
        return -1;
    node->shape.height = height;
    node->shape.width = width;
    rt_graph_check_extent(graph, node);
    return rt_graph_number(graph, node);
}

int rt_graph_linear(rt_graph *graph, const char *name, int source, size_t features, bool bias)
{
    if (graph->error.status == RT_OK && source >= 0 && (size_t)source < graph->node_count) {
        const rt_extent e = graph->nodes[source].shape;
        if (e.height != 1 || e.width != 1)
            rt_graph_refuse(graph, "linear '%s': its source is %zu x %zu; pool or flatten it first", name, e.height,
                            e.width);
    }
    return rt_graph_linear_each(graph, name, source, features, bias);
}

int rt_graph_flatten(rt_graph *graph, const char *name, int source)
{
    rt_node *node = rt_graph_append(graph, RT_NODE_FLATTEN, name, &source, 1);
    if (!node)
        return -1;
    node->shape = (rt_extent){1, 1, rt_extent_floats(node->shape)};
    return rt_graph_number(graph, node);
}

int rt_graph_concat(rt_graph *graph, const char *name, const int *sources, size_t count)
{
    rt_node *node = rt_graph_append(graph, RT_NODE_CONCAT, name, sources, count);
    if (!node)
        return -1;
    node->shape.channels = 0;
    for (size_t i = 0; i < count; ++i) {
        const rt_extent e = graph->nodes[sources[i]].shape;
        if (e.height != node->shape.height || e.width != node->shape.width)
            rt_graph_refuse(graph, "concat '%s': source %zu is %zu x %zu and the first %zu x %zu; they must be equal",
                            name, i, e.height, e.width, node->shape.height, node->shape.width);
        node->shape.channels += e.channels;
    }
    rt_graph_check_extent(graph, node);
    return rt_graph_number(graph, node);
}

int rt_graph_channel_slice(rt_graph *graph, const char *name, int source, size_t first, size_t count)
{
    rt_node *node = rt_graph_append(graph, RT_NODE_CHANNEL_SLICE, name, &source, 1);
    if (!node)
        return -1;
    size_t channels = node->shape.channels;
    if (first > channels || count > channels - first)
        rt_graph_refuse(graph, "channel slice '%s': channels %zu to %zu of %zu", name, first, first + count, channels);
    node->first_channel = first;
    node->shape.channels = count;
    rt_graph_check_extent(graph, node);
    return rt_graph_number(graph, node);
}

int rt_graph_channel_shuffle(rt_graph *graph, const char *name, int source, size_t groups)
{
    rt_node *node = rt_graph_append(graph, RT_NODE_CHANNEL_SHUFFLE, name, &source, 1);
    if (!node)
        return -1;
    if (groups == 0 || node->shape.channels % groups != 0)
        rt_graph_refuse(graph, "channel shuffle '%s': %zu groups; they must divide %zu channels", name, groups,
                        node->shape.channels);
    node->shuffle_groups = groups;
    return rt_graph_number(graph, node);
}

int rt_graph_subsample(rt_graph *graph, const char *name, int source, size_t stride, size_t channels)
{
    rt_node *node = rt_graph_append(graph, RT_NODE_SUBSAMPLE, name, &source, 1);
    if (!node)
        return -1;
    if (stride == 0 || channels < node->shape.channels || (channels - node->shape.channels) % 2 != 0) {
        rt_graph_refuse(graph,
                        "subsample '%s': stride %zu from %zu to %zu channels; the stride must be at least 1 and "
                        "the channels grow by an even number",
                        name, stride, node->shape.channels, channels);
        return -1;
    }
    node->window = (rt_window){.stride = stride};
    node->shape =
        (rt_extent){(node->shape.height + stride - 1) / stride, (node->shape.width + stride - 1) / stride, channels};
    rt_graph_check_extent(graph, node);
    return rt_graph_number(graph, node);
}

int rt_graph_dropout(rt_graph *graph, const char *name, int source, double probability)
{
    rt_node *node = rt_graph_append(graph, RT_NODE_DROPOUT, name, &source, 1);
    if (!node)
        return -1;
    if (!(probability >= 0.0 && probability < 1.0))
        rt_graph_refuse(graph, "dropout '%s': probability %g; it must be in [0, 1)", name, probability);
    node->probability = probability;
    return rt_graph_number(graph, node);
}

int rt_graph_drop_path(rt_graph *graph, const char *name, int source, double probability)
{
    const int made = rt_graph_dropout(graph, name, source, probability);
    if (made >= 0)
        graph->nodes[made].whole_images = true;
    return made;
}

void rt_graph_output(rt_graph *graph, int source)
{
    if (graph->error.status == RT_OK)
        graph->output = source;
}

rt_status rt_graph_finish(rt_graph *graph, rt_error *err)
{
    if (graph->error.status == RT_OK && (graph->output < 0 || (size_t)graph->output >= graph->node_count))
        rt_graph_refuse(graph, "a network needs an output");
    if (graph->error.status == RT_OK) {
        const rt_extent e = graph->nodes[graph->output].shape;
        if (e.height != 1 || e.width != 1)
            rt_graph_refuse(graph, "the output is %zu x %zu x %zu; logits must be 1 x 1 x classes", e.height, e.width,
                            e.channels);
    }
    if (graph->error.status == RT_OK)
        return RT_OK;
    return rt_fail(err, graph->error.status, "%s", graph->error.message);
}
