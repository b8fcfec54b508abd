/* Names in a network of one's own: what layers are called, and which of them are read. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/weight_names.h"
#include "models/own_builder.h"
#include "retort/suggest.h"

void rt_own_refuse(rt_own_builder *b, const char *setting, const char *format, ...)
{
    char message[sizeof b->graph->error.message];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    ++b->mistakes;
    if (b->report)
        b->report(b->context, b->layer, setting, message);
    else
        rt_graph_refuse(b->graph, "%s", message);
}

int rt_own_find_place(const rt_own_builder *b, const char *name)
{
    for (size_t i = 0; i < b->place_count; ++i)
        if (strcmp(b->places[i].name, name) == 0)
            return (int)i;
    return -1;
}

void rt_own_remember(rt_own_builder *b, const char *name, int node, bool given)
{
    if (b->place_count == b->place_capacity) {
        const size_t capacity = 2 * b->place_capacity + 64;
        rt_own_place *larger = realloc(b->places, capacity * sizeof *larger);
        if (!larger) {
            rt_fail(&b->graph->error, RT_ERROR_MEMORY, "no memory for a network of %zu layers", capacity);
            return;
        }
        b->places = larger;
        b->place_capacity = capacity;
    }
    rt_own_place *made = &b->places[b->place_count++];
    *made = (rt_own_place){.node = node, .given = given};
    snprintf(made->name, sizeof made->name, "%s", name);
}

/* Whether a list has a layer of that name, or place, at all. */
static bool has_layer(json_t *list, const char *name)
{
    char text[24];
    rt_described_layer layer;
    for (size_t i = 0; i < json_array_size(list); ++i) {
        snprintf(text, sizeof text, "%zu", i);
        const bool good = rt_described_layer_read(json_array_get(list, i), &layer, text, 0);
        if (good && strcmp(layer.name ? layer.name : text, name) == 0)
            return true;
    }
    return false;
}

static void refuse_source(rt_own_builder *b, const rt_own_scope *within, const char *word)
{
    const char **names = calloc(b->place_count + 1, sizeof *names);
    for (const rt_own_scope *s = within; s; s = s->outer)
        if (has_layer(s->list, word)) {
            rt_own_refuse(b, "from", "layer '%.64s' comes later; a layer reads what stands before it", word);
            free(names);
            return;
        }
    size_t count = 0;
    for (const rt_own_scope *s = within; s && names; s = s->outer)
        for (size_t i = 0; i < b->place_count; ++i)
            if (count < b->place_count && strncmp(b->places[i].name, s->prefix, strlen(s->prefix)) == 0)
                names[count++] = b->places[i].name + strlen(s->prefix);
    const char *near = names ? rt_suggest(word, names, count) : NULL;
    if (near)
        rt_own_refuse(b, "from", "there is no layer '%.64s' before this one; did you mean '%s'?", word, near);
    else
        rt_own_refuse(b, "from", "there is no layer '%.64s' before this one", word);
    free(names);
}

int rt_own_find_source(rt_own_builder *b, const rt_own_scope *within, const char *word, int fallback)
{
    if (strcmp(word, b->graph->nodes[0].name) == 0)
        return 0;
    for (const rt_own_scope *s = within; s; s = s->outer) {
        const int found = rt_own_find_place(b, rt_layer("%s%s", s->prefix, word).text);
        if (found >= 0)
            return b->places[found].node;
    }
    refuse_source(b, within, word);
    return fallback;
}

bool rt_own_name_layer(rt_own_builder *b, const rt_own_scope *within, const rt_described_layer *layer, size_t index,
                       rt_layer_name *name)
{
    char number[24];
    snprintf(number, sizeof number, "%zu", index);
    const char *own = layer->name ? layer->name : number;
    const size_t length = strlen(within->prefix) + strlen(own);
    if (length + sizeof ".running_mean" > RT_NAME_CAPACITY) {
        rt_own_refuse(b, "name", "its whole name '%s%s' is too long: %zu letters", within->prefix, own, length);
        *name = rt_layer("%zu ", b->made); /* nobody else's */
        return false;
    }
    *name = rt_layer("%s%s", within->prefix, own);
    if (rt_own_find_place(b, name->text) >= 0 || rt_graph_find(b->graph, name->text) >= 0)
        rt_own_refuse(b, "name", "another layer is called '%s'", name->text);
    else if (rt_weight_is_passed_over(rt_layer("%s.weight", name->text).text))
        rt_own_refuse(b, "name", "'%s': weights whose names begin so are passed over when a file is read", name->text);
    else
        return true;
    *name = rt_layer("%zu ", b->made);
    return false;
}
