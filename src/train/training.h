/* The training of one network: epochs of steps, evaluation, files, resumption. */
#ifndef RETORT_TRAIN_TRAINING_H
#define RETORT_TRAIN_TRAINING_H

#include <signal.h>

#include "models/network.h"
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

typedef struct rt_training {
    const char *label;  /* "student": for progress lines */
    const char *folder; /* existing; gets results.csv, log.jsonl, best and last .safetensors */
    rt_engine *engine;
    rt_network *network; /* with gradients; initialised (or loaded) */
    rt_teacher *teacher; /* or NULL */
    const rt_run_data *data;
    const rt_train_recipe *recipe;
    const rt_loss_recipe *losses;
    size_t loss_count;
    uint64_t seed;
    const char *fingerprint;           /* of the resolved recipe; a checkpoint of another is refused */
    bool resume;                       /* go on from folder/checkpoint.safetensors where there is one */
    const volatile sig_atomic_t *stop; /* set by a signal: stop at the next step boundary */
} rt_training;

/* Trains to the end, or returns RT_ERROR_INTERRUPTED at a step boundary after a stop, with a checkpoint written.
 * best.safetensors is replaced when an epoch is the best so far, last.safetensors and the checkpoint after each epoch;
 * the network ends with the weights of the last epoch (their moving average where the recipe asks for one). */
rt_status rt_training_run(const rt_training *training, rt_training_result *result, rt_error *err);

/* Accuracy over samples, in order, without augmentation. */
rt_status rt_evaluate(rt_inference *inference, rt_loader *loader, size_t classes, rt_metrics *metrics, rt_error *err);

#endif
