#include "train/pipeline.h"

#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/file.h"
#include "losses/losses.h"
#include "train/lockstep.h"
#include "train/log.h"
#include "train/outcome.h"
#include "train/precisions.h"
#include "train/pretrained.h"

enum { TEACHER, ALONE = RT_MAX_TEACHERS, STUDENT };

/* What several teachers are called, and the folders of those that are trained. */
static const struct {
    const char *role, *folder;
} places[RT_MAX_TEACHERS] = {{"teacher", "teacher"},     {"teacher 1", "teacher_1"}, {"teacher 2", "teacher_2"},
                             {"teacher 3", "teacher_3"}, {"teacher 4", "teacher_4"}, {"teacher 5", "teacher_5"},
                             {"teacher 6", "teacher_6"}, {"teacher 7", "teacher_7"}};

/* One network to be trained, and where. */
struct job {
    const char *role, *label, *folder;
    const rt_network_recipe *network;
    const rt_train_recipe *train;
    const rt_loss_recipe *losses;
    size_t loss_count;
    rt_teacher *teacher;
};

static rt_status measure(const rt_pipeline *pipeline, rt_network *network, rt_outcome *outcome, rt_error *err)
{
    outcome->present = true;
    outcome->parameters = rt_graph_trained_count(network->graph);
    outcome->macs = rt_graph_macs(network->graph);
    rt_inference *inference = NULL;
    rt_loader *loader = NULL;
    rt_metrics metrics;
    const rt_run_data *data = &pipeline->data;
    rt_status status = rt_inference_new(pipeline->engine, network->graph, network->parameters, 0, &inference, err);
    if (status == RT_OK)
        status = rt_run_data_plain_loader(data, &data->test, data->test_samples, data->test_count, 256, &loader, err);
    if (status == RT_OK)
        status = rt_evaluate(inference, loader, rt_run_data_input(data).classes, &metrics, err);
    if (status == RT_OK) {
        outcome->top1 = rt_metrics_top1(&metrics);
        outcome->top5 = rt_metrics_top5(&metrics);
        status = rt_measure_latency(pipeline->engine, network, &outcome->latency_ms, err);
    }
    rt_loader_close(loader);
    rt_inference_free(inference);
    return status;
}

static rt_status train_to_the_end(const rt_pipeline *pipeline, const struct job *job, rt_network *network,
                                  rt_outcome *outcome, rt_error *err)
{
    char *log = rt_path_join(job->folder, "log.jsonl");
    if (!log)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for a file name");
    rt_status status = rt_log_event(log, pipeline->resume ? "resumed" : "started", job->label, err);
    rt_training *training = NULL;
    if (status == RT_OK)
        status = rt_training_open(&(rt_training_options){.label = job->label,
                                                         .folder = job->folder,
                                                         .engine = pipeline->engine,
                                                         .network = network,
                                                         .teacher = job->teacher,
                                                         .data = &pipeline->data,
                                                         .recipe = job->train,
                                                         .losses = job->losses,
                                                         .loss_count = job->loss_count,
                                                         .seed = (uint64_t)pipeline->recipe->seed,
                                                         .fingerprint = pipeline->fingerprint,
                                                         .resume = pipeline->resume},
                                  &training, err);
    if (status == RT_OK)
        status = rt_lockstep_run(&(rt_lockstep){.label = job->label,
                                                .data = &pipeline->data,
                                                .teacher = job->teacher,
                                                .trainings = &training,
                                                .count = 1,
                                                .stop = pipeline->stop},
                                 err);
    if (status == RT_OK)
        status = rt_training_finish(training, &outcome->training, err);
    rt_training_close(training);
    /* The cause is in `err`, and a log that cannot be written must not replace it. */
    rt_log_event(log, status == RT_OK ? "finished" : rt_status_name(status), status == RT_OK ? NULL : err->message,
                 NULL);
    free(log);
    return status;
}

static rt_status finish_job(const rt_pipeline *pipeline, const struct job *job, rt_network *network,
                            rt_outcome *outcome, rt_error *err)
{
    char *last = rt_path_join(job->folder, "last.safetensors"), *result = rt_path_join(job->folder, "result.json");
    rt_status status = last && result ? RT_OK : rt_fail(err, RT_ERROR_MEMORY, "no memory for file names");
    outcome->role = job->role;
    outcome->model = job->network->model;
    bool finished = status == RT_OK && pipeline->resume && rt_path_exists(result);
    if (finished) {
        status = rt_network_load(network, last, err);
        if (status == RT_OK)
            status = rt_outcome_read(result, &outcome->training, err);
    } else if (status == RT_OK) {
        status = train_to_the_end(pipeline, job, network, outcome, err);
    }
    outcome->trained = true;
    if (status == RT_OK)
        status = measure(pipeline, network, outcome, err);
    if (status == RT_OK)
        status = rt_file_size(last, &outcome->file_bytes, err);
    if (status == RT_OK && !finished)
        status = rt_outcome_write(result, outcome, pipeline->recipe, err);
    free(last);
    free(result);
    return status;
}

/* Builds the job's network from its recipe, trains it, and leaves it in *network. */
static rt_status run_job(const rt_pipeline *pipeline, const struct job *job, rt_network **network, rt_outcome *outcome,
                         rt_error *err)
{
    const rt_model_input input = rt_run_data_input(&pipeline->data);
    RT_TRY(rt_folder_make(job->folder, err));
    RT_TRY(rt_network_new(job->network->model, job->network->settings, &input, true, network, err));
    RT_TRY(rt_parameters_initialize((*network)->parameters, (uint64_t)pipeline->recipe->seed, err));
    if (job->network->weights)
        RT_TRY(rt_network_load(*network, job->network->weights, err));
    return finish_job(pipeline, job, *network, outcome, err);
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
    char *folder = rt_path_join(pipeline->folder, places[number].folder);
    if (!folder)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for file names");
    const struct job job = {.role = places[number].role,
                            .label = places[number].role,
                            .folder = folder,
                            .network = teacher,
                            .train = &teacher->train,
                            .losses = teacher->loss_count ? teacher->loss : default_loss,
                            .loss_count = teacher->loss_count ? teacher->loss_count : 1};
    rt_status status = run_job(pipeline, &job, &pipeline->teachers[number], outcome, err);
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
        outcome->role = places[number].role;
        outcome->model = teacher->model;
        RT_TRY(measure(pipeline, pipeline->teachers[number], outcome, err));
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

static rt_status run_student(rt_pipeline *pipeline, const char *role, const char *label, const char *folder,
                             const rt_loss_recipe *losses, size_t loss_count, rt_teacher *teacher, rt_outcome *outcome,
                             rt_error *err)
{
    const rt_recipe *recipe = pipeline->recipe;
    const struct job job = {.role = role,
                            .label = label,
                            .folder = folder,
                            .network = &recipe->student,
                            .train = &recipe->train,
                            .losses = losses,
                            .loss_count = loss_count,
                            .teacher = teacher};
    rt_network *network = NULL;
    rt_status status = run_job(pipeline, &job, &network, outcome, err);
    rt_network_free(network);
    return status;
}

/* Builds a network that will be trained and drops it again. `teacher`: asks whether its memo fits, too. */
static rt_status try_network(const rt_pipeline *pipeline, const rt_network_recipe *recipe, bool teacher, rt_error *err)
{
    const rt_model_input input = rt_run_data_input(&pipeline->data);
    rt_network *network = NULL;
    rt_status status = rt_network_new(recipe->model, recipe->settings, &input, false, &network, err);
    if (status == RT_OK && recipe->weights)
        status = rt_network_load(network, recipe->weights, err);
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
    RT_TRY(rt_network_open(teacher->model, teacher->settings, teacher->weights, &input, network, err));
    return rt_teacher_check_memo(pipeline->engine, *network, &pipeline->data, teacher, true, err);
}

static rt_status open_all(rt_pipeline *pipeline, rt_error *err)
{
    const rt_recipe *recipe = pipeline->recipe;
    RT_TRY(rt_recipe_check_precisions(recipe, err));
    RT_TRY(rt_fingerprint(recipe, pipeline->fingerprint, err));
    RT_TRY(rt_run_data_open(recipe, &pipeline->data, err));
    for (size_t i = 0; i < rt_recipe_teachers(recipe); ++i)
        RT_TRY(open_teacher(pipeline, i, err));
    return try_network(pipeline, &recipe->student, false, err);
}

rt_status rt_pipeline_open(rt_pipeline *pipeline, rt_engine *engine, const rt_recipe *recipe, rt_error *err)
{
    *pipeline = (rt_pipeline){.engine = engine, .recipe = recipe};
    rt_engine_convolve_directly(engine, recipe->convolution == RT_CONVOLUTION_DIRECT);
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

static rt_status run_stages(rt_pipeline *pipeline, const rt_loss_recipe *default_loss, const char *alone,
                            rt_outcome outcomes[RT_OUTCOMES], rt_error *err)
{
    const rt_recipe *recipe = pipeline->recipe;
    rt_teacher *taught_by;
    RT_TRY(get_teachers(pipeline, default_loss, &outcomes[TEACHER], &taught_by, err));
    if (recipe->baseline)
        RT_TRY(run_student(pipeline, "student alone", "alone", alone, default_loss, 1, NULL, &outcomes[ALONE], err));
    return run_student(pipeline, taught_by ? "distilled student" : "student", "student", pipeline->folder, recipe->loss,
                       recipe->loss_count, taught_by, &outcomes[STUDENT], err);
}

rt_status rt_pipeline_run(rt_pipeline *pipeline, const char *folder, bool resume, const volatile sig_atomic_t *stop,
                          rt_outcome outcomes[RT_OUTCOMES], rt_error *err)
{
    rt_loss_recipe default_loss = {0};
    char *alone = rt_path_join(folder, "alone");
    pipeline->folder = folder;
    pipeline->resume = resume;
    pipeline->stop = stop;
    memset(outcomes, 0, RT_OUTCOMES * sizeof *outcomes);
    rt_status status =
        alone ? cross_entropy_terms(&default_loss, err) : rt_fail(err, RT_ERROR_MEMORY, "no memory for file names");
    if (status == RT_OK)
        status = run_stages(pipeline, &default_loss, alone, outcomes, err);
    free(default_loss.settings);
    free(alone);
    return status;
}
