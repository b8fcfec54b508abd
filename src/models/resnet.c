/* The residual networks of the CIFAR literature (He et al. 2015, arXiv:1512.03385, section 4.2): a 3x3 stem, three
 * stages of basic blocks, global average pooling, one linear layer. Depth is 6 n + 2. The x4 variants are four times as
 * wide with a stem of 32 channels, as in the CRD benchmark. */
#include <stdlib.h>
#include <string.h>

#include "models/layers.h"
#include "models/models.h"
#include "models/residual.h"
#include "models/width.h"

enum shortcut { SHORTCUT_PROJECTION, SHORTCUT_IDENTITY };

struct resnet {
    double width;
    int shortcut;
    bool stem_bias;
};

static const char *const shortcuts[] = {"projection", "identity", NULL};

static const rt_param params[] = {
    RT_FLOAT(struct resnet, width, 1.0, 0.0625, 16.0, "multiplies every layer's channels, rounded to whole channels"),
    RT_ENUM(
        struct resnet, shortcut, SHORTCUT_PROJECTION, shortcuts,
        "where a block changes shape: a 1x1 convolution with batch norm, or subsampling and zero channels (option A)"),
    RT_BOOL(struct resnet, stem_bias, false, "the first convolution has a bias"),
    RT_PARAM_END,
};

static const char *const variants[] = {"resnet8",  "resnet14",  "resnet20",  "resnet32",   "resnet44",
                                       "resnet56", "resnet110", "resnet8x4", "resnet32x4", NULL};

static void build(rt_graph *graph, const char *variant, const void *settings, const rt_model_input *input)
{
    const struct resnet *options = settings;
    size_t depth = strtoul(variant + strlen("resnet"), NULL, 10);
    bool wide = strstr(variant, "x4") != NULL;
    const size_t widths[4] = {
        rt_model_width(options->width, wide ? 32 : 16), rt_model_width(options->width, wide ? 64 : 16),
        rt_model_width(options->width, wide ? 128 : 32), rt_model_width(options->width, wide ? 256 : 64)};
    int x = rt_graph_input(graph, input->height, input->width, input->channels);
    x = rt_graph_convolution(graph, "conv1", x,
                             (rt_window){.channels = widths[0], .kernel = 3, .padding = 1, .bias = options->stem_bias});
    x = rt_graph_batch_norm(graph, "bn1", x);
    x = rt_graph_relu(graph, "relu", x);
    for (size_t stage = 1; stage <= 3; ++stage)
        x = rt_residual_stage(graph, rt_layer("layer%zu", stage).text, x, (depth - 2) / 6,
                              (rt_residual){.inside = widths[stage],
                                            .outputs = widths[stage],
                                            .stride = stage > 1 ? 2 : 1,
                                            .identity = options->shortcut == SHORTCUT_IDENTITY});
    rt_pooled_classifier(graph, x, NULL, 0.0, "fc", input->classes);
}

const rt_model_family rt_model_family_resnet = {
    .name = "resnet",
    .summary = "CIFAR residual networks: 3 stages of basic blocks, any input size",
    .reference = "He et al. 2015, arXiv:1512.03385, section 4.2; x4 widths: Tian et al. 2020, arXiv:1910.10699",
    .params = params,
    .settings_size = sizeof(struct resnet),
    .variants = variants,
    .usual = RT_INPUT_CIFAR,
    .build = build,
};
