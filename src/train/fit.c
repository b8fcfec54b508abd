#include "train/fit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/weight_names.h"
#include "models/own_network.h"
#include "recipe/number.h"
#include "recipe/recipe.h"
#include "train/pretrained.h"

enum { MAX_VALUES = 4 };

/* One variant on trial. */
typedef struct trial {
    const rt_tensors *tensors;
    size_t tensor_count; /* without what is passed over */
    const rt_model_family *family;
    const char *variant;
    void *settings;
} trial;

static rt_graph *build(const trial *t, const rt_model_input *input)
{
    rt_graph *graph = rt_graph_new();
    if (!graph)
        return NULL;
    t->family->build(graph, t->variant, t->settings, input);
    if (rt_graph_finish(graph, NULL) == RT_OK)
        return graph;
    rt_graph_free(graph);
    return NULL;
}

/* The tensor's output channels over the graph's, of the graph's widest convolution, where rounding to whole channels
 * matters least; 0 where that cannot be told. */
static double width_ratio(const trial *t, const rt_graph *graph)
{
    const rt_parameter *widest = NULL;
    for (size_t i = 0; i < graph->parameter_count; ++i) {
        const rt_parameter *parameter = &graph->parameters[i];
        if (parameter->shape.count == 4 && (!widest || parameter->shape.dims[0] > widest->shape.dims[0]))
            widest = parameter;
    }
    for (size_t i = 0; widest && i < t->tensors->count; ++i) {
        const rt_tensor *tensor = &t->tensors->items[i];
        int number = rt_weight_find_parameter(graph, tensor->name);
        if (number >= 0 && &graph->parameters[number] == widest && tensor->shape.count == 4)
            return (double)tensor->shape.dims[0] / (double)widest->shape.dims[0];
    }
    return 0.0;
}

/* Whether a graph has as many parameters as there are tensors, which is cheap to see, and each its own. */
static bool fits(const trial *t, const rt_graph *graph)
{
    return graph->parameter_count == t->tensor_count && rt_weights_fit(t->tensors, graph);
}

static rt_status set(const trial *t, const rt_weights_hints *hints, double width, rt_error *err)
{
    const rt_param *params = t->family->params;
    const char *values[MAX_VALUES];
    char width_text[64];
    size_t count = 0;
    if (rt_param_find(params, "stem_bias") && hints->stem_bias)
        values[count++] = "stem_bias=true";
    if (rt_param_find(params, "shortcut"))
        values[count++] = hints->projection ? "shortcut=projection" : "shortcut=identity";
    if (width != 1.0) {
        snprintf(width_text, sizeof width_text, "width=%s", rt_number_show(width).text);
        values[count++] = width_text;
    }
    return rt_settings_parse(t->variant, params, values, count, t->settings, err);
}

/* Tries the variant as it is, and then as wide as the tensors are. */
static rt_status try_variant(const trial *t, const rt_weights_hints *hints, const rt_model_input *input, bool *good,
                             rt_error *err)
{
    RT_TRY(set(t, hints, 1.0, err));
    rt_graph *graph = build(t, input);
    *good = graph && fits(t, graph);
    double width =
        graph && !*good && graph->parameter_count == t->tensor_count && rt_param_find(t->family->params, "width")
            ? width_ratio(t, graph)
            : 0.0;
    rt_graph_free(graph);
    if (*good || width == 0.0 || width == 1.0 || set(t, hints, width, NULL) != RT_OK)
        return RT_OK;
    graph = build(t, input);
    *good = graph && fits(t, graph);
    rt_graph_free(graph);
    return RT_OK;
}

static rt_status add(rt_fits *fits, const trial *t, const rt_model_input *input, rt_error *err)
{
    rt_fit *grown = realloc(fits->items, (fits->count + 1) * sizeof *grown);
    if (!grown)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for a list of networks");
    fits->items = grown;
    rt_fit *fit = &fits->items[fits->count];
    *fit = (rt_fit){.variant = t->variant, .input = *input};
    RT_TRY(rt_options_write(t->family->params, t->settings, true, &fit->options, err));
    ++fits->count;
    return RT_OK;
}

/* The images that the family is mostly for, then others: the few networks that are for one size alone show it. */
static rt_status try_sizes(const trial *t, const rt_weights_hints *hints, rt_fits *fits, rt_error *err)
{
    const size_t sides[] = {t->family->usual.height, 32, 28, 224, 64, 8};
    static const size_t channels[] = {3, 1};
    for (size_t s = 0; s < sizeof sides / sizeof *sides; ++s)
        for (size_t c = 0; c < (hints->channels ? 1 : 2); ++c) {
            const rt_model_input input = {sides[s], sides[s], hints->channels ? hints->channels : channels[c],
                                          hints->classes};
            bool good;
            RT_TRY(try_variant(t, hints, &input, &good, err));
            if (good)
                return add(fits, t, &input, err);
        }
    return RT_OK;
}

static size_t count_tensors(const rt_tensors *tensors)
{
    size_t count = 0;
    for (size_t i = 0; i < tensors->count; ++i)
        count += !rt_weight_is_passed_over(tensors->items[i].name);
    return count;
}

rt_status rt_fits_add_own(const rt_tensors *tensors, const rt_description *description, rt_fits *found, rt_error *err)
{
    const rt_model_family *family = &rt_model_family_layers;
    const rt_extent *images = &description->input;
    const rt_model_input input = {images->height, images->width, images->channels, description->classes};
    rt_layers_settings settings;
    if (strcmp(description->model, family->name) != 0 ||
        rt_settings_parse(family->name, family->params, &description->options, 1, &settings, NULL) != RT_OK)
        return RT_OK;
    const trial t = {tensors, count_tensors(tensors), family, family->name, &settings};
    rt_graph *graph = build(&t, &input);
    rt_status status = graph && fits(&t, graph) ? add(found, &t, &input, err) : RT_OK;
    rt_graph_free(graph);
    return status;
}

rt_status rt_fits_find(const rt_tensors *tensors, const rt_weights_hints *hints, rt_fits *fits, rt_error *err)
{
    rt_status status = RT_OK;
    trial t = {.tensors = tensors, .tensor_count = count_tensors(tensors)};
    *fits = (rt_fits){0};
    for (size_t f = 0; status == RT_OK && hints->classes > 0 && f < rt_model_family_count; ++f) {
        t.family = rt_model_families[f];
        t.settings = calloc(1, t.family->settings_size + 1);
        if (!t.settings)
            status = rt_fail(err, RT_ERROR_MEMORY, "no memory for model '%s'", t.family->name);
        for (const char *const *variant = t.family->variants; status == RT_OK && *variant; ++variant) {
            t.variant = *variant;
            status = try_sizes(&t, hints, fits, err);
        }
        free(t.settings);
    }
    if (status != RT_OK)
        rt_fits_free(fits);
    return status;
}

void rt_fits_free(rt_fits *fits)
{
    for (size_t i = 0; i < fits->count; ++i)
        free(fits->items[i].options);
    free(fits->items);
    *fits = (rt_fits){0};
}
