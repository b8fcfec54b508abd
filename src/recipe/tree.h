/* A YAML text as a tree in which every value knows where it stands.
 *
 * libyaml cuts the text into events; everything that YAML leaves open is decided here, and strictly:
 * one document, no tags, plain words as keys, each key once, aliases copied, `<<` merged, and budgets for all of it.
 * Nothing here knows what a recipe means. */
#ifndef RETORT_RECIPE_TREE_H
#define RETORT_RECIPE_TREE_H

#include "base/file.h"
#include "recipe/owner.h"
#include "recipe/recipe.h"
#include "recipe/text.h"

enum {
    RT_TREE_MAX_BYTES = 1024 * 1024, /* of a file */
    RT_TREE_MAX_SCALAR = 64 * 1024,  /* bytes of one key or value */
    RT_TREE_MAX_DEPTH = 32,          /* mappings and lists within each other, aliases expanded */
    RT_TREE_MAX_NODES = 20000        /* values of all kinds, aliases expanded */
};

typedef enum rt_yaml_kind {
    RT_YAML_SCALAR,
    RT_YAML_LIST,
    RT_YAML_MAP,
    RT_YAML_INVALID /* already reported: whoever meets it stays silent */
} rt_yaml_kind;

typedef struct rt_yaml rt_yaml;

/* One item of a list, or one key and its value. */
typedef struct rt_yaml_entry {
    const char *key; /* NULL in a list */
    rt_mark key_mark;
    rt_yaml *value;
} rt_yaml_entry;

struct rt_yaml {
    rt_yaml_kind kind;
    rt_mark mark;
    const char *text;       /* SCALAR: UTF-8 without zero bytes inside */
    bool quoted;            /* SCALAR: in quotes or a block, so certainly a string */
    rt_yaml_entry *entries; /* LIST, MAP */
    size_t count, capacity;
};

/* All trees that belong together (a file and its overrides) share one budget. */
typedef struct rt_tree {
    rt_owner *owner;
    rt_diagnostics *diagnostics;
    size_t nodes;
} rt_tree;

/* Where a text stands: a file (argument 0), or part of argument number `argument`, from character `column` (0-based).
 */
typedef struct rt_origin {
    const char *source; /* kept, not copied */
    int argument, column;
} rt_origin;

/* The place `index` characters from the begin of the text, which is this line and column of it; all 0-based. */
rt_mark rt_origin_mark(const rt_origin *origin, size_t index, size_t line, size_t column);

/* Whether the text is UTF-8 and printable; reported where it is not. libyaml would refuse it too, but without a line.
 */
bool rt_origin_check(rt_tree *tree, const char *text, size_t size, const rt_origin *origin);

/* The tree of a text, or NULL where no tree can be made of it. Mistakes go to tree->diagnostics; some leave a tree
 * that can be read further. */
rt_yaml *rt_tree_parse(rt_tree *tree, const char *text, size_t size, rt_origin origin);

/* The text of a recipe's file; why it cannot be read is a diagnostic without a place. Free with rt_bytes_free(). */
rt_status rt_tree_read(const char *path, rt_bytes *bytes, rt_diagnostics *diagnostics);

/* Applies "train.epochs=40" as argument number `argument` (1-based) to the tree below `root`. A list's item is named by
 * its index, or by its key where it is a mapping of one key. Mappings on the way are made where they are absent. */
void rt_tree_override(rt_tree *tree, rt_yaml *root, const char *text, int argument);

/* The entry of that key, or NULL. Lists and scalars have none. */
rt_yaml_entry *rt_yaml_find(const rt_yaml *map, const char *key);

/* Whether the value is absent in YAML's eyes: nothing, ~ or null. */
bool rt_yaml_is_empty(const rt_yaml *node);

/* "a mapping", "a list", "empty", "1.5", "'word'": for messages. */
rt_shown rt_yaml_show(const rt_yaml *node);

/* Pieces that the parser and the overrides build trees from. NULL, or false, without memory or beyond a budget
 * (reported). A copy keeps the marks of what it copies; `depth` is its own (1 for the root), `site` the alias. */
rt_yaml *rt_yaml_new(rt_tree *tree, rt_yaml_kind kind, rt_mark mark);
bool rt_yaml_append(rt_tree *tree, rt_yaml *parent, rt_yaml_entry entry);
rt_yaml *rt_yaml_copy(rt_tree *tree, const rt_yaml *node, int depth, rt_mark site);

#endif
