#include "models/layer_settings.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static bool read_number(const rt_param *param, const json_t *value, void *settings)
{
    void *field = (char *)settings + param->offset;
    if (param->type == RT_PARAM_BOOL) {
        *(bool *)field = json_is_true(value);
        return json_is_boolean(value);
    }
    const bool whole = param->type == RT_PARAM_INT;
    const double number = json_number_value(value);
    if (!(whole ? json_is_integer(value) : json_is_number(value)) || !isfinite(number) || number < param->minimum ||
        number > param->maximum)
        return false;
    if (whole)
        *(int64_t *)field = json_integer_value(value);
    else
        *(double *)field = number;
    return true;
}

static bool read_sources(const json_t *value, rt_described_layer *layer)
{
    layer->source_count = json_array_size(value);
    const bool joined = layer->kind->joins_last && layer->source_count == 1;
    if (!json_is_array(value) || layer->source_count + joined < layer->kind->fewest ||
        layer->source_count > layer->kind->most)
        return false;
    for (size_t i = 0; i < layer->source_count; ++i) {
        layer->sources[i] = json_string_value(json_array_get(value, i));
        if (!layer->sources[i])
            return false;
    }
    return true;
}

static bool read_list(const char *key, json_t *value, rt_described_layer *layer)
{
    for (size_t i = 0; layer->kind->lists && layer->kind->lists[i]; ++i)
        if (strcmp(layer->kind->lists[i], key) == 0) {
            layer->lists[i] = value;
            return json_is_array(value);
        }
    return false;
}

static bool read_setting(const char *key, json_t *value, rt_described_layer *layer)
{
    const rt_param *param = rt_param_find(layer->kind->params, key);
    if (param)
        return read_number(param, value, layer->settings);
    if (strcmp(key, "from") == 0)
        return read_sources(value, layer);
    if (strcmp(key, "name") != 0)
        return read_list(key, value, layer);
    layer->name = json_string_value(value);
    return layer->name && !rt_layer_name_fault(layer->name);
}

bool rt_described_layer_read(json_t *item, rt_described_layer *layer, char *message, size_t size)
{
    *layer = (rt_described_layer){0};
    void *entry = json_object_iter(item);
    if (json_object_size(item) != 1 || !json_is_object(json_object_iter_value(entry))) {
        snprintf(message, size, "it is not one name with its settings");
        return false;
    }
    layer->kind = rt_layer_kind_find(json_object_iter_key(entry));
    if (!layer->kind) {
        snprintf(message, size, "there is no such kind of layer");
        return false;
    }
    rt_param_defaults(layer->kind->params, layer->settings);
    const char *key;
    json_t *value, *settings = json_object_iter_value(entry);
    json_object_foreach(settings, key, value) if (!read_setting(key, value, layer))
    {
        snprintf(message, size, "%s '%.40s' is wrong", layer->kind->name, key);
        return false;
    }
    for (const rt_param *param = layer->kind->params; param && param->name; ++param)
        if (param->required && !json_object_get(settings, param->name)) {
            snprintf(message, size, "%s has no '%s'", layer->kind->name, param->name);
            return false;
        }
    if ((layer->kind->lists && !layer->lists[0]) || (layer->kind->fewest > 1 && layer->source_count == 0)) {
        snprintf(message, size, "%s has no '%s'", layer->kind->name,
                 layer->kind->lists ? layer->kind->lists[0] : "from");
        return false;
    }
    return true;
}
