/* Things that a recipe names and sets up: readers, models, losses, optimizers, schedules. */
#ifndef RETORT_RECIPE_CHOICE_H
#define RETORT_RECIPE_CHOICE_H

#include "recipe/bind.h"
#include "recipe/catalogue.h"

/* A registry as a list of names. */
typedef struct rt_choice_list {
    const char *what;                                        /* "loss", for messages */
    const char *(*name_at)(const void *items, size_t index); /* NULL at the end */
    const void *items;                                       /* NULL for a list that never changes */
} rt_choice_list;

extern const rt_choice_list rt_choice_readers, rt_choice_models, rt_choice_optimizers, rt_choice_schedules;

/* The losses of a catalogue, which is borrowed; the built-in ones where it is NULL. */
rt_choice_list rt_choice_losses(const rt_catalogue *catalogue);

/* The index of a name. An unknown one is reported, and its nearest right spelling is gone on with, so that the settings
 * below it are still checked; -1 where there is none. */
ptrdiff_t rt_choice_find(const rt_binder *binder, const rt_choice_list *list, const char *name, rt_mark mark);

/* A name, and perhaps settings: `sgd` or `sgd: {...}`. */
typedef struct rt_choice {
    const char *name;
    rt_mark mark;
    const rt_yaml *settings; /* a mapping; NULL for none */
} rt_choice;

/* False where the node has another form (reported). */
bool rt_choice_read(const rt_binder *binder, const rt_choice_list *list, const rt_yaml *node, rt_choice *choice);

/* Binds the settings of what was chosen: `common` (may be empty) and `params` share one mapping. Returns a zeroed
 * struct of `size` bytes with the parameters written in; NULL without memory. */
void *rt_choice_bind(const rt_binder *binder, const rt_choice_list *list, const rt_choice *choice, rt_binding common,
                     const rt_param *params, size_t size);

#endif
