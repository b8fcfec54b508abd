/* VGG for ImageNet (Simonyan and Zisserman 2014, arXiv:1409.1556) with batch norm, as torchvision has it: five stages
 * of 3x3 convolutions, each stage ending in a max pool; maps averaged to 7 x 7, which they are for images of 224; three
 * linear layers, of which the first has three quarters of all parameters. `features` are numbered through. */
#include <string.h>

#include "models/initialization.h"
#include "models/layers.h"
#include "models/models.h"
#include "models/width.h"

enum { STAGES = 5, POOLED_SIDE = 7 };

struct imagenet_vgg {
    double width, dropout;
};

static const rt_param params[] = {
    RT_FLOAT(struct imagenet_vgg, width, 1.0, 0.0625, 16.0,
             "multiplies every layer's channels, rounded to whole channels"),
    RT_FLOAT(struct imagenet_vgg, dropout, 0.5, 0.0, 0.95,
             "probability of dropping an output of the first two linear layers"),
    RT_PARAM_END,
};

static const char *const variants[] = {"vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn", NULL};

/* Convolutions in each stage, by variant. */
static const int convolutions[][STAGES] = {{1, 1, 2, 2, 2}, {2, 2, 2, 2, 2}, {2, 2, 3, 3, 3}, {2, 2, 4, 4, 4}};

static int features(rt_graph *graph, int x, const int *counts, double width)
{
    static const size_t widths[STAGES] = {64, 128, 256, 512, 512};
    int place = 0;
    for (int s = 0; s < STAGES; ++s) {
        const rt_window window = {
            .channels = rt_model_width(width, widths[s]), .kernel = 3, .padding = 1, .bias = true};
        for (int i = 0; i < counts[s]; ++i, place += 3) {
            x = rt_convolution_and_norm(graph, "features", place, x, window);
            x = rt_graph_relu(graph, rt_layer("features.%d", place + 2).text, x);
        }
        rt_graph_tap(graph, rt_layer("stage%d", s + 1).text, x);
        x = rt_graph_max_pool(graph, rt_layer("features.%d", place++).text, x, (rt_window){.kernel = 2, .stride = 2});
    }
    return x;
}

static int hidden(rt_graph *graph, int place, int x, double width)
{
    x = rt_graph_linear(graph, rt_layer("classifier.%d", place).text, x, rt_model_width(width, 4096), true);
    return rt_graph_relu(graph, rt_layer("classifier.%d", place + 1).text, x);
}

static int dropout(rt_graph *graph, int place, int x, double probability)
{
    return probability > 0.0 ? rt_graph_dropout(graph, rt_layer("classifier.%d", place).text, x, probability) : x;
}

static void build(rt_graph *graph, const char *variant, const void *settings, const rt_model_input *input)
{
    const struct imagenet_vgg *options = settings;
    const size_t least = (size_t)1 << STAGES;
    size_t v = 0;
    while (strcmp(variants[v], variant) != 0)
        ++v;
    if (input->height < least || input->width < least)
        rt_graph_refuse(graph, "images of %zu x %zu are too small for %d max pools: each side must be at least %zu",
                        input->height, input->width, STAGES, least);
    int x = rt_graph_input(graph, input->height, input->width, input->channels);
    x = features(graph, x, convolutions[v], options->width);
    if (input->height / least != POOLED_SIDE || input->width / least != POOLED_SIDE)
        x = rt_graph_resize(graph, "avgpool", x, POOLED_SIDE, POOLED_SIDE);
    x = rt_graph_flatten(graph, "flatten", x);
    x = dropout(graph, 2, hidden(graph, 0, x, options->width), options->dropout);
    x = hidden(graph, 3, x, options->width);
    rt_graph_tap(graph, "penultimate", x);
    x = dropout(graph, 5, x, options->dropout);
    rt_graph_output(graph, rt_graph_linear(graph, "classifier.6", x, input->classes, true));
    rt_mobile_initialization(graph);
}

const rt_model_family rt_model_family_imagenet_vgg = {
    .name = "imagenet_vgg",
    .summary = "ImageNet VGG networks with batch norm, torchvision's: 3 linear layers, images of 32 x 32 and more",
    .reference = "Simonyan and Zisserman 2014, arXiv:1409.1556; names and norms: torchvision",
    .params = params,
    .settings_size = sizeof(struct imagenet_vgg),
    .variants = variants,
    .usual = RT_INPUT_IMAGENET,
    .build = build,
};
