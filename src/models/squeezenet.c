/* SqueezeNet (Iandola et al. 2016, arXiv:1602.07360) as torchvision has it: `fire` modules squeeze by a 1x1 convolution
 * and expand by a 1x1 and a 3x3 beside each other. No norms; classes come from a convolution, which ReLU and global
 * average pooling follow. Version 1.1 pools earlier, at less than half of the cost. */
#include <string.h>

#include "models/initialization.h"
#include "models/layers.h"
#include "models/models.h"
#include "models/width.h"

struct squeezenet {
    double width, dropout;
};

static const rt_param params[] = {
    RT_FLOAT(struct squeezenet, width, 1.0, 0.0625, 16.0,
             "multiplies every layer's channels, rounded to whole channels"),
    RT_FLOAT(struct squeezenet, dropout, 0.5, 0.0, 0.95, "probability of dropping an input of the last convolution"),
    RT_PARAM_END,
};

static const char *const variants[] = {"squeezenet1_0", "squeezenet1_1", NULL};

enum { FIRES = 8 };

static const struct version {
    size_t stem_channels, stem_kernel;
    bool pool_before[FIRES]; /* of the fire modules; each takes a place among `features` */
} versions[] = {
    {96, 7, {true, false, false, true, false, false, false, true}},
    {64, 3, {true, false, true, false, true, false, false, false}},
};

static int rectified(rt_graph *graph, const char *name, const char *activation, int x, rt_window window)
{
    window.bias = true;
    return rt_graph_relu(graph, activation, rt_graph_convolution(graph, name, x, window));
}

static int fire(rt_graph *graph, const char *name, int x, size_t squeezed, size_t expanded)
{
    x = rectified(graph, rt_layer("%s.squeeze", name).text, rt_layer("%s.squeeze_activation", name).text, x,
                  (rt_window){.channels = squeezed, .kernel = 1});
    const int points =
        rectified(graph, rt_layer("%s.expand1x1", name).text, rt_layer("%s.expand1x1_activation", name).text, x,
                  (rt_window){.channels = expanded, .kernel = 1});
    const int windows =
        rectified(graph, rt_layer("%s.expand3x3", name).text, rt_layer("%s.expand3x3_activation", name).text, x,
                  (rt_window){.channels = expanded, .kernel = 3, .padding = 1});
    return rt_graph_concat(graph, name, (int[]){points, windows}, 2);
}

static void build(rt_graph *graph, const char *variant, const void *settings, const rt_model_input *input)
{
    static const size_t squeezed[FIRES] = {16, 16, 32, 32, 48, 48, 64, 64};
    const struct squeezenet *options = settings;
    const struct version *version = &versions[strcmp(variant, "squeezenet1_1") == 0];
    int x = rt_graph_input(graph, input->height, input->width, input->channels);
    x = rectified(graph, "features.0", "features.1", x,
                  (rt_window){.channels = rt_model_width(options->width, version->stem_channels),
                              .kernel = version->stem_kernel,
                              .stride = 2});
    int place = 2, stage = 1;
    for (int i = 0; i < FIRES; ++i) {
        if (version->pool_before[i]) {
            rt_graph_tap(graph, rt_layer("stage%d", stage++).text, x);
            x = rt_graph_max_pool(graph, rt_layer("features.%d", place++).text, x,
                                  (rt_window){.kernel = 3, .stride = 2, .reaches_over = true});
        }
        x = fire(graph, rt_layer("features.%d", place++).text, x, rt_model_width(options->width, squeezed[i]),
                 rt_model_width(options->width, 4 * squeezed[i]));
    }
    rt_graph_tap(graph, rt_layer("stage%d", stage).text, x);
    /* Nothing reads these but losses that want a vector; the classifier reads the map. */
    rt_graph_tap(graph, "penultimate", rt_graph_global_average_pool(graph, "pooled", x));
    if (options->dropout > 0.0)
        x = rt_graph_dropout(graph, "classifier.0", x, options->dropout);
    x = rectified(graph, "classifier.1", "classifier.2", x, (rt_window){.channels = input->classes, .kernel = 1});
    rt_graph_output(graph, rt_graph_global_average_pool(graph, "classifier.3", x));
    /* Without norms all depends on this. The last layer begins small: classes are told apart before any of them has to
     * be above zero by much. */
    rt_uniform_weights(graph, RT_NODE_CONVOLUTION, 6.0);
    rt_zero_biases(graph, RT_NODE_CONVOLUTION);
    const int last = rt_graph_find(graph, "classifier.1");
    if (last >= 0)
        rt_graph_initialize(graph, graph->nodes[last].weight, RT_INITIALIZE_NORMAL, 0.01);
}

const rt_model_family rt_model_family_squeezenet = {
    .name = "squeezenet",
    .summary = "SqueezeNet, torchvision's: squeezing and expanding convolutions, no norms, images of 21 x 21 and more",
    .reference = "Iandola et al. 2016, arXiv:1602.07360; names: torchvision",
    .params = params,
    .settings_size = sizeof(struct squeezenet),
    .variants = variants,
    .usual = RT_INPUT_IMAGENET,
    .build = build,
};
