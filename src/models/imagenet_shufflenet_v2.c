/* ShuffleNet V2 (Ma et al. 2018, arXiv:1807.11164, table 5) as torchvision has it, in four widths: a stem of 24
 * channels with a max pool, three stages, a 1x1 convolution. */
#include <string.h>

#include "models/initialization.h"
#include "models/layers.h"
#include "models/models.h"

enum { STAGES = 3 };

struct imagenet_shufflenet_v2 {
    bool none;
};

static const rt_param params[] = {RT_PARAM_END};

static const char *const variants[] = {"shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "shufflenet_v2_x1_5",
                                       "shufflenet_v2_x2_0", NULL};

/* Channels of the stages and of the last convolution, by variant. */
static const size_t channels[][STAGES + 1] = {
    {48, 96, 192, 1024}, {116, 232, 464, 1024}, {176, 352, 704, 1024}, {244, 488, 976, 2048}};

/* Convolution and norm at PREFIX.{place}, ReLU behind them. */
static int rectified(rt_graph *graph, const char *prefix, int place, int x, rt_window window)
{
    x = rt_convolution_and_norm(graph, prefix, place, x, window);
    return rt_graph_relu(graph, rt_layer("%s.%d", prefix, place + 2).text, x);
}

static rt_window depthwise(size_t count, size_t stride)
{
    return (rt_window){.channels = count, .kernel = 3, .stride = stride, .padding = 1, .groups = count};
}

static int block(rt_graph *graph, const char *name, int x, size_t to, size_t stride)
{
    const size_t from = rt_layer_channels(graph, x), half = to / 2;
    const rt_layer_name first = rt_layer("%s.branch1", name), second = rt_layer("%s.branch2", name);
    const rt_window point = {.channels = half, .kernel = 1};
    int a, b = x;
    if (stride == 1) {
        a = rt_graph_channel_slice(graph, first.text, x, 0, half);
        b = rt_graph_channel_slice(graph, second.text, x, half, half);
    } else {
        a = rt_convolution_and_norm(graph, first.text, 0, x, depthwise(from, stride));
        a = rectified(graph, first.text, 2, a, point);
    }
    b = rectified(graph, second.text, 0, b, point);
    b = rt_convolution_and_norm(graph, second.text, 3, b, depthwise(half, stride));
    b = rectified(graph, second.text, 5, b, point);
    x = rt_graph_concat(graph, rt_layer("%s.concat", name).text, (int[]){a, b}, 2);
    return rt_graph_channel_shuffle(graph, name, x, 2);
}

static void build(rt_graph *graph, const char *variant, const void *settings, const rt_model_input *input)
{
    (void)settings;
    size_t v = 0;
    while (strcmp(variants[v], variant) != 0)
        ++v;
    int x = rt_graph_input(graph, input->height, input->width, input->channels);
    x = rectified(graph, "conv1", 0, x, (rt_window){.channels = 24, .kernel = 3, .stride = 2, .padding = 1});
    x = rt_graph_max_pool(graph, "maxpool", x, (rt_window){.kernel = 3, .stride = 2, .padding = 1});
    for (int s = 0; s < STAGES; ++s) {
        const rt_layer_name stage = rt_layer("stage%d", s + 2);
        for (int i = 0; i < (s == 1 ? 8 : 4); ++i)
            x = block(graph, rt_layer("%s.%d", stage.text, i).text, x, channels[v][s], i == 0 ? 2 : 1);
        rt_graph_tap(graph, stage.text, x);
    }
    x = rectified(graph, "conv5", 0, x, (rt_window){.channels = channels[v][STAGES], .kernel = 1});
    rt_graph_tap(graph, "conv5", x);
    rt_pooled_classifier(graph, x, NULL, 0.0, "fc", input->classes);
    rt_uniform_weights(graph, RT_NODE_CONVOLUTION, 1.0);
}

const rt_model_family rt_model_family_imagenet_shufflenet_v2 = {
    .name = "imagenet_shufflenet_v2",
    .summary = "ShuffleNet V2 for ImageNet, torchvision's: split and shuffled channels, any input size",
    .reference = "Ma et al. 2018, arXiv:1807.11164, table 5; names: torchvision",
    .params = params,
    .settings_size = sizeof(struct imagenet_shufflenet_v2),
    .variants = variants,
    .usual = RT_INPUT_IMAGENET,
    .build = build,
};
