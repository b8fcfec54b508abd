/* ImageNet's residual networks for small images, as the CRD benchmark has them (its ResNet50 is a teacher): a 3x3 stem
 * of stride 1 and no max pool, else the same four stages. torchvision's networks have the plain names; layers have
 * torchvision's, and the benchmark's own `shortcut` and `linear` are understood in weights files. */
#include <stdlib.h>
#include <string.h>

#include "models/models.h"
#include "models/residual.h"
#include "models/width.h"

struct cifar_resnet {
    double width;
};

static const rt_param params[] = {
    RT_FLOAT(struct cifar_resnet, width, 1.0, 0.0625, 16.0,
             "multiplies every layer's channels, rounded to whole channels"),
    RT_PARAM_END,
};

static const char *const variants[] = {"cifar_resnet18", "cifar_resnet34", "cifar_resnet50", "cifar_resnet101", NULL};

static void build(rt_graph *graph, const char *variant, const void *settings, const rt_model_input *input)
{
    const struct cifar_resnet *options = settings;
    int x = rt_graph_input(graph, input->height, input->width, input->channels);
    x = rt_graph_convolution(graph, "conv1", x,
                             (rt_window){.channels = rt_model_width(options->width, 64), .kernel = 3, .padding = 1});
    x = rt_graph_relu(graph, "relu", rt_graph_batch_norm(graph, "bn1", x));
    rt_residual_four_stages(graph, x, strtoul(variant + strlen("cifar_resnet"), NULL, 10), options->width,
                            input->classes);
}

const rt_model_family rt_model_family_cifar_resnet = {
    .name = "cifar_resnet",
    .summary = "ImageNet's residual networks with a stem for CIFAR: 4 stages, any input size",
    .reference = "He et al. 2015, arXiv:1512.03385, table 1; for CIFAR: Tian et al. 2020, arXiv:1910.10699",
    .params = params,
    .settings_size = sizeof(struct cifar_resnet),
    .variants = variants,
    .usual = RT_INPUT_CIFAR,
    .build = build,
};
