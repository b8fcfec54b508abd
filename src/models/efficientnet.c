/* EfficientNet-B0 (Tan and Le 2019, arXiv:1905.11946, table 1) as torchvision has it: inverted residual blocks, each
 * with squeeze and excitation, and SiLU. In training a block's branch is dropped for whole images, the later the block
 * the more often. */
#include <math.h>

#include "models/initialization.h"
#include "models/layers.h"
#include "models/models.h"

struct efficientnet {
    double width, dropout, drop_path;
};

static const rt_param params[] = {
    RT_FLOAT(struct efficientnet, width, 1.0, 0.0625, 16.0,
             "multiplies every layer's channels, rounded to multiples of 8"),
    RT_FLOAT(struct efficientnet, dropout, 0.2, 0.0, 0.95, "probability of dropping an input of the last layer"),
    RT_FLOAT(struct efficientnet, drop_path, 0.2, 0.0, 0.95,
             "probability of dropping the branch of a block behind the last; growing from 0 at the first block"),
    RT_PARAM_END,
};

static const char *const variants[] = {"efficientnet_b0", NULL};

static const struct group {
    size_t expansion, kernel, stride, channels, blocks;
} groups[] = {{1, 3, 1, 16, 1},  {6, 3, 2, 24, 2},  {6, 5, 2, 40, 2}, {6, 3, 2, 80, 3},
              {6, 5, 1, 112, 3}, {6, 5, 2, 192, 4}, {6, 3, 1, 320, 1}};

enum { BLOCKS = 16 };

static int layer(rt_graph *graph, const char *prefix, int x, rt_window window, rt_pointwise *activation)
{
    x = rt_convolution_and_norm(graph, prefix, 0, x, window);
    return activation ? activation(graph, rt_layer("%s.2", prefix).text, x) : x;
}

static int block(rt_graph *graph, const char *name, int x, const struct group *how, size_t to, size_t stride,
                 double drop)
{
    const size_t from = rt_layer_channels(graph, x);
    const size_t inside = rt_width_divisible((double)how->expansion, from, 8);
    int y = x, place = 0;
    if (inside != from)
        y = layer(graph, rt_layer("%s.block.%d", name, place++).text, y, (rt_window){.channels = inside, .kernel = 1},
                  rt_graph_silu);
    y = layer(
        graph, rt_layer("%s.block.%d", name, place++).text, y,
        (rt_window){
            .channels = inside, .kernel = how->kernel, .stride = stride, .padding = how->kernel / 2, .groups = inside},
        rt_graph_silu);
    y = rt_squeeze_and_excite(graph, rt_layer("%s.block.%d", name, place++).text, y, from < 4 ? 1 : from / 4,
                              rt_graph_silu, rt_graph_sigmoid);
    y = layer(graph, rt_layer("%s.block.%d", name, place).text, y, (rt_window){.channels = to, .kernel = 1}, NULL);
    if (stride != 1 || from != to)
        return y;
    if (drop > 0.0)
        y = rt_graph_drop_path(graph, rt_layer("%s.stochastic_depth", name).text, y, drop);
    return rt_graph_add(graph, name, y, x);
}

static void build(rt_graph *graph, const char *variant, const void *settings, const rt_model_input *input)
{
    (void)variant;
    const struct efficientnet *options = settings;
    const size_t count = sizeof groups / sizeof *groups;
    int x = rt_graph_input(graph, input->height, input->width, input->channels), number = 0;
    x = layer(
        graph, "features.0", x,
        (rt_window){.channels = rt_width_divisible(options->width, 32, 8), .kernel = 3, .stride = 2, .padding = 1},
        rt_graph_silu);
    for (size_t g = 0; g < count; ++g) {
        for (size_t i = 0; i < groups[g].blocks; ++i)
            x = block(graph, rt_layer("features.%zu.%zu", g + 1, i).text, x, &groups[g],
                      rt_width_divisible(options->width, groups[g].channels, 8), i == 0 ? groups[g].stride : 1,
                      options->drop_path * number++ / BLOCKS);
        rt_graph_tap(graph, rt_layer("stage%zu", g + 1).text, x);
    }
    x = layer(graph, rt_layer("features.%zu", count + 1).text, x,
              (rt_window){.channels = 4 * rt_layer_channels(graph, x), .kernel = 1}, rt_graph_silu);
    rt_graph_tap(graph, "features", x);
    rt_pooled_classifier(graph, x, "classifier.0", options->dropout, "classifier.1", input->classes);
    rt_zero_biases(graph, RT_NODE_CONVOLUTION);
    rt_zero_biases(graph, RT_NODE_LINEAR);
    if (graph->output >= 0)
        rt_graph_initialize(graph, graph->nodes[graph->output].weight, RT_INITIALIZE_UNIFORM,
                            1.0 / sqrt((double)input->classes));
}

const rt_model_family rt_model_family_efficientnet = {
    .name = "efficientnet",
    .summary = "EfficientNet-B0, torchvision's: squeeze and excitation in every block, SiLU, any input size",
    .reference = "Tan and Le 2019, arXiv:1905.11946; names and rounding of channels: torchvision",
    .params = params,
    .settings_size = sizeof(struct efficientnet),
    .variants = variants,
    .usual = RT_INPUT_IMAGENET,
    .build = build,
};
