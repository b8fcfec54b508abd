/* Many runs out of one recipe: the keys that vary, and the recipe of each combination.
 *
 *     sweep:                                     # in the recipe; or --vary loss=kl,dkd --vary seed=0,1,2
 *       loss: [kl, [cross_entropy, dkd]]         # each value as it would stand at the key
 *       seed: [0, 1, 2]                          # 6 runs: the last key goes fastest
 */
#ifndef RETORT_RECIPE_SWEEP_H
#define RETORT_RECIPE_SWEEP_H

#include "recipe/recipe.h"

enum { RT_SWEEP_MAX_KEYS = 8, RT_SWEEP_MAX_RUNS = 1000, RT_SWEEP_NAME = 200 };

/* One value: as YAML in one line, where it stands, and a word for it that no other value of the key has. */
typedef struct rt_sweep_value {
    const char *text;
    rt_mark mark;
    char name[64]; /* "0.1", "cross_entropy+kl" */
} rt_sweep_value;

typedef struct rt_sweep_key {
    const char *key; /* "loss", "train.epochs" */
    rt_sweep_value *values;
    size_t count;
} rt_sweep_key;

typedef struct rt_sweep {
    const char *path; /* of the recipe */
    rt_sweep_key keys[RT_SWEEP_MAX_KEYS];
    size_t key_count, run_count;
    void *owner;
} rt_sweep;

/* Reads what the file's `sweep` says and what "KEY=VALUE,VALUE" on the command line adds or replaces. For the key
 * `loss`, a value that is not a list is a list of one term. Nothing that varies is a mistake, too. */
rt_status rt_sweep_read(const char *path, const char *const *vary, size_t vary_count, rt_sweep **sweep,
                        rt_diagnostics *diagnostics);
void rt_sweep_free(rt_sweep *sweep); /* accepts NULL */

const rt_sweep_value *rt_sweep_value_of(const rt_sweep *sweep, size_t run, size_t key);

/* "loss=kl,seed=0": a folder's name. Allocated; NULL without memory. */
char *rt_sweep_name(const rt_sweep *sweep, size_t run);

/* The recipe of one run; overrides come first. What is wrong with a value is told where the value stands. */
rt_status rt_sweep_load(const rt_sweep *sweep, size_t run, const char *const *overrides, size_t override_count,
                        rt_catalogue *catalogue, rt_recipe **recipe, rt_diagnostics *diagnostics);

/* All that makes batches and what teachers say of them, as text that is the same for recipes which may be trained on
 * the same ones: everything but the student, the loss and how it is trained, which are `stand_in`'s, and there the
 * batch. Allocated; NULL without memory. */
char *rt_recipe_batches(const rt_recipe *recipe, const rt_recipe *stand_in);

#endif
