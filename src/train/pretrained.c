#include "train/pretrained.h"

#include <stdlib.h>
#include <string.h>

#include "base/quote.h"
#include "models/own_network.h"

rt_status rt_pretrained_open(const char *path, const rt_weights_reading *reading, rt_pretrained *file, rt_error *err)
{
    *file = (rt_pretrained){.path = path, .lenient = reading && reading->lenient};
    rt_quote quote;
    RT_TRY(rt_tensors_open(path, &file->tensors, err));
    rt_status status = RT_OK;
    if (reading && reading->rename_count > 0)
        status = rt_tensors_rename(&file->tensors, path, reading->renames, reading->rename_count, err);
    if (status == RT_OK)
        status = rt_description_read(file->tensors.metadata, file->tensors.metadata_count, path, &file->description,
                                     &file->described, err);
    const bool own =
        status == RT_OK && file->described && strcmp(file->description.model, rt_model_family_layers.name) == 0;
    if (status == RT_OK && (own || (reading && reading->classes > 0)))
        file->hints.classes = file->described ? file->description.classes : reading->classes;
    else if (status == RT_OK)
        status = rt_weights_look(&file->tensors, path, &file->hints, err);
    if (status == RT_OK && file->described && file->description.classes != file->hints.classes)
        status = rt_fail(err, RT_ERROR_FORMAT,
                         "cannot read '%s': its metadata 'retort.classes' is %zu, its last layer has %zu outputs",
                         rt_quote_text(&quote, path, strlen(path)), file->description.classes, file->hints.classes);
    if (status != RT_OK)
        rt_pretrained_close(file);
    return status;
}

void rt_pretrained_close(rt_pretrained *file)
{
    rt_tensors_close(&file->tensors);
    *file = (rt_pretrained){0};
}

/* Options as "key=value" from several places; the last of a key counts. */
enum { MAX_VALUES = 256 };

typedef struct option_list {
    const char *values[MAX_VALUES];
    size_t count;
    char *texts[2]; /* what values point into, beside the caller's */
    size_t text_count;
} option_list;

static void option_list_free(option_list *list)
{
    for (size_t i = 0; i < list->text_count; ++i)
        free(list->texts[i]);
}

static rt_status add(option_list *list, const char *value, rt_error *err)
{
    if (list->count == MAX_VALUES)
        return rt_fail(err, RT_ERROR_USAGE, "more than %d options for a model", MAX_VALUES);
    list->values[list->count++] = value;
    return RT_OK;
}

/* Takes over an allocated text of options separated by spaces. */
static rt_status add_text(option_list *list, char *text, rt_error *err)
{
    list->texts[list->text_count++] = text;
    char *rest = NULL;
    for (char *value = strtok_r(text, " ", &rest); value; value = strtok_r(NULL, " ", &rest))
        RT_TRY(add(list, value, err));
    return RT_OK;
}

static rt_status add_described(option_list *list, const rt_pretrained *file, rt_error *err)
{
    char *text = strdup(file->description.options);
    if (!text)
        return rt_fail(err, RT_ERROR_MEMORY, "cannot read '%s': no memory", file->path);
    return add_text(list, text, err);
}

static rt_status add_hints(option_list *list, const rt_pretrained *file, const rt_param *params, rt_error *err)
{
    const rt_weights_hints *hints = &file->hints;
    if (rt_param_find(params, "stem_bias"))
        RT_TRY(add(list, hints->stem_bias ? "stem_bias=true" : "stem_bias=false", err));
    if (rt_param_find(params, "shortcut") && hints->projection)
        RT_TRY(add(list, "shortcut=projection", err));
    return RT_OK;
}

/* Without weights, a shortcut across a change of shape can be this or that, and a wrong guess runs. */
static rt_status check_shortcut(const rt_pretrained *file, const rt_param *params, const option_list *list,
                                rt_error *err)
{
    rt_quote quote;
    if (file->described || file->hints.projection || !rt_param_find(params, "shortcut"))
        return RT_OK;
    for (size_t i = 0; i < list->count; ++i)
        if (strncmp(list->values[i], "shortcut=", strlen("shortcut=")) == 0)
            return RT_OK;
    return rt_fail(
        err, RT_ERROR_USAGE,
        "'%s' has no weights for shortcuts (downsample or shortcut tensors), so that it does not show what its "
        "shortcuts do where the shape changes; if they subsample and pad with zero channels (option A), say "
        "shortcut: identity in a recipe, or --set shortcut=identity",
        rt_quote_text(&quote, file->path, strlen(file->path)));
}

/* What the file says about itself is checked alone, so that an error blames it and not the user. */
static rt_status check_described(const rt_pretrained *file, const rt_model_family *family, const option_list *list,
                                 void *settings, rt_error *err)
{
    rt_quote quote;
    rt_error inner = {0};
    rt_status status = rt_settings_parse(family->name, family->params, list->values, list->count, settings, &inner);
    if (status == RT_OK)
        return RT_OK;
    return rt_fail(err, status == RT_ERROR_USAGE ? RT_ERROR_FORMAT : status,
                   "cannot read '%s': its metadata 'retort.options': %s",
                   rt_quote_text(&quote, file->path, strlen(file->path)), inner.message);
}

static rt_status gather(const rt_pretrained *file, const rt_pretrained_wish *wish, const rt_model_family *family,
                        option_list *list, void *settings, rt_error *err)
{
    if (file->described) {
        RT_TRY(add_described(list, file, err));
        RT_TRY(check_described(file, family, list, settings, err));
    } else {
        RT_TRY(add_hints(list, file, family->params, err));
    }
    if (wish->settings) {
        char *changed;
        RT_TRY(rt_options_write(family->params, wish->settings, true, &changed, err));
        RT_TRY(add_text(list, changed, err));
    }
    for (size_t i = 0; i < wish->value_count; ++i)
        RT_TRY(add(list, wish->values[i], err));
    RT_TRY(check_shortcut(file, family->params, list, err));
    char what[96];
    snprintf(what, sizeof what, "model/%s", wish->model ? wish->model : file->description.model);
    return rt_settings_parse(what, family->params, list->values, list->count, settings, err);
}

/* Refuses what no option can make fit, in plainer words than a list of tensors. */
static rt_status check(const rt_pretrained *file, const rt_pretrained_wish *wish, rt_error *err)
{
    rt_quote quote, model;
    const char *path = rt_quote_text(&quote, file->path, strlen(file->path));
    size_t channels = file->described ? file->description.input.channels : file->hints.channels;
    if (!file->described && !wish->model)
        return rt_fail(err, RT_ERROR_USAGE, "'%s' does not say which model it holds; it must be named", path);
    if (file->described && wish->model && strcmp(file->description.model, wish->model) != 0)
        return rt_fail(err, RT_ERROR_USAGE, "'%s' holds model '%s', not '%.80s'", path,
                       rt_quote_text(&model, file->description.model, strlen(file->description.model)), wish->model);
    if (channels && channels != wish->input.channels)
        return rt_fail(err, RT_ERROR_SHAPE, "'%s' is for images of %zu channels; these have %zu", path, channels,
                       wish->input.channels);
    if (wish->classes && file->hints.classes != wish->classes)
        return rt_fail(err, RT_ERROR_SHAPE, "'%s' tells %zu classes apart; the data has %zu", path, file->hints.classes,
                       wish->classes);
    return RT_OK;
}

/* `gaps` may be NULL where nobody asks for them. */
static rt_status fill(const rt_pretrained *file, rt_network *network, char **gaps, rt_error *err)
{
    char *unasked = NULL;
    rt_status status = rt_weights_load_what_fits(&file->tensors, file->path, network->parameters,
                                                 !file->lenient ? NULL
                                                 : gaps         ? gaps
                                                                : &unasked,
                                                 err);
    free(unasked);
    return status;
}

rt_status rt_pretrained_network(const rt_pretrained *file, const rt_pretrained_wish *wish, rt_network **network,
                                rt_error *err)
{
    *network = NULL;
    RT_TRY(check(file, wish, err));
    const char *variant = wish->model ? wish->model : file->description.model;
    const rt_model_family *family;
    RT_TRY(rt_network_family(variant, &family, err));
    const rt_model_input input = {wish->input.height, wish->input.width, wish->input.channels, file->hints.classes};
    option_list list = {0};
    rt_network *made = NULL;
    rt_status status;
    void *settings = calloc(1, family->settings_size + 1);
    if (!settings) {
        status = rt_fail(err, RT_ERROR_MEMORY, "no memory for model '%s'", variant);
        goto done;
    }
    status = gather(file, wish, family, &list, settings, err);
    if (status == RT_OK)
        status = rt_network_new(variant, settings, &input, false, &made, err);
    if (status == RT_OK && file->lenient)
        rt_parameters_initialize(made->parameters, 0);
    if (status == RT_OK)
        status = fill(file, made, wish->gaps, err);
    if (status == RT_OK) {
        *network = made;
        made = NULL;
    }
done:
    rt_network_free(made);
    free(settings);
    option_list_free(&list);
    return status;
}

rt_status rt_network_open(const rt_network_recipe *recipe, const rt_model_input *input, char **gaps,
                          rt_network **network, rt_error *err)
{
    rt_pretrained file;
    *network = NULL;
    if (gaps)
        *gaps = NULL;
    const rt_weights_reading reading = {recipe->renames, recipe->rename_count, !recipe->strict,
                                        recipe->family == &rt_model_family_layers ? input->classes : 0};
    RT_TRY(rt_pretrained_open(recipe->weights, &reading, &file, err));
    const rt_pretrained_wish wish = {
        .model = recipe->model,
        .settings = recipe->settings,
        .input = {input->height, input->width, input->channels},
        .classes = input->classes,
        .gaps = gaps,
    };
    rt_status status = rt_pretrained_network(&file, &wish, network, err);
    rt_pretrained_close(&file);
    return status;
}

rt_status rt_network_begin(rt_network *network, const rt_network_recipe *recipe, char **gaps, rt_error *err)
{
    const rt_weights_reading reading = {recipe->renames, recipe->rename_count, !recipe->strict, 0};
    rt_pretrained file = {.path = recipe->weights, .lenient = reading.lenient};
    if (gaps)
        *gaps = NULL;
    RT_TRY(rt_tensors_open(recipe->weights, &file.tensors, err));
    rt_status status = rt_tensors_rename(&file.tensors, file.path, reading.renames, reading.rename_count, err);
    if (status == RT_OK)
        status = fill(&file, network, gaps, err);
    rt_pretrained_close(&file);
    return status;
}
