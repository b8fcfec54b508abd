/* The residual networks for ImageNet (He et al. 2015, arXiv:1512.03385, table 1) as torchvision has them: a 7x7 stem of
 * stride 2, a max pool, four stages of basic blocks or bottlenecks. A bottleneck's stride is in its 3x3 convolution. */
#include <stdlib.h>
#include <string.h>

#include "models/models.h"
#include "models/residual.h"
#include "models/width.h"

struct imagenet_resnet {
    double width;
};

static const rt_param params[] = {
    RT_FLOAT(struct imagenet_resnet, width, 1.0, 0.0625, 16.0,
             "multiplies every layer's channels, rounded to whole channels"),
    RT_PARAM_END,
};

static const char *const variants[] = {"resnet18", "resnet34", "resnet50", "resnet101", "resnet152", NULL};

static void build(rt_graph *graph, const char *variant, const void *settings, const rt_model_input *input)
{
    const struct imagenet_resnet *options = settings;
    int x = rt_graph_input(graph, input->height, input->width, input->channels);
    x = rt_graph_convolution(
        graph, "conv1", x,
        (rt_window){.channels = rt_model_width(options->width, 64), .kernel = 7, .stride = 2, .padding = 3});
    x = rt_graph_relu(graph, "relu", rt_graph_batch_norm(graph, "bn1", x));
    x = rt_graph_max_pool(graph, "maxpool", x, (rt_window){.kernel = 3, .stride = 2, .padding = 1});
    rt_residual_four_stages(graph, x, strtoul(variant + strlen("resnet"), NULL, 10), options->width, input->classes);
}

const rt_model_family rt_model_family_imagenet_resnet = {
    .name = "imagenet_resnet",
    .summary = "ImageNet residual networks, torchvision's: 4 stages of basic blocks or bottlenecks, any input size",
    .reference = "He et al. 2015, arXiv:1512.03385, table 1; names and strides: torchvision",
    .params = params,
    .settings_size = sizeof(struct imagenet_resnet),
    .variants = variants,
    .usual = RT_INPUT_IMAGENET,
    .build = build,
};
