#include "export/timm_names.h"

#include <stdio.h>
#include <string.h>

static rt_timm_name joined(const char *prefix, const char *rest)
{
    rt_timm_name made;
    snprintf(made.text, sizeof made.text, "%s%s", prefix, rest);
    return made;
}

static const char *behind(const char *name, const char *prefix)
{
    return strncmp(name, prefix, strlen(prefix)) == 0 ? name + strlen(prefix) : NULL;
}

static rt_timm_name rename_nothing(const rt_architecture *a, const char *name, rt_shape *shape)
{
    (void)a;
    (void)shape;
    return joined(name, "");
}

/* timm's stage and place within it of the n-th block, from 0. */
static rt_timm_name block_name(const rt_architecture *a, int block, const char *part, const char *rest)
{
    rt_timm_name made = {""};
    int stage = 0;
    while (a->stages[stage] && block >= a->stages[stage])
        block -= a->stages[stage++];
    if (a->stages[stage])
        snprintf(made.text, sizeof made.text, "blocks.%d.%d.%s%s", stage, block, part, rest);
    return made;
}

/* Names that begin like one of `table`, whose last row is NULL; empty for others. */
static rt_timm_name rename_beginning(const char *const (*table)[2], const char *name)
{
    for (; (*table)[0]; ++table)
        if (behind(name, (*table)[0]))
            return joined((*table)[1], behind(name, (*table)[0]));
    return (rt_timm_name){""};
}

/* torchvision counts blocks through, from features.1, where timm has stages. */
static rt_timm_name rename_mobilenet_v2(const rt_architecture *a, const char *name, rt_shape *shape)
{
    /* What comes first in a block of torchvision, by the name behind "conv."; the first block has no expansion. */
    static const char *const parts[][2] = {{"0.0.", "conv_pw."}, {"0.1.", "bn1."},    {"1.0.", "conv_dw."},
                                           {"1.1.", "bn2."},     {"2.", "conv_pwl."}, {"3.", "bn3."},
                                           {NULL, NULL}};
    static const char *const first_parts[][2] = {
        {"0.0.", "conv_dw."}, {"0.1.", "bn1."}, {"1.", "conv_pw."}, {"2.", "bn2."}, {NULL, NULL}};
    static const char *const ends[][2] = {{"features.0.0.", "conv_stem."},  {"features.0.1.", "bn1."},
                                          {"features.18.0.", "conv_head."}, {"features.18.1.", "bn2."},
                                          {"classifier.1.", "classifier."}, {NULL, NULL}};
    int block, used = 0;
    (void)shape;
    if (sscanf(name, "features.%d.conv.%n", &block, &used) != 1 || used == 0)
        return rename_beginning(ends, name);
    rt_timm_name part = rename_beginning(block == 1 ? first_parts : parts, name + used);
    return part.text[0] ? block_name(a, block - 1, part.text, "") : part;
}

/* A part of an inverted residual with squeeze and excitation, by its place in torchvision's block: "0.1.weight",
 * "2.fc1.bias". The first block has no expansion. */
static rt_timm_name inverted_residual(const rt_architecture *a, int block, const char *part)
{
    static const char *const whole[][2] = {{"conv_pw.", "bn1."}, {"conv_dw.", "bn2."}, {"conv_pwl.", "bn3."}};
    static const char *const first[][2] = {{"conv_dw.", "bn1."}, {"conv_pw.", "bn2."}};
    int place, within, used = 0;
    if (sscanf(part, "%d.fc%d.%n", &place, &within, &used) == 2 && used > 0 && (within == 1 || within == 2))
        return block_name(a, block, within == 1 ? "se.conv_reduce." : "se.conv_expand.", part + used);
    if (sscanf(part, "%d.%d.%n", &place, &within, &used) != 2 || used == 0 || within < 0 || within > 1 || place < 0)
        return (rt_timm_name){""};
    const int last = block == 0 ? 1 : 2;
    place = place < last ? place : last;
    return block_name(a, block, block == 0 ? first[place][within] : whole[place][within], part + used);
}

/* The last convolution is a block of timm's, and what follows the pooling a convolution of one pixel. */
static rt_timm_name rename_mobilenet_v3(const rt_architecture *a, const char *name, rt_shape *shape)
{
    static const char *const ends[][2] = {{"features.0.0.", "conv_stem."},
                                          {"features.0.1.", "bn1."},
                                          {"classifier.0.", "conv_head."},
                                          {"classifier.3.", "classifier."},
                                          {NULL, NULL}};
    int block, part, used = 0;
    if (sscanf(name, "features.%d.block.%n", &block, &used) == 1 && used > 0)
        return inverted_residual(a, block - 1, name + used);
    if (behind(name, "classifier.0.") && shape->count == 2)
        *shape = (rt_shape){4, {shape->dims[0], shape->dims[1], 1, 1}};
    const rt_timm_name end = rename_beginning(ends, name);
    if (!end.text[0] && sscanf(name, "features.%d.%d.%n", &block, &part, &used) == 2 && used > 0)
        return block_name(a, block - 1, part == 0 ? "conv." : "bn1.", name + used);
    return end;
}

/* torchvision has timm's stages, from features.1. */
static rt_timm_name rename_efficientnet(const rt_architecture *a, const char *name, rt_shape *shape)
{
    static const char *const ends[][2] = {{"features.0.0.", "conv_stem."},  {"features.0.1.", "bn1."},
                                          {"features.8.0.", "conv_head."},  {"features.8.1.", "bn2."},
                                          {"classifier.1.", "classifier."}, {NULL, NULL}};
    int stage, block, used = 0;
    (void)shape;
    if (sscanf(name, "features.%d.%d.block.%n", &stage, &block, &used) != 2 || used == 0)
        return rename_beginning(ends, name);
    for (int s = 0; s < stage - 1; ++s)
        block += a->stages[s];
    return inverted_residual(a, block, name + used);
}

/* timm's VGG has convolutions of the last map's size where torchvision has linear layers. */
static rt_timm_name rename_vgg(const rt_architecture *a, const char *name, rt_shape *shape)
{
    static const struct {
        const char *ours, *theirs;
        size_t side;
    } parts[] = {{"classifier.0.", "pre_logits.fc1.", 7},
                 {"classifier.3.", "pre_logits.fc2.", 1},
                 {"classifier.6.", "head.fc.", 0}};
    (void)a;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; ++i)
        if (behind(name, parts[i].ours)) {
            size_t side = parts[i].side;
            if (side && shape->count == 2)
                *shape = (rt_shape){4, {shape->dims[0], shape->dims[1] / (side * side), side, side}};
            return joined(parts[i].theirs, behind(name, parts[i].ours));
        }
    return joined(name, "");
}

static const rt_architecture architectures[] = {
    {.variant = "resnet18", .timm = "resnet18", .first = "conv1", .last = "fc", .rename = rename_nothing},
    {.variant = "resnet34", .timm = "resnet34", .first = "conv1", .last = "fc", .rename = rename_nothing},
    {.variant = "resnet50", .timm = "resnet50", .first = "conv1", .last = "fc", .rename = rename_nothing},
    {.variant = "resnet101", .timm = "resnet101", .first = "conv1", .last = "fc", .rename = rename_nothing},
    {.variant = "resnet152", .timm = "resnet152", .first = "conv1", .last = "fc", .rename = rename_nothing},
    {.variant = "mobilenet_v2",
     .timm = "mobilenetv2_100",
     .first = "conv_stem",
     .last = "classifier",
     .rename = rename_mobilenet_v2,
     .stages = {1, 2, 3, 4, 3, 3, 1}},
    {.variant = "mobilenet_v3_small",
     .timm = "mobilenetv3_small_100",
     .first = "conv_stem",
     .last = "classifier",
     .rename = rename_mobilenet_v3,
     .stages = {1, 2, 3, 2, 3, 1},
     .norm_epsilon = 1e-3},
    {.variant = "mobilenet_v3_large",
     .timm = "mobilenetv3_large_100",
     .first = "conv_stem",
     .last = "classifier",
     .rename = rename_mobilenet_v3,
     .stages = {1, 2, 3, 4, 2, 3, 1},
     .norm_epsilon = 1e-3},
    {.variant = "efficientnet_b0",
     .timm = "efficientnet_b0",
     .first = "conv_stem",
     .last = "classifier",
     .rename = rename_efficientnet,
     .stages = {1, 2, 2, 3, 3, 4, 1}},
    {.variant = "vgg11_bn",
     .timm = "vgg11_bn",
     .first = "features.0",
     .last = "head.fc",
     .most = 255,
     .rename = rename_vgg},
    {.variant = "vgg13_bn",
     .timm = "vgg13_bn",
     .first = "features.0",
     .last = "head.fc",
     .most = 255,
     .rename = rename_vgg},
    {.variant = "vgg16_bn",
     .timm = "vgg16_bn",
     .first = "features.0",
     .last = "head.fc",
     .most = 255,
     .rename = rename_vgg},
    {.variant = "vgg19_bn",
     .timm = "vgg19_bn",
     .first = "features.0",
     .last = "head.fc",
     .most = 255,
     .rename = rename_vgg},
    {.variant = "vit_tiny",
     .timm = "vit_tiny_patch16_224",
     .first = "patch_embed.proj",
     .last = "head",
     .fixed_size = true,
     .rename = rename_nothing},
    {.variant = "vit_small",
     .timm = "vit_small_patch16_224",
     .first = "patch_embed.proj",
     .last = "head",
     .fixed_size = true,
     .rename = rename_nothing},
    {.variant = "vit_b_16",
     .timm = "vit_base_patch16_224",
     .first = "patch_embed.proj",
     .last = "head",
     .fixed_size = true,
     .rename = rename_nothing},
    {.variant = "deit_tiny",
     .timm = "deit_tiny_patch16_224",
     .first = "patch_embed.proj",
     .last = "head",
     .fixed_size = true,
     .rename = rename_nothing},
};

const rt_architecture *rt_architecture_find(const char *variant)
{
    for (size_t i = 0; i < sizeof architectures / sizeof *architectures; ++i)
        if (strcmp(variant, architectures[i].variant) == 0)
            return &architectures[i];
    return NULL;
}

void rt_architecture_list(char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; used < size && i < sizeof architectures / sizeof *architectures; ++i)
        used += (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "", architectures[i].variant);
}
