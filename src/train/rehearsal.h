/* A rehearsal: everything that a recipe's training would do, for a few steps, with nothing written. `retort bench`
 * times it and `retort check` estimates from it. */
#ifndef RETORT_TRAIN_REHEARSAL_H
#define RETORT_TRAIN_REHEARSAL_H

#include "models/network.h"
#include "train/data.h"
#include "train/step.h"

/* Milliseconds of one step. `data` is the wait for the loader, `packs` the student's weights brought into the kernels'
 * layouts (not part of `forward`), `other` what is between the phases; `total` is everything. */
typedef struct rt_rehearsal_times {
    double data, teacher, packs, forward, loss, backward, update, other, total;
} rt_rehearsal_times;

typedef struct rt_rehearsal {
    rt_run_data data;
    rt_network *teacher, *student;   /* of several teachers the first */
    rt_teacher *taught_by;           /* without a memo: what is measured is the teacher */
    rt_inference *teacher_inference; /* of the first teacher */
    rt_network *networks[RT_MAX_TEACHERS];
    rt_teacher *members[RT_MAX_TEACHERS];
    rt_teacher *joint;                          /* several as one; NULL for fewer */
    char *gaps[RT_MAX_TEACHERS], *student_gaps; /* what `strict: false` let pass of weights, in words; or NULL */
    rt_step step;
    rt_loader *loader;
    uint32_t epoch;
} rt_rehearsal;

/* Plans the student's training of a recipe. `synthetic`: 3 x 32 x 32 images of 100 classes are made up (or what a
 * recipe with the synthetic reader says), networks are initialised at random, and neither data nor weights are touched.
 * Otherwise a teacher's weights are loaded where the recipe names a file and made up where it would train one. */
rt_status rt_rehearsal_open(rt_rehearsal *rehearsal, rt_engine *engine, const rt_recipe *recipe, bool synthetic,
                            rt_error *err);
void rt_rehearsal_close(rt_rehearsal *rehearsal); /* accepts a zeroed struct */

/* Runs `warm` steps and then `count` timed ones on whole batches. */
rt_status rt_rehearsal_run(rt_rehearsal *rehearsal, size_t warm, size_t count, rt_rehearsal_times *times,
                           rt_error *err);

/* The median of each phase over `count` steps. */
rt_rehearsal_times rt_rehearsal_median(rt_rehearsal_times *times, size_t count);

/* How many images a second the loader makes on one core, by the median of some batches. */
rt_status rt_rehearsal_loader_speed(const rt_rehearsal *rehearsal, double *images_per_s, rt_error *err);

/* Floating-point operations of one step: the teacher's forward, the student's forward and backward (rt_plan_flops()).
 */
double rt_rehearsal_flops(const rt_rehearsal *rehearsal);

#endif
