#include "models/network.h"

#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "formats/weights.h"

rt_status rt_network_family(const char *variant, const rt_model_family **family, rt_error *err)
{
    *family = rt_model_find(variant);
    if (*family)
        return RT_OK;
    const char *nearest = rt_model_suggest(variant);
    if (nearest)
        return rt_fail(err, RT_ERROR_USAGE, "there is no model '%.80s'; did you mean '%s'?", variant, nearest);
    return rt_fail(err, RT_ERROR_USAGE, "there is no model '%.80s'; 'retort list models' names them", variant);
}

static const char *own_name(const rt_model_family *family, const char *variant)
{
    const char *const *name = family->variants;
    while (strcmp(*name, variant) != 0)
        ++name;
    return *name;
}

/* Texts among the options become the network's own. */
static rt_status keep_texts(rt_network *network, rt_error *err)
{
    bool whole = true;
    for (const rt_param *param = network->family->params; param && param->name; ++param) {
        char **text = (char **)((char *)network->settings + param->offset);
        if (param->type != RT_PARAM_STRING || !*text)
            continue;
        *text = strdup(*text);
        whole = whole && *text;
    }
    return whole ? RT_OK : rt_fail(err, RT_ERROR_MEMORY, "no memory for model '%s'", network->variant);
}

static void drop_texts(rt_network *network)
{
    for (const rt_param *param = network->family->params; network->settings && param && param->name; ++param)
        if (param->type == RT_PARAM_STRING)
            free(*(char **)((char *)network->settings + param->offset));
}

/* All others make as many logits as they are asked for. */
static rt_status check_classes(const rt_network *network, rt_error *err)
{
    const size_t made = network->graph->nodes[network->graph->output].shape.channels;
    if (made == network->input.classes)
        return RT_OK;
    return rt_fail(err, RT_ERROR_SHAPE, "model '%s': the last layer gives %zu numbers; the data has %zu classes",
                   network->variant, made, network->input.classes);
}

static rt_status check_memory(const rt_network *network, bool trained, rt_error *err)
{
    const size_t floats = network->graph->trained_floats * (trained ? 2 : 1) + network->graph->buffer_floats;
    const size_t bytes = floats * sizeof(float);
    size_t available;
    if (rt_memory_has_room(bytes, &available))
        return RT_OK;
    return rt_fail(err, RT_ERROR_USAGE, "model '%s': its %zu numbers take %.1f GB%s; %.1f GB of memory are free",
                   network->variant, rt_graph_trained_count(network->graph), (double)bytes / 1e9,
                   trained ? " with their gradients" : "", (double)available / 1e9);
}

static rt_status fill(rt_network *network, const void *settings, bool trained, rt_error *err)
{
    const rt_model_family *family = network->family;
    network->settings = calloc(1, family->settings_size + 1);
    network->graph = rt_graph_new();
    if (!network->settings || !network->graph)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for model '%s'", network->variant);
    if (settings)
        memcpy(network->settings, settings, family->settings_size);
    else
        rt_param_defaults(family->params, network->settings);
    RT_TRY(keep_texts(network, err));
    family->build(network->graph, network->variant, network->settings, &network->input);
    rt_error inner = {0};
    rt_status status = rt_graph_finish(network->graph, &inner);
    if (status != RT_OK)
        return rt_fail(err, status, "model '%s': %s", network->variant, inner.message);
    RT_TRY(check_classes(network, err));
    RT_TRY(check_memory(network, trained, err));
    return rt_parameters_new(network->graph, trained, &network->parameters, err);
}

rt_status rt_network_new(const char *variant, const void *settings, const rt_model_input *input, bool trained,
                         rt_network **network, rt_error *err)
{
    *network = NULL;
    const rt_model_family *family;
    RT_TRY(rt_network_family(variant, &family, err));
    rt_network *made = calloc(1, sizeof *made);
    if (!made)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for model '%s'", variant);
    *made = (rt_network){.family = family, .variant = own_name(family, variant), .input = *input};
    rt_status status = fill(made, settings, trained, err);
    if (status != RT_OK) {
        rt_network_free(made);
        return status;
    }
    *network = made;
    return RT_OK;
}

void rt_network_free(rt_network *network)
{
    if (!network)
        return;
    rt_parameters_free(network->parameters);
    rt_graph_free(network->graph);
    drop_texts(network);
    free(network->settings);
    free(network);
}

rt_status rt_network_load(rt_network *network, const char *path, rt_error *err)
{
    rt_tensors tensors;
    RT_TRY(rt_tensors_open(path, &tensors, err));
    rt_status status = rt_weights_load(&tensors, path, network->parameters, err);
    rt_tensors_close(&tensors);
    return status;
}
