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

size_t rt_width_divisible(double width, size_t channels, size_t divisor)
{
    const double wide = width * (double)channels;
    size_t rounded = (size_t)(wide + (double)divisor / 2.0) / divisor * divisor;
    if (rounded < divisor)
        rounded = divisor;
    return (double)rounded < 0.9 * wide ? rounded + divisor : rounded;
}
