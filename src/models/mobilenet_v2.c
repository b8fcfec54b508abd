/* MobileNetV2 for small images (Sandler et al. 2018, arXiv:1801.04381), as in the CRD benchmark: a 3x3 stem of stride
 * 2, 17 inverted residual blocks, a 1x1 convolution to 1280 channels, global average pooling, one linear layer. Images
 * are halved four times, not five as for ImageNet: the second group of blocks keeps its size.
 *
 * Other than torchvision's: half as wide by default; channels are cut to whole numbers and not rounded to multiples of
 * 8; ReLU, not ReLU6; the first block has its 1x1 expansion, too, though it does not expand; no dropout. Parameters
 * have the CRD benchmark's names. A residual sum has no activation behind it. */
#include <stdio.h>

#include "models/initialization.h"
#include "models/layers.h"
#include "models/models.h"

struct mobilenet_v2 {
    double width;
    int64_t expansion;
};

static const rt_param params[] = {
    RT_FLOAT(struct mobilenet_v2, width, 0.5, 0.0625, 16.0,
             "multiplies every layer's channels, cut to whole channels; the last 1280 only above 1"),
    RT_INT(struct mobilenet_v2, expansion, 6, 1, 64, "times as many channels inside a block as before it"),
    RT_PARAM_END,
};

static const char *const variants[] = {"mobilenetv2", NULL};

/* Groups of blocks of the paper's table 2, whose third group has stride 2; the stride is the first block's. */
static const struct group {
    size_t channels, blocks, stride;
} groups[] = {{16, 1, 1}, {24, 2, 1}, {32, 3, 2}, {64, 4, 2}, {96, 3, 1}, {160, 3, 2}, {320, 1, 1}};

static size_t scaled(double width, size_t channels)
{
    double wide = width * (double)channels;
    return wide < 1.0 ? 1 : (size_t)wide;
}

/* Convolution and batch norm, called PREFIX.{place} and PREFIX.{place + 1}; then ReLU, where wanted. */
static int convolution(rt_graph *graph, const char *prefix, int place, int x, rt_window window, bool rectify)
{
    char name[RT_NAME_CAPACITY];
#define NAME(number) (snprintf(name, sizeof name, "%.64s.%d", prefix, number), name)
    x = rt_graph_convolution(graph, NAME(place), x, window);
    x = rt_graph_batch_norm(graph, NAME(place + 1), x);
    if (rectify)
        x = rt_graph_relu(graph, NAME(place + 2), x);
#undef NAME
    return x;
}

static int inverted_residual(rt_graph *graph, const char *name, int x, size_t from, size_t to, size_t expansion,
                             size_t stride)
{
    char branch[RT_NAME_CAPACITY];
    snprintf(branch, sizeof branch, "%.64s.conv", name);
    size_t inside = from * expansion;
    int y = convolution(graph, branch, 0, x, (rt_window){.channels = inside, .kernel = 1}, true);
    y = convolution(graph, branch, 3, y,
                    (rt_window){.channels = inside, .kernel = 3, .stride = stride, .padding = 1, .groups = inside},
                    true);
    y = convolution(graph, branch, 6, y, (rt_window){.channels = to, .kernel = 1}, false);
    return stride == 1 && from == to ? rt_graph_add(graph, name, y, x) : y;
}

static void build(rt_graph *graph, const char *variant, const void *settings, const rt_model_input *input)
{
    (void)variant;
    const struct mobilenet_v2 *options = settings;
    size_t channels = scaled(options->width, 32);
    int x = rt_graph_input(graph, input->height, input->width, input->channels);
    x = convolution(graph, "conv1", 0, x, (rt_window){.channels = channels, .kernel = 3, .stride = 2, .padding = 1},
                    true);
    for (size_t g = 0; g < sizeof groups / sizeof *groups; ++g) {
        size_t to = scaled(options->width, groups[g].channels);
        char name[RT_NAME_CAPACITY];
        for (size_t i = 0; i < groups[g].blocks; ++i) {
            snprintf(name, sizeof name, "blocks.%zu.%zu", g, i);
            x = inverted_residual(graph, name, x, channels, to, g == 0 ? 1 : (size_t)options->expansion,
                                  i == 0 ? groups[g].stride : 1);
            channels = to;
        }
        snprintf(name, sizeof name, "blocks.%zu", g);
        rt_graph_tap(graph, name, x);
    }
    size_t last = options->width > 1.0 ? scaled(options->width, 1280) : 1280;
    x = convolution(graph, "conv2", 0, x, (rt_window){.channels = last, .kernel = 1}, true);
    rt_graph_tap(graph, "conv2", x);
    rt_pooled_classifier(graph, x, NULL, 0.0, "classifier.0", input->classes);
    rt_mobile_initialization(graph);
}

const rt_model_family rt_model_family_mobilenet_v2 = {
    .name = "mobilenet_v2",
    .summary = "MobileNetV2 for CIFAR, half as wide by default: depthwise convolutions, any input size",
    .reference = "Sandler et al. 2018, arXiv:1801.04381; for CIFAR: Tian et al. 2020, arXiv:1910.10699",
    .params = params,
    .settings_size = sizeof(struct mobilenet_v2),
    .variants = variants,
    .usual = RT_INPUT_CIFAR,
    .build = build,
};
