/* The runs of a sweep: a folder each, like those of retort train, beside a sweep.json that says what they are. */
#ifndef RETORT_TRAIN_SWEEP_RUNS_H
#define RETORT_TRAIN_SWEEP_RUNS_H

#include "recipe/sweep.h"
#include "train/pipeline.h"

typedef struct rt_sweep_group rt_sweep_group;

typedef struct rt_sweep_run {
    char *name;        /* "loss=kl,seed=0": its folder's name */
    char *folder;      /* with the sweep's in front */
    char **values;     /* the name of each key's value */
    rt_recipe *recipe; /* its own, with the values in it */
    size_t group;      /* number of the first run with the same batches and teacher (rt_recipe_batches()) */
    rt_outcome outcome;
    rt_sweep_group *opened; /* of a group's first: data and networks of the group, ready to train; or NULL */
} rt_sweep_run;

typedef struct rt_sweep_runs {
    char *folder;
    char **keys; /* those that vary */
    size_t key_count;
    rt_sweep_run *runs;
    size_t count;
} rt_sweep_runs;

/* All runs of a new sweep, with their recipes; folders come later. Every mistake in any recipe is reported. */
rt_status rt_sweep_runs_new(const rt_sweep *sweep, const char *const *overrides, size_t override_count,
                            rt_catalogue *catalogue, rt_sweep_runs *runs, rt_diagnostics *diagnostics);

/* Places the sweep in `folder`, which is there: makes each run's folder with its recipe.yaml, and sweep.json. */
rt_status rt_sweep_runs_place(rt_sweep_runs *runs, const char *folder, rt_error *err);

/* The runs of a folder that rt_sweep_runs_place() has filled. */
rt_status rt_sweep_runs_open(const char *folder, rt_catalogue *catalogue, rt_sweep_runs *runs,
                             rt_diagnostics *diagnostics);
void rt_sweep_runs_close(rt_sweep_runs *runs); /* accepts a zeroed struct */

/* Whether key number k is one by which runs are compared: all but the seed, which only repeats them. */
bool rt_sweep_compares(const rt_sweep_runs *runs, size_t k);

/* How it is to be trained. */
typedef struct rt_sweep_setting {
    rt_engine *engine;
    size_t together; /* at most so many at a time; 0 for as many as memory allows */
    bool resume;
    const volatile sig_atomic_t *stop;
} rt_sweep_setting;

/* Opens data and networks of all runs: whatever is wrong with them is known before anything is written. They stay open
 * for rt_sweep_runs_train(), those that follow the first as long as memory is plenty; others are opened again. */
rt_status rt_sweep_runs_try(rt_sweep_runs *runs, rt_engine *engine, rt_error *err);

/* Closes what is open and was not trained; before the engine goes. */
void rt_sweep_runs_release(rt_sweep_runs *runs);

/* Trains all that is not finished. Runs that may share batches and teacher are trained
 * side by side; each ends with the bits that retort train gives for its recipe. A run whose numbers overflow is given
 * up, and its outcome says so; the others go on. */
rt_status rt_sweep_runs_train(rt_sweep_runs *runs, const rt_sweep_setting *setting, rt_error *err);

#endif
