/* The one loop over epochs and batches: one loader and one teacher feed any number of trainings, step by step.
 *
 * Each batch is decoded and augmented once, and the teacher says once what it thinks of it; then each training takes
 * its step on them. No training knows of the others, so each ends with the bits that it would have had alone. They
 * agree on data, seed and size of batch, which decide the batches, and on the teacher; numbers of epochs may differ. */
#ifndef RETORT_TRAIN_LOCKSTEP_H
#define RETORT_TRAIN_LOCKSTEP_H

#include <signal.h>

#include "train/training.h"

typedef struct rt_lockstep {
    const char *label; /* for the progress line */
    const rt_run_data *data;
    rt_teacher *teacher; /* that of every training, or NULL */
    rt_training *const *trainings;
    size_t count;                      /* at least 1 */
    bool tolerant;                     /* go on without trainings that end in numbers that are not finite */
    const volatile sig_atomic_t *stop; /* set by a signal: stop at the next step boundary; or NULL */
    bool *begun;                       /* set before the first step; or NULL */
} rt_lockstep;

/* Trains all of them to the end, from wherever each of them stands; those that are ahead wait for the others. Once
 * `stop` is set, every training gets its checkpoint, and the loop fails with RT_ERROR_INTERRUPTED. So does each where
 * an image cannot be read, and the loop fails with the image's error. A training that was given up says why
 * (rt_training_failure()). */
rt_status rt_lockstep_run(const rt_lockstep *lockstep, rt_error *err);

#endif
