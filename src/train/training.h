/* The training of one network, an object that somebody else hands batches to: epochs of steps, evaluation, files,
 * resumption. Whoever has one or more of them, rt_lockstep_run() is the loop.
 *
 *     rt_training_open(&options, &training, err);         // or goes on from its checkpoint
 *     rt_training_begin(training, &progress, err);
 *     until rt_training_is_done(training):
 *         for each batch of epoch rt_training_at(training)->epoch:
 *             rt_training_step(training, batch, teacher_logits, seconds, err);
 *         rt_training_end_epoch(training, err);
 *     rt_training_tell_taught(training, err);
 *     rt_training_finish(training, &result, err);
 *     rt_training_close(training);
 */
#ifndef RETORT_TRAIN_TRAINING_H
#define RETORT_TRAIN_TRAINING_H

#include "datasets/loader.h"
#include "models/network.h"
#include "report/progress.h"
#include "train/data.h"
#include "train/metrics.h"
#include "train/state.h"
#include "train/teacher.h"

/* What came of it. "test" is the test set; the best epoch is picked on the validation set where the recipe holds one
 * out, on the test set otherwise. Percentages. */
typedef struct rt_training_result {
    int64_t epochs, best_epoch;
    double best_top1, best_top5; /* test accuracy at the best epoch */
    double last_top1, last_top5; /* test accuracy after the last epoch */
    double last_cross_entropy;
    double images_per_s; /* training images over training seconds */
    double seconds;      /* of training, evaluation not counted */
    bool picked_on_validation;
    rt_teacher_counts taught; /* in this process; all 0 without a teacher */
    char precision[RT_PLAN_PRECISION_WORDS], teacher_precision[RT_PLAN_PRECISION_WORDS]; /* "" without a teacher */
    double teacher_agreement; /* percent of images for which a teacher that is not fp32 says the same; else NaN */
} rt_training_result;

/* All borrowed until rt_training_close(). */
typedef struct rt_training_options {
    const char *label;  /* "student": for progress lines */
    const char *folder; /* existing; gets results.csv, log.jsonl, best and last .safetensors */
    rt_engine *engine;
    rt_network *network; /* with gradients; initialised (or loaded) */
    rt_teacher *teacher; /* whose logits the steps will get; NULL for none */
    const rt_run_data *data;
    const rt_train_recipe *recipe;
    const rt_loss_recipe *losses;
    size_t loss_count;
    uint64_t seed;
    const char *fingerprint; /* of the resolved recipe; a checkpoint of another is refused */
    bool resume;             /* go on from folder/checkpoint.safetensors where there is one */
} rt_training_options;

typedef struct rt_training rt_training;

rt_status rt_training_open(const rt_training_options *options, rt_training **training, rt_error *err);
void rt_training_close(rt_training *training); /* accepts NULL */

/* Says, and logs, how it will be computed. `progress`: where it says this and each epoch's figures, borrowed. */
rt_status rt_training_begin(rt_training *training, rt_progress *progress, rt_error *err);

/* One step on the next batch, which is number rt_training_at()->batch of its epoch. `teacher_logits` [batch->count,
 * classes] are what the teacher says of it, NULL without one; `shared_seconds`, what batch and logits took. */
rt_status rt_training_step(rt_training *training, const rt_batch *batch, const float *teacher_logits,
                           double shared_seconds, rt_error *err);

/* After an epoch's last batch: evaluates, writes the epoch's row and files, and begins the next one. best.safetensors
 * is replaced when the epoch is the best so far, last.safetensors and the checkpoint always. */
rt_status rt_training_end_epoch(rt_training *training, rt_error *err);

/* Writes a checkpoint between two steps and fails with RT_ERROR_INTERRUPTED, which says where. */
rt_status rt_training_stop(rt_training *training, rt_error *err);

/* Says, and logs, what the teacher's memo did since it began; nothing without a teacher. Also for one that failed. */
rt_status rt_training_tell_taught(rt_training *training, rt_error *err);

/* Sums up a training that is done. The network ends with the weights of the last epoch (their moving average where the
 * recipe asks for one). */
rt_status rt_training_finish(rt_training *training, rt_training_result *result, rt_error *err);

/* Goes no further, for the reason in `err`, which it says, logs and keeps: it is done then, without a result. */
void rt_training_give_up(rt_training *training, const rt_error *err);
const char *rt_training_failure(const rt_training *training); /* that reason; NULL for none */

const rt_training_state *rt_training_at(const rt_training *training);
bool rt_training_is_done(const rt_training *training);
uint64_t rt_training_images_left(const rt_training *training); /* to be trained on, over all epochs */
int64_t rt_training_epochs(const rt_training *training);
size_t rt_training_batch(const rt_training *training); /* images of a whole batch */
size_t rt_training_bytes(const rt_training *training); /* that its steps work in, roughly */
double rt_training_loss(const rt_training *training);  /* of the latest step */

/* Accuracy over samples, in order, without augmentation. */
rt_status rt_evaluate(rt_inference *inference, rt_loader *loader, size_t classes, rt_metrics *metrics, rt_error *err);

#endif
