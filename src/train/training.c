#include "train/training.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/file.h"
#include "report/progress.h"
#include "train/checkpoint.h"
#include "train/log.h"
#include "train/results.h"
#include "train/save.h"
#include "train/step.h"
#include "train/term_weight.h"

/* A training under way. */
struct run {
    const rt_training *training;
    rt_step step;
    rt_loader *train_loader, *validation_loader, *test_loader;
    rt_inference *inference; /* of what is evaluated: the parameters or their average */
    rt_training_state state;
    rt_results results;
    rt_progress progress;
    double waited;               /* seconds that the step waited for data */
    uint64_t images_at_start;    /* done before this process began: not part of its speed */
    rt_metrics validation, test; /* of the latest evaluation */
    rt_teacher_counts taught;
    double agreement; /* of the teacher with itself in fp32, percent; NaN where it is fp32 */
    char *checkpoint, *best, *last, *csv, *log;
};

enum { EVALUATION_BATCH = 256 };

static rt_status name_files(struct run *run, rt_error *err)
{
    const char *folder = run->training->folder;
    run->checkpoint = rt_path_join(folder, "checkpoint.safetensors");
    run->best = rt_path_join(folder, "best.safetensors");
    run->last = rt_path_join(folder, "last.safetensors");
    run->csv = rt_path_join(folder, "results.csv");
    run->log = rt_path_join(folder, "log.jsonl");
    if (!run->checkpoint || !run->best || !run->last || !run->csv || !run->log)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for file names");
    return RT_OK;
}

static rt_status open_run(struct run *run, rt_error *err)
{
    const rt_training *t = run->training;
    const rt_run_data *data = t->data;
    RT_TRY(name_files(run, err));
    RT_TRY(rt_step_open(&run->step,
                        &(rt_step_options){.engine = t->engine,
                                           .graph = t->network->graph,
                                           .parameters = t->network->parameters,
                                           .teacher = t->teacher,
                                           .losses = t->losses,
                                           .loss_count = t->loss_count,
                                           .train = t->recipe,
                                           .samples = data->train_count,
                                           .file_samples = data->train.count,
                                           .seed = t->seed},
                        err));
    if (t->resume && rt_path_exists(run->checkpoint)) {
        RT_TRY(rt_checkpoint_load(run->checkpoint, &run->step.update, &run->state, t->loss_count, t->fingerprint, err));
        run->images_at_start = (uint64_t)run->state.epoch * data->train_count + run->state.train.samples;
    }
    RT_TRY(
        rt_inference_new(t->engine, t->network->graph, rt_update_result(&run->step.update), 0, &run->inference, err));
    RT_TRY(rt_run_data_train_loader(data, run->step.batch, &run->train_loader, err));
    RT_TRY(rt_run_data_plain_loader(data, &data->test, data->test_samples, data->test_count, EVALUATION_BATCH,
                                    &run->test_loader, err));
    if (data->validation_count > 0)
        RT_TRY(rt_run_data_plain_loader(data, &data->train, data->validation_samples, data->validation_count,
                                        EVALUATION_BATCH, &run->validation_loader, err));
    return rt_results_open(&run->results, run->csv, t->losses, t->loss_count, data->validation_count > 0,
                           run->state.epoch, err);
}

static void close_run(struct run *run)
{
    rt_results_close(&run->results);
    rt_loader_close(run->train_loader);
    rt_loader_close(run->validation_loader);
    rt_loader_close(run->test_loader);
    rt_inference_free(run->inference);
    rt_step_close(&run->step);
    free(run->checkpoint);
    free(run->best);
    free(run->last);
    free(run->csv);
    free(run->log);
}

static rt_status save_checkpoint(struct run *run, rt_error *err)
{
    run->state.step = run->step.update.step;
    return rt_checkpoint_save(run->checkpoint, &run->step.update, &run->state, run->training->loss_count,
                              run->training->fingerprint, err);
}

static void show_progress(struct run *run)
{
    const rt_training *t = run->training;
    rt_progress_update(&run->progress, &(rt_progress_point){.done = (uint64_t)run->state.epoch * t->data->train_count +
                                                                    run->state.train.samples - run->images_at_start,
                                                            .epoch = run->state.epoch + 1,
                                                            .epochs = t->recipe->epochs,
                                                            .loss = run->step.loss,
                                                            .wait_seconds = run->waited});
}

/* What the recipe wants monitored, in the steps in which it is. */
static rt_status tell_gradients(struct run *run, rt_error *err)
{
    char words[1024];
    if (!run->step.monitor.measured)
        return RT_OK;
    rt_monitor_describe(&run->step.monitor, words, sizeof words);
    rt_progress_say(&run->progress, "%-8s gradients in step %lld: %s", run->training->label,
                    (long long)run->step.monitor.step, words);
    return rt_log_gradients(run->log, &run->step.monitor, err);
}

/* The rest of the epoch under way. */
static rt_status run_epoch(struct run *run, rt_error *err)
{
    const rt_training *t = run->training;
    rt_training_state *state = &run->state;
    rt_loader_seek(run->train_loader, (uint32_t)state->epoch, (size_t)state->batch);
    for (;;) {
        double started = rt_seconds();
        const rt_batch *batch = rt_loader_next(run->train_loader);
        if (!batch)
            return RT_OK;
        run->waited += rt_seconds() - started;
        RT_TRY(rt_step_run(&run->step, batch, err));
        RT_TRY(tell_gradients(run, err));
        rt_metrics_add(&state->train, run->step.logits, batch->labels, batch->count, run->step.classes);
        for (size_t i = 0; i < t->loss_count; ++i)
            state->losses[i] += run->step.losses[i] * (double)batch->count;
        state->loss += run->step.loss * (double)batch->count;
        state->seconds += rt_seconds() - started;
        ++state->batch;
        show_progress(run);
        if (t->stop && *t->stop) {
            RT_TRY(save_checkpoint(run, err));
            return rt_fail(err, RT_ERROR_INTERRUPTED, "stopped in epoch %lld of %lld after %lld steps",
                           (long long)state->epoch + 1, (long long)t->recipe->epochs, (long long)run->step.update.step);
        }
    }
}

static rt_status evaluate(struct run *run, rt_error *err)
{
    size_t classes = run->step.classes;
    if (run->validation_loader)
        RT_TRY(rt_evaluate(run->inference, run->validation_loader, classes, &run->validation, err));
    return rt_evaluate(run->inference, run->test_loader, classes, &run->test, err);
}

static rt_status save_weights(struct run *run, const char *path, rt_error *err)
{
    return rt_network_save(path, run->training->network, rt_update_result(&run->step.update),
                           &run->training->data->normalization, err);
}

/* A step that overflowed is found by the next one's loss, which the last step of an epoch does not have, and a running
 * variance that overflowed only where it is used. */
static rt_status refuse_overflow(const struct run *run, rt_error *err)
{
    const rt_parameters *parameters = rt_update_result(&run->step.update);
    const rt_graph *graph = parameters->graph;
    for (size_t p = 0; p < graph->parameter_count; ++p) {
        const float *values = rt_parameter_values(parameters, (int)p);
        for (size_t i = 0; i < graph->parameters[p].count; ++i)
            if (!isfinite(values[i]))
                return rt_fail(
                    err, RT_ERROR_NUMERIC,
                    "'%s' is %s at element %zu after step %lld; a smaller learning rate or clip_norm may help",
                    graph->parameters[p].name, isnan(values[i]) ? "NaN" : "infinite", i,
                    (long long)run->step.update.step - 1);
    }
    return RT_OK;
}

/* Keeps the weights when they are the best so far. */
static rt_status keep_best(struct run *run, rt_error *err)
{
    rt_training_state *state = &run->state;
    const rt_metrics *judge = run->validation_loader ? &run->validation : &run->test;
    if (state->best_epoch > 0 && rt_metrics_top1(judge) <= state->best_top1)
        return RT_OK;
    state->best_top1 = rt_metrics_top1(judge);
    state->best_top5 = rt_metrics_top5(judge);
    state->best_test_top1 = rt_metrics_top1(&run->test);
    state->best_test_top5 = rt_metrics_top5(&run->test);
    state->best_epoch = state->epoch + 1;
    return save_weights(run, run->best, err);
}

/* Evaluates, writes the epoch's row and files, and begins the next one. */
static rt_status end_epoch(struct run *run, rt_error *err)
{
    const rt_training *t = run->training;
    rt_training_state *state = &run->state;
    RT_TRY(refuse_overflow(run, err));
    RT_TRY(evaluate(run, err));
    double images = (double)state->train.samples, means[RT_MAX_TERMS], weights[RT_MAX_TERMS];
    for (size_t i = 0; i < t->loss_count; ++i) {
        weights[i] = rt_term_weight(&t->losses[i], state->epoch + 1, t->recipe->epochs);
        means[i] = rt_term_counts(&t->losses[i], state->epoch + 1) ? state->losses[i] / images : NAN;
    }
    const rt_epoch_row row = {.epoch = state->epoch + 1,
                              .learning_rate = run->step.update.learning_rate,
                              .loss = state->loss / images,
                              .losses = means,
                              .weights = weights,
                              .train = &state->train,
                              .validation = run->validation_loader ? &run->validation : NULL,
                              .test = &run->test,
                              .images_per_s = images / state->seconds,
                              .seconds = state->seconds};
    RT_TRY(rt_results_add(&run->results, &row, t->loss_count, err));
    RT_TRY(rt_log_epoch(run->log, &row, t->losses, t->loss_count, err));
    RT_TRY(keep_best(run, err));
    RT_TRY(save_weights(run, run->last, err));
    rt_progress_say(
        &run->progress, "%-8s epoch %*lld/%lld  loss %.4f  train %.2f %%  test %.2f %%  best %.2f %%  %.0f images/s",
        t->label, t->recipe->epochs > 99 ? 3 : 2, (long long)row.epoch, (long long)t->recipe->epochs, row.loss,
        rt_metrics_top1(row.train), rt_metrics_top1(row.test), state->best_test_top1, row.images_per_s);
    state->total_seconds += state->seconds;
    state->train = (rt_metrics){0};
    for (size_t i = 0; i < t->loss_count; ++i)
        state->losses[i] = 0.0;
    state->loss = state->seconds = 0.0;
    state->batch = 0;
    ++state->epoch;
    return save_checkpoint(run, err);
}

/* What `auto` comes to depends on the CPU: the run's own record says it. */
static rt_status tell_precision(struct run *run, rt_error *err)
{
    const rt_training *t = run->training;
    const char *fp32 = rt_precision_names[RT_PRECISION_FP32];
    char student[RT_PLAN_PRECISION_WORDS], teacher[RT_PLAN_PRECISION_WORDS], agreement[96] = "";
    char words[2 * RT_PLAN_PRECISION_WORDS + sizeof agreement + 32];
    size_t images;
    rt_plan_precision(run->step.plan, student);
    snprintf(teacher, sizeof teacher, "%s", fp32);
    if (t->teacher)
        rt_plan_precision(rt_inference_plan(rt_teacher_inference(t->teacher)), teacher);
    if (strcmp(teacher, fp32) != 0) {
        RT_TRY(rt_teacher_compare(t->teacher, t->data, &run->agreement, &images, err));
        snprintf(agreement, sizeof agreement, "; its top-1 is fp32's for %.2f %% of %zu images", run->agreement,
                 images);
    }
    snprintf(words, sizeof words, "training %s%s%s%s", student, t->teacher ? ", teacher " : "",
             t->teacher ? teacher : "", agreement);
    if (strcmp(student, fp32) != 0 || strcmp(teacher, fp32) != 0)
        rt_progress_say(&run->progress, "%-8s precision: %s", t->label, words);
    return rt_log_event(run->log, "precision", words, err);
}

static rt_status run_all(struct run *run, rt_error *err)
{
    while (run->state.epoch < run->training->recipe->epochs) {
        RT_TRY(run_epoch(run, err));
        RT_TRY(end_epoch(run, err));
    }
    /* A run that was killed after its last epoch has everything but the latest figures. */
    return run->test.samples > 0 ? RT_OK : evaluate(run, err);
}

/* The same, and what the memo did for it. */
static rt_status learn_from_teacher(struct run *run, rt_error *err)
{
    const rt_training *t = run->training;
    char words[RT_TEACHER_WORDS];
    rt_progress_say(&run->progress, "%-8s %s", t->label, rt_teacher_memo_words(t->teacher));
    RT_TRY(rt_log_event(run->log, "memo", rt_teacher_memo_words(t->teacher), err));
    rt_teacher_counts before = rt_teacher_count(t->teacher);
    rt_status status = run_all(run, err);
    run->taught = rt_teacher_count_since(t->teacher, &before);
    rt_teacher_count_words(t->teacher, &run->taught, words);
    rt_progress_say(&run->progress, "%-8s %s", t->label, words);
    /* A run that failed has its error to tell. */
    rt_status logged = rt_log_event(run->log, "taught", words, status == RT_OK ? err : NULL);
    return status == RT_OK ? logged : status;
}

static void summarise(const struct run *run, rt_training_result *result)
{
    const rt_training *t = run->training;
    const rt_training_state *state = &run->state;
    *result = (rt_training_result){
        .epochs = t->recipe->epochs,
        .best_epoch = state->best_epoch,
        .best_top1 = state->best_test_top1,
        .best_top5 = state->best_test_top5,
        .last_top1 = rt_metrics_top1(&run->test),
        .last_top5 = rt_metrics_top5(&run->test),
        .last_cross_entropy = rt_metrics_cross_entropy(&run->test),
        .images_per_s = (double)t->recipe->epochs * (double)t->data->train_count / state->total_seconds,
        .seconds = state->total_seconds,
        .picked_on_validation = run->validation_loader != NULL,
        .taught = run->taught,
        .teacher_agreement = run->agreement,
    };
    rt_plan_precision(run->step.plan, result->precision);
    if (t->teacher)
        rt_plan_precision(rt_inference_plan(rt_teacher_inference(t->teacher)), result->teacher_precision);
}

rt_status rt_training_run(const rt_training *training, rt_training_result *result, rt_error *err)
{
    struct run run = {.training = training, .agreement = NAN};
    rt_status status = RT_OK;
    if (training->loss_count > RT_MAX_TERMS)
        status = rt_fail(err, RT_ERROR_USAGE, "loss: %zu terms; at most %d", training->loss_count, RT_MAX_TERMS);
    if (status == RT_OK)
        status = open_run(&run, err);
    if (status == RT_OK) {
        uint64_t total = (uint64_t)training->recipe->epochs * training->data->train_count;
        rt_progress_open(&run.progress, training->label, "images", total - run.images_at_start);
        status = tell_precision(&run, err);
        if (status == RT_OK)
            status = training->teacher ? learn_from_teacher(&run, err) : run_all(&run, err);
        rt_progress_finish(&run.progress, "");
    }
    if (status == RT_OK) {
        summarise(&run, result);
        rt_parameters *kept = rt_update_result(&run.step.update);
        if (kept != training->network->parameters)
            rt_parameters_copy(training->network->parameters, kept);
    }
    close_run(&run);
    return status;
}
