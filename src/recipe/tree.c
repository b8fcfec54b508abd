#include "recipe/tree.h"

#include <stdio.h>
#include <string.h>

#include "recipe/number.h"

/* A new node at `mark`; where the budget is spent, that is said of `site`. */
static rt_yaml *new_node(rt_tree *tree, rt_yaml_kind kind, rt_mark mark, rt_mark site)
{
    if (tree->nodes >= RT_TREE_MAX_NODES) {
        rt_diagnostics_add(tree->diagnostics, site, "too many values; a recipe has at most %d, aliases expanded",
                           RT_TREE_MAX_NODES);
        return NULL;
    }
    rt_yaml *node = rt_owner_take(tree->owner, 1, sizeof *node);
    if (!node)
        return NULL;
    ++tree->nodes;
    node->kind = kind;
    node->mark = mark;
    return node;
}

rt_yaml *rt_yaml_new(rt_tree *tree, rt_yaml_kind kind, rt_mark mark)
{
    return new_node(tree, kind, mark, mark);
}

bool rt_yaml_append(rt_tree *tree, rt_yaml *parent, rt_yaml_entry entry)
{
    if (parent->count == parent->capacity) {
        size_t capacity = parent->capacity ? 2 * parent->capacity : 4;
        rt_yaml_entry *entries = rt_owner_take(tree->owner, capacity, sizeof *entries);
        if (!entries)
            return false;
        if (parent->count > 0)
            memcpy(entries, parent->entries, parent->count * sizeof *entries);
        parent->entries = entries;
        parent->capacity = capacity;
    }
    parent->entries[parent->count++] = entry;
    return true;
}

rt_yaml *rt_yaml_copy(rt_tree *tree, const rt_yaml *node, int depth, rt_mark site)
{
    if (depth > RT_TREE_MAX_DEPTH && (node->kind == RT_YAML_LIST || node->kind == RT_YAML_MAP)) {
        rt_diagnostics_add(tree->diagnostics, site, "nested deeper than %d levels, aliases expanded",
                           RT_TREE_MAX_DEPTH);
        return NULL;
    }
    rt_yaml *copy = new_node(tree, node->kind, node->mark, site);
    if (!copy)
        return NULL;
    copy->text = node->text;
    copy->quoted = node->quoted;
    for (size_t i = 0; i < node->count; ++i) {
        rt_yaml_entry entry = node->entries[i];
        entry.value = rt_yaml_copy(tree, entry.value, depth + 1, site);
        if (!entry.value || !rt_yaml_append(tree, copy, entry))
            return NULL;
    }
    return copy;
}

rt_yaml_entry *rt_yaml_find(const rt_yaml *map, const char *key)
{
    if (map->kind != RT_YAML_MAP)
        return NULL;
    for (size_t i = 0; i < map->count; ++i)
        if (strcmp(map->entries[i].key, key) == 0)
            return &map->entries[i];
    return NULL;
}

bool rt_yaml_is_empty(const rt_yaml *node)
{
    return node->kind == RT_YAML_SCALAR && !node->quoted &&
           (node->text[0] == '\0' || strcmp(node->text, "~") == 0 || strcmp(node->text, "null") == 0);
}

rt_shown rt_yaml_show(const rt_yaml *node)
{
    if (node->kind == RT_YAML_MAP)
        return (rt_shown){"a mapping"};
    if (node->kind == RT_YAML_LIST)
        return (rt_shown){"a list"};
    if (rt_yaml_is_empty(node))
        return (rt_shown){"empty"};
    int64_t integer;
    double real;
    rt_shown shown = {""};
    bool number = !node->quoted && strlen(node->text) < sizeof shown.text &&
                  rt_number_read(node->text, &integer, &real) != RT_NUMBER_NONE;
    if (!number)
        return rt_text_show(node->text);
    strcpy(shown.text, node->text);
    return shown;
}

rt_status rt_tree_read(const char *path, rt_bytes *bytes, rt_diagnostics *diagnostics)
{
    rt_error err = {0};
    rt_status status = rt_file_read(path, RT_TREE_MAX_BYTES, bytes, &err);
    if (status != RT_OK)
        rt_diagnostics_add(diagnostics, (rt_mark){0}, "%s", err.message);
    return status;
}

rt_mark rt_origin_mark(const rt_origin *origin, size_t index, size_t line, size_t column)
{
    if (origin->argument > 0)
        return (rt_mark){origin->source, origin->argument, origin->column + (int)index + 1};
    return (rt_mark){origin->source, (int)line + 1, (int)column + 1};
}

bool rt_origin_check(rt_tree *tree, const char *text, size_t size, const rt_origin *origin)
{
    size_t index = 0, line = 0, column = 0;
    size_t start = size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    for (size_t i = start; i < size; ++index) {
        uint32_t character;
        size_t length = rt_text_decode(text + i, size - i, &character);
        if (length == 0) {
            rt_diagnostics_add(tree->diagnostics, rt_origin_mark(origin, index, line, column),
                               "byte 0x%02x is not UTF-8; a recipe is UTF-8 text", (unsigned char)text[i]);
            return false;
        }
        if (!rt_text_is_printable(character)) {
            rt_diagnostics_add(tree->diagnostics, rt_origin_mark(origin, index, line, column),
                               "character U+%04X is not allowed in a recipe", (unsigned)character);
            return false;
        }
        bool ends_line = character == '\n' || (character == '\r' && (i + 1 == size || text[i + 1] != '\n')) ||
                         character == 0x85 || character == 0x2028 || character == 0x2029;
        line += ends_line;
        column = ends_line ? 0 : column + 1;
        i += length;
    }
    return true;
}
