/* Wide residual networks for small images (Zagoruyko and Komodakis 2016, arXiv:1605.07146): a 3x3 stem of 16 channels,
 * three stages of pre-activation blocks with 16 K, 32 K and 64 K channels, batch norm and ReLU, global average pooling,
 * one linear layer. wrn_D_K has depth D = 6 n + 4 and widening factor K. Parameters have the CRD benchmark's names.
 *
 * A block computes, with h = relu(bn1(x)):
 *
 *     y = conv2(relu(bn2(conv1(h)))) + x                  where the number of channels stays
 *     y = conv2(relu(bn2(conv1(h)))) + convShortcut(h)    where it changes
 *
 * So the identity takes x itself, and the 1x1 convolution takes what conv1 takes, after norm and ReLU. That is how the
 * paper's and the CRD benchmark's code do it, and what their weights mean; a shortcut convolution of the raw x would be
 * another network with the same parameters. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/initialization.h"
#include "models/layers.h"
#include "models/models.h"
#include "models/width.h"

struct wide_resnet {
    double width, dropout;
};

static const rt_param params[] = {
    RT_FLOAT(struct wide_resnet, width, 1.0, 0.0625, 16.0,
             "multiplies the channels of the stages, not of the stem: wrn_16_1 with width 3 is wrn_16_3"),
    RT_FLOAT(struct wide_resnet, dropout, 0.0, 0.0, 0.95,
             "probability of dropping an input of a block's second convolution"),
    RT_PARAM_END,
};

static const char *const variants[] = {"wrn_10_1",  "wrn_10_2", "wrn_16_1", "wrn_16_2", "wrn_16_4", "wrn_28_2",
                                       "wrn_28_10", "wrn_40_1", "wrn_40_2", "wrn_40_4", NULL};

static int block(rt_graph *graph, const struct wide_resnet *options, const char *prefix, int x, size_t from, size_t to,
                 size_t stride)
{
    char name[RT_NAME_CAPACITY];
#define NAME(part) (snprintf(name, sizeof name, "%.64s.%s", prefix, part), name)
    int h = rt_graph_batch_norm(graph, NAME("bn1"), x);
    h = rt_graph_relu(graph, NAME("relu1"), h);
    int y = rt_graph_convolution(graph, NAME("conv1"), h,
                                 (rt_window){.channels = to, .kernel = 3, .stride = stride, .padding = 1});
    y = rt_graph_batch_norm(graph, NAME("bn2"), y);
    y = rt_graph_relu(graph, NAME("relu2"), y);
    if (options->dropout > 0.0)
        y = rt_graph_dropout(graph, NAME("dropout"), y, options->dropout);
    y = rt_graph_convolution(graph, NAME("conv2"), y, (rt_window){.channels = to, .kernel = 3, .padding = 1});
    int shortcut = x;
    if (from != to)
        shortcut = rt_graph_convolution(graph, NAME("convShortcut"), h,
                                        (rt_window){.channels = to, .kernel = 1, .stride = stride});
    y = rt_graph_add(graph, NAME("add"), y, shortcut);
#undef NAME
    return y;
}

static void build(rt_graph *graph, const char *variant, const void *settings, const rt_model_input *input)
{
    const struct wide_resnet *options = settings;
    char *rest;
    size_t depth = strtoul(variant + strlen("wrn_"), &rest, 10), widen = strtoul(rest + strlen("_"), NULL, 10);
    size_t channels = 16;
    int x = rt_graph_input(graph, input->height, input->width, input->channels);
    x = rt_graph_convolution(graph, "conv1", x, (rt_window){.channels = channels, .kernel = 3, .padding = 1});
    for (size_t stage = 1; stage <= 3; ++stage) {
        size_t wide = rt_model_width(options->width, (16 * widen) << (stage - 1));
        char name[RT_NAME_CAPACITY];
        for (size_t i = 0; i < (depth - 4) / 6; ++i) {
            snprintf(name, sizeof name, "block%zu.layer.%zu", stage, i);
            x = block(graph, options, name, x, channels, wide, stage > 1 && i == 0 ? 2 : 1);
            channels = wide;
        }
        snprintf(name, sizeof name, "block%zu", stage);
        rt_graph_tap(graph, name, x);
    }
    x = rt_graph_batch_norm(graph, "bn1", x);
    x = rt_graph_relu(graph, "relu", x);
    rt_pooled_classifier(graph, x, NULL, 0.0, "fc", input->classes);
    rt_zero_biases(graph, RT_NODE_LINEAR);
}

const rt_model_family rt_model_family_wide_resnet = {
    .name = "wide_resnet",
    .summary = "wide residual networks wrn_DEPTH_WIDENING: 3 stages of pre-activation blocks, any input size",
    .reference = "Zagoruyko and Komodakis 2016, arXiv:1605.07146; variants and names: Tian et al. 2020, "
                 "arXiv:1910.10699",
    .params = params,
    .settings_size = sizeof(struct wide_resnet),
    .variants = variants,
    .usual = RT_INPUT_CIFAR,
    .build = build,
};
