#include "train/training.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/file.h"
#include "train/checkpoint.h"
#include "train/log.h"
#include "train/results.h"
#include "train/save.h"
#include "train/step.h"
#include "train/term_weight.h"

struct rt_training {
    rt_training_options options;
    rt_step step;
    rt_loader *validation_loader, *test_loader;
    rt_inference *inference; /* of what is evaluated: the parameters or their average */
    rt_training_state state;
    rt_results results;
    rt_progress *progress;
    rt_metrics validation, test;      /* of the latest evaluation */
    rt_teacher_counts before, taught; /* when it began, and since */
    double agreement;                 /* of the teacher with itself in fp32, percent; NaN where it is fp32 */
    rt_error failure;                 /* why it was given up, if it was */
    char *checkpoint, *best, *last, *csv, *log;
};

enum { EVALUATION_BATCH = 256 };

static rt_status name_files(rt_training *training, rt_error *err)
{
    const char *folder = training->options.folder;
    training->checkpoint = rt_path_join(folder, "checkpoint.safetensors");
    training->best = rt_path_join(folder, "best.safetensors");
    training->last = rt_path_join(folder, "last.safetensors");
    training->csv = rt_path_join(folder, "results.csv");
    training->log = rt_path_join(folder, "log.jsonl");
    if (!training->checkpoint || !training->best || !training->last || !training->csv || !training->log)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for file names");
    return RT_OK;
}

static rt_status open_all(rt_training *training, rt_error *err)
{
    const rt_training_options *t = &training->options;
    const rt_run_data *data = t->data;
    RT_TRY(name_files(training, err));
    RT_TRY(rt_step_open(&training->step,
                        &(rt_step_options){.engine = t->engine,
                                           .graph = t->network->graph,
                                           .parameters = t->network->parameters,
                                           .teacher = t->teacher,
                                           .losses = t->losses,
                                           .loss_count = t->loss_count,
                                           .train = t->recipe,
                                           .samples = data->train_count,
                                           .file_samples = data->train.count,
                                           .seed = t->seed,
                                           .mixed = rt_run_data_mixes(data)},
                        err));
    if (t->resume && rt_path_exists(training->checkpoint))
        RT_TRY(rt_checkpoint_load(training->checkpoint, &training->step.update, &training->state, t->loss_count,
                                  t->fingerprint, err));
    RT_TRY(rt_inference_new(t->engine, t->network->graph, rt_update_result(&training->step.update), 0,
                            &training->inference, err));
    RT_TRY(rt_run_data_plain_loader(data, &data->test, data->test_samples, data->test_count, EVALUATION_BATCH,
                                    &training->test_loader, err));
    if (data->validation_count > 0)
        RT_TRY(rt_run_data_plain_loader(data, &data->train, data->validation_samples, data->validation_count,
                                        EVALUATION_BATCH, &training->validation_loader, err));
    return rt_results_open(&training->results, training->csv, t->losses, t->loss_count, data->validation_count > 0,
                           training->state.epoch, err);
}

rt_status rt_training_open(const rt_training_options *options, rt_training **training, rt_error *err)
{
    if (options->loss_count > RT_MAX_TERMS)
        return rt_fail(err, RT_ERROR_USAGE, "loss: %zu terms; at most %d", options->loss_count, RT_MAX_TERMS);
    rt_training *made = calloc(1, sizeof *made);
    if (!made)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for a training");
    made->options = *options;
    made->agreement = NAN;
    rt_status status = open_all(made, err);
    if (status != RT_OK) {
        rt_training_close(made);
        return status;
    }
    *training = made;
    return RT_OK;
}

void rt_training_close(rt_training *training)
{
    if (!training)
        return;
    rt_results_close(&training->results);
    rt_loader_close(training->validation_loader);
    rt_loader_close(training->test_loader);
    rt_inference_free(training->inference);
    rt_step_close(&training->step);
    free(training->checkpoint);
    free(training->best);
    free(training->last);
    free(training->csv);
    free(training->log);
    free(training);
}

const rt_training_state *rt_training_at(const rt_training *training)
{
    return &training->state;
}

bool rt_training_is_done(const rt_training *training)
{
    return training->failure.status != RT_OK || training->state.epoch >= training->options.recipe->epochs;
}

void rt_training_give_up(rt_training *training, const rt_error *err)
{
    training->failure = *err;
    rt_progress_say(training->progress, "%-8s given up: %s", training->options.label, err->message);
    rt_log_event(training->log, rt_status_name(err->status), err->message, NULL);
}

const char *rt_training_failure(const rt_training *training)
{
    return training->failure.status != RT_OK ? training->failure.message : NULL;
}

uint64_t rt_training_images_left(const rt_training *training)
{
    if (rt_training_is_done(training))
        return 0;
    uint64_t epochs = (uint64_t)(training->options.recipe->epochs - training->state.epoch);
    return epochs * training->options.data->train_count - training->state.train.samples;
}

int64_t rt_training_epochs(const rt_training *training)
{
    return training->options.recipe->epochs;
}

size_t rt_training_batch(const rt_training *training)
{
    return training->step.batch;
}

size_t rt_training_bytes(const rt_training *training)
{
    enum { VALUES_GRADIENTS_MOMENTS_AVERAGE = 5 };
    const rt_step *step = &training->step;
    return rt_plan_bytes(step->plan) + (step->last_plan ? rt_plan_bytes(step->last_plan) : 0) +
           VALUES_GRADIENTS_MOMENTS_AVERAGE * step->parameters->graph->trained_floats * sizeof(float);
}

double rt_training_loss(const rt_training *training)
{
    return training->step.loss;
}

static rt_status save_checkpoint(rt_training *training, rt_error *err)
{
    training->state.step = training->step.update.step;
    return rt_checkpoint_save(training->checkpoint, &training->step.update, &training->state,
                              training->options.loss_count, training->options.fingerprint, err);
}

/* What the recipe wants monitored, in the steps in which it is. */
static rt_status tell_gradients(const rt_training *training, rt_error *err)
{
    char words[1024];
    const rt_monitor *monitor = &training->step.monitor;
    if (!monitor->measured)
        return RT_OK;
    rt_monitor_describe(monitor, words, sizeof words);
    rt_progress_say(training->progress, "%-8s gradients in step %lld: %s", training->options.label,
                    (long long)monitor->step, words);
    return rt_log_gradients(training->log, monitor, err);
}

rt_status rt_training_step(rt_training *training, const rt_batch *batch, const float *teacher_logits,
                           double shared_seconds, rt_error *err)
{
    rt_training_state *state = &training->state;
    double started = rt_seconds();
    RT_TRY(rt_step_learn(&training->step, batch, teacher_logits, err));
    RT_TRY(tell_gradients(training, err));
    rt_metrics_add(&state->train, training->step.logits, batch->labels, batch->count, training->step.classes);
    for (size_t i = 0; i < training->options.loss_count; ++i)
        state->losses[i] += training->step.losses[i] * (double)batch->count;
    state->loss += training->step.loss * (double)batch->count;
    state->seconds += shared_seconds + rt_seconds() - started;
    ++state->batch;
    return RT_OK;
}

rt_status rt_training_stop(rt_training *training, rt_error *err)
{
    RT_TRY(save_checkpoint(training, err));
    return rt_fail(err, RT_ERROR_INTERRUPTED, "stopped in epoch %lld of %lld after %lld steps",
                   (long long)training->state.epoch + 1, (long long)training->options.recipe->epochs,
                   (long long)training->state.step);
}

static rt_status evaluate(rt_training *training, rt_error *err)
{
    size_t classes = training->step.classes;
    if (training->validation_loader)
        RT_TRY(rt_evaluate(training->inference, training->validation_loader, classes, &training->validation, err));
    return rt_evaluate(training->inference, training->test_loader, classes, &training->test, err);
}

static rt_status save_weights(rt_training *training, const char *path, rt_error *err)
{
    return rt_network_save(path, training->options.network, rt_update_result(&training->step.update),
                           &training->options.data->normalization, err);
}

/* A step that overflowed is found by the next one's loss, which the last step of an epoch does not have, and a running
 * variance that overflowed only where it is used. */
static rt_status refuse_overflow(const rt_training *training, rt_error *err)
{
    const rt_parameters *parameters = rt_update_result(&training->step.update);
    const rt_graph *graph = parameters->graph;
    for (size_t p = 0; p < graph->parameter_count; ++p) {
        const float *values = rt_parameter_values(parameters, (int)p);
        for (size_t i = 0; i < graph->parameters[p].count; ++i)
            if (!isfinite(values[i]))
                return rt_fail(
                    err, RT_ERROR_NUMERIC,
                    "'%s' is %s at element %zu after step %lld; a smaller learning rate or clip_norm may help",
                    graph->parameters[p].name, isnan(values[i]) ? "NaN" : "infinite", i,
                    (long long)training->step.update.step - 1);
    }
    return RT_OK;
}

/* Keeps the weights when they are the best so far. */
static rt_status keep_best(rt_training *training, rt_error *err)
{
    rt_training_state *state = &training->state;
    const rt_metrics *judge = training->validation_loader ? &training->validation : &training->test;
    if (state->best_epoch > 0 && rt_metrics_top1(judge) <= state->best_top1)
        return RT_OK;
    state->best_top1 = rt_metrics_top1(judge);
    state->best_top5 = rt_metrics_top5(judge);
    state->best_test_top1 = rt_metrics_top1(&training->test);
    state->best_test_top5 = rt_metrics_top5(&training->test);
    state->best_epoch = state->epoch + 1;
    return save_weights(training, training->best, err);
}

rt_status rt_training_end_epoch(rt_training *training, rt_error *err)
{
    const rt_training_options *t = &training->options;
    rt_training_state *state = &training->state;
    RT_TRY(refuse_overflow(training, err));
    RT_TRY(evaluate(training, err));
    double images = (double)state->train.samples, means[RT_MAX_TERMS], weights[RT_MAX_TERMS];
    for (size_t i = 0; i < t->loss_count; ++i) {
        weights[i] = rt_term_weight(&t->losses[i], state->epoch + 1, t->recipe->epochs);
        means[i] = rt_term_counts(&t->losses[i], state->epoch + 1) ? state->losses[i] / images : NAN;
    }
    const rt_epoch_row row = {.epoch = state->epoch + 1,
                              .learning_rate = training->step.update.learning_rate,
                              .loss = state->loss / images,
                              .losses = means,
                              .weights = weights,
                              .train = &state->train,
                              .validation = training->validation_loader ? &training->validation : NULL,
                              .test = &training->test,
                              .images_per_s = images / state->seconds,
                              .seconds = state->seconds};
    RT_TRY(rt_results_add(&training->results, &row, t->loss_count, err));
    RT_TRY(rt_log_epoch(training->log, &row, t->losses, t->loss_count, err));
    RT_TRY(keep_best(training, err));
    RT_TRY(save_weights(training, training->last, err));
    rt_progress_say(training->progress,
                    "%-8s epoch %*lld/%lld  loss %.4f  train %.2f %%  test %.2f %%  best %.2f %%  %.0f images/s",
                    t->label, t->recipe->epochs > 99 ? 3 : 2, (long long)row.epoch, (long long)t->recipe->epochs,
                    row.loss, rt_metrics_top1(row.train), rt_metrics_top1(row.test), state->best_test_top1,
                    row.images_per_s);
    state->total_seconds += state->seconds;
    state->train = (rt_metrics){0};
    for (size_t i = 0; i < t->loss_count; ++i)
        state->losses[i] = 0.0;
    state->loss = state->seconds = 0.0;
    state->batch = 0;
    ++state->epoch;
    return save_checkpoint(training, err);
}

/* What `auto` comes to depends on the CPU: the run's own record says it. */
static rt_status tell_precision(rt_training *training, rt_error *err)
{
    const rt_training_options *t = &training->options;
    const char *fp32 = rt_precision_names[RT_PRECISION_FP32];
    char student[RT_PLAN_PRECISION_WORDS], teacher[RT_PLAN_PRECISION_WORDS], agreement[96] = "";
    char words[2 * RT_PLAN_PRECISION_WORDS + sizeof agreement + 32];
    size_t images;
    rt_plan_precision(training->step.plan, student);
    snprintf(teacher, sizeof teacher, "%s", fp32);
    if (t->teacher)
        rt_plan_precision(rt_inference_plan(rt_teacher_inference(t->teacher)), teacher);
    if (strcmp(teacher, fp32) != 0) {
        RT_TRY(rt_teacher_compare(t->teacher, t->data, &training->agreement, &images, err));
        snprintf(agreement, sizeof agreement, "; its top-1 is fp32's for %.2f %% of %zu images", training->agreement,
                 images);
    }
    snprintf(words, sizeof words, "training %s%s%s%s", student, t->teacher ? ", teacher " : "",
             t->teacher ? teacher : "", agreement);
    if (strcmp(student, fp32) != 0 || strcmp(teacher, fp32) != 0)
        rt_progress_say(training->progress, "%-8s precision: %s", t->label, words);
    return rt_log_event(training->log, "precision", words, err);
}

rt_status rt_training_begin(rt_training *training, rt_progress *progress, rt_error *err)
{
    const rt_training_options *t = &training->options;
    training->progress = progress;
    RT_TRY(tell_precision(training, err));
    if (!t->teacher)
        return RT_OK;
    training->before = rt_teacher_count(t->teacher);
    rt_progress_say(progress, "%-8s %s", t->label, rt_teacher_memo_words(t->teacher));
    return rt_log_event(training->log, "memo", rt_teacher_memo_words(t->teacher), err);
}

rt_status rt_training_tell_taught(rt_training *training, rt_error *err)
{
    const rt_training_options *t = &training->options;
    char words[RT_TEACHER_WORDS];
    if (!t->teacher)
        return RT_OK;
    training->taught = rt_teacher_count_since(t->teacher, &training->before);
    rt_teacher_count_words(t->teacher, &training->taught, words);
    rt_progress_say(training->progress, "%-8s %s", t->label, words);
    return rt_log_event(training->log, "taught", words, err);
}

static void summarise(const rt_training *training, rt_training_result *result)
{
    const rt_training_options *t = &training->options;
    const rt_training_state *state = &training->state;
    *result = (rt_training_result){
        .epochs = t->recipe->epochs,
        .best_epoch = state->best_epoch,
        .best_top1 = state->best_test_top1,
        .best_top5 = state->best_test_top5,
        .last_top1 = rt_metrics_top1(&training->test),
        .last_top5 = rt_metrics_top5(&training->test),
        .last_cross_entropy = rt_metrics_cross_entropy(&training->test),
        .images_per_s = (double)t->recipe->epochs * (double)t->data->train_count / state->total_seconds,
        .seconds = state->total_seconds,
        .picked_on_validation = training->validation_loader != NULL,
        .taught = training->taught,
        .teacher_agreement = training->agreement,
    };
    rt_plan_precision(training->step.plan, result->precision);
    if (t->teacher)
        rt_plan_precision(rt_inference_plan(rt_teacher_inference(t->teacher)), result->teacher_precision);
}

rt_status rt_training_finish(rt_training *training, rt_training_result *result, rt_error *err)
{
    /* A run that was killed after its last epoch has everything but the latest figures. */
    if (training->test.samples == 0)
        RT_TRY(evaluate(training, err));
    summarise(training, result);
    rt_parameters *kept = rt_update_result(&training->step.update);
    if (kept != training->options.network->parameters)
        rt_parameters_copy(training->options.network->parameters, kept);
    return RT_OK;
}
