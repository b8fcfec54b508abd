/* What loss terms add to a training: adapters and arrays of their own are trained, saved and taken up again, and are no
 * part of the student. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/threads.h"
#include "recipe_text.h"
#include "train/adapter.h"
#include "train/lockstep.h"
#include "train/step.h"

enum { SAMPLES = 45, HELD = 9, BATCH = 16, FEATURES = 8, EPOCHS = 3 };

static rt_engine *engine;
static char folder[] = "/tmp/retort-test-XXXXXX";

static void nothing_is_added_where_sizes_agree(void **state)
{
    (void)state;
    char words[RT_ADAPTER_WORDS];
    rt_graph *graph = rt_graph_new();
    int image = rt_graph_input(graph, 8, 6, 5);
    assert_int_equal(rt_adapter_add(graph, "a", image, (rt_extent){8, 6, 5}, false), image);
    assert_int_equal(rt_adapter_add(graph, "a", image, (rt_extent){1, 1, 240}, true), image);
    assert_int_equal(graph->node_count, 1);
    rt_adapter_describe((rt_extent){8, 6, 5}, (rt_extent){8, 6, 5}, false, words);
    assert_string_equal(words, "none");
    rt_graph_free(graph);
}

static void adapters_bring_any_size_to_any_other(void **state)
{
    (void)state;
    static const struct {
        rt_extent to;
        bool vectors;
        const char *layers, *words;
        size_t parameters;
    } cases[] = {
        {{4, 3, 5}, false, "a.resize", "resize", 0},
        {{8, 6, 7}, false, "a a.norm", "1x1 convolution and batch norm", 35 + 14},
        {{4, 3, 7}, false, "a.resize a a.norm", "1x1 convolution and batch norm, resize", 35 + 14},
        {{16, 9, 7}, false, "a a.norm a.resize", "1x1 convolution and batch norm, resize", 35 + 14},
        {{1, 1, 10}, true, "a.flatten a", "linear", 2410},
        {{2, 1, 5}, true, "a.flatten a", "linear", 2410},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        char words[RT_ADAPTER_WORDS], layers[4 * RT_NAME_CAPACITY] = "";
        rt_graph *graph = rt_graph_new();
        int image = rt_graph_input(graph, 8, 6, 5);
        int last = rt_adapter_add(graph, "a", image, cases[i].to, cases[i].vectors);
        assert_int_equal(graph->error.status, RT_OK);
        const rt_extent got = graph->nodes[last].shape;
        if (cases[i].vectors)
            assert_int_equal(got.channels, rt_extent_floats(cases[i].to));
        else
            assert_memory_equal(&got, &cases[i].to, sizeof got);
        for (size_t n = 1; n < graph->node_count; ++n)
            snprintf(layers + strlen(layers), sizeof layers - strlen(layers), "%s%s", n > 1 ? " " : "",
                     graph->nodes[n].name);
        assert_string_equal(layers, cases[i].layers);
        assert_int_equal(rt_graph_trained_count(graph), cases[i].parameters);
        rt_adapter_describe((rt_extent){8, 6, 5}, cases[i].to, cases[i].vectors, words);
        assert_string_equal(words, cases[i].words);
        rt_graph_free(graph);
    }
}

/* A loss for tests alone: it remembers the features of each sample, half of the old and half of the new, and scales
 * them by weights of its own:
 *
 *     loss = mean over the batch of sum_k (scale_k f_k - bank_k)^2 / 2 */
enum { STUDENT, INDICES, PORTS };
enum { SCALE, BANK };

static struct recall {
    float gradient[FEATURES]; /* of scale, in the latest step */
    int64_t stop_at;          /* the step in which somebody presses Ctrl-C */
    size_t samples;
} seen;

static volatile sig_atomic_t stop;

static const rt_port recall_ports[] = {
    [STUDENT] = {"student.features", "N K", RT_PORT_DIFF},
    [INDICES] = {"indices", "N", RT_PORT_INDEX},
};

static rt_status recall_plan(void *state, rt_loss_plan *plan, rt_error *err)
{
    (void)state, (void)err;
    size_t features = plan->shapes[STUDENT].dims[1];
    seen.samples = plan->samples;
    plan->own[SCALE] = (rt_own){"scale", {1, {features}}, true, 1.0, 0.25};
    plan->own[BANK] = (rt_own){"bank", {2, {plan->samples, features}}, false, 0.0, 0.5};
    plan->own_count = 2;
    return RT_OK;
}

static rt_status recall_run(void *state, const rt_loss_io *io, double *loss, rt_error *err)
{
    (void)state, (void)err;
    const rt_port_data *student = &io->ports[STUDENT];
    size_t samples = student->shape.dims[0], features = student->shape.dims[1];
    double sum = 0.0, scale_gradient[FEATURES] = {0};
    for (size_t n = 0; n < samples; ++n) {
        size_t index = (size_t)io->ports[INDICES].indices[n];
        assert_true(index < seen.samples);
        for (size_t k = 0; k < features; ++k) {
            float *kept = &io->own[BANK].values[index * features + k];
            double f = (double)student->values[n * features + k], scale = (double)io->own[SCALE].values[k];
            double off = scale * f - (double)*kept, slope = io->weight * off / (double)samples;
            sum += off * off / (double)(2 * samples);
            student->gradient[n * features + k] += (float)(slope * scale);
            scale_gradient[k] += slope * f;
            *kept = 0.5f * *kept + 0.5f * (float)f;
        }
    }
    for (size_t k = 0; k < features; ++k) {
        seen.gradient[k] = (float)scale_gradient[k];
        io->own[SCALE].gradient[k] += (float)scale_gradient[k];
    }
    if (io->step == seen.stop_at)
        stop = 1;
    *loss = sum;
    return RT_OK;
}

static const rt_loss recall = {
    .abi = RT_LOSS_ABI,
    .name = "recall",
    .ports = recall_ports,
    .port_count = PORTS,
    .plan = recall_plan,
    .run = recall_run,
};

/* A recipe whose second term is recall. */
struct school {
    rt_recipe *recipe;
    rt_run_data data;
    rt_network *student;
    rt_loss_recipe losses[2];
};

static void found(struct school *school, const char *train)
{
    char text[512];
    snprintf(text, sizeof text,
             "retort: 1\n"
             "data: {reader: synthetic, shape: [3, 8, 8], classes: 5, samples: %d, test_samples: 5, validation: 0.2}\n"
             "student: {model: convnet, hidden: %d}\n"
             "loss: [cross_entropy]\n"
             "train: {epochs: %d, batch: %d, %s}\n",
             SAMPLES, FEATURES / 2, EPOCHS, BATCH, train);
    *school = (struct school){.recipe = recipe_of(text)};
    rt_error err = {0};
    if (rt_run_data_open(school->recipe, &school->data, &err) != RT_OK)
        fail_msg("%s", err.message);
    const rt_model_input input = rt_run_data_input(&school->data);
    if (rt_network_new("convnet", school->recipe->student.settings, &input, true, &school->student, &err) != RT_OK)
        fail_msg("%s", err.message);
    rt_parameters_initialize(school->student->parameters, 0);
    school->losses[0] = school->recipe->loss[0];
    school->losses[1] = (rt_loss_recipe){.loss = &recall, .weight = 0.5};
}

static void dissolve(struct school *school)
{
    rt_network_free(school->student);
    rt_run_data_close(&school->data);
    rt_recipe_free(school->recipe);
}

static void own_arrays_are_trained_and_remembered(void **state)
{
    (void)state;
    struct school school;
    rt_step step;
    rt_loader *loader;
    rt_error err = {0};
    seen = (struct recall){.stop_at = -1};
    found(&school, "ema: 0.5, optimizer: {sgd: {lr: 0.5, momentum: 0, weight_decay: 0}}");
    assert_int_equal(school.data.train_count, SAMPLES - HELD);
    if (rt_step_open(&step,
                     &(rt_step_options){.engine = engine,
                                        .graph = school.student->graph,
                                        .parameters = school.student->parameters,
                                        .losses = school.losses,
                                        .loss_count = 2,
                                        .train = &school.recipe->train,
                                        .samples = school.data.train_count,
                                        .file_samples = school.data.train.count},
                     &err) != RT_OK)
        fail_msg("%s", err.message);
    assert_int_equal(seen.samples, SAMPLES); /* held-out ones have their numbers, too */
    const rt_graph *graph = step.extension.graph, *network = school.student->graph;
    assert_int_equal(graph->parameter_count, network->parameter_count + 2);
    const rt_parameter *scale = &graph->parameters[network->parameter_count], *bank = scale + 1;
    assert_string_equal(scale->name, "loss.1.scale");
    assert_string_equal(bank->name, "loss.1.bank");
    assert_int_equal(bank->kind, RT_PARAMETER_MEMORY);
    assert_memory_equal(step.parameters->values, school.student->parameters->values,
                        network->trained_floats * sizeof(float));
    float *scales = step.parameters->values + scale->offset, *banks = step.parameters->buffers + bank->offset;
    float *gradients = step.parameters->gradients + scale->offset, before[FEATURES], old[SAMPLES * FEATURES];
    assert_true(scales[0] >= 0.75f && scales[0] <= 1.25f && scales[0] != scales[1]);

    assert_int_equal(rt_run_data_train_loader(&school.data, BATCH, &loader, &err), RT_OK);
    for (const rt_batch *batch; (batch = rt_loader_next(loader));) {
        memcpy(before, scales, sizeof before);
        memcpy(old, banks, sizeof old);
        if (rt_step_run(&step, batch, &err) != RT_OK)
            fail_msg("%s", err.message);
        assert_memory_equal(gradients, seen.gradient, sizeof seen.gradient);
        for (size_t k = 0; k < FEATURES; ++k)
            assert_true(scales[k] != before[k] && fabsf(scales[k] - (before[k] - 0.5f * gradients[k])) <= 1e-6f);
        /* What was seen has changed, the rest has not. */
        for (size_t i = 0; i < SAMPLES; ++i) {
            bool fresh = false;
            for (size_t n = 0; n < batch->count; ++n)
                fresh |= batch->samples[n] == (int64_t)i;
            assert_int_equal(memcmp(banks + i * FEATURES, old + i * FEATURES, FEATURES * sizeof *old) != 0, fresh);
        }
    }
    /* The moving average is of the student alone. */
    assert_int_equal(rt_update_result(&step.update)->graph->parameter_count, network->parameter_count);
    rt_loader_close(loader);
    rt_step_close(&step);
    dissolve(&school);
}

/* Trains in `name` below the test's folder. `stop_at` is the step of the interruption, -1 for none. */
static rt_status train(const char *name, int64_t stop_at, bool resume)
{
    struct school school;
    rt_training_result result;
    rt_error err = {0};
    char where[64];
    snprintf(where, sizeof where, "%s/%s", folder, name);
    found(&school, "ema: 0.5, optimizer: adamw");
    seen = (struct recall){.stop_at = stop_at};
    stop = 0;
    assert_int_equal(rt_folder_make(where, &err), RT_OK);
    rt_training *training = NULL;
    rt_status status = rt_training_open(&(rt_training_options){.label = "student",
                                                               .folder = where,
                                                               .engine = engine,
                                                               .network = school.student,
                                                               .data = &school.data,
                                                               .recipe = &school.recipe->train,
                                                               .losses = school.losses,
                                                               .loss_count = 2,
                                                               .fingerprint = "the run",
                                                               .resume = resume},
                                        &training, &err);
    if (status == RT_OK)
        status = rt_lockstep_run(
            &(rt_lockstep){.label = "student", .data = &school.data, .trainings = &training, .count = 1, .stop = &stop},
            &err);
    if (status == RT_OK)
        status = rt_training_finish(training, &result, &err);
    rt_training_close(training);
    if (status != RT_OK && status != RT_ERROR_INTERRUPTED)
        fail_msg("%s", err.message);
    dissolve(&school);
    return status;
}

static void read_file(const char *name, const char *file, rt_bytes *bytes)
{
    char path[96];
    rt_error err = {0};
    snprintf(path, sizeof path, "%s/%s/%s", folder, name, file);
    if (rt_file_read(path, (size_t)1 << 24, bytes, &err) != RT_OK)
        fail_msg("%s", err.message);
}

static bool file_contains(const rt_bytes *bytes, const char *word)
{
    return memmem(bytes->data, bytes->size, word, strlen(word)) != NULL;
}

/* A header of a checkpoint holds seconds; behind it are all numbers. */
static void assert_same_tensors(const char *file)
{
    rt_bytes whole = {0}, resumed = {0};
    read_file("whole", file, &whole);
    read_file("resumed", file, &resumed);
    const unsigned char *a = whole.data, *b = resumed.data;
    size_t header_a = 8 + a[0] + 256u * a[1] + 65536u * a[2], header_b = 8 + b[0] + 256u * b[1] + 65536u * b[2];
    assert_int_equal(whole.size - header_a, resumed.size - header_b);
    assert_memory_equal(a + header_a, b + header_b, whole.size - header_a);
    rt_bytes_free(&whole);
    rt_bytes_free(&resumed);
}

static void resumed_runs_remember(void **state)
{
    (void)state;
    static const char *const files[] = {"checkpoint.safetensors", "best.safetensors", "last.safetensors"};
    assert_int_equal(train("whole", -1, false), RT_OK);
    assert_int_equal(train("resumed", 4, false), RT_ERROR_INTERRUPTED); /* in the second epoch of three steps */
    assert_int_equal(train("resumed", -1, true), RT_OK);
    for (size_t f = 0; f < 3; ++f)
        assert_same_tensors(files[f]);
    rt_bytes bytes = {0};
    read_file("whole", files[0], &bytes);
    assert_true(file_contains(&bytes, "\"loss.1.bank\"") && file_contains(&bytes, "\"optimizer.1.loss.1.scale\""));
    rt_bytes_free(&bytes);
    for (size_t f = 1; f < 3; ++f) {
        read_file("whole", files[f], &bytes);
        assert_false(file_contains(&bytes, "loss."));
        rt_bytes_free(&bytes);
    }
}

static rt_status refuse(void *state, rt_loss_plan *plan, rt_error *err)
{
    (void)state, (void)plan;
    return rt_fail(err, RT_ERROR_SHAPE, "loss 'recall': not today");
}

/* What a loss says of the sizes that it meets comes with its place in the recipe. */
static void refusals_have_a_place(void **state)
{
    (void)state;
    struct school school;
    rt_step step;
    rt_error err = {0};
    rt_loss picky = recall;
    picky.plan = refuse;
    found(&school, "optimizer: sgd");
    school.losses[1] = (rt_loss_recipe){.loss = &picky, .weight = 1.0, .mark = {"a.yaml", 7, 5}};
    rt_step_options options = {.engine = engine,
                               .graph = school.student->graph,
                               .parameters = school.student->parameters,
                               .losses = school.losses,
                               .loss_count = 2,
                               .train = &school.recipe->train,
                               .samples = school.data.train_count,
                               .file_samples = school.data.train.count};
    assert_int_equal(rt_step_open(&step, &options, &err), RT_ERROR_SHAPE);
    assert_string_equal(err.message, "a.yaml:7:5: loss 'recall': not today");
    school.losses[1].mark.line = 0; /* a term that nobody wrote */
    assert_int_equal(rt_step_open(&step, &options, &err), RT_ERROR_SHAPE);
    assert_string_equal(err.message, "loss 'recall': not today");
    dissolve(&school);
}

static int start(void **state)
{
    (void)state;
    rt_threads_start(2);
    return mkdtemp(folder) && rt_engine_new(&engine, NULL) == RT_OK ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    static const char *const runs[] = {"whole", "resumed"};
    static const char *const files[] = {"checkpoint.safetensors", "best.safetensors", "last.safetensors", "results.csv",
                                        "log.jsonl"};
    char path[96];
    for (size_t r = 0; r < 2; ++r) {
        for (size_t f = 0; f < 5; ++f) {
            snprintf(path, sizeof path, "%s/%s/%s", folder, runs[r], files[f]);
            unlink(path);
        }
        snprintf(path, sizeof path, "%s/%s", folder, runs[r]);
        rmdir(path);
    }
    rt_engine_free(engine);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_added_where_sizes_agree),
        cmocka_unit_test(adapters_bring_any_size_to_any_other),
        cmocka_unit_test(own_arrays_are_trained_and_remembered),
        cmocka_unit_test(resumed_runs_remember),
        cmocka_unit_test(refusals_have_a_place),
    };
    return cmocka_run_group_tests(tests, start, end);
}
