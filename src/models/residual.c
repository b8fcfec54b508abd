#include "models/residual.h"

#include "models/layers.h"
#include "models/width.h"

static int convolution(rt_graph *graph, const char *block, int place, int x, rt_window window)
{
    x = rt_graph_convolution(graph, rt_layer("%s.conv%d", block, place).text, x, window);
    return rt_graph_batch_norm(graph, rt_layer("%s.bn%d", block, place).text, x);
}

static int rectify(rt_graph *graph, const char *block, int place, int x)
{
    return rt_graph_relu(graph, rt_layer("%s.relu%d", block, place).text, x);
}

static int branch(rt_graph *graph, const char *block, int x, const rt_residual *how, size_t stride)
{
    const rt_window first = {.channels = how->inside, .kernel = 3, .stride = stride, .padding = 1};
    if (!how->bottleneck) {
        x = rectify(graph, block, 1, convolution(graph, block, 1, x, first));
        return convolution(graph, block, 2, x, (rt_window){.channels = how->outputs, .kernel = 3, .padding = 1});
    }
    x = convolution(graph, block, 1, x, (rt_window){.channels = how->inside, .kernel = 1});
    x = convolution(graph, block, 2, rectify(graph, block, 1, x), first);
    return convolution(graph, block, 3, rectify(graph, block, 2, x),
                       (rt_window){.channels = how->outputs, .kernel = 1});
}

static int shortcut(rt_graph *graph, const char *block, int x, const rt_residual *how, size_t stride)
{
    if (stride == 1 && rt_layer_channels(graph, x) == how->outputs)
        return x;
    if (how->identity)
        return rt_graph_subsample(graph, rt_layer("%s.shortcut", block).text, x, stride, how->outputs);
    return rt_convolution_and_norm(graph, rt_layer("%s.downsample", block).text, 0, x,
                                   (rt_window){.channels = how->outputs, .kernel = 1, .stride = stride});
}

int rt_residual_stage(rt_graph *graph, const char *stage, int source, size_t count, rt_residual how)
{
    int x = source;
    for (size_t i = 0; i < count; ++i) {
        const rt_layer_name block = rt_layer("%s.%zu", stage, i);
        const size_t stride = i == 0 && how.stride > 0 ? how.stride : 1;
        int y = branch(graph, block.text, x, &how, stride);
        y = rt_graph_add(graph, rt_layer("%s.add", block.text).text, y, shortcut(graph, block.text, x, &how, stride));
        x = rt_graph_relu(graph, block.text, y);
    }
    rt_graph_tap(graph, stage, x);
    return x;
}

void rt_residual_four_stages(rt_graph *graph, int stem, size_t depth, double width, size_t classes)
{
    static const struct {
        size_t depth, blocks[4];
    } depths[] = {
        {18, {2, 2, 2, 2}}, {34, {3, 4, 6, 3}}, {50, {3, 4, 6, 3}}, {101, {3, 4, 23, 3}}, {152, {3, 8, 36, 3}}};
    size_t d = 0;
    while (depths[d].depth != depth)
        ++d;
    const bool bottleneck = depth >= 50;
    int x = stem;
    for (size_t stage = 0; stage < 4; ++stage) {
        const size_t planes = (size_t)64 << stage;
        const rt_residual how = {.inside = rt_model_width(width, planes),
                                 .outputs = rt_model_width(width, bottleneck ? 4 * planes : planes),
                                 .stride = stage == 0 ? 1 : 2,
                                 .bottleneck = bottleneck};
        x = rt_residual_stage(graph, rt_layer("layer%zu", stage + 1).text, x, depths[d].blocks[stage], how);
    }
    rt_pooled_classifier(graph, x, NULL, 0.0, "fc", classes);
}
