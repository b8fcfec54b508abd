#include "train/pipeline.h"

#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/file.h"
#include "losses/losses.h"
#include "train/fingerprint.h"
#include "train/log.h"
#include "train/outcome.h"
#include "train/pretrained.h"

enum { TEACHER, ALONE, STUDENT };

/* What the stages of a pipeline share. */
struct stage {
    const rt_pipeline *pipeline;
    rt_run_data data;
    char fingerprint[RT_FINGERPRINT_CAPACITY];
    rt_network *teacher;
    rt_inference *teacher_inference;
};

/* One network to be trained, and where. */
struct job {
    const char *role, *label, *folder;
    const rt_network_recipe *network;
    const rt_train_recipe *train;
    const rt_loss_recipe *losses;
    size_t loss_count;
    rt_inference *teacher;
};

static rt_status measure(const struct stage *stage, rt_network *network, rt_outcome *outcome, rt_error *err)
{
    outcome->present = true;
    outcome->parameters = rt_graph_trained_count(network->graph);
    outcome->macs = rt_graph_macs(network->graph);
    rt_inference *inference = NULL;
    rt_loader *loader = NULL;
    rt_metrics metrics;
    const rt_run_data *data = &stage->data;
    rt_status status = rt_inference_new(stage->pipeline->engine, network->graph, network->parameters, 0, &inference, err);
    if (status == RT_OK)
        status = rt_run_data_plain_loader(data, &data->test, data->test_samples, data->test_count, 256, &loader, err);
    if (status == RT_OK)
        status = rt_evaluate(inference, loader, rt_run_data_input(data).classes, &metrics, err);
    if (status == RT_OK) {
        outcome->top1 = rt_metrics_top1(&metrics);
        outcome->top5 = rt_metrics_top5(&metrics);
        status = rt_measure_latency(stage->pipeline->engine, network, &outcome->latency_ms, err);
    }
    rt_loader_close(loader);
    rt_inference_free(inference);
    return status;
}

static rt_status train_to_the_end(const struct stage *stage, const struct job *job, rt_network *network,
                                  rt_outcome *outcome, rt_error *err)
{
    const rt_pipeline *p = stage->pipeline;
    char *log = rt_path_join(job->folder, "log.jsonl");
    if (!log)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for a file name");
    rt_status status = rt_log_event(log, p->resume ? "resumed" : "started", job->label, err);
    if (status == RT_OK)
        status = rt_training_run(&(rt_training){.label = job->label,
                                                .folder = job->folder,
                                                .engine = p->engine,
                                                .network = network,
                                                .teacher = job->teacher,
                                                .data = &stage->data,
                                                .recipe = job->train,
                                                .losses = job->losses,
                                                .loss_count = job->loss_count,
                                                .seed = (uint64_t)p->recipe->seed,
                                                .fingerprint = stage->fingerprint,
                                                .resume = p->resume,
                                                .stop = p->stop},
                                 &outcome->training, err);
    /* The cause is in `err`, and a log that cannot be written must not replace it. */
    rt_log_event(log, status == RT_OK ? "finished" : rt_status_name(status), status == RT_OK ? NULL : err->message, NULL);
    free(log);
    return status;
}

static rt_status finish_job(const struct stage *stage, const struct job *job, rt_network *network, rt_outcome *outcome,
                            rt_error *err)
{
    char *last = rt_path_join(job->folder, "last.safetensors"), *result = rt_path_join(job->folder, "result.json");
    rt_status status = last && result ? RT_OK : rt_fail(err, RT_ERROR_MEMORY, "no memory for file names");
    outcome->role = job->role;
    outcome->model = job->network->model;
    bool finished = status == RT_OK && stage->pipeline->resume && rt_path_exists(result);
    if (finished) {
        status = rt_network_load(network, last, err);
        if (status == RT_OK)
            status = rt_outcome_read(result, &outcome->training, err);
    } else if (status == RT_OK) {
        status = train_to_the_end(stage, job, network, outcome, err);
    }
    outcome->trained = true;
    if (status == RT_OK)
        status = measure(stage, network, outcome, err);
    if (status == RT_OK)
        status = rt_file_size(last, &outcome->file_bytes, err);
    if (status == RT_OK && !finished)
        status = rt_outcome_write(result, outcome, stage->pipeline->recipe, err);
    free(last);
    free(result);
    return status;
}

/* Builds the job's network from its recipe, trains it, and leaves it in *network. */
static rt_status run_job(const struct stage *stage, const struct job *job, rt_network **network, rt_outcome *outcome,
                         rt_error *err)
{
    const rt_model_input input = rt_run_data_input(&stage->data);
    RT_TRY(rt_folder_make(job->folder, err));
    RT_TRY(rt_network_new(job->network->model, job->network->settings, &input, true, network, err));
    RT_TRY(rt_parameters_initialize((*network)->parameters, (uint64_t)stage->pipeline->recipe->seed, err));
    if (job->network->weights)
        RT_TRY(rt_network_load(*network, job->network->weights, err));
    return finish_job(stage, job, *network, outcome, err);
}

/* Where a recipe names no loss, it is cross-entropy. */
static rt_status cross_entropy_terms(rt_loss_recipe *term, rt_error *err)
{
    for (size_t i = 0; i < rt_loss_count; ++i)
        if (strcmp(rt_losses[i]->name, "cross_entropy") == 0) {
            *term = (rt_loss_recipe){.loss = rt_losses[i], .weight = 1.0, .settings = calloc(1, rt_losses[i]->state_size + 1)};
            if (!term->settings)
                return rt_fail(err, RT_ERROR_MEMORY, "no memory for a loss");
            rt_param_defaults(rt_losses[i]->params, term->settings);
            return RT_OK;
        }
    return rt_fail(err, RT_ERROR_USAGE, "this build has no loss 'cross_entropy'");
}

static rt_status get_teacher(struct stage *stage, const rt_loss_recipe *default_loss, const char *folder,
                             rt_outcome *outcome, rt_error *err)
{
    const rt_recipe *recipe = stage->pipeline->recipe;
    const rt_network_recipe *teacher = &recipe->teacher;
    const rt_model_input input = rt_run_data_input(&stage->data);
    if (teacher->train_present) {
        const struct job job = {.role = "teacher",
                                .label = "teacher",
                                .folder = folder,
                                .network = teacher,
                                .train = &teacher->train,
                                .losses = teacher->loss_count ? teacher->loss : default_loss,
                                .loss_count = teacher->loss_count ? teacher->loss_count : 1};
        RT_TRY(run_job(stage, &job, &stage->teacher, outcome, err));
    } else {
        RT_TRY(rt_network_open(teacher->model, teacher->settings, teacher->weights, &input, &stage->teacher, err));
        outcome->role = "teacher";
        outcome->model = teacher->model;
        RT_TRY(measure(stage, stage->teacher, outcome, err));
        RT_TRY(rt_file_size(teacher->weights, &outcome->file_bytes, err));
    }
    return rt_inference_new(stage->pipeline->engine, stage->teacher->graph, stage->teacher->parameters, 0,
                            &stage->teacher_inference, err);
}

static rt_status run_student(struct stage *stage, const char *role, const char *label, const char *folder,
                             const rt_loss_recipe *losses, size_t loss_count, rt_inference *teacher,
                             rt_outcome *outcome, rt_error *err)
{
    const rt_recipe *recipe = stage->pipeline->recipe;
    const struct job job = {.role = role,
                            .label = label,
                            .folder = folder,
                            .network = &recipe->student,
                            .train = &recipe->train,
                            .losses = losses,
                            .loss_count = loss_count,
                            .teacher = teacher};
    rt_network *network = NULL;
    rt_status status = run_job(stage, &job, &network, outcome, err);
    rt_network_free(network);
    return status;
}

static rt_status run_stages(struct stage *stage, const rt_loss_recipe *default_loss, const char *const folders[2],
                            rt_outcome outcomes[RT_OUTCOMES], rt_error *err)
{
    const rt_recipe *recipe = stage->pipeline->recipe;
    RT_TRY(rt_fingerprint(recipe, stage->fingerprint, err));
    RT_TRY(rt_run_data_open(recipe, &stage->data, err));
    if (recipe->teacher.present)
        RT_TRY(get_teacher(stage, default_loss, folders[TEACHER], &outcomes[TEACHER], err));
    if (recipe->baseline)
        RT_TRY(run_student(stage, "student alone", "alone", folders[ALONE], default_loss, 1, NULL, &outcomes[ALONE],
                           err));
    return run_student(stage, recipe->teacher.present ? "distilled student" : "student", "student",
                       stage->pipeline->folder, recipe->loss, recipe->loss_count, stage->teacher_inference,
                       &outcomes[STUDENT], err);
}

rt_status rt_pipeline_run(const rt_pipeline *pipeline, rt_outcome outcomes[RT_OUTCOMES], rt_error *err)
{
    struct stage stage = {.pipeline = pipeline};
    rt_loss_recipe default_loss = {0};
    char *teacher = rt_path_join(pipeline->folder, "teacher"), *alone = rt_path_join(pipeline->folder, "alone");
    memset(outcomes, 0, RT_OUTCOMES * sizeof *outcomes);
    rt_status status = teacher && alone ? cross_entropy_terms(&default_loss, err)
                                        : rt_fail(err, RT_ERROR_MEMORY, "no memory for file names");
    if (status == RT_OK)
        status = run_stages(&stage, &default_loss, (const char *const[]){teacher, alone}, outcomes, err);
    rt_inference_free(stage.teacher_inference);
    rt_network_free(stage.teacher);
    rt_run_data_close(&stage.data);
    free(default_loss.settings);
    free(teacher);
    free(alone);
    return status;
}
