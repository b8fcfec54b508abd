/* A recipe from start to end: data, teacher, student alone, distilled student, result table. */
#ifndef RETORT_TRAIN_PIPELINE_H
#define RETORT_TRAIN_PIPELINE_H

#include <signal.h>

#include "engine/engine.h"
#include "recipe/recipe.h"
#include "train/fingerprint.h"
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
} rt_outcome;

enum { RT_OUTCOMES = RT_MAX_TEACHERS + 2 }; /* teachers, student alone, student */

/* What the stages of a recipe share. Engine and recipe are borrowed. */
typedef struct rt_pipeline {
    rt_engine *engine;
    const rt_recipe *recipe;
    rt_run_data data;
    char fingerprint[RT_FINGERPRINT_CAPACITY];
    rt_network *teachers[RT_MAX_TEACHERS]; /* loaded where the recipe names weights; NULL until trained elsewhere */
    rt_teacher *members[RT_MAX_TEACHERS];  /* the same at work; NULL until then */
    rt_teacher *joint;                     /* several as one; NULL for fewer */
    const char *folder;                    /* these three are those of rt_pipeline_run() */
    bool resume;
    const volatile sig_atomic_t *stop;
} rt_pipeline;

/* Opens the data and the weights that the recipe names and builds every network once, so that whatever is wrong with
 * them is known before anything is written. */
rt_status rt_pipeline_open(rt_pipeline *pipeline, rt_engine *engine, const rt_recipe *recipe, rt_error *err);
void rt_pipeline_close(rt_pipeline *pipeline); /* accepts a zeroed struct */

/* Trains what is to be trained: the teacher in FOLDER/teacher, more of them in FOLDER/teacher_1 and so on, the student
 * alone in FOLDER/alone, the student in FOLDER itself, which exists and holds recipe.yaml. Each folder gets a
 * result.json when it is finished, and with `resume` the finished ones are passed over. Once `stop` is not 0 the step
 * under way is the last: RT_ERROR_INTERRUPTED. */
rt_status rt_pipeline_run(rt_pipeline *pipeline, const char *folder, bool resume, const volatile sig_atomic_t *stop,
                          rt_outcome outcomes[RT_OUTCOMES], rt_error *err);

#endif
