/* A recipe from start to end: data, teacher, student alone, distilled student, result table. */
#ifndef RETORT_TRAIN_PIPELINE_H
#define RETORT_TRAIN_PIPELINE_H

#include <signal.h>

#include "engine/engine.h"
#include "recipe/recipe.h"
#include "train/training.h"

/* One network of the result table. */
typedef struct rt_outcome {
    bool present;
    const char *role;              /* "teacher", "student alone", "distilled student" */
    const char *model;
    uint64_t parameters, macs;     /* trained parameters; multiply-accumulates an image */
    size_t file_bytes;             /* of its weights as safetensors */
    double latency_ms;             /* one image, median of repeated runs */
    bool trained;                  /* here, so that `training` holds; otherwise top1 alone */
    double top1, top5;             /* on the test set, now */
    rt_training_result training;
} rt_outcome;

enum { RT_OUTCOMES = 3 };          /* teacher, student alone, student */

typedef struct rt_pipeline {
    rt_engine *engine;
    const rt_recipe *recipe;
    const char *folder;            /* of the run: existing, with recipe.yaml */
    bool resume;
    const volatile sig_atomic_t *stop;
} rt_pipeline;

/* Trains what is to be trained: the teacher in FOLDER/teacher, the student alone in FOLDER/alone, the student in FOLDER
 * itself; each folder gets a result.json when it is finished, and a resumed pipeline passes over the finished ones. */
rt_status rt_pipeline_run(const rt_pipeline *pipeline, rt_outcome outcomes[RT_OUTCOMES], rt_error *err);

#endif
