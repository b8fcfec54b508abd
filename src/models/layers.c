#include "models/layers.h"

#include <stdarg.h>
#include <stdio.h>

rt_layer_name rt_layer(const char *format, ...)
{
    rt_layer_name name;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(name.text, sizeof name.text, format, arguments);
    va_end(arguments);
    return name;
}

size_t rt_layer_channels(const rt_graph *graph, int source)
{
    return source < 0 ? 0 : graph->nodes[source].shape.channels;
}

int rt_convolution_and_norm(rt_graph *graph, const char *prefix, int place, int source, rt_window window)
{
    int x = rt_graph_convolution(graph, rt_layer("%s.%d", prefix, place).text, source, window);
    return rt_graph_batch_norm(graph, rt_layer("%s.%d", prefix, place + 1).text, x);
}

int rt_squeeze_and_excite(rt_graph *graph, const char *prefix, int source, size_t squeezed, rt_pointwise *inside,
                          rt_pointwise *outside)
{
    const size_t channels = rt_layer_channels(graph, source);
    int x = rt_graph_global_average_pool(graph, rt_layer("%s.avgpool", prefix).text, source);
    x = rt_graph_convolution(graph, rt_layer("%s.fc1", prefix).text, x,
                             (rt_window){.channels = squeezed, .kernel = 1, .bias = true});
    x = inside(graph, rt_layer("%s.activation", prefix).text, x);
    x = rt_graph_convolution(graph, rt_layer("%s.fc2", prefix).text, x,
                             (rt_window){.channels = channels, .kernel = 1, .bias = true});
    x = outside(graph, rt_layer("%s.scale_activation", prefix).text, x);
    return rt_graph_scale(graph, prefix, source, x);
}

size_t rt_width_divisible(double width, size_t channels, size_t divisor)
{
    const double wide = width * (double)channels;
    size_t rounded = (size_t)(wide + (double)divisor / 2.0) / divisor * divisor;
    if (rounded < divisor)
        rounded = divisor;
    return (double)rounded < 0.9 * wide ? rounded + divisor : rounded;
}

void rt_pooled_classifier(rt_graph *graph, int source, const char *drop, double dropout, const char *linear,
                          size_t classes)
{
    int x = rt_graph_global_average_pool(graph, "avgpool", source);
    rt_graph_tap(graph, "penultimate", x);
    if (dropout > 0.0)
        x = rt_graph_dropout(graph, drop, x, dropout);
    rt_graph_output(graph, rt_graph_linear(graph, linear, x, classes, true));
}
