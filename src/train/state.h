/* Where a training stands: everything besides parameters and optimizer moments that a resumed run needs. Randomness
 * needs nothing: draws are functions of (seed, epoch, index). */
#ifndef RETORT_TRAIN_STATE_H
#define RETORT_TRAIN_STATE_H

#include <stdint.h>

#include "retort/error.h"
#include "train/metrics.h"

enum { RT_MAX_TERMS = 64 };

typedef struct rt_training_state {
    int64_t epoch;               /* the one under way, from 0 */
    int64_t batch;               /* batches of it that are done */
    int64_t step;                /* updates so far */
    rt_metrics train;            /* of this epoch so far: the student's logits while it learned */
    double losses[RT_MAX_TERMS]; /* sums over this epoch's images of each term, at weight 1 */
    double loss;                 /* the same of the weighted total */
    double seconds;              /* of training in this epoch so far, evaluation not counted */
    double best_top1, best_top5; /* percent, on the set that picks the best (see rt_training_result) */
    double best_test_top1, best_test_top5;
    int64_t best_epoch;   /* counts from 1; 0 before the first evaluation */
    double total_seconds; /* of finished epochs */
} rt_training_state;

/* As one line of text, exact to the bit, and back. Text from a file is checked. */
rt_status rt_training_state_write(const rt_training_state *state, size_t terms, char *text, size_t size, rt_error *err);
rt_status rt_training_state_read(const char *text, size_t terms, rt_training_state *state, rt_error *err);

#endif
