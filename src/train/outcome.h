/* result.json: what a finished training came to. */
#ifndef RETORT_TRAIN_OUTCOME_H
#define RETORT_TRAIN_OUTCOME_H

#include "engine/engine.h"
#include "recipe/recipe.h"
#include "train/training.h"

/* One network of the result table. */
typedef struct rt_outcome {
    bool present;
    const char *role; /* "teacher", "student alone", "distilled student" */
    const char *model;
    uint64_t parameters, macs; /* trained parameters; multiply-accumulates an image */
    size_t file_bytes;         /* of its weights as safetensors */
    double latency_ms;         /* one image, median of repeated runs */
    bool trained;              /* here, so that `training` holds; otherwise top1 alone */
    double top1, top5;         /* on the test set, now */
    rt_training_result training;
    size_t unreadable[2]; /* images of the training and test split that were left out */
    char failure[256];    /* why it has no result; "" where it has one */
} rt_outcome;

/* Metrics, seed, schedule, machine and versions. Written whole or not at all. */
rt_status rt_outcome_write(const char *path, const rt_outcome *outcome, const rt_recipe *recipe, rt_error *err);

/* The training's figures back from a file of rt_outcome_write(). */
rt_status rt_outcome_read(const char *path, rt_training_result *result, rt_error *err);

/* A network as it is now: size, accuracy on the test set, and the median time of one image. */
rt_status rt_outcome_measure(rt_engine *engine, const rt_run_data *data, rt_network *network, rt_outcome *outcome,
                             rt_error *err);

#endif
