#include "train/pipeline.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "losses/losses.h"
#include "recipe/layers.h"
#include "report/warning.h"
#include "train/expectation.h"
#include "train/fingerprint.h"
#include "train/job.h"
#include "train/precisions.h"
#include "train/pretrained.h"

enum { TEACHER, ALONE = RT_MAX_TEACHERS };

/* What several teachers are called, and the folders of those that are trained. */
static const struct {
    const char *role, *folder;
} places[RT_MAX_TEACHERS] = {{"teacher", "teacher"},     {"teacher 1", "teacher_1"}, {"teacher 2", "teacher_2"},
                             {"teacher 3", "teacher_3"}, {"teacher 4", "teacher_4"}, {"teacher 5", "teacher_5"},
                             {"teacher 6", "teacher_6"}, {"teacher 7", "teacher_7"}};

/* Trains one or more networks side by side. Their networks stay in the jobs. */
static rt_status run_jobs(const rt_pipeline *pipeline, rt_teacher *teacher, rt_job *jobs, size_t count, rt_error *err)
{
    const rt_pipeline_job *job = pipeline->job;
    const rt_job_setting setting = {.engine = pipeline->engine,
                                    .data = &pipeline->data,
                                    .teacher = teacher,
                                    .label = "students",
                                    .together = job->together,
                                    .tolerant = job->tolerant,
                                    .resume = job->resume,
                                    .stop = job->stop,
                                    .begun = job->begun};
    char(*fingerprints)[RT_FINGERPRINT_CAPACITY] = malloc(count * sizeof *fingerprints);
    rt_status status = fingerprints ? RT_OK : rt_fail(err, RT_ERROR_MEMORY, "no memory for %zu trainings", count);
    for (size_t i = 0; i < count && status == RT_OK; ++i) {
        jobs[i].fingerprint = fingerprints[i];
        status = rt_fingerprint(jobs[i].recipe, fingerprints[i], err);
    }
    if (status == RT_OK)
        status = rt_jobs_run(&setting, jobs, count, err);
    free(fingerprints);
    return status;
}

/* Where a recipe names no loss, it is cross-entropy. */
static rt_status cross_entropy_terms(rt_loss_recipe *term, rt_error *err)
{
    for (size_t i = 0; i < rt_loss_count; ++i)
        if (strcmp(rt_losses[i]->name, "cross_entropy") == 0) {
            *term = (rt_loss_recipe){
                .loss = rt_losses[i], .weight = 1.0, .settings = calloc(1, rt_losses[i]->state_size + 1)};
            if (!term->settings)
                return rt_fail(err, RT_ERROR_MEMORY, "no memory for a loss");
            rt_param_defaults(rt_losses[i]->params, term->settings);
            return RT_OK;
        }
    return rt_fail(err, RT_ERROR_USAGE, "this build has no loss 'cross_entropy'");
}

static rt_status train_teacher(rt_pipeline *pipeline, size_t number, const rt_loss_recipe *default_loss,
                               rt_outcome *outcome, rt_error *err)
{
    const rt_network_recipe *teacher = rt_recipe_teacher(pipeline->recipe, number);
    char *folder = rt_path_join(pipeline->job->folder, places[number].folder);
    if (!folder)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for file names");
    rt_job job = {.role = places[number].role,
                  .label = places[number].role,
                  .folder = folder,
                  .model = teacher,
                  .train = &teacher->train,
                  .losses = teacher->loss_count ? teacher->loss : default_loss,
                  .loss_count = teacher->loss_count ? teacher->loss_count : 1,
                  .recipe = pipeline->recipe,
                  .outcome = outcome};
    rt_status status = run_jobs(pipeline, NULL, &job, 1, err);
    pipeline->teachers[number] = job.network;
    free(folder);
    return status;
}

static rt_status get_teacher(rt_pipeline *pipeline, size_t number, const rt_loss_recipe *default_loss,
                             rt_outcome *outcome, rt_error *err)
{
    const rt_network_recipe *teacher = rt_recipe_teacher(pipeline->recipe, number);
    if (teacher->train_present) {
        RT_TRY(train_teacher(pipeline, number, default_loss, outcome, err));
    } else {
        *outcome = pipeline->measured[number];
        outcome->role = places[number].role;
        outcome->model = teacher->model;
        RT_TRY(rt_file_size(teacher->weights, &outcome->file_bytes, err));
    }
    return rt_teacher_open(pipeline->engine, pipeline->teachers[number], &pipeline->data, teacher,
                           &pipeline->members[number], err);
}

/* All teachers, and who the student learns from: NULL for nobody. */
static rt_status get_teachers(rt_pipeline *pipeline, const rt_loss_recipe *default_loss, rt_outcome *outcomes,
                              rt_teacher **taught_by, rt_error *err)
{
    const rt_recipe *recipe = pipeline->recipe;
    const size_t count = rt_recipe_teachers(recipe);
    double weights[RT_MAX_TEACHERS];
    *taught_by = NULL;
    for (size_t i = 0; i < count; ++i) {
        RT_TRY(get_teacher(pipeline, i, default_loss, &outcomes[i], err));
        weights[i] = rt_recipe_teacher(recipe, i)->weight;
    }
    if (count > 1)
        RT_TRY(rt_teacher_join(pipeline->members, weights, count, recipe->agreement, (size_t)recipe->train.batch,
                               &pipeline->joint, err));
    *taught_by = count > 1 ? pipeline->joint : count > 0 ? pipeline->members[0] : NULL;
    return RT_OK;
}

/* What the table says of teachers that came with weights. It reads all test images, which nobody has to wait for before
 * the first step. */
static rt_status measure_teachers(rt_pipeline *pipeline, rt_outcome *outcomes, rt_error *err)
{
    for (size_t i = 0; i < rt_recipe_teachers(pipeline->recipe); ++i)
        if (!rt_recipe_teacher(pipeline->recipe, i)->train_present && !outcomes[i].present)
            RT_TRY(rt_outcome_measure(pipeline->engine, &pipeline->data, pipeline->teachers[i], &outcomes[i], err));
    return RT_OK;
}

/* The student by itself, on the schedule that it will have with its teacher. */
static rt_status run_alone(rt_pipeline *pipeline, const rt_loss_recipe *default_loss, rt_outcome *outcome,
                           rt_error *err)
{
    const rt_recipe *recipe = pipeline->recipe;
    char *folder = rt_path_join(pipeline->job->folder, "alone");
    if (!folder)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for file names");
    rt_job job = {.role = "student alone",
                  .label = "alone",
                  .folder = folder,
                  .model = &recipe->student,
                  .train = &recipe->train,
                  .losses = default_loss,
                  .loss_count = 1,
                  .recipe = recipe,
                  .outcome = outcome};
    rt_status status = run_jobs(pipeline, NULL, &job, 1, err);
    rt_network_free(job.network);
    free(folder);
    return status;
}

static rt_status run_students(rt_pipeline *pipeline, rt_teacher *taught_by, rt_outcome *outcomes, rt_error *err)
{
    const size_t count = pipeline->student_count;
    rt_job *jobs = calloc(count, sizeof *jobs);
    if (!jobs)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for %zu students", count);
    for (size_t i = 0; i < count; ++i) {
        const rt_recipe *recipe = pipeline->recipes[i];
        jobs[i] = (rt_job){.role = taught_by ? "distilled student" : "student",
                           .label = pipeline->job->labels[i],
                           .folder = pipeline->job->folders[i],
                           .model = &recipe->student,
                           .train = &recipe->train,
                           .losses = recipe->loss,
                           .loss_count = recipe->loss_count,
                           .recipe = recipe,
                           .outcome = &outcomes[i]};
    }
    rt_status status = run_jobs(pipeline, taught_by, jobs, count, err);
    for (size_t i = 0; i < count; ++i)
        rt_network_free(jobs[i].network);
    free(jobs);
    return status;
}

/* Says what `strict: false` let pass, and frees it. */
static void tell_gaps(const rt_network_recipe *recipe, char *gaps)
{
    if (gaps)
        rt_warn("weights '%s': %s", recipe->weights, gaps);
    free(gaps);
}

/* A teacher that does not do what the recipe expects of it stops the run before anything is written. */
static rt_status check_expectation(rt_pipeline *pipeline, size_t number, rt_error *err)
{
    const rt_network_recipe *teacher = rt_recipe_teacher(pipeline->recipe, number);
    rt_outcome *measured = &pipeline->measured[number];
    if (!teacher->expected)
        return RT_OK;
    RT_TRY(rt_outcome_measure(pipeline->engine, &pipeline->data, pipeline->teachers[number], measured, err));
    return rt_expectation_check(teacher, &pipeline->recipe->data, &pipeline->data, measured->top1,
                                pipeline->data.test_count, err);
}

/* Builds a network that will be trained and drops it again. `teacher`: asks whether its memo fits, too. */
static rt_status try_network(const rt_pipeline *pipeline, const rt_network_recipe *recipe, bool teacher, rt_error *err)
{
    const rt_model_input input = rt_run_data_input(&pipeline->data);
    rt_network *network = NULL;
    char *gaps = NULL;
    rt_status status = rt_network_new(recipe->model, recipe->settings, &input, false, &network, err);
    if (status == RT_OK && recipe->weights)
        status = rt_network_begin(network, recipe, &gaps, err);
    tell_gaps(recipe, gaps);
    if (status == RT_OK && teacher)
        status = rt_teacher_check_memo(pipeline->engine, network, &pipeline->data, recipe, false, err);
    rt_network_free(network);
    return status;
}

/* A teacher's weights and its memo, where they are there already. */
static rt_status open_teacher(rt_pipeline *pipeline, size_t number, rt_error *err)
{
    const rt_network_recipe *teacher = rt_recipe_teacher(pipeline->recipe, number);
    const rt_model_input input = rt_run_data_input(&pipeline->data);
    rt_network **network = &pipeline->teachers[number];
    if (teacher->train_present)
        return try_network(pipeline, teacher, true, err);
    char *gaps;
    RT_TRY(rt_network_open(teacher, &input, &gaps, network, err));
    tell_gaps(teacher, gaps);
    RT_TRY(rt_teacher_check_memo(pipeline->engine, *network, &pipeline->data, teacher, true, err));
    return check_expectation(pipeline, number, err);
}

/* Each by its path: what a run leaves out must not go unseen. */
static void tell_left_out(const rt_run_data *data)
{
    for (size_t split = 0; split < 2; ++split)
        for (size_t i = 0; i < data->unreadable_count[split]; ++i)
            rt_warn("left out: %s", data->unreadable[split][i].words);
}

static rt_status open_all(rt_pipeline *pipeline, rt_error *err)
{
    const rt_recipe *recipe = pipeline->recipe;
    for (size_t i = 0; i < pipeline->student_count; ++i)
        RT_TRY(rt_recipe_check_precisions(pipeline->recipes[i], err));
    RT_TRY(rt_run_data_open(recipe, &pipeline->data, err));
    tell_left_out(&pipeline->data);
    const rt_model_input input = rt_run_data_input(&pipeline->data);
    for (size_t i = 0; i < pipeline->student_count; ++i)
        RT_TRY(rt_recipe_refuse_layers(pipeline->recipes[i], &input, err));
    for (size_t i = 0; i < rt_recipe_teachers(recipe); ++i)
        RT_TRY(open_teacher(pipeline, i, err));
    for (size_t i = 0; i < pipeline->student_count; ++i)
        RT_TRY(try_network(pipeline, &pipeline->recipes[i]->student, false, err));
    return RT_OK;
}

/* The engine is that of all pipelines that are open. */
static void choose_convolution(const rt_pipeline *pipeline)
{
    rt_engine_convolve_directly(pipeline->engine, pipeline->recipe->convolution == RT_CONVOLUTION_DIRECT);
}

rt_status rt_pipeline_open(rt_pipeline *pipeline, rt_engine *engine, const rt_recipe *const *recipes, size_t count,
                           rt_error *err)
{
    *pipeline = (rt_pipeline){.engine = engine, .recipe = recipes[0], .recipes = recipes, .student_count = count};
    choose_convolution(pipeline);
    rt_status status = open_all(pipeline, err);
    if (status != RT_OK)
        rt_pipeline_close(pipeline);
    return status;
}

void rt_pipeline_close(rt_pipeline *pipeline)
{
    rt_teacher_close(pipeline->joint);
    for (size_t i = 0; i < RT_MAX_TEACHERS; ++i) {
        rt_teacher_close(pipeline->members[i]);
        rt_network_free(pipeline->teachers[i]);
    }
    rt_run_data_close(&pipeline->data);
    *pipeline = (rt_pipeline){0};
}

static rt_status run_stages(rt_pipeline *pipeline, const rt_loss_recipe *default_loss, rt_outcome *outcomes,
                            rt_error *err)
{
    rt_teacher *taught_by;
    RT_TRY(get_teachers(pipeline, default_loss, &outcomes[TEACHER], &taught_by, err));
    if (pipeline->recipe->baseline)
        RT_TRY(run_alone(pipeline, default_loss, &outcomes[ALONE], err));
    RT_TRY(run_students(pipeline, taught_by, &outcomes[RT_STUDENT_OUTCOME], err));
    return pipeline->job->passes_teachers_over ? RT_OK : measure_teachers(pipeline, &outcomes[TEACHER], err);
}

rt_status rt_pipeline_run(rt_pipeline *pipeline, const rt_pipeline_job *job, rt_outcome *outcomes, rt_error *err)
{
    rt_loss_recipe default_loss = {0};
    pipeline->job = job;
    choose_convolution(pipeline);
    memset(outcomes, 0, (RT_STUDENT_OUTCOME + pipeline->student_count) * sizeof *outcomes);
    rt_status status = cross_entropy_terms(&default_loss, err);
    if (status == RT_OK)
        status = run_stages(pipeline, &default_loss, outcomes, err);
    free(default_loss.settings);
    return status;
}
