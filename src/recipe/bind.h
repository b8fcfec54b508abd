/* A tree -> the structs that parameter tables describe. Every mistake is reported, none stops the rest. */
#ifndef RETORT_RECIPE_BIND_H
#define RETORT_RECIPE_BIND_H

#include "recipe/tree.h"

typedef struct rt_binder {
    rt_owner *owner;
    rt_diagnostics *diagnostics;
    bool lenient; /* a required key may be absent; it then has the default of its type */
} rt_binder;

/* One table and the struct it fills. */
typedef struct rt_binding {
    const rt_param *params; /* may be NULL */
    void *target;
} rt_binding;

/* All that may stand in one mapping. */
typedef struct rt_scope {
    const char *where;           /* for messages: "train", "loss 'kl'"; NULL at the top of the recipe */
    rt_binding bindings[2];      /* the section's own table, and its choice's (a reader's, a loss's) */
    const char *const *sections; /* NULL-terminated keys that the caller reads itself; may be NULL */
    bool open; /* the choice is not known, and so neither are its keys: only a slip of another is told */
} rt_scope;

/* Writes the defaults into every target, then what `map` says. `map` is NULL where the whole mapping is absent, which
 * is then the caller's to report. */
void rt_bind(const rt_binder *binder, const rt_yaml *map, const rt_scope *scope);

/* One value. `target` is the struct that the parameter belongs to. Strings point into the tree. */
bool rt_bind_value(const rt_binder *binder, const rt_param *param, const rt_yaml *value, const char *where,
                   void *target);

/* Reports a key that the scope does not know, with the nearest right spelling or all that it knows. */
void rt_bind_unknown(const rt_binder *binder, const char *key, rt_mark mark, const rt_scope *scope);

/* Whether the mapping lacks a key, and no unknown key looks like a slip of it: that one is reported already. */
bool rt_bind_is_missing(const rt_yaml *map, const char *name, const rt_scope *scope);

/* Whether `node` is a mapping; reported where it is not. */
bool rt_bind_is_map(const rt_binder *binder, const rt_yaml *node, const char *what);

/* "; did you mean 'x'?" where a name is near to `word`, "; `kind` x, y, z" where none is. */
typedef struct rt_hint {
    char text[512];
} rt_hint;

rt_hint rt_bind_hint(const char *word, const char *const *names, size_t count, const char *kind);

#endif
