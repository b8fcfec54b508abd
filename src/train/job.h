/* Networks that are trained side by side, each in a folder of its own: from a fresh network, or from where it stopped,
 * to its result.json. */
#ifndef RETORT_TRAIN_JOB_H
#define RETORT_TRAIN_JOB_H

#include <signal.h>

#include "train/outcome.h"
#include "train/training.h"

/* One of them. All borrowed but `network` and what follows it. */
typedef struct rt_job {
    const char *role;   /* "student alone": in the result table */
    const char *label;  /* "student": in progress lines */
    const char *folder; /* made where it is absent */
    const rt_network_recipe *model;
    const rt_train_recipe *train;
    const rt_loss_recipe *losses;
    size_t loss_count;
    const rt_recipe *recipe; /* the whole of it: its seed, and for result.json */
    const char *fingerprint; /* of it */
    rt_outcome *outcome;     /* what comes of it */

    rt_network *network; /* made by rt_jobs_run(), the caller's to free; with its last weights in the end */
    rt_training *training;
    bool finished; /* before this process began */
} rt_job;

/* What they share. */
typedef struct rt_job_setting {
    rt_engine *engine;
    const rt_run_data *data;
    rt_teacher *teacher;               /* NULL for none */
    const char *label;                 /* for the one progress line of all */
    size_t together;                   /* at most so many at a time; 0 for as many as memory allows */
    bool tolerant;                     /* as in lockstep.h: the outcome of one that was given up says so */
    bool resume;                       /* go on from checkpoints; pass over what is finished */
    const volatile sig_atomic_t *stop; /* as in lockstep.h */
    bool *begun;                       /* likewise */
} rt_job_setting;

/* Trains all of them, so many at a time, on the batches that rt_lockstep_run() hands out. What could not be finished
 * has its reason in its folder's log.jsonl. */
rt_status rt_jobs_run(const rt_job_setting *setting, rt_job *jobs, size_t count, rt_error *err);

#endif
