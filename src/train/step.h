/* One training step, top to bottom: batch -> teacher -> student -> losses -> backward -> update. */
#ifndef RETORT_TRAIN_STEP_H
#define RETORT_TRAIN_STEP_H

#include "datasets/loader.h"
#include "engine/plan.h"
#include "recipe/recipe.h"
#include "train/extension.h"
#include "train/monitor.h"
#include "train/teacher.h"
#include "train/term.h"
#include "train/update.h"

/* Seconds of each phase of a step. */
typedef struct rt_step_times {
    double teacher, forward, loss, backward, update;
} rt_step_times;

typedef struct rt_step {
    rt_engine *engine;
    rt_extension extension;    /* what is trained: the student, and what its loss terms add */
    rt_parameters *parameters; /* the extension's; the student's come first */
    rt_teacher *teacher;       /* or NULL */
    rt_plan *plan, *last_plan; /* whole batches, and an epoch's last short one */
    rt_loss_term *terms;       /* [term_count] */
    const rt_loss_recipe *recipes;
    size_t term_count;
    rt_update update;
    size_t batch, classes;
    size_t file_samples;       /* what `indices` are below */
    float *teacher_logits;     /* [batch, classes] */
    int64_t *labels, *indices; /* [batch] */
    bool mixed;                /* images are mixed: the arrays below are there, and no indices */
    int64_t *mixed_labels;     /* [batch] */
    float *mixed_shares;       /* [batch] */
    rt_plan *bound;            /* which plan's arrays the terms read */
    uint64_t seed;

    /* Results of the latest step. */
    double *losses;      /* [term_count], each at weight 1; 0 where a term does not count */
    double loss;         /* weighted sum */
    const float *logits; /* the student's, [images of the batch, classes] */
    rt_step_times times;
    rt_monitor monitor; /* of the terms' gradients; monitor.measured where it was this step's turn */
} rt_step;

typedef struct rt_step_options {
    rt_engine *engine;
    const rt_graph *graph;     /* the student's */
    rt_parameters *parameters; /* its own, with gradients. Where terms add anything, others are trained, which begin as
                                * these and hold the result (rt_update_result()) */
    rt_teacher *teacher;       /* borrowed; NULL when no term reads a teacher */
    const rt_loss_recipe *losses;
    size_t loss_count;
    const rt_train_recipe *train;
    size_t samples;      /* an epoch's */
    size_t file_samples; /* the training file's, all of them: a batch's numbers of samples are below it */
    uint64_t seed;
    bool mixed; /* batches come with mixed_labels and mixed_shares that count */
} rt_step_options;

/* Plans everything a step needs; all of it is borrowed until rt_step_close(). */
rt_status rt_step_open(rt_step *step, const rt_step_options *options, rt_error *err);
void rt_step_close(rt_step *step); /* accepts a zeroed struct */

/* Runs one step on a batch of step->batch images or of the epoch's rest, on which the teacher said `teacher_logits`
 * [batch->count, classes]; NULL without a teacher. */
rt_status rt_step_learn(rt_step *step, const rt_batch *batch, const float *teacher_logits, rt_error *err);

/* The same for a student that has its teacher to itself: asks it first. */
rt_status rt_step_run(rt_step *step, const rt_batch *batch, rt_error *err);

#endif
