/* A recipe from start to end: data, teacher, student alone, distilled student, result table. */
#ifndef RETORT_TRAIN_PIPELINE_H
#define RETORT_TRAIN_PIPELINE_H

#include <signal.h>

#include "engine/engine.h"
#include "recipe/recipe.h"
#include "train/outcome.h"

/* Teachers, student alone, and the first student. */
enum { RT_STUDENT_OUTCOME = RT_MAX_TEACHERS + 1, RT_OUTCOMES };

/* Where the networks are trained. */
typedef struct rt_pipeline_job {
    const char *folder;         /* teachers and the student alone have folders in it */
    const char *const *folders; /* of each student; they exist and hold recipe.yaml */
    const char *const *labels;  /* of each student, for progress lines */
    size_t together;            /* as in job.h */
    bool tolerant;              /* likewise */
    bool passes_teachers_over;  /* nobody reads the outcome of a teacher from a file: it is not measured for that */
    bool resume;                /* likewise */
    const volatile sig_atomic_t *stop;
    bool *begun; /* set once a training takes its steps: what fails from then on is no input refused at the start; or
                    NULL */
} rt_pipeline_job;

/* What the stages of a recipe share. Engine and recipes are borrowed. */
typedef struct rt_pipeline {
    rt_engine *engine;
    const rt_recipe *recipe;         /* the first: data and teachers are those of all */
    const rt_recipe *const *recipes; /* of each student */
    size_t student_count;
    const rt_pipeline_job *job; /* that of rt_pipeline_run() */
    rt_run_data data;
    rt_network *teachers[RT_MAX_TEACHERS]; /* loaded where the recipe names weights; NULL until trained elsewhere */
    rt_outcome measured[RT_MAX_TEACHERS];  /* of those whose accuracy the recipe expects */
    rt_teacher *members[RT_MAX_TEACHERS];  /* the same at work; NULL until then */
    rt_teacher *joint;                     /* several as one; NULL for fewer */
} rt_pipeline;

/* Opens the data and the weights that the recipes name and builds every network once, so that whatever is wrong with
 * them is known before anything is written. Several recipes must agree on data, teachers, seed, threads, convolution
 * and batch (rt_recipe_batches()), and are without `baseline`. */
rt_status rt_pipeline_open(rt_pipeline *pipeline, rt_engine *engine, const rt_recipe *const *recipes, size_t count,
                           rt_error *err);
void rt_pipeline_close(rt_pipeline *pipeline); /* accepts a zeroed struct */

/* Trains what is to be trained: the teacher in FOLDER/teacher, more of them in FOLDER/teacher_1 and so on, the student
 * alone in FOLDER/alone, then the students side by side, each in its own folder. Each folder gets a result.json when it
 * is finished, and with `resume` the finished ones are passed over. Once `stop` is not 0 the step under way is the
 * last: RT_ERROR_INTERRUPTED. `outcomes`: RT_STUDENT_OUTCOME of them, and one for each student. */
rt_status rt_pipeline_run(rt_pipeline *pipeline, const rt_pipeline_job *job, rt_outcome *outcomes, rt_error *err);

#endif
