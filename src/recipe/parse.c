/* libyaml's events -> a tree. */
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "recipe/tree.h"

struct reader {
    rt_tree *tree;
    rt_origin origin;
    yaml_parser_t parser;
    rt_yaml anchors; /* a list: entries' keys are names, values are NULL until the anchored value is complete */
};

static rt_mark mark_of(const struct reader *reader, yaml_mark_t mark)
{
    return rt_origin_mark(&reader->origin, mark.index, mark.line, mark.column);
}

static void report_syntax(struct reader *reader)
{
    const yaml_parser_t *parser = &reader->parser;
    if (parser->error == YAML_MEMORY_ERROR || !parser->problem) {
        reader->tree->diagnostics->is_short = true;
        return;
    }
    size_t index = parser->problem_mark.index;
    rt_mark mark = mark_of(reader, parser->problem_mark);
    bool begins_elsewhere = parser->context && parser->context_mark.index != index && reader->origin.argument == 0;
    char begin[64] = "";
    if (begins_elsewhere)
        snprintf(begin, sizeof begin, " that begins at line %zu", parser->context_mark.line + 1);
    bool tab = parser->buffer.pointer && parser->buffer.pointer < parser->buffer.last &&
               *parser->buffer.pointer == '\t' && parser->mark.index == index;
    rt_diagnostics_add(reader->tree->diagnostics, mark, "syntax error%s%s%s: %s%s", parser->context ? " " : "",
                       parser->context ? parser->context : "", begin, parser->problem,
                       tab ? " (a tab; indent with spaces)" : "");
}

static bool next(struct reader *reader, yaml_event_t *event)
{
    if (yaml_parser_parse(&reader->parser, event))
        return true;
    report_syntax(reader);
    return false;
}

static bool check_tag(struct reader *reader, const yaml_char_t *tag, rt_mark mark)
{
    static const char standard[] = "tag:yaml.org,2002:";
    const char *name = tag ? (const char *)tag : "";
    bool is_standard = strncmp(name, standard, strlen(standard)) == 0;
    char word[sizeof(rt_shown)]; /* as it is written: !!int */
    snprintf(word, sizeof word, "%s%s", is_standard ? "!!" : "", name + (is_standard ? strlen(standard) : 0));
    if (tag)
        rt_diagnostics_add(reader->tree->diagnostics, mark, "tag %s is not allowed; a recipe has plain values only",
                           rt_text_show(word).text);
    return !tag;
}

static bool check_scalar(struct reader *reader, const yaml_event_t *event, rt_mark mark)
{
    size_t length = event->data.scalar.length;
    if (!check_tag(reader, event->data.scalar.tag, mark))
        return false;
    if (length > RT_TREE_MAX_SCALAR) {
        rt_diagnostics_add(reader->tree->diagnostics, mark, "a word of %zu bytes; at most %d are allowed", length,
                           RT_TREE_MAX_SCALAR);
        return false;
    }
    if (strlen((const char *)event->data.scalar.value) != length) {
        rt_diagnostics_add(reader->tree->diagnostics, mark, "character U+0000 is not allowed in a recipe");
        return false;
    }
    return true;
}

static const char *keep(struct reader *reader, const yaml_event_t *event)
{
    return rt_owner_copy(reader->tree->owner, (const char *)event->data.scalar.value, event->data.scalar.length);
}

static rt_yaml *expand_alias(struct reader *reader, const yaml_event_t *event, rt_mark mark, int depth)
{
    const char *name = (const char *)event->data.alias.anchor;
    for (size_t i = reader->anchors.count; i-- > 0;) {
        const rt_yaml_entry *anchor = &reader->anchors.entries[i];
        if (strcmp(anchor->key, name) != 0)
            continue;
        if (anchor->value)
            return rt_yaml_copy(reader->tree, anchor->value, depth, mark);
        rt_diagnostics_add(reader->tree->diagnostics, mark, "alias %s stands inside the value that it repeats",
                           rt_text_show(name).text);
        return rt_yaml_new(reader->tree, RT_YAML_INVALID, mark);
    }
    rt_diagnostics_add(reader->tree->diagnostics, mark, "alias %s has no anchor before it", rt_text_show(name).text);
    return rt_yaml_new(reader->tree, RT_YAML_INVALID, mark);
}

static rt_yaml *read_node(struct reader *reader, const yaml_event_t *event, int depth);

static rt_yaml *read_next(struct reader *reader, int depth)
{
    yaml_event_t event;
    if (!next(reader, &event))
        return NULL;
    rt_yaml *node = read_node(reader, &event, depth);
    yaml_event_delete(&event);
    return node;
}

static bool read_list(struct reader *reader, rt_yaml *list, int depth)
{
    for (;;) {
        yaml_event_t event;
        if (!next(reader, &event))
            return false;
        bool end = event.type == YAML_SEQUENCE_END_EVENT;
        rt_yaml *item = end ? NULL : read_node(reader, &event, depth + 1);
        yaml_event_delete(&event);
        if (end)
            return true;
        if (!item || !rt_yaml_append(reader->tree, list, (rt_yaml_entry){.key_mark = item->mark, .value = item}))
            return false;
    }
}

/* Reads what may stand as a key. *key stays NULL where it is no key; false when reading cannot go on. */
static bool read_key(struct reader *reader, const yaml_event_t *event, rt_mark mark, int depth, const char **key)
{
    rt_diagnostics *diagnostics = reader->tree->diagnostics;
    if (event->type != YAML_SCALAR_EVENT) {
        rt_diagnostics_add(diagnostics, mark, "a key is a word, not %s",
                           event->type == YAML_ALIAS_EVENT            ? "an alias"
                           : event->type == YAML_SEQUENCE_START_EVENT ? "a list"
                                                                      : "a mapping");
        return event->type == YAML_ALIAS_EVENT || read_node(reader, event, depth);
    }
    if (event->data.scalar.anchor)
        rt_diagnostics_add(diagnostics, mark, "a key takes no anchor");
    if (!check_scalar(reader, event, mark))
        return true;
    *key = keep(reader, event);
    return *key != NULL;
}

static void merge(struct reader *reader, rt_yaml *map, const rt_yaml *source)
{
    if (source->kind == RT_YAML_INVALID)
        return;
    if (source->kind != RT_YAML_MAP) {
        rt_diagnostics_add(reader->tree->diagnostics, source->mark,
                           "'<<' takes a mapping or a list of mappings; this is %s", rt_yaml_show(source).text);
        return;
    }
    for (size_t i = 0; i < source->count; ++i)
        if (!rt_yaml_find(map, source->entries[i].key))
            rt_yaml_append(reader->tree, map, source->entries[i]);
}

static bool read_map(struct reader *reader, rt_yaml *map, int depth)
{
    rt_yaml merges = {.kind = RT_YAML_MAP};
    for (;;) {
        yaml_event_t event;
        if (!next(reader, &event))
            return false;
        rt_yaml_entry entry = {.key_mark = mark_of(reader, event.start_mark)};
        bool end = event.type == YAML_MAPPING_END_EVENT;
        bool is_merge = event.type == YAML_SCALAR_EVENT && event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
                        strcmp((const char *)event.data.scalar.value, "<<") == 0;
        bool good = end || read_key(reader, &event, entry.key_mark, depth + 1, &entry.key);
        yaml_event_delete(&event);
        if (end || !good) {
            /* The earlier wins: a key of the mapping itself, then the first of several merged mappings. */
            const rt_yaml *merged = merges.count > 0 ? merges.entries[0].value : NULL;
            if (merged && merged->kind == RT_YAML_LIST)
                for (size_t i = 0; i < merged->count; ++i)
                    merge(reader, map, merged->entries[i].value);
            else if (merged)
                merge(reader, map, merged);
            return good;
        }
        entry.value = read_next(reader, depth + 1);
        if (!entry.value)
            return false;
        rt_yaml *target = is_merge ? &merges : map;
        const rt_yaml_entry *first = entry.key ? rt_yaml_find(target, entry.key) : NULL;
        if (first)
            rt_diagnostics_add(reader->tree->diagnostics, entry.key_mark,
                               "key %s is given twice; the first is at %d:%d", rt_text_show(entry.key).text,
                               first->key_mark.line, first->key_mark.column);
        else if (entry.key && !rt_yaml_append(reader->tree, target, entry))
            return false;
    }
}

static rt_yaml *read_node(struct reader *reader, const yaml_event_t *event, int depth)
{
    rt_tree *tree = reader->tree;
    rt_mark mark = mark_of(reader, event->start_mark);
    if (event->type == YAML_ALIAS_EVENT)
        return expand_alias(reader, event, mark, depth);

    bool scalar = event->type == YAML_SCALAR_EVENT, list = event->type == YAML_SEQUENCE_START_EVENT;
    if (!scalar && depth > RT_TREE_MAX_DEPTH) {
        rt_diagnostics_add(tree->diagnostics, mark, "nested deeper than %d levels", RT_TREE_MAX_DEPTH);
        return NULL;
    }
    rt_yaml *node = rt_yaml_new(tree, scalar ? RT_YAML_SCALAR : list ? RT_YAML_LIST : RT_YAML_MAP, mark);
    if (!node)
        return NULL;
    const yaml_char_t *name = scalar ? event->data.scalar.anchor
                              : list ? event->data.sequence_start.anchor
                                     : event->data.mapping_start.anchor;
    size_t anchor = reader->anchors.count;
    if (name) {
        const char *key = rt_owner_copy(tree->owner, (const char *)name, strlen((const char *)name));
        if (!key || !rt_yaml_append(tree, &reader->anchors, (rt_yaml_entry){.key = key, .key_mark = mark}))
            return NULL;
    }
    bool good = true;
    if (scalar) {
        node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
        if (!check_scalar(reader, event, mark))
            node->kind = RT_YAML_INVALID;
        else
            good = (node->text = keep(reader, event)) != NULL;
    } else {
        check_tag(reader, list ? event->data.sequence_start.tag : event->data.mapping_start.tag, mark);
        good = list ? read_list(reader, node, depth) : read_map(reader, node, depth);
    }
    if (name)
        reader->anchors.entries[anchor].value = node;
    return good ? node : NULL;
}

/* One document and nothing behind it. */
static rt_yaml *read_document(struct reader *reader)
{
    yaml_event_t event;
    rt_yaml *root = NULL;
    for (;;) {
        if (!next(reader, &event))
            return NULL;
        yaml_event_type_t type = event.type;
        rt_mark mark = mark_of(reader, event.start_mark);
        yaml_event_delete(&event);
        if (type == YAML_STREAM_END_EVENT)
            return root;
        if (type != YAML_DOCUMENT_START_EVENT)
            continue;
        if (root) {
            rt_diagnostics_add(reader->tree->diagnostics, mark,
                               "a second document begins here; a recipe is one document");
            return root;
        }
        root = read_next(reader, 1);
        if (!root)
            return NULL;
    }
}

rt_yaml *rt_tree_parse(rt_tree *tree, const char *text, size_t size, rt_origin origin)
{
    struct reader reader = {.tree = tree, .origin = origin, .anchors = {.kind = RT_YAML_LIST}};
    size_t mistakes = tree->diagnostics->mistakes;
    if (!rt_origin_check(tree, text, size, &origin))
        return NULL;
    if (!yaml_parser_initialize(&reader.parser)) {
        tree->diagnostics->is_short = true;
        return NULL;
    }
    yaml_parser_set_input_string(&reader.parser, (const unsigned char *)text, size);
    rt_yaml *root = read_document(&reader);
    yaml_parser_delete(&reader.parser);
    if (!root && tree->diagnostics->mistakes == mistakes && !rt_owner_is_short(tree->owner) &&
        !tree->diagnostics->is_short)
        rt_diagnostics_add(tree->diagnostics, rt_origin_mark(&origin, 0, 0, 0), "nothing is here; %s",
                           origin.argument > 0 ? "a value follows the '='" : "a recipe is a mapping of sections");
    return root;
}
