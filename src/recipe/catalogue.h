/* The losses that a name can mean: the built-in ones, and those of plugins that were loaded.
 *
 *     rt_catalogue catalogue;
 *     RT_TRY(rt_catalogue_open(&catalogue, err));
 *     RT_TRY(rt_catalogue_load(&catalogue, "./my_divergence.so", NULL, err));
 *     const rt_loss *loss = rt_catalogue_find(&catalogue, "my_divergence");
 *     rt_catalogue_close(&catalogue);            // after every recipe that was read with it
 *
 * Whoever looks a loss up is handed one; there is none besides. */
#ifndef RETORT_RECIPE_CATALOGUE_H
#define RETORT_RECIPE_CATALOGUE_H

#include <stdbool.h>

#include "retort/loss.h"

enum { RT_CHECKSUM_CAPACITY = 17 };

/* A shared object whose losses are in the catalogue. */
typedef struct rt_plugin_file {
    char *path;                          /* absolute, without links */
    char checksum[RT_CHECKSUM_CAPACITY]; /* XXH3 of the file, 64 bits in hexadecimal */
    void *handle;                        /* dlopen's */
    size_t first, count;                 /* its losses' places in the catalogue */
} rt_plugin_file;

typedef struct rt_catalogue {
    const rt_loss **losses; /* built-in ones first */
    size_t loss_count;
    rt_plugin_file *plugins;
    size_t plugin_count;
    bool allows_recipes; /* recipes may name plugins: the user has said so */
} rt_catalogue;

rt_status rt_catalogue_open(rt_catalogue *catalogue, rt_error *err);
void rt_catalogue_close(rt_catalogue *catalogue); /* accepts a zeroed struct */

/* Loads a plugin, which runs what code it likes; the caller has made sure that the user wants that. A file that is
 * loaded already stays so. Where `checksum` is not NULL, the file must have it. On failure the catalogue is as it was.
 */
rt_status rt_catalogue_load(rt_catalogue *catalogue, const char *path, const char *checksum, rt_error *err);

/* The loaded file of that path, or NULL: consent to it was given. */
const rt_plugin_file *rt_catalogue_plugin(const rt_catalogue *catalogue, const char *path);

/* The loss of that name, or NULL. */
const rt_loss *rt_catalogue_find(const rt_catalogue *catalogue, const char *name);

#endif
