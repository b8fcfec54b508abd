#include "train/adapter.h"

#include <stdio.h>

static bool same_sides(rt_extent a, rt_extent b)
{
    return a.height == b.height && a.width == b.width;
}

static bool has_more_pixels(rt_extent a, rt_extent b)
{
    return a.height * a.width > b.height * b.width;
}

static const char *part_name(char name[RT_NAME_CAPACITY], const char *prefix, const char *part)
{
    snprintf(name, RT_NAME_CAPACITY, "%.64s.%s", prefix, part);
    return name;
}

static int adapt_vector(rt_graph *graph, const char *prefix, int source, size_t floats)
{
    char name[RT_NAME_CAPACITY];
    const rt_extent from = graph->nodes[source].shape;
    if (rt_extent_floats(from) == floats)
        return source;
    if (from.height * from.width > 1)
        source = rt_graph_flatten(graph, part_name(name, prefix, "flatten"), source);
    return rt_graph_linear(graph, prefix, source, floats, true);
}

static int adapt_map(rt_graph *graph, const char *prefix, int source, rt_extent to)
{
    char name[RT_NAME_CAPACITY];
    const rt_extent from = graph->nodes[source].shape;
    bool resized = !same_sides(from, to), first = has_more_pixels(from, to);
    if (resized && first)
        source = rt_graph_resize(graph, part_name(name, prefix, "resize"), source, to.height, to.width);
    if (from.channels != to.channels) {
        source = rt_graph_convolution(graph, prefix, source, (rt_window){.channels = to.channels, .kernel = 1});
        source = rt_graph_batch_norm(graph, part_name(name, prefix, "norm"), source);
    }
    if (resized && !first)
        source = rt_graph_resize(graph, part_name(name, prefix, "resize"), source, to.height, to.width);
    return source;
}

int rt_adapter_add(rt_graph *graph, const char *prefix, int source, rt_extent to, bool vectors)
{
    return vectors ? adapt_vector(graph, prefix, source, rt_extent_floats(to)) : adapt_map(graph, prefix, source, to);
}

void rt_adapter_describe(rt_extent from, rt_extent to, bool vectors, char words[RT_ADAPTER_WORDS])
{
    bool other = vectors ? rt_extent_floats(from) != rt_extent_floats(to) : from.channels != to.channels;
    bool resized = !vectors && !same_sides(from, to);
    const char *layer = !other ? "" : vectors ? "linear" : "1x1 convolution and batch norm";
    snprintf(words, RT_ADAPTER_WORDS, "%s%s%s", layer, other && resized ? ", " : "",
             resized ? "resize"
             : other ? ""
                     : "none");
}
