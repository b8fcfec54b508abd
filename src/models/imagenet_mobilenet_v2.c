/* MobileNetV2 (Sandler et al. 2018, arXiv:1801.04381) as torchvision has it: a 3x3 stem of stride 2, 17 inverted
 * residual blocks, a 1x1 convolution to 1280 channels. Other than mobilenetv2, the CRD benchmark's for small images:
 * whole width, channels in multiples of 8, ReLU6, five halvings, dropout, and a first block without expansion. */
#include "models/initialization.h"
#include "models/layers.h"
#include "models/models.h"

struct imagenet_mobilenet_v2 {
    double width, dropout;
};

static const rt_param params[] = {
    RT_FLOAT(struct imagenet_mobilenet_v2, width, 1.0, 0.0625, 16.0,
             "multiplies every layer's channels, rounded to multiples of 8; the last 1280 only above 1"),
    RT_FLOAT(struct imagenet_mobilenet_v2, dropout, 0.2, 0.0, 0.95,
             "probability of dropping an input of the last layer"),
    RT_PARAM_END,
};

static const char *const variants[] = {"mobilenet_v2", NULL};

/* The paper's table 2; the stride is the first block's. */
static const struct group {
    size_t expansion, channels, blocks, stride;
} groups[] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
              {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};

static int clipped(rt_graph *graph, const char *prefix, int x, rt_window window)
{
    x = rt_convolution_and_norm(graph, prefix, 0, x, window);
    return rt_graph_relu6(graph, rt_layer("%s.2", prefix).text, x);
}

static int inverted_residual(rt_graph *graph, const char *block, int x, size_t expansion, size_t to, size_t stride)
{
    const size_t from = rt_layer_channels(graph, x), inside = from * expansion;
    int y = x, place = 0;
    if (expansion > 1)
        y = clipped(graph, rt_layer("%s.conv.%d", block, place++).text, y,
                    (rt_window){.channels = inside, .kernel = 1});
    y = clipped(graph, rt_layer("%s.conv.%d", block, place++).text, y,
                (rt_window){.channels = inside, .kernel = 3, .stride = stride, .padding = 1, .groups = inside});
    y = rt_convolution_and_norm(graph, rt_layer("%s.conv", block).text, place, y,
                                (rt_window){.channels = to, .kernel = 1});
    return stride == 1 && from == to ? rt_graph_add(graph, block, y, x) : y;
}

static void build(rt_graph *graph, const char *variant, const void *settings, const rt_model_input *input)
{
    (void)variant;
    const struct imagenet_mobilenet_v2 *options = settings;
    int x = rt_graph_input(graph, input->height, input->width, input->channels);
    x = clipped(
        graph, "features.0", x,
        (rt_window){.channels = rt_width_divisible(options->width, 32, 8), .kernel = 3, .stride = 2, .padding = 1});
    int place = 1;
    for (size_t g = 0; g < sizeof groups / sizeof *groups; ++g) {
        const size_t to = rt_width_divisible(options->width, groups[g].channels, 8);
        for (size_t i = 0; i < groups[g].blocks; ++i)
            x = inverted_residual(graph, rt_layer("features.%d", place++).text, x, groups[g].expansion, to,
                                  i == 0 ? groups[g].stride : 1);
        rt_graph_tap(graph, rt_layer("stage%zu", g + 1).text, x);
    }
    const size_t last = rt_width_divisible(options->width > 1.0 ? options->width : 1.0, 1280, 8);
    x = clipped(graph, rt_layer("features.%d", place).text, x, (rt_window){.channels = last, .kernel = 1});
    rt_graph_tap(graph, "features", x);
    rt_pooled_classifier(graph, x, "classifier.0", options->dropout, "classifier.1", input->classes);
    rt_mobile_initialization(graph);
}

const rt_model_family rt_model_family_imagenet_mobilenet_v2 = {
    .name = "imagenet_mobilenet_v2",
    .summary = "MobileNetV2 for ImageNet, torchvision's: depthwise convolutions, ReLU6, any input size",
    .reference = "Sandler et al. 2018, arXiv:1801.04381; names and rounding of channels: torchvision",
    .params = params,
    .settings_size = sizeof(struct imagenet_mobilenet_v2),
    .variants = variants,
    .usual = RT_INPUT_IMAGENET,
    .build = build,
};
