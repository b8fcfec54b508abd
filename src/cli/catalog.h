/* What a recipe can name: losses, models, datasets, optimizers, schedules and augmentations, behind one face for `list`
 * and `help`. */
#ifndef RETORT_CLI_CATALOG_H
#define RETORT_CLI_CATALOG_H

#include <stddef.h>
#include <stdio.h>

#include "recipe/catalogue.h"
#include "retort/error.h"

typedef struct rt_kind rt_kind;
struct rt_kind {
    const char *name, *plural; /* "loss", "losses" */
    /* The losses are those of the catalogue; the other kinds pass it over, and may be asked with NULL. */
    size_t (*count)(const rt_catalogue *catalogue);
    const char *(*item)(const rt_catalogue *catalogue, size_t index); /* the name of each, in its registry's order */
    const char *(*summary)(const rt_catalogue *catalogue, size_t index);
    /* What `retort help` prints about it. */
    rt_status (*describe)(const rt_catalogue *catalogue, size_t index, FILE *file, rt_error *err);
    /* A line for each item, its name first, behind `indent` spaces: what `retort list` prints. */
    rt_status (*list)(const rt_kind *kind, const rt_catalogue *catalogue, FILE *file, size_t indent, rt_error *err);
};

extern const rt_kind rt_kinds[];
extern const size_t rt_kind_count;

/* The kind of that name, singular or plural; NULL for none. `length` of `name` counts. */
const rt_kind *rt_kind_find(const char *name, size_t length);

/* The index of the item of that name, or the kind's count when there is none. */
size_t rt_kind_item(const rt_kind *kind, const rt_catalogue *catalogue, const char *name);

/* The item whose name is nearest to a wrong one, or NULL. */
const char *rt_kind_suggest(const rt_kind *kind, const rt_catalogue *catalogue, const char *name);

#endif
