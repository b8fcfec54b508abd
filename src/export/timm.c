#include "export/timm.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "export/timm_names.h"
#include "formats/safetensors.h"

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
    const rt_architecture *a = rt_architecture_find(network->variant);
    const rt_model_input *input = &network->input;
    if (!a) {
        char known[400];
        rt_architecture_list(known, sizeof known);
        return rt_fail(err, RT_ERROR_USAGE, "timm has no architecture that is our '%s'; it has %s", network->variant,
                       known);
    }
    if (!is_usual(network) || input->channels != 3)
        return rt_fail(err, RT_ERROR_USAGE,
                       "timm's '%s' has other layers: model '%s' must have its usual options and images of 3 channels",
                       a->timm, network->variant);
    if (a->most && (input->height > a->most || input->width > a->most))
        return rt_fail(err, RT_ERROR_USAGE,
                       "timm's '%s' is the same network for images of up to %zu x %zu alone, not %zu x %zu", a->timm,
                       a->most, a->most, input->height, input->width);
    for (size_t i = 0; i < network->graph->parameter_count; ++i) {
        rt_shape shape = network->graph->parameters[i].shape;
        if (!a->rename(a, network->graph->parameters[i].name, &shape).text[0])
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

static rt_status write_config(const char *path, const rt_architecture *a, const rt_description *d, size_t features,
                              rt_error *err)
{
    json_t *pretrained =
        json_pack("{s:s, s:[I, I, I], s:b, s:s, s:f, s:o, s:o, s:I, s:s, s:s}", "tag", "retort", "input_size",
                  (json_int_t)d->input.channels, (json_int_t)d->input.height, (json_int_t)d->input.width,
                  "fixed_input_size", a->fixed_size, "interpolation", "bilinear", "crop_pct", 1.0, "mean",
                  reals(d->mean, d->input.channels), "std", reals(d->std, d->input.channels), "num_classes",
                  (json_int_t)d->classes, "first_conv", a->first, "classifier", a->last);
    json_t *config = json_pack("{s:s, s:I, s:I, s:o}", "architecture", a->timm, "num_classes", (json_int_t)d->classes,
                               "num_features", (json_int_t)features, "pretrained_cfg", pretrained);
    json_t *arguments = json_object();
    if (a->fixed_size)
        json_object_set_new(arguments, "img_size",
                            json_pack("[I, I]", (json_int_t)d->input.height, (json_int_t)d->input.width));
    if (a->norm_epsilon > 0.0)
        json_object_set_new(arguments, "bn_eps", json_real(a->norm_epsilon));
    if (json_object_size(arguments) > 0)
        json_object_set(config, "model_args", arguments);
    json_decref(arguments);
    char *text = config ? json_dumps(config, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) : NULL;
    rt_status status = text ? rt_file_write(path, &(rt_piece){text, strlen(text)}, 1, err)
                            : rt_fail(err, RT_ERROR_MEMORY, "cannot write '%s': no memory", path);
    json_decref(config);
    free(text);
    return status;
}

static rt_status write_tensors(const char *path, const rt_architecture *a, const rt_network *network,
                               const rt_text_pair *metadata, size_t metadata_count, rt_error *err)
{
    size_t count = network->graph->parameter_count;
    rt_tensor *items = calloc(count + 1, sizeof *items);
    rt_timm_name *names = calloc(count + 1, sizeof *names);
    rt_status status = items && names ? RT_OK : rt_fail(err, RT_ERROR_MEMORY, "cannot write '%s': no memory", path);
    for (size_t i = 0; status == RT_OK && i < count; ++i) {
        const rt_parameter *p = &network->graph->parameters[i];
        rt_shape shape = p->shape;
        names[i] = a->rename(a, p->name, &shape);
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
    const rt_architecture *a = rt_architecture_find(network->variant);
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
    const rt_architecture *a = rt_architecture_find(network->variant);
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
        const rt_timm_name name = a->rename(a, graph->parameters[i].name, &shape);
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
