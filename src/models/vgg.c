/* VGG for small images (Simonyan and Zisserman 2014, arXiv:1409.1556), as in the CRD benchmark: five stages of 3x3
 * convolutions, each with a bias, batch norm and ReLU; a 2x2 max pool behind each of the first three stages; global
 * average pooling; one linear layer. Parameters have the CRD benchmark's names: convolution i of stage s is
 * "block{s}.{3 i}", its norm "block{s}.{3 i + 1}", both counted from 0.
 *
 * The CRD benchmark's own code pools a fourth time for images of 64 pixels; here that is `pools: 4`, whatever the size
 * of the images. */
#include <stdio.h>
#include <string.h>

#include "models/initialization.h"
#include "models/layers.h"
#include "models/models.h"
#include "models/width.h"

enum { STAGES = 5 };

struct vgg {
    double width;
    int64_t pools;
};

static const rt_param params[] = {
    RT_FLOAT(struct vgg, width, 1.0, 0.0625, 16.0, "multiplies every layer's channels, rounded to whole channels"),
    RT_INT(struct vgg, pools, 3, 0, STAGES,
           "how many stages end in a max pool, which halves the sides; from the first"),
    RT_PARAM_END,
};

static const char *const variants[] = {"vgg8", "vgg11", "vgg13", "vgg16", "vgg19", NULL};

/* Convolutions in each stage, by variant. */
static const int convolutions[][STAGES] = {
    {1, 1, 1, 1, 1}, {1, 1, 2, 2, 2}, {2, 2, 2, 2, 2}, {2, 2, 3, 3, 3}, {2, 2, 4, 4, 4}};

static const int *convolutions_of(const char *variant)
{
    size_t i = 0;
    while (strcmp(variants[i], variant) != 0)
        ++i;
    return convolutions[i];
}

static int stage(rt_graph *graph, int x, int number, int count, size_t channels)
{
    char name[RT_NAME_CAPACITY];
#define NAME(place) (snprintf(name, sizeof name, "block%d.%d", number, place), name)
    for (int i = 0; i < count; ++i) {
        x = rt_graph_convolution(graph, NAME(3 * i), x,
                                 (rt_window){.channels = channels, .kernel = 3, .padding = 1, .bias = true});
        x = rt_graph_batch_norm(graph, NAME(3 * i + 1), x);
        x = rt_graph_relu(graph, NAME(3 * i + 2), x);
    }
#undef NAME
    return x;
}

static void build(rt_graph *graph, const char *variant, const void *settings, const rt_model_input *input)
{
    static const size_t widths[STAGES] = {64, 128, 256, 512, 512};
    const struct vgg *options = settings;
    const int *counts = convolutions_of(variant);
    size_t least = (size_t)1 << options->pools;
    if (input->height < least || input->width < least)
        rt_graph_refuse(graph, "images of %zu x %zu are too small for %d max pools: each side must be at least %zu",
                        input->height, input->width, (int)options->pools, least);
    int x = rt_graph_input(graph, input->height, input->width, input->channels);
    for (int s = 0; s < STAGES; ++s) {
        char name[RT_NAME_CAPACITY];
        x = stage(graph, x, s, counts[s], rt_model_width(options->width, widths[s]));
        snprintf(name, sizeof name, "block%d", s);
        rt_graph_tap(graph, name, x);
        snprintf(name, sizeof name, "pool%d", s);
        if (s < options->pools)
            x = rt_graph_max_pool(graph, name, x, (rt_window){.kernel = 2, .stride = 2});
    }
    rt_pooled_classifier(graph, x, NULL, 0.0, "classifier", input->classes);
    rt_mobile_initialization(graph);
}

const rt_model_family rt_model_family_vgg = {
    .name = "vgg",
    .summary = "CIFAR VGG networks with batch norm: 5 stages of 3x3 convolutions, images of 8 x 8 and more",
    .reference = "Simonyan and Zisserman 2014, arXiv:1409.1556; for CIFAR: Tian et al. 2020, arXiv:1910.10699",
    .params = params,
    .settings_size = sizeof(struct vgg),
    .variants = variants,
    .usual = RT_INPUT_CIFAR,
    .build = build,
};
