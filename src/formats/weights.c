#include "formats/weights.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/quote.h"
#include "formats/weight_names.h"

static bool ends_with(const char *text, const char *suffix)
{
    size_t length = strlen(text), tail = strlen(suffix);
    return length >= tail && strcmp(text + length - tail, suffix) == 0;
}

enum kind { MISSING, UNEXPECTED, REPEATED, MISSHAPED, KINDS };

static const char *const kind_words[KINDS] = {"missing", "unexpected", "there twice", "of another shape"};

/* All that is wrong, told in a line: how many of each kind, and the first few by name; or what is let pass, in which
 * case `gaps` names many. */
typedef struct account {
    size_t counts[KINDS];
    char names[KINDS][190];
    FILE *gaps;
    size_t gap_count;
} account;

enum { NAMED = 3, GAPS_NAMED = 200 };

static void note(account *a, enum kind kind, const char *words)
{
    char *names = a->names[kind];
    size_t used = strlen(names), room = sizeof a->names[kind] - used;
    if (++a->counts[kind] > NAMED || ends_with(names, "...") || strlen(words) + strlen(", , ...") >= room) {
        if (!ends_with(names, "..."))
            snprintf(names + used, room, "%s...", used ? ", " : "");
        return;
    }
    snprintf(names + used, room, "%s%s", used ? ", " : "", words);
}

static void note_name(account *a, enum kind kind, const char *name)
{
    rt_quote quote;
    char words[sizeof quote.text + 2];
    snprintf(words, sizeof words, "'%s'", rt_quote_text(&quote, name, strlen(name)));
    if (!a->gaps || (kind != MISSING && kind != UNEXPECTED))
        note(a, kind, words);
    else if (a->gap_count++ < GAPS_NAMED)
        fprintf(a->gaps, "%s%s %s", a->gap_count > 1 ? ", " : "", words, kind_words[kind]);
}

typedef struct shape_text {
    char text[100];
} shape_text;

static shape_text show_shape(const rt_shape *shape)
{
    shape_text shown = {"["};
    size_t used = 1;
    for (size_t i = 0; i < shape->count; ++i)
        used += (size_t)snprintf(shown.text + used, sizeof shown.text - used, "%s%zu", i ? ", " : "", shape->dims[i]);
    snprintf(shown.text + used, sizeof shown.text - used, "]");
    return shown;
}

static void note_shape(account *a, const rt_tensor *tensor, const rt_parameter *parameter)
{
    char words[400];
    snprintf(words, sizeof words, "'%s' is %s %s, not %s", parameter->name, rt_dtype_name(tensor->dtype),
             show_shape(&tensor->shape).text, show_shape(&parameter->shape).text);
    note(a, MISSHAPED, words);
}

static bool is_floating(rt_dtype dtype)
{
    return dtype == RT_DTYPE_F32 || dtype == RT_DTYPE_F64 || dtype == RT_DTYPE_F16 || dtype == RT_DTYPE_BF16;
}

static bool fits(const rt_tensor *tensor, const rt_parameter *parameter)
{
    const rt_shape *a = &tensor->shape, *b = &parameter->shape;
    return is_floating(tensor->dtype) && a->count == b->count &&
           memcmp(a->dims, b->dims, a->count * sizeof *a->dims) == 0;
}

/* Finds the tensor of each parameter; everything else becomes part of the account. */
static void match(const rt_tensors *tensors, const rt_graph *graph, const rt_tensor **matches, account *a)
{
    for (size_t i = 0; i < tensors->count; ++i) {
        const rt_tensor *tensor = &tensors->items[i];
        if (rt_weight_is_passed_over(tensor->name))
            continue;
        int number = rt_weight_find_parameter(graph, tensor->name);
        if (number < 0)
            note_name(a, UNEXPECTED, tensor->name);
        else if (matches[number])
            note_name(a, REPEATED, tensor->name);
        else
            matches[number] = tensor;
    }
    for (size_t i = 0; i < graph->parameter_count; ++i) {
        if (!matches[i])
            note_name(a, MISSING, graph->parameters[i].name);
        else if (!fits(matches[i], &graph->parameters[i]))
            note_shape(a, matches[i], &graph->parameters[i]);
    }
}

static rt_status settle(const account *a, const char *path, rt_error *err)
{
    rt_quote quote;
    char text[KINDS * 240] = "";
    size_t used = 0;
    for (int kind = 0; kind < KINDS; ++kind)
        if (a->counts[kind] > 0)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s%zu %s: %s", used ? "; " : "", a->counts[kind],
                                     kind_words[kind], a->names[kind]);
    if (used == 0)
        return RT_OK;
    return rt_fail(err, RT_ERROR_SHAPE, "weights '%s' do not fit the network: %s",
                   rt_quote_text(&quote, path, strlen(path)), text);
}

static rt_status copy(const rt_tensor *tensor, const char *path, float *values, size_t count, rt_error *err)
{
    rt_quote quote;
    rt_error inner = {0};
    rt_status status = rt_tensor_floats(tensor, values, &inner);
    if (status != RT_OK)
        return rt_fail(err, status, "cannot load '%s': %s", rt_quote_text(&quote, path, strlen(path)), inner.message);
    for (size_t i = 0; i < count; ++i)
        if (!isfinite(values[i]))
            return rt_fail(err, RT_ERROR_FORMAT, "cannot load '%s': tensor '%s': element %zu is %g; it must be finite",
                           rt_quote_text(&quote, path, strlen(path)), tensor->name, i, (double)values[i]);
    return RT_OK;
}

rt_status rt_weights_load(const rt_tensors *tensors, const char *path, rt_parameters *parameters, rt_error *err)
{
    return rt_weights_load_what_fits(tensors, path, parameters, NULL, err);
}

static rt_status load(const rt_tensors *tensors, const char *path, rt_parameters *parameters, const rt_tensor **matches,
                      account *a, rt_error *err)
{
    const rt_graph *graph = parameters->graph;
    rt_parameters *staged = NULL; /* apart first, so that a bad tensor leaves the network as it was */
    match(tensors, graph, matches, a);
    rt_status status = settle(a, path, err);
    if (status == RT_OK)
        status = rt_parameters_new(graph, false, &staged, err);
    if (status == RT_OK)
        rt_parameters_copy(staged, parameters);
    for (size_t i = 0; status == RT_OK && i < graph->parameter_count; ++i)
        if (matches[i])
            status = copy(matches[i], path, rt_parameter_values(staged, (int)i), graph->parameters[i].count, err);
    if (status == RT_OK)
        rt_parameters_copy(parameters, staged);
    rt_parameters_free(staged);
    return status;
}

rt_status rt_weights_load_what_fits(const rt_tensors *tensors, const char *path, rt_parameters *parameters, char **gaps,
                                    rt_error *err)
{
    account a = {0};
    char *text = NULL;
    size_t size;
    if (gaps)
        *gaps = NULL;
    const rt_tensor **matches = calloc(parameters->graph->parameter_count + 1, sizeof *matches);
    a.gaps = gaps ? open_memstream(&text, &size) : NULL;
    rt_status status = matches && (!gaps || a.gaps)
                           ? load(tensors, path, parameters, matches, &a, err)
                           : rt_fail(err, RT_ERROR_MEMORY, "cannot load '%s': no memory", path);
    if (a.gap_count > GAPS_NAMED)
        fprintf(a.gaps, ", and %zu more", a.gap_count - GAPS_NAMED);
    if (a.gaps)
        fclose(a.gaps);
    if (status == RT_OK && a.gap_count > 0)
        *gaps = text;
    else
        free(text);
    free(matches);
    return status;
}

bool rt_weights_fit(const rt_tensors *tensors, const rt_graph *graph)
{
    account a = {0};
    bool good = false;
    const rt_tensor **matches = calloc(graph->parameter_count + 1, sizeof *matches);
    if (matches) {
        match(tensors, graph, matches, &a);
        good = true;
        for (int kind = 0; kind < KINDS; ++kind)
            good = good && a.counts[kind] == 0;
    }
    free(matches);
    return good;
}

void rt_weights_list(const rt_parameters *parameters, rt_tensor *items)
{
    const rt_graph *graph = parameters->graph;
    for (size_t i = 0; i < graph->parameter_count; ++i)
        items[i] = (rt_tensor){graph->parameters[i].name, RT_DTYPE_F32, graph->parameters[i].shape,
                               rt_parameter_values(parameters, (int)i)};
}

static bool is_one_of(const char *name, const char *const *names)
{
    while (*names && strcmp(name, *names) != 0)
        ++names;
    return *names;
}

/* Where among a network's last layers that weight is: 0 is enough where there is one, "classifier.6" is behind
 * "classifier.3"; -1 for all others. */
static long classifier_place(const char *name)
{
    static const char *const last_layers[] = {"fc.weight", "linear.weight", "classifier.weight", "head.weight", NULL};
    const char *numbered = "classifier.";
    char *end;
    if (is_one_of(name, last_layers))
        return 0;
    if (strncmp(name, numbered, strlen(numbered)) != 0 || !isdigit((unsigned char)name[strlen(numbered)]))
        return -1;
    const long place = strtol(name + strlen(numbered), &end, 10);
    return strcmp(end, ".weight") == 0 ? place : -1;
}

static bool is_1x1(const rt_shape *shape)
{
    return shape->count == 4 && shape->dims[2] == 1 && shape->dims[3] == 1;
}

rt_status rt_weights_look(const rt_tensors *tensors, const char *path, rt_weights_hints *hints, rt_error *err)
{
    /* Of the residual networks (ours and others'), VGG, the mobile networks, transformers. */
    static const char *const first_layers[] = {"conv1.weight",
                                               "block0.0.weight",
                                               "conv1.0.weight",
                                               "features.0.0.weight",
                                               "features.0.weight",
                                               "patch_embed.proj.weight",
                                               NULL};
    long last = -1;
    *hints = (rt_weights_hints){0};
    for (size_t i = 0; i < tensors->count; ++i) {
        const rt_tensor *tensor = &tensors->items[i];
        const char *name = rt_weight_bare_name(tensor->name);
        const rt_shape *shape = &tensor->shape;
        if (rt_weight_is_passed_over(name))
            continue;
        /* A size is only believed of a tensor that has elements, and so bytes in the file. */
        bool filled = rt_shape_elements(shape) > 0;
        const long place = classifier_place(name);
        if (place > last && (shape->count == 2 || is_1x1(shape)) && filled) {
            hints->classes = shape->dims[0];
            last = place;
        } else if (is_one_of(name, first_layers) && shape->count == 4 && filled)
            hints->channels = shape->dims[1];
        else if (strcmp(name, "conv1.bias") == 0)
            hints->stem_bias = true;
        else if (strstr(name, "downsample.") || strstr(name, "shortcut."))
            hints->projection = true;
    }
    if (hints->classes == 0) {
        rt_quote quote;
        return rt_fail(err, RT_ERROR_FORMAT,
                       "cannot tell the classes of '%s': it has no 'fc.weight', 'linear.weight' or "
                       "'classifier.weight' of two dimensions",
                       rt_quote_text(&quote, path, strlen(path)));
    }
    return RT_OK;
}
