/* key.sub=value on the command line -> a change of the tree. */
#include <stdlib.h>
#include <string.h>

#include "recipe/tree.h"

struct path {
    rt_tree *tree;
    const char *text; /* the whole argument */
    int argument;
};

/* One word between the dots. */
struct step {
    const char *name;
    size_t end; /* of the word, in bytes of the argument */
    rt_mark mark;
};

static rt_mark mark_at(const struct path *path, size_t byte)
{
    int column = (int)rt_text_characters(path->text, byte) + 1;
    return (rt_mark){rt_command_line_source, path->argument, column};
}

static bool read_step(const struct path *path, size_t begin, size_t equals, struct step *step)
{
    const char *word = path->text + begin;
    const char *dot = memchr(word, '.', equals - begin);
    size_t length = dot ? (size_t)(dot - word) : equals - begin;
    step->mark = mark_at(path, begin);
    step->end = begin + length;
    step->name = rt_owner_copy(path->tree->owner, word, length);
    return step->name != NULL;
}

/* A bare name stands for a mapping of one key without settings: `- kl` for `- kl: {}`. */
static bool unfold(rt_tree *tree, rt_yaml *node, const char *name)
{
    if (node->kind != RT_YAML_SCALAR || strcmp(node->text, name) != 0)
        return false;
    rt_yaml *settings = rt_yaml_new(tree, RT_YAML_MAP, node->mark);
    if (!settings)
        return false;
    rt_yaml_entry entry = {.key = node->text, .key_mark = node->mark, .value = settings};
    node->kind = RT_YAML_MAP;
    return rt_yaml_append(tree, node, entry);
}

/* `loss: [kl: ...]`: whether the list's item is what `name` means. */
static bool is_called(const rt_yaml *item, const char *name)
{
    if (item->kind == RT_YAML_SCALAR)
        return strcmp(item->text, name) == 0;
    return item->kind == RT_YAML_MAP && item->count == 1 && strcmp(item->entries[0].key, name) == 0;
}

static rt_yaml_entry *find_item(rt_tree *tree, rt_yaml *list, const struct step *step)
{
    char *rest;
    if (step->name[0] >= '0' && step->name[0] <= '9') {
        unsigned long index = strtoul(step->name, &rest, 10);
        if (*rest == '\0' && index < list->count)
            return &list->entries[index];
        rt_diagnostics_add(tree->diagnostics, step->mark, "no item %s; the list has %zu, counted from 0",
                           rt_text_show(step->name).text, list->count);
        return NULL;
    }
    rt_yaml_entry *found = NULL;
    for (size_t i = 0; i < list->count; ++i) {
        if (!is_called(list->entries[i].value, step->name))
            continue;
        if (found) {
            rt_diagnostics_add(tree->diagnostics, step->mark,
                               "%s is in the list more than once; say which by its index",
                               rt_text_show(step->name).text);
            return NULL;
        }
        found = &list->entries[i];
    }
    if (!found)
        rt_diagnostics_add(tree->diagnostics, step->mark, "no item %s in the list", rt_text_show(step->name).text);
    return found;
}

/* The entry below `node` that the step names, made where it is absent; NULL where there can be none (reported). */
static rt_yaml_entry *descend(rt_tree *tree, rt_yaml *node, const struct step *step)
{
    if (rt_yaml_is_empty(node))
        node->kind = RT_YAML_MAP;
    unfold(tree, node, step->name);
    if (node->kind == RT_YAML_SCALAR) {
        rt_diagnostics_add(tree->diagnostics, step->mark, "nothing is below %s, which is not a mapping",
                           rt_yaml_show(node).text);
        return NULL;
    }
    if (node->kind == RT_YAML_INVALID)
        return NULL;
    if (node->kind == RT_YAML_LIST)
        return find_item(tree, node, step);
    rt_yaml_entry *entry = rt_yaml_find(node, step->name);
    if (entry)
        return entry;
    rt_yaml *fresh = rt_yaml_new(tree, RT_YAML_MAP, step->mark);
    if (!fresh || !rt_yaml_append(tree, node, (rt_yaml_entry){step->name, step->mark, fresh}))
        return NULL;
    return &node->entries[node->count - 1];
}

void rt_tree_override(rt_tree *tree, rt_yaml *root, const char *text, int argument)
{
    const struct path path = {tree, text, argument};
    const char *sign = strchr(text, '=');
    if (!sign) {
        rt_diagnostics_add(tree->diagnostics, mark_at(&path, 0), "%s has no '='; an override is key.sub=value",
                           rt_text_show(text).text);
        return;
    }
    size_t equals = (size_t)(sign - text);
    rt_origin origin = {rt_command_line_source, argument, (int)rt_text_characters(text, equals + 1)};
    rt_yaml *value = rt_tree_parse(tree, sign + 1, strlen(sign + 1), origin);
    if (!value)
        return;

    rt_yaml *node = root;
    rt_yaml_entry *entry = NULL;
    struct step step;
    for (size_t begin = 0; begin <= equals; begin = step.end + 1) {
        if (!read_step(&path, begin, equals, &step))
            return;
        if (step.name[0] == '\0') {
            rt_diagnostics_add(tree->diagnostics, step.mark, "a key is missing; an override is key.sub=value");
            return;
        }
        bool in_list = node->kind == RT_YAML_LIST;
        entry = descend(tree, node, &step);
        if (!entry)
            return;
        /* loss.kl means the settings of the item kl, so the word is the item's name and its key at once. */
        if (in_list && !(step.name[0] >= '0' && step.name[0] <= '9')) {
            unfold(tree, entry->value, step.name);
            entry = rt_yaml_find(entry->value, step.name);
            if (!entry)
                return;
        }
        node = entry->value;
    }
    entry->key_mark = step.mark;
    entry->value = value;
}
