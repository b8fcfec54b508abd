/* MobileNetV3 (Howard et al. 2019, arXiv:1905.02244, tables 1 and 2) as torchvision has it: inverted residual blocks,
 * some with squeeze and excitation, ReLU or hard swish inside, and a classifier of two linear layers. Batch norms have
 * an epsilon of 0.001 and a momentum of 0.01. */
#include <string.h>

#include "models/initialization.h"
#include "models/layers.h"
#include "models/models.h"

struct mobilenet_v3 {
    double width, dropout;
};

static const rt_param params[] = {
    RT_FLOAT(struct mobilenet_v3, width, 1.0, 0.0625, 16.0,
             "multiplies every layer's channels, rounded to multiples of 8"),
    RT_FLOAT(struct mobilenet_v3, dropout, 0.2, 0.0, 0.95, "probability of dropping an input of the last layer"),
    RT_PARAM_END,
};

static const char *const variants[] = {"mobilenet_v3_small", "mobilenet_v3_large", NULL};

struct block {
    size_t kernel, inside, to, stride;
    bool squeezes, swishes;
};

static const struct block small[] = {
    {3, 16, 16, 2, true, false}, {3, 72, 24, 2, false, false}, {3, 88, 24, 1, false, false},
    {5, 96, 40, 2, true, true},  {5, 240, 40, 1, true, true},  {5, 240, 40, 1, true, true},
    {5, 120, 48, 1, true, true}, {5, 144, 48, 1, true, true},  {5, 288, 96, 2, true, true},
    {5, 576, 96, 1, true, true}, {5, 576, 96, 1, true, true}};

static const struct block large[] = {
    {3, 16, 16, 1, false, false}, {3, 64, 24, 2, false, false}, {3, 72, 24, 1, false, false},
    {5, 72, 40, 2, true, false},  {5, 120, 40, 1, true, false}, {5, 120, 40, 1, true, false},
    {3, 240, 80, 2, false, true}, {3, 200, 80, 1, false, true}, {3, 184, 80, 1, false, true},
    {3, 184, 80, 1, false, true}, {3, 480, 112, 1, true, true}, {3, 672, 112, 1, true, true},
    {5, 672, 160, 2, true, true}, {5, 960, 160, 1, true, true}, {5, 960, 160, 1, true, true}};

static int layer(rt_graph *graph, const char *prefix, int x, rt_window window, rt_pointwise *activation)
{
    x = rt_graph_convolution(graph, rt_layer("%s.0", prefix).text, x, window);
    x = rt_graph_batch_norm_with(graph, rt_layer("%s.1", prefix).text, x, 1e-3, 1e-2);
    return activation ? activation(graph, rt_layer("%s.2", prefix).text, x) : x;
}

static int inverted_residual(rt_graph *graph, const char *name, int x, const struct block *how, double width)
{
    const size_t from = rt_layer_channels(graph, x), inside = rt_width_divisible(width, how->inside, 8);
    const size_t to = rt_width_divisible(width, how->to, 8);
    rt_pointwise *activation = how->swishes ? rt_graph_hard_swish : rt_graph_relu;
    int y = x, place = 0;
    if (inside != from)
        y = layer(graph, rt_layer("%s.block.%d", name, place++).text, y, (rt_window){.channels = inside, .kernel = 1},
                  activation);
    y = layer(graph, rt_layer("%s.block.%d", name, place++).text, y,
              (rt_window){.channels = inside,
                          .kernel = how->kernel,
                          .stride = how->stride,
                          .padding = how->kernel / 2,
                          .groups = inside},
              activation);
    if (how->squeezes)
        y = rt_squeeze_and_excite(graph, rt_layer("%s.block.%d", name, place++).text, y,
                                  rt_width_divisible(1.0, inside / 4, 8), rt_graph_relu, rt_graph_hard_sigmoid);
    y = layer(graph, rt_layer("%s.block.%d", name, place).text, y, (rt_window){.channels = to, .kernel = 1}, NULL);
    return how->stride == 1 && from == to ? rt_graph_add(graph, name, y, x) : y;
}

static void build(rt_graph *graph, const char *variant, const void *settings, const rt_model_input *input)
{
    const struct mobilenet_v3 *options = settings;
    const bool is_small = strcmp(variant, "mobilenet_v3_small") == 0;
    const struct block *blocks = is_small ? small : large;
    const size_t count = is_small ? sizeof small / sizeof *small : sizeof large / sizeof *large;
    int x = rt_graph_input(graph, input->height, input->width, input->channels), stage = 1;
    x = layer(
        graph, "features.0", x,
        (rt_window){.channels = rt_width_divisible(options->width, 16, 8), .kernel = 3, .stride = 2, .padding = 1},
        rt_graph_hard_swish);
    for (size_t i = 0; i < count; ++i) {
        x = inverted_residual(graph, rt_layer("features.%zu", i + 1).text, x, &blocks[i], options->width);
        if (i + 1 == count || blocks[i + 1].stride == 2)
            rt_graph_tap(graph, rt_layer("stage%d", stage++).text, x);
    }
    const size_t last = 6 * rt_layer_channels(graph, x);
    x = layer(graph, rt_layer("features.%zu", count + 1).text, x, (rt_window){.channels = last, .kernel = 1},
              rt_graph_hard_swish);
    rt_graph_tap(graph, "features", x);
    x = rt_graph_global_average_pool(graph, "avgpool", x);
    x = rt_graph_linear(graph, "classifier.0", x, rt_width_divisible(options->width, is_small ? 1024 : 1280, 8), true);
    x = rt_graph_hard_swish(graph, "classifier.1", x);
    rt_graph_tap(graph, "penultimate", x);
    if (options->dropout > 0.0)
        x = rt_graph_dropout(graph, "classifier.2", x, options->dropout);
    rt_graph_output(graph, rt_graph_linear(graph, "classifier.3", x, input->classes, true));
    rt_mobile_initialization(graph);
}

const rt_model_family rt_model_family_mobilenet_v3 = {
    .name = "mobilenet_v3",
    .summary = "MobileNetV3, torchvision's: depthwise convolutions, squeeze and excitation, hard swish, any input size",
    .reference = "Howard et al. 2019, arXiv:1905.02244; names, norms and rounding of channels: torchvision",
    .params = params,
    .settings_size = sizeof(struct mobilenet_v3),
    .variants = variants,
    .usual = RT_INPUT_IMAGENET,
    .build = build,
};
