/* `model: {layers: [...]}`: the layers of a network of one's own, as the family "layers" takes them.
 *
 * Here are found the mistakes that show without images: kinds, keys, values. Those of shapes, and of names that layers
 * are read by, are found once the data is known (rt_recipe_check_layers()). */
#include <stdlib.h>
#include <string.h>

#include "models/layer_kinds.h"
#include "models/own_network.h"
#include "recipe/choice.h"
#include "recipe/layers.h"
#include "recipe/number.h"
#include "recipe/read.h"
#include "recipe/writer.h"

typedef struct reading {
    rt_loading *loader;
    rt_network_recipe *network;
    rt_writer writer; /* JSON without spaces */
    size_t capacity;  /* of network->layers */
} reading;

static const char *layer_at(const void *items, size_t index)
{
    (void)items;
    return index < rt_layer_kind_count ? rt_layer_kinds[index].name : NULL;
}

static const rt_choice_list choice_layers = {"layer", layer_at, NULL};

static void report(reading *r, rt_mark mark, const char *message)
{
    rt_diagnostics_add(r->loader->binder.diagnostics, mark, "%s", message);
}

/* Keeps where a layer stands, for the mistakes that show later. */
static void keep(reading *r, rt_mark mark, const rt_yaml *settings)
{
    rt_network_recipe *network = r->network;
    if (network->layer_count == r->capacity) {
        const size_t capacity = 2 * r->capacity + 32;
        rt_layer_place *larger = rt_owner_take(r->loader->tree.owner, capacity, sizeof *larger);
        if (!larger)
            return;
        if (network->layer_count > 0)
            memcpy(larger, network->layers, network->layer_count * sizeof *larger);
        network->layers = larger;
        r->capacity = capacity;
    }
    network->layers[network->layer_count++] = (rt_layer_place){mark, settings};
}

static void write_key(reading *r, const char *key, bool *first)
{
    rt_writer_words(&r->writer, "%s\"%s\":", *first ? "" : ",", key);
    *first = false;
}

static void write_params(reading *r, const rt_param *params, const void *settings, bool *first)
{
    for (const rt_param *param = params; param && param->name; ++param) {
        const void *field = (const char *)settings + param->offset;
        write_key(r, param->name, first);
        if (param->type == RT_PARAM_BOOL)
            rt_writer_words(&r->writer, *(const bool *)field ? "true" : "false");
        else if (param->type == RT_PARAM_INT)
            rt_writer_words(&r->writer, "%lld", (long long)*(const int64_t *)field);
        else
            rt_writer_words(&r->writer, "%s", rt_number_show(*(const double *)field).text);
    }
}

static bool check_name(reading *r, const char *what, const char *name, rt_mark mark)
{
    const char *fault = rt_layer_name_fault(name);
    if (fault && (strcmp(name, "images") != 0 || strcmp(what, "from") != 0)) {
        rt_diagnostics_add(r->loader->binder.diagnostics, mark, "'%s' of a layer is %s; %s", what,
                           rt_text_show(name).text, fault);
        return false;
    }
    return true;
}

/* The layers that one reads: a name, or a list of them. */
static void read_from(reading *r, const rt_layer_kind *kind, const rt_yaml *from, bool *first)
{
    const rt_yaml_entry only = {.value = (rt_yaml *)from};
    const bool list = from->kind == RT_YAML_LIST;
    const size_t count = list ? from->count : 1;
    const rt_yaml_entry *entries = list ? from->entries : &only;
    const bool joins = kind->joins_last && count == 1; /* with the layer before, which is then named as "" */
    if (from->kind == RT_YAML_INVALID)
        return;
    if (count + joins < kind->fewest || count > kind->most) {
        rt_diagnostics_add(r->loader->binder.diagnostics, from->mark,
                           kind->fewest == kind->most ? "layer '%s' is given %zu to read; it must be %zu"
                                                      : "layer '%s' is given %zu to read; it must be %zu to %zu",
                           kind->name, count, kind->fewest, kind->most);
        return;
    }
    write_key(r, "from", first);
    rt_writer_put(&r->writer, "[", 1);
    for (size_t i = 0; i < count; ++i) {
        const rt_yaml *name = entries[i].value;
        if (name->kind != RT_YAML_SCALAR || rt_yaml_is_empty(name))
            rt_diagnostics_add(r->loader->binder.diagnostics, name->mark,
                               "a layer that '%s' reads is %s; it must be a layer's name, or its place in the list, "
                               "from 0",
                               kind->name, rt_yaml_show(name).text);
        else if (check_name(r, "from", name->text, name->mark))
            rt_writer_words(&r->writer, "%s\"%s\"", i ? "," : "", name->text);
    }
    rt_writer_put(&r->writer, "]", 1);
}

static void read_list(reading *r, const char *what, const rt_yaml *list);

static void read_lists(reading *r, const rt_layer_kind *kind, rt_mark mark, const rt_yaml *settings, bool *first)
{
    for (size_t i = 0; kind->lists && kind->lists[i]; ++i) {
        const rt_yaml *list = rt_read_section(settings, kind->lists[i]);
        if (!list && i == 0)
            rt_diagnostics_add(r->loader->binder.diagnostics, mark, "missing key '%s' in layer '%s' (a list of layers)",
                               kind->lists[i], kind->name);
        if (!list)
            continue;
        write_key(r, kind->lists[i], first);
        read_list(r, kind->lists[i], list);
    }
}

static void read_settings(reading *r, const rt_layer_kind *kind, rt_mark mark, const rt_yaml *settings)
{
    _Alignas(8) char values[RT_LAYER_SETTINGS_SIZE] = {0};
    rt_layer_common common = {0};
    char where[64];
    const char *sections[RT_LAYER_MOST_LISTS + 2] = {"from"};
    for (size_t i = 0; kind->lists && kind->lists[i]; ++i)
        sections[i + 1] = kind->lists[i];
    snprintf(where, sizeof where, "layer '%s'", kind->name);
    const rt_yaml none = {.kind = RT_YAML_MAP, .mark = mark};
    rt_bind(&r->loader->binder, settings ? settings : &none,
            &(rt_scope){where, {{kind->params, values}, {rt_layer_common_params, &common}}, sections, false});
    bool first = true;
    rt_writer_words(&r->writer, "{\"%s\":{", kind->name);
    write_params(r, kind->params, values, &first);
    if (common.name && check_name(r, "name", common.name, rt_read_mark(settings, "name"))) {
        write_key(r, "name", &first);
        rt_writer_words(&r->writer, "\"%s\"", common.name);
    }
    const rt_yaml *from = rt_read_section(settings, "from");
    if (from)
        read_from(r, kind, from, &first);
    else if (kind->fewest > 1)
        rt_diagnostics_add(r->loader->binder.diagnostics, mark,
                           "missing key 'from' in layer '%s' (the layers that it reads, by name)", kind->name);
    read_lists(r, kind, mark, settings, &first);
    rt_writer_words(&r->writer, "}}");
}

/* `add: [a, b]` for `add: {from: [a, b]}`. */
static const rt_yaml *spell_out(reading *r, const rt_yaml *item)
{
    const rt_yaml_entry *entry = item->kind == RT_YAML_MAP && item->count == 1 ? &item->entries[0] : NULL;
    const rt_layer_kind *kind = entry ? rt_layer_kind_find(entry->key) : NULL;
    if (!kind || kind->fewest < 2 || entry->value->kind == RT_YAML_MAP || rt_yaml_is_empty(entry->value))
        return item;
    rt_yaml *whole = rt_owner_take(r->loader->tree.owner, 2, sizeof *whole);
    rt_yaml_entry *entries = rt_owner_take(r->loader->tree.owner, 2, sizeof *entries);
    if (!whole || !entries)
        return item;
    entries[0] = (rt_yaml_entry){entry->key, entry->key_mark, &whole[1]};
    entries[1] = (rt_yaml_entry){"from", entry->value->mark, entry->value};
    whole[0] = (rt_yaml){.kind = RT_YAML_MAP, .mark = item->mark, .entries = &entries[0], .count = 1};
    whole[1] = (rt_yaml){.kind = RT_YAML_MAP, .mark = entry->value->mark, .entries = &entries[1], .count = 1};
    return whole;
}

static void read_layer(reading *r, const rt_yaml *item)
{
    rt_choice choice;
    if (!rt_choice_read(&r->loader->binder, &choice_layers, spell_out(r, item), &choice))
        return;
    const rt_layer_kind *kind = rt_layer_kind_of_torch(choice.name);
    if (kind) {
        rt_diagnostics_add(r->loader->binder.diagnostics, choice.mark, "unknown layer '%s'; PyTorch's %s is '%s' here",
                           choice.name, choice.name, kind->name);
    } else {
        const ptrdiff_t index = rt_choice_find(&r->loader->binder, &choice_layers, choice.name, choice.mark);
        kind = index >= 0 ? &rt_layer_kinds[index] : NULL;
    }
    if (!kind)
        return;
    keep(r, choice.mark, choice.settings);
    read_settings(r, kind, choice.mark, choice.settings);
}

static void read_list(reading *r, const char *what, const rt_yaml *list)
{
    if (list->kind == RT_YAML_INVALID)
        return;
    if (list->kind != RT_YAML_LIST || list->count == 0) {
        rt_diagnostics_add(r->loader->binder.diagnostics, list->mark,
                           "'%s' is %s; it must be a list of layers, each '- KIND' or '- KIND: {settings}'", what,
                           list->kind == RT_YAML_LIST ? "an empty list" : rt_yaml_show(list).text);
        return;
    }
    rt_writer_put(&r->writer, "[", 1);
    for (size_t i = 0; i < list->count; ++i) {
        if (i > 0)
            rt_writer_put(&r->writer, ",", 1);
        read_layer(r, list->entries[i].value);
    }
    rt_writer_put(&r->writer, "]", 1);
}

const char *rt_read_layers(rt_loading *loader, const rt_yaml *model, rt_network_recipe *network)
{
    static const char *const sections[] = {"layers", NULL};
    reading r = {.loader = loader, .network = network};
    const rt_scope scope = {"model", {{NULL, NULL}}, sections, false};
    rt_bind(&loader->binder, model, &scope);
    const rt_yaml *list = rt_read_section(model, "layers");
    if (list)
        read_list(&r, "layers", list);
    else if (rt_bind_is_missing(model, "layers", &scope))
        report(&r, model->mark, "missing key 'layers' in model (a list of layers)");
    const char *text = NULL;
    if (r.writer.text && !r.writer.is_short)
        text = rt_owner_copy(loader->tree.owner, r.writer.text, r.writer.length);
    free(r.writer.text);
    return text ? text : "";
}

/* The place of a setting where it is written, of the layer elsewhere. */
typedef struct listener {
    const rt_network_recipe *network;
    rt_diagnostics *diagnostics;
} listener;

static void listen(void *context, size_t layer, const char *setting, const char *message)
{
    const listener *l = context;
    rt_mark mark = l->network->model_mark;
    if (layer < l->network->layer_count) {
        const rt_layer_place *place = &l->network->layers[layer];
        const rt_yaml *value = setting && place->settings ? rt_read_section(place->settings, setting) : NULL;
        mark = value ? value->mark : place->mark;
    }
    rt_diagnostics_add(l->diagnostics, mark, "%s", message);
}

static void check(const rt_network_recipe *network, const rt_model_input *input, rt_diagnostics *diagnostics)
{
    listener l = {network, diagnostics};
    if (network->present && network->family == &rt_model_family_layers &&
        !rt_layers_check(((const rt_layers_settings *)network->settings)->layers, input, listen, &l))
        diagnostics->is_short = true;
}

void rt_recipe_check_layers(const rt_recipe *recipe, const rt_model_input *input, rt_diagnostics *diagnostics)
{
    for (size_t i = 0; i < rt_recipe_teachers(recipe); ++i)
        check(rt_recipe_teacher(recipe, i), input, diagnostics);
    check(&recipe->student, input, diagnostics);
}

rt_status rt_recipe_refuse_layers(const rt_recipe *recipe, const rt_model_input *input, rt_error *err)
{
    rt_diagnostics diagnostics = {0};
    char text[sizeof err->message] = "";
    size_t told = 0;
    int used = snprintf(text, sizeof text, "the recipe's layers do not fit images of %zu x %zu x %zu and %zu classes",
                        input->height, input->width, input->channels, input->classes);
    rt_recipe_check_layers(recipe, input, &diagnostics);
    for (; told < diagnostics.count; ++told) {
        const rt_diagnostic *d = &diagnostics.items[told];
        char line[600];
        const int length =
            snprintf(line, sizeof line, "\n%s:%d:%d: %s", d->mark.source, d->mark.line, d->mark.column, d->message);
        if (length < 0 || (size_t)(used + length) + sizeof "\nand 1000000 more" > sizeof text)
            break;
        used += snprintf(text + used, sizeof text - (size_t)used, "%s", line);
    }
    if (told < diagnostics.count)
        snprintf(text + used, sizeof text - (size_t)used, "\nand %zu more", diagnostics.count - told);
    const bool good = diagnostics.count == 0 && !diagnostics.is_short;
    rt_diagnostics_free(&diagnostics);
    if (good)
        return RT_OK;
    return told > 0 ? rt_fail(err, RT_ERROR_USAGE, "%s", text)
                    : rt_fail(err, RT_ERROR_MEMORY, "no memory for a network");
}

size_t rt_recipe_classes(const rt_recipe *recipe, size_t otherwise)
{
    const rt_layers_settings *settings = recipe->student.settings;
    const size_t classes = recipe->student.family == &rt_model_family_layers ? rt_layers_classes(settings->layers) : 0;
    return classes > 0 ? classes : otherwise;
}
