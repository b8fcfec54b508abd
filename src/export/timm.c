#include "export/timm.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "formats/safetensors.h"

typedef struct timm_name {
    char text[2 * RT_NAME_CAPACITY];
} timm_name;

/* The same layers under timm's names, or NULL where those are torchvision's; `shape` is changed where timm's differs.
 */
typedef timm_name rename_parameter(const char *name, rt_shape *shape);

static timm_name rename_mobilenet_v2(const char *name, rt_shape *shape)
{
    /* Blocks in each of timm's stages; torchvision counts them through, from features.1. */
    static const int stages[] = {1, 2, 3, 4, 3, 3, 1};
    /* What comes first in a block of torchvision, by the name behind "conv."; the first block has no expansion. */
    static const char *const parts[][2] = {{"0.0.", "conv_pw."}, {"0.1.", "bn1."},    {"1.0.", "conv_dw."},
                                           {"1.1.", "bn2."},     {"2.", "conv_pwl."}, {"3.", "bn3."}};
    static const char *const first_parts[][2] = {
        {"0.0.", "conv_dw."}, {"0.1.", "bn1."}, {"1.", "conv_pw."}, {"2.", "bn2."}};
    static const char *const ends[][2] = {{"features.0.0.", "conv_stem."},
                                          {"features.0.1.", "bn1."},
                                          {"features.18.0.", "conv_head."},
                                          {"features.18.1.", "bn2."},
                                          {"classifier.1.", "classifier."}};
    timm_name made = {""};
    int block, stage = 0, used = 0;
    (void)shape;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; ++i)
        if (strncmp(name, ends[i][0], strlen(ends[i][0])) == 0) {
            snprintf(made.text, sizeof made.text, "%s%s", ends[i][1], name + strlen(ends[i][0]));
            return made;
        }
    if (sscanf(name, "features.%d.conv.%n", &block, &used) != 1 || used == 0 || block < 1 || block > 17)
        return made;
    const char *const(*table)[2] = block == 1 ? first_parts : parts;
    size_t count = block == 1 ? sizeof first_parts / sizeof *first_parts : sizeof parts / sizeof *parts;
    int place = block - 1;
    while (place >= stages[stage])
        place -= stages[stage++];
    for (size_t i = 0; i < count; ++i)
        if (strncmp(name + used, table[i][0], strlen(table[i][0])) == 0)
            snprintf(made.text, sizeof made.text, "blocks.%d.%d.%s%s", stage, place, table[i][1],
                     name + used + strlen(table[i][0]));
    return made;
}

/* timm's VGG has convolutions of the last map's size where torchvision has linear layers. */
static timm_name rename_vgg(const char *name, rt_shape *shape)
{
    static const struct {
        const char *ours, *theirs;
        size_t side;
    } parts[] = {{"classifier.0.", "pre_logits.fc1.", 7},
                 {"classifier.3.", "pre_logits.fc2.", 1},
                 {"classifier.6.", "head.fc.", 0}};
    timm_name made;
    snprintf(made.text, sizeof made.text, "%s", name);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; ++i)
        if (strncmp(name, parts[i].ours, strlen(parts[i].ours)) == 0) {
            size_t side = parts[i].side;
            snprintf(made.text, sizeof made.text, "%s%s", parts[i].theirs, name + strlen(parts[i].ours));
            if (side && shape->count == 2)
                *shape = (rt_shape){4, {shape->dims[0], shape->dims[1] / (side * side), side, side}};
        }
    return made;
}

static const struct architecture {
    const char *family, *variant, *timm;
    const char *first, *last; /* timm's names of the first convolution and the last layer */
    size_t side;              /* of the images, where the network is another for others; 0 for any */
    rename_parameter *rename;
} architectures[] = {
    {"imagenet_resnet", "resnet18", "resnet18", "conv1", "fc", 0, NULL},
    {"imagenet_resnet", "resnet34", "resnet34", "conv1", "fc", 0, NULL},
    {"imagenet_resnet", "resnet50", "resnet50", "conv1", "fc", 0, NULL},
    {"imagenet_resnet", "resnet101", "resnet101", "conv1", "fc", 0, NULL},
    {"imagenet_resnet", "resnet152", "resnet152", "conv1", "fc", 0, NULL},
    {"imagenet_mobilenet_v2", "mobilenet_v2", "mobilenetv2_100", "conv_stem", "classifier", 0, rename_mobilenet_v2},
    {"imagenet_vgg", "vgg11_bn", "vgg11_bn", "features.0", "head.fc", 224, rename_vgg},
    {"imagenet_vgg", "vgg13_bn", "vgg13_bn", "features.0", "head.fc", 224, rename_vgg},
    {"imagenet_vgg", "vgg16_bn", "vgg16_bn", "features.0", "head.fc", 224, rename_vgg},
    {"imagenet_vgg", "vgg19_bn", "vgg19_bn", "features.0", "head.fc", 224, rename_vgg},
};

static const struct architecture *find(const rt_network *network)
{
    for (size_t i = 0; i < sizeof architectures / sizeof *architectures; ++i)
        if (strcmp(network->family->name, architectures[i].family) == 0 &&
            strcmp(network->variant, architectures[i].variant) == 0)
            return &architectures[i];
    return NULL;
}

static timm_name their_name(const struct architecture *a, const char *name, rt_shape *shape)
{
    if (a->rename)
        return a->rename(name, shape);
    timm_name same;
    snprintf(same.text, sizeof same.text, "%s", name);
    return same;
}

/* Whether any option that changes layers is not at its default: in the description's words it would be width=... */
static bool is_usual(const rt_network *network)
{
    rt_graph *usual = rt_graph_new();
    void *settings = calloc(1, network->family->settings_size + 1);
    bool same = usual && settings;
    if (same) {
        rt_param_defaults(network->family->params, settings);
        network->family->build(usual, network->variant, settings, &network->input);
        const rt_graph *graph = network->graph;
        same = rt_graph_finish(usual, NULL) == RT_OK && usual->parameter_count == graph->parameter_count;
        for (size_t i = 0; same && i < graph->parameter_count; ++i)
            same = usual->parameters[i].count == graph->parameters[i].count;
    }
    rt_graph_free(usual);
    free(settings);
    return same;
}

rt_status rt_timm_check(const rt_network *network, rt_error *err)
{
    const struct architecture *a = find(network);
    const rt_model_input *input = &network->input;
    if (!a)
        return rt_fail(err, RT_ERROR_USAGE,
                       "timm has no architecture that is our '%s'; it knows resnet18 to resnet152, mobilenet_v2 and "
                       "vgg11_bn to vgg19_bn",
                       network->variant);
    if (!is_usual(network) || input->channels != 3)
        return rt_fail(err, RT_ERROR_USAGE,
                       "timm's '%s' has other layers: model '%s' must have its usual options and images of 3 channels",
                       a->timm, network->variant);
    if (a->side && (input->height != a->side || input->width != a->side))
        return rt_fail(err, RT_ERROR_USAGE,
                       "timm's '%s' is the same network for images of %zu x %zu alone, not %zu x %zu", a->timm, a->side,
                       a->side, input->height, input->width);
    for (size_t i = 0; i < network->graph->parameter_count; ++i) {
        rt_shape shape = network->graph->parameters[i].shape;
        if (!their_name(a, network->graph->parameters[i].name, &shape).text[0])
            return rt_fail(err, RT_ERROR_SHAPE, "layer '%s' has no name in timm's '%s'",
                           network->graph->parameters[i].name, a->timm);
    }
    return RT_OK;
}

static json_t *reals(const float *values, size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; i < count; ++i) {
        char text[32]; /* the shortest decimal of the float, not all digits of its double */
        for (int precision = 6; precision <= 9; ++precision) {
            snprintf(text, sizeof text, "%.*g", precision, (double)values[i]);
            if (strtof(text, NULL) == values[i])
                break;
        }
        json_array_append_new(array, json_real(strtod(text, NULL)));
    }
    return array;
}

static rt_status write_config(const char *path, const struct architecture *a, const rt_description *d, size_t features,
                              rt_error *err)
{
    json_t *pretrained =
        json_pack("{s:s, s:[I, I, I], s:b, s:s, s:f, s:o, s:o, s:I, s:s, s:s}", "tag", "retort", "input_size",
                  (json_int_t)d->input.channels, (json_int_t)d->input.height, (json_int_t)d->input.width,
                  "fixed_input_size", a->side != 0, "interpolation", "bilinear", "crop_pct", 1.0, "mean",
                  reals(d->mean, d->input.channels), "std", reals(d->std, d->input.channels), "num_classes",
                  (json_int_t)d->classes, "first_conv", a->first, "classifier", a->last);
    json_t *config = json_pack("{s:s, s:I, s:I, s:o}", "architecture", a->timm, "num_classes", (json_int_t)d->classes,
                               "num_features", (json_int_t)features, "pretrained_cfg", pretrained);
    char *text = config ? json_dumps(config, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) : NULL;
    rt_status status = text ? rt_file_write(path, &(rt_piece){text, strlen(text)}, 1, err)
                            : rt_fail(err, RT_ERROR_MEMORY, "cannot write '%s': no memory", path);
    json_decref(config);
    free(text);
    return status;
}

static rt_status write_tensors(const char *path, const struct architecture *a, const rt_network *network,
                               const rt_text_pair *metadata, size_t metadata_count, rt_error *err)
{
    size_t count = network->graph->parameter_count;
    rt_tensor *items = calloc(count + 1, sizeof *items);
    timm_name *names = calloc(count + 1, sizeof *names);
    rt_status status = items && names ? RT_OK : rt_fail(err, RT_ERROR_MEMORY, "cannot write '%s': no memory", path);
    for (size_t i = 0; status == RT_OK && i < count; ++i) {
        const rt_parameter *p = &network->graph->parameters[i];
        rt_shape shape = p->shape;
        names[i] = their_name(a, p->name, &shape);
        items[i] = (rt_tensor){names[i].text, RT_DTYPE_F32, shape, rt_parameter_values(network->parameters, (int)i)};
    }
    if (status == RT_OK)
        status = rt_safetensors_write(path, items, count, metadata, metadata_count, err);
    free(items);
    free(names);
    return status;
}

rt_status rt_timm_write(const char *folder, const rt_network *network, const rt_description *description,
                        const rt_text_pair *metadata, size_t metadata_count, rt_error *err)
{
    const struct architecture *a = find(network);
    const rt_graph *graph = network->graph;
    size_t features = graph->nodes[graph->nodes[graph->output].sources[0]].shape.channels;
    RT_TRY(rt_timm_check(network, err));
    RT_TRY(rt_folder_make(folder, err));
    char *config = rt_path_join(folder, "config.json"), *weights = rt_path_join(folder, "model.safetensors");
    rt_status status =
        config && weights ? RT_OK : rt_fail(err, RT_ERROR_MEMORY, "cannot write '%s': no memory", folder);
    if (status == RT_OK)
        status = write_tensors(weights, a, network, metadata, metadata_count, err);
    if (status == RT_OK)
        status = write_config(config, a, description, features, err);
    free(config);
    free(weights);
    return status;
}

rt_status rt_timm_read(const char *folder, rt_network *network, rt_error *err)
{
    const struct architecture *a = find(network);
    const rt_graph *graph = network->graph;
    rt_tensors tensors;
    char *path = rt_path_join(folder, "model.safetensors");
    if (!path)
        return rt_fail(err, RT_ERROR_MEMORY, "cannot read '%s': no memory", folder);
    rt_status status = rt_tensors_open(path, &tensors, err);
    free(path);
    RT_TRY(status);
    for (size_t i = 0; status == RT_OK && i < graph->parameter_count; ++i) {
        rt_shape shape = graph->parameters[i].shape;
        const timm_name name = their_name(a, graph->parameters[i].name, &shape);
        const rt_tensor *tensor = rt_tensors_find(&tensors, name.text);
        if (!tensor || rt_shape_elements(&tensor->shape) != graph->parameters[i].count)
            status = rt_fail(err, RT_ERROR_FORMAT, "'%s' has no tensor '%s' as it was written", folder, name.text);
        else
            status = rt_tensor_floats(tensor, rt_parameter_values(network->parameters, (int)i), err);
    }
    ++network->parameters->version;
    rt_tensors_close(&tensors);
    return status;
}
