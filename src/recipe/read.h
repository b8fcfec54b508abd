/* What the parts of the loader share: each reads one section of a recipe's tree. */
#ifndef RETORT_RECIPE_READ_H
#define RETORT_RECIPE_READ_H

#include "recipe/bind.h"
#include "recipe/catalogue.h"

typedef struct rt_loading {
    rt_tree tree;
    rt_binder binder;
    rt_recipe *recipe;
    rt_catalogue *catalogue; /* of losses; NULL for the built-in ones */
    bool lenient;            /* RT_RECIPE_SYNTHETIC: only student and loss need be there */
    bool passes_losses_over; /* RT_RECIPE_NETWORKS */
    bool lacks_plugins;      /* one could not be loaded, which is reported: losses may be unknown for that reason */
} rt_loading;

/* What stands below `key`; NULL where it, or the map itself, is absent. */
const rt_yaml *rt_read_section(const rt_yaml *map, const char *key);
/* The same where it must be a mapping: NULL where it is something else, which is reported. */
const rt_yaml *rt_read_map(rt_loading *loader, const rt_yaml *map, const char *key);
/* Where it stands; line 0 where it is absent. */
rt_mark rt_read_mark(const rt_yaml *map, const char *key);
/* Reports an empty path. */
void rt_read_path(rt_loading *loader, const char *path, rt_mark mark, const char *name);

/* Each accepts NULL for a section that is absent, and then fills in the defaults. */
void rt_read_data(rt_loading *loader, const rt_yaml *map, rt_data_recipe *data);
void rt_read_train(rt_loading *loader, const rt_yaml *map, const char *where, rt_train_recipe *train);

/* The plugins that the recipe names, loaded into the catalogue. `list` may be NULL. */
void rt_read_plugins(rt_loading *loader, const rt_yaml *list);

/* A list of loss terms (read_terms.c). `no_teacher` says why there is none to learn from; NULL where there is one. */
void rt_read_terms(rt_loading *loader, const rt_yaml *list, const char *no_teacher, rt_loss_recipe **terms,
                   size_t *count);

/* The layers below `model`, a mapping, as the option of the family "layers" (read_layers.c). */
const char *rt_read_layers(rt_loading *loader, const rt_yaml *model, rt_network_recipe *network);

void rt_read_student(rt_loading *loader, const rt_yaml *map, rt_network_recipe *student);

/* One teacher, or a list of them. */
void rt_read_teachers(rt_loading *loader, const rt_yaml *node);

/* Finds the layers and teachers that the terms name, once the networks are known. `recipe` has the teachers; NULL for
 * terms without any. */
void rt_read_taps(rt_loading *loader, rt_loss_recipe *terms, size_t count, const rt_network_recipe *student,
                  const rt_recipe *recipe);

/* Whether each teacher's memo is of use, once the terms are known. */
void rt_read_memos(rt_loading *loader);

#endif
