#include "models/layer_windows.h"

const rt_param rt_layer_conv_params[] = {
    RT_LAYER_NEEDED(rt_layer_window, channels, RT_LAYER_LARGEST, "channels of its output"),
    RT_LAYER_NEEDED(rt_layer_window, kernel, RT_LAYER_WIDEST, "height and width of its window, in pixels"),
    RT_INT(rt_layer_window, stride, 1, 1, RT_LAYER_WIDEST, "pixels from one window to the next"),
    RT_INT(rt_layer_window, padding, 0, 0, RT_LAYER_WIDEST, "zeros on each side, in pixels"),
    RT_INT(rt_layer_window, dilation, 1, 1, RT_LAYER_WIDEST, "pixels from one weight to the next"),
    RT_INT(rt_layer_window, groups, 1, 1, RT_LAYER_LARGEST,
           "parts that inputs and outputs are cut into; as many as channels for a depthwise convolution"),
    RT_BOOL(rt_layer_window, bias, true, "add a bias to each channel"),
    RT_PARAM_END,
};

const rt_param rt_layer_max_pool_params[] = {
    RT_LAYER_NEEDED(rt_layer_window, kernel, RT_LAYER_WIDEST, "height and width of its window, in pixels"),
    RT_INT(rt_layer_window, stride, 0, 0, RT_LAYER_WIDEST, "pixels from one window to the next; 0 for the kernel's"),
    RT_INT(rt_layer_window, padding, 0, 0, RT_LAYER_WIDEST, "pixels on each side that are never the largest"),
    RT_BOOL(rt_layer_window, ceil_mode, false, "one window more where the last leaves pixels over"),
    RT_PARAM_END,
};

const rt_param rt_layer_avg_pool_params[] = {
    RT_LAYER_NEEDED(rt_layer_window, kernel, RT_LAYER_WIDEST, "height and width of its window, in pixels"),
    RT_INT(rt_layer_window, stride, 0, 0, RT_LAYER_WIDEST, "pixels from one window to the next; 0 for the kernel's"),
    RT_INT(rt_layer_window, padding, 0, 0, RT_LAYER_WIDEST, "zeros on each side, which count"),
    RT_PARAM_END,
};

/* Refuses a window that is larger than the map, in the words of a recipe. */
static bool window_fits(rt_layer_site *site, const rt_layer_window *w, bool reaches_over)
{
    const rt_extent map = rt_layer_input(site);
    const size_t kernel = (size_t)w->kernel, padding = (size_t)w->padding;
    const size_t dilation = w->dilation > 0 ? (size_t)w->dilation : 1;
    const size_t reach = dilation * (kernel - 1) + 1;
    const size_t side = map.height < map.width ? map.height : map.width;
    if (side + 2 * padding >= reach || reaches_over)
        return true;
    site->blamed = "kernel";
    if (dilation > 1)
        rt_graph_refuse(site->graph,
                        "kernel %zu of dilation %zu reaches over %zu pixels, and its map is %zu x %zu with padding %zu",
                        kernel, dilation, reach, map.height, map.width, padding);
    else
        rt_graph_refuse(site->graph, "kernel %zu is larger than its map of %zu x %zu with padding %zu", kernel,
                        map.height, map.width, padding);
    return false;
}

int rt_layer_conv(rt_layer_site *site, const void *settings)
{
    const rt_layer_window *w = settings;
    const size_t inputs = rt_layer_input(site).channels, outputs = (size_t)w->channels, groups = (size_t)w->groups;
    if (!window_fits(site, w, false))
        return -1;
    if (inputs % groups != 0 || outputs % groups != 0) {
        site->blamed = "groups";
        rt_graph_refuse(site->graph, "groups %zu; they must divide its %zu input and %zu output channels", groups,
                        inputs, outputs);
        return -1;
    }
    return rt_graph_convolution(site->graph, site->name, site->sources[0],
                                (rt_window){.channels = outputs,
                                            .kernel = (size_t)w->kernel,
                                            .stride = (size_t)w->stride,
                                            .padding = (size_t)w->padding,
                                            .dilation = (size_t)w->dilation,
                                            .groups = groups,
                                            .bias = w->bias});
}

int rt_layer_mend_conv(rt_layer_site *site, const void *settings)
{
    const rt_layer_window *w = settings;
    return rt_graph_convolution(site->graph, site->name, site->sources[0],
                                (rt_window){.channels = (size_t)w->channels, .kernel = 1});
}

static int pool(rt_layer_site *site, const void *settings, bool largest)
{
    const rt_layer_window *w = settings;
    const rt_window window = {.kernel = (size_t)w->kernel,
                              .stride = (size_t)(w->stride > 0 ? w->stride : w->kernel),
                              .padding = (size_t)w->padding,
                              .reaches_over = w->ceil_mode};
    if (!window_fits(site, w, w->ceil_mode))
        return -1;
    if (2 * window.padding > window.kernel) {
        site->blamed = "padding";
        rt_graph_refuse(site->graph, "padding %zu; at most half of its kernel of %zu", window.padding, window.kernel);
        return -1;
    }
    return (largest ? rt_graph_max_pool : rt_graph_average_pool)(site->graph, site->name, site->sources[0], window);
}

int rt_layer_max_pool(rt_layer_site *site, const void *settings)
{
    return pool(site, settings, true);
}

int rt_layer_avg_pool(rt_layer_site *site, const void *settings)
{
    return pool(site, settings, false);
}
