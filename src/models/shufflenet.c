/* ShuffleNets for small images, as the CRD benchmark has them: a 1x1 stem of 24 channels and no pool before three
 * stages, which halve the image each. The first version (Zhang et al. 2017, arXiv:1707.01083) multiplies within groups
 * of channels and shuffles them; the second (Ma et al. 2018, arXiv:1807.11164) splits channels in two halves, of which
 * one passes by. Parameters have the benchmark's names, but for its last layer, `linear`, which is `fc`. */
#include <string.h>

#include "models/initialization.h"
#include "models/layers.h"
#include "models/models.h"

enum { STAGES = 3, STEM = 24, GROUPS = 3 };

struct shufflenet {
    double width;
};

static const rt_param params[] = {
    RT_FLOAT(struct shufflenet, width, 1.0, 0.25, 16.0,
             "multiplies every layer's channels but the stem's 24, rounded to multiples of 12, or of 2 in version 2"),
    RT_PARAM_END,
};

static const char *const variants[] = {"shufflenetv1", "shufflenetv2", NULL};

/* Called BLOCK.conv{number} and BLOCK.bn{number}. */
static int convolution(rt_graph *graph, const char *block, int number, int x, rt_window window)
{
    x = rt_graph_convolution(graph, rt_layer("%s.conv%d", block, number).text, x, window);
    return rt_graph_batch_norm(graph, rt_layer("%s.bn%d", block, number).text, x);
}

static int rectify(rt_graph *graph, const char *block, int number, int x)
{
    return rt_graph_relu(graph, rt_layer("%s.relu%d", block, number).text, x);
}

static rt_window depthwise(size_t channels, size_t stride)
{
    return (rt_window){.channels = channels, .kernel = 3, .stride = stride, .padding = 1, .groups = channels};
}

/* The benchmark does not divide the channels of the stem. */
static int grouped_block(rt_graph *graph, const char *block, int x, size_t to, size_t stride, bool behind_stem)
{
    const size_t added = stride == 2 ? to - rt_layer_channels(graph, x) : to, inside = added / 4;
    const size_t groups = behind_stem ? 1 : GROUPS;
    int y = convolution(graph, block, 1, x, (rt_window){.channels = inside, .kernel = 1, .groups = groups});
    y = rectify(graph, block, 1, y);
    if (groups > 1)
        y = rt_graph_channel_shuffle(graph, rt_layer("%s.shuffle1", block).text, y, groups);
    y = rectify(graph, block, 2, convolution(graph, block, 2, y, depthwise(inside, stride)));
    y = convolution(graph, block, 3, y, (rt_window){.channels = added, .kernel = 1, .groups = GROUPS});
    if (stride == 2) {
        const int small = rt_graph_average_pool(graph, rt_layer("%s.shortcut.0", block).text, x,
                                                (rt_window){.kernel = 3, .stride = 2, .padding = 1});
        y = rt_graph_concat(graph, rt_layer("%s.concat", block).text, (int[]){y, small}, 2);
    } else {
        y = rt_graph_add(graph, rt_layer("%s.add", block).text, y, x);
    }
    return rt_graph_relu(graph, block, y);
}

static int join(rt_graph *graph, const char *block, int a, int b)
{
    const int both = rt_graph_concat(graph, rt_layer("%s.concat", block).text, (int[]){a, b}, 2);
    return rt_graph_channel_shuffle(graph, block, both, 2);
}

static int down_block(rt_graph *graph, const char *block, int x, size_t to)
{
    const size_t from = rt_layer_channels(graph, x), half = to / 2;
    int left = convolution(graph, block, 1, x, depthwise(from, 2));
    left = rectify(graph, block, 2, convolution(graph, block, 2, left, (rt_window){.channels = half, .kernel = 1}));
    int right = rectify(graph, block, 3, convolution(graph, block, 3, x, (rt_window){.channels = half, .kernel = 1}));
    right = convolution(graph, block, 4, right, depthwise(half, 2));
    right = rectify(graph, block, 5, convolution(graph, block, 5, right, (rt_window){.channels = half, .kernel = 1}));
    return join(graph, block, left, right);
}

static int split_block(rt_graph *graph, const char *block, int x)
{
    const size_t half = rt_layer_channels(graph, x) / 2;
    const int passed = rt_graph_channel_slice(graph, rt_layer("%s.split.0", block).text, x, 0, half);
    int y = rt_graph_channel_slice(graph, rt_layer("%s.split.1", block).text, x, half, half);
    y = rectify(graph, block, 1, convolution(graph, block, 1, y, (rt_window){.channels = half, .kernel = 1}));
    y = convolution(graph, block, 2, y, depthwise(half, 1));
    y = rectify(graph, block, 3, convolution(graph, block, 3, y, (rt_window){.channels = half, .kernel = 1}));
    return join(graph, block, passed, y);
}

static int stage(rt_graph *graph, int x, int number, size_t blocks, size_t to, bool first_version)
{
    for (size_t i = 0; i < blocks; ++i) {
        const rt_layer_name block = rt_layer("layer%d.%zu", number + 1, i);
        if (first_version)
            x = grouped_block(graph, block.text, x, to, i == 0 ? 2 : 1, number == 0 && i == 0);
        else
            x = i == 0 ? down_block(graph, block.text, x, to) : split_block(graph, block.text, x);
    }
    rt_graph_tap(graph, rt_layer("layer%d", number + 1).text, x);
    return x;
}

static void build(rt_graph *graph, const char *variant, const void *settings, const rt_model_input *input)
{
    static const size_t channels[2][STAGES] = {{240, 480, 960}, {116, 232, 464}};
    const struct shufflenet *options = settings;
    const bool first_version = strcmp(variant, "shufflenetv1") == 0;
    int x = rt_graph_input(graph, input->height, input->width, input->channels);
    x = rt_graph_convolution(graph, "conv1", x, (rt_window){.channels = STEM, .kernel = 1});
    x = rt_graph_relu(graph, "relu1", rt_graph_batch_norm(graph, "bn1", x));
    for (int s = 0; s < STAGES; ++s)
        x = stage(graph, x, s, s == 1 ? 8 : 4,
                  rt_width_divisible(options->width, channels[!first_version][s], first_version ? 4 * GROUPS : 2),
                  first_version);
    if (!first_version) {
        x = rt_graph_convolution(graph, "conv2", x,
                                 (rt_window){.channels = rt_width_divisible(options->width, 1024, 2), .kernel = 1});
        x = rt_graph_relu(graph, "relu2", rt_graph_batch_norm(graph, "bn2", x));
        rt_graph_tap(graph, "relu2", x);
    }
    rt_pooled_classifier(graph, x, NULL, 0.0, "fc", input->classes);
    rt_uniform_weights(graph, RT_NODE_CONVOLUTION, 1.0);
}

const rt_model_family rt_model_family_shufflenet = {
    .name = "shufflenet",
    .summary = "ShuffleNets for CIFAR: groups, shuffled and split channels, any input size",
    .reference = "Zhang et al. 2017, arXiv:1707.01083; Ma et al. 2018, arXiv:1807.11164; for CIFAR: Tian et al. 2020, "
                 "arXiv:1910.10699",
    .params = params,
    .settings_size = sizeof(struct shufflenet),
    .variants = variants,
    .usual = RT_INPUT_CIFAR,
    .build = build,
};
