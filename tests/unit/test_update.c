/* The update: clipping, weight decay's exemptions, the schedule, the moving average, and gradients that are not finite.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "recipe_text.h"
#include "train/update.h"

/* A network of every kind of parameter, all at 1, with an update on it. */
struct trial {
    rt_recipe *recipe;
    rt_graph *graph;
    rt_parameters *parameters;
    rt_update update;
};

static void fill(float *values, size_t count, float value)
{
    for (size_t i = 0; i < count; ++i)
        values[i] = value;
}

static struct trial begin_with_channels(const char *train, size_t channels)
{
    char text[1024];
    snprintf(text, sizeof text,
             "retort: 1\n"
             "data: {reader: synthetic}\n"
             "student: {model: mlp}\n"
             "loss: [cross_entropy]\n"
             "train: %s\n",
             train);
    struct trial trial = {.recipe = recipe_of(text), .graph = rt_graph_new()};
    rt_graph *graph = trial.graph;
    int x = rt_graph_input(graph, 4, 4, 1);
    x = rt_graph_convolution(graph, "conv", x, (rt_window){.channels = channels, .kernel = 3, .bias = true});
    x = rt_graph_batch_norm(graph, "bn", x);
    x = rt_graph_global_average_pool(graph, "avgpool", x);
    rt_graph_output(graph, rt_graph_linear(graph, "fc", x, 3, true));
    assert_int_equal(rt_graph_finish(graph, NULL), RT_OK);
    assert_int_equal(rt_parameters_new(graph, true, &trial.parameters, NULL), RT_OK);
    fill(trial.parameters->values, graph->trained_floats, 1.0f);
    assert_int_equal(
        rt_update_open(&trial.update, &trial.recipe->train, trial.parameters, trial.parameters->graph, 4, NULL), RT_OK);
    return trial;
}

static struct trial begin(const char *train)
{
    return begin_with_channels(train, 2);
}

static void end(struct trial *trial)
{
    rt_update_close(&trial->update);
    rt_update_close(&trial->update);
    rt_parameters_free(trial->parameters);
    rt_graph_free(trial->graph);
    rt_recipe_free(trial->recipe);
}

static int number_of(const struct trial *trial, const char *name)
{
    for (size_t p = 0; p < trial->graph->parameter_count; ++p)
        if (strcmp(trial->graph->parameters[p].name, name) == 0)
            return (int)p;
    fail_msg("there is no parameter '%s'", name);
    return -1;
}

static float *values_of(const struct trial *trial, const char *name)
{
    return rt_parameter_values(trial->parameters, number_of(trial, name));
}

static float *gradients_of(const struct trial *trial, const char *name)
{
    return rt_parameter_gradients(trial->parameters, number_of(trial, name));
}

static void apply(struct trial *trial)
{
    rt_error err = {0};
    if (rt_update_apply(&trial->update, &err) != RT_OK)
        fail_msg("%s", err.message);
}

/* Every element of a parameter is `expected`. */
static void assert_values(const struct trial *trial, const char *name, double expected)
{
    const float *values = values_of(trial, name);
    for (size_t i = 0; i < trial->graph->parameters[number_of(trial, name)].count; ++i)
        if (fabs((double)values[i] - expected) > 1e-6)
            fail_msg("'%s' is %.9g at %zu instead of %.9g", name, (double)values[i], i, expected);
}

static void decay_spares_norms_and_biases_if_asked(void **state)
{
    (void)state;
    const char *const spared[] = {"conv.bias", "bn.weight", "bn.bias", "fc.bias"};
    for (int asked = 0; asked < 2; ++asked) {
        char train[160];
        snprintf(train, sizeof train,
                 "{epochs: 2, optimizer: {sgd: {lr: 0.5, momentum: 0, weight_decay: 0.1, decay_norm_and_bias: %s}}}",
                 asked ? "false" : "true");
        struct trial trial = begin(train);
        apply(&trial);
        assert_values(&trial, "conv.weight", 0.95);
        assert_values(&trial, "fc.weight", 0.95);
        for (size_t i = 0; i < sizeof spared / sizeof *spared; ++i)
            assert_values(&trial, spared[i], asked ? 1.0 : 0.95);
        assert_values(&trial, "bn.running_mean", 0.0);
        end(&trial);
    }
}

/* AdamW decays by itself, so that both rules must reach it, and its first steps are lr long whatever the gradient. */
static void steps_and_spans_reach_the_optimizer(void **state)
{
    (void)state;
    struct trial trial =
        begin("{epochs: 2, optimizer: {adamw: {lr: 0.01, weight_decay: 10, decay_norm_and_bias: false}}}");
    fill(gradients_of(&trial, "conv.bias"), 2, 3.0f);
    fill(gradients_of(&trial, "fc.weight"), 6, -0.25f);
    apply(&trial);
    assert_values(&trial, "conv.weight", 0.9);
    assert_values(&trial, "conv.bias", 0.99);
    assert_values(&trial, "fc.weight", 0.91);
    apply(&trial);
    assert_values(&trial, "conv.weight", 0.81);
    assert_values(&trial, "conv.bias", 0.98);
    assert_values(&trial, "fc.weight", 0.829);
    assert_values(&trial, "fc.bias", 1.0);
    assert_int_equal(trial.update.step, 2);
    assert_int_equal(trial.parameters->version, 3);
    end(&trial);
}

/* One step of plain gradient descent at lr 1 with these gradients of fc.bias and no others. */
static void assert_clipped(const char *clip, const float gradient[3], const double clipped[3])
{
    char train[200];
    snprintf(train, sizeof train, "{epochs: 2, %s, optimizer: {sgd: {lr: 1, momentum: 0, weight_decay: 0}}}", clip);
    struct trial trial = begin(train);
    memcpy(gradients_of(&trial, "fc.bias"), gradient, 3 * sizeof *gradient);
    apply(&trial);
    for (int i = 0; i < 3; ++i) {
        double step = 1.0 - (double)values_of(&trial, "fc.bias")[i];
        if (fabs(step - clipped[i]) > 2e-6)
            fail_msg("%s: %.9g instead of %.9g at %d", clip, step, clipped[i], i);
    }
    assert_values(&trial, "fc.weight", 1.0);
    end(&trial);
}

static void gradients_are_clipped(void **state)
{
    (void)state;
    const float gradient[] = {3.0f, -4.0f, 0.0f}, uneven[] = {3.0f, -4.0f, 0.25f};
    assert_clipped("clip_norm: 1", gradient, (const double[]){0.6, -0.8, 0.0});
    assert_clipped("clip_norm: 5", gradient, (const double[]){3.0, -4.0, 0.0});
    assert_clipped("clip_norm: 0", gradient, (const double[]){3.0, -4.0, 0.0});
    assert_clipped("clip_value: 0.5", uneven, (const double[]){0.5, -0.5, 0.25});
    /* By value first: the norm of {1, -1, 0.25} is sqrt(33) / 4, not that of the gradient. */
    const double scale = 0.5 / (sqrt(33.0) / 4.0);
    assert_clipped("clip_value: 1, clip_norm: 0.5", uneven, (const double[]){scale, -scale, 0.25 * scale});
    assert_clipped("clip_value: 1, clip_norm: 2", uneven, (const double[]){1.0, -1.0, 0.25});
}

/* The norm is over all gradients together. */
static void the_norm_spans_parameters(void **state)
{
    (void)state;
    struct trial trial = begin("{epochs: 2, clip_norm: 2.5, optimizer: {sgd: {lr: 1, momentum: 0, weight_decay: 0}}}");
    gradients_of(&trial, "conv.bias")[1] = 3.0f;
    gradients_of(&trial, "fc.weight")[5] = 4.0f;
    apply(&trial);
    assert_true(fabs((double)values_of(&trial, "conv.bias")[1] + 0.5) < 2e-6);
    assert_true(fabs((double)values_of(&trial, "fc.weight")[5] + 1.0) < 2e-6);
    end(&trial);
}

/* So many parameters that the norm is added up in several pieces, by all threads. */
static void the_norm_spans_pieces(void **state)
{
    (void)state;
    struct trial trial = begin_with_channels(
        "{epochs: 2, clip_norm: 1, optimizer: {sgd: {lr: 100, momentum: 0, weight_decay: 0}}}", 4001);
    size_t count = trial.graph->trained_floats;
    assert_true(count > 40000);
    fill(trial.parameters->gradients, count, 3.0f);
    apply(&trial);
    assert_true(fabs((double)values_of(&trial, "fc.weight")[7] - (1.0 - 300.0 / sqrt(9.0 * (double)count))) < 1e-5);
    end(&trial);
}

static void the_average_moves(void **state)
{
    (void)state;
    struct trial trial = begin("{epochs: 2, ema: 0.75, optimizer: {sgd: {lr: 1, momentum: 0, weight_decay: 0}}}");
    rt_parameters *average = rt_update_result(&trial.update);
    assert_ptr_not_equal(average, trial.parameters);
    uint64_t version = average->version;
    fill(gradients_of(&trial, "fc.bias"), 3, 0.5f);
    fill(values_of(&trial, "bn.running_var"), 2, 2.0f);
    for (int step = 0; step < 2; ++step)
        apply(&trial);
    /* The parameters go 1, 0.5, 0; the average 1, 0.875, 0.65625. The average of the variance starts at 0. */
    assert_values(&trial, "fc.bias", 0.0);
    assert_true(rt_parameter_values(average, number_of(&trial, "fc.bias"))[2] == 0.65625f);
    assert_true(rt_parameter_values(average, number_of(&trial, "fc.weight"))[0] == 1.0f);
    assert_true(rt_parameter_values(average, number_of(&trial, "bn.running_var"))[1] == 0.875f);
    assert_int_equal(average->version, version + 2);
    end(&trial);

    trial = begin("{epochs: 2}");
    assert_ptr_equal(rt_update_result(&trial.update), trial.parameters);
    end(&trial);
}

static void assert_learning_rates(const char *train, const double expected[8])
{
    struct trial trial = begin(train);
    for (int step = 0; step < 8; ++step) {
        apply(&trial);
        if (fabs(trial.update.learning_rate - expected[step]) > 1e-12)
            fail_msg("%s: %.12g instead of %.12g in step %d", train, trial.update.learning_rate, expected[step], step);
        /* Where a checkpoint after this step is loaded, the rate of the latest update is still known. */
        double latest = trial.update.learning_rate;
        trial.update.learning_rate = NAN;
        rt_update_resume(&trial.update, step + 1);
        assert_true(trial.update.learning_rate == latest && trial.update.step == step + 1);
    }
    end(&trial);
}

/* Two epochs of four steps. */
static void the_learning_rate_follows_the_schedule(void **state)
{
    (void)state;
    double cosine[8], multi_step[8], warm[8];
    for (int step = 0; step < 8; ++step) {
        cosine[step] = 0.2 * 0.5 * (1.0 + cos(acos(-1.0) * step / 8.0));
        multi_step[step] = step < 4 ? 0.2 : 0.05;
        warm[step] = step < 2 ? 0.2 * (0.01 + 0.99 * step / 2.0) : 0.2;
    }
    assert_learning_rates("{epochs: 2, optimizer: {sgd: {lr: 0.2}}, schedule: cosine}", cosine);
    assert_learning_rates("{epochs: 2, optimizer: {adamw: {lr: 0.2}}, "
                          "schedule: {multi_step: {milestones: [1], gamma: 0.25}}}",
                          multi_step);
    assert_learning_rates("{epochs: 2, optimizer: {sgd: {lr: 0.2}}, schedule: {constant: {warmup: 0.5}}}", warm);
}

static void *copy_of(const void *bytes, size_t size)
{
    void *copy = malloc(size);
    assert_non_null(copy);
    return memcpy(copy, bytes, size);
}

static void assert_refused(struct trial *trial, const char *message)
{
    size_t trained = trial->graph->trained_floats * sizeof(float);
    size_t buffers = trial->graph->buffer_floats * sizeof(float);
    float *blocks[] = {trial->parameters->values, trial->parameters->gradients, trial->update.moments[0],
                       trial->update.average->values};
    void *before[5];
    for (int i = 0; i < 4; ++i)
        before[i] = copy_of(blocks[i], trained);
    before[4] = copy_of(trial->update.average->buffers, buffers);
    uint64_t version = trial->parameters->version, average_version = trial->update.average->version;
    int64_t step = trial->update.step;
    double rate = trial->update.learning_rate;

    rt_error err = {0};
    assert_int_equal(rt_update_apply(&trial->update, &err), RT_ERROR_NUMERIC);
    assert_string_equal(err.message, message);
    for (int i = 0; i < 4; ++i)
        assert_memory_equal(before[i], blocks[i], trained);
    assert_memory_equal(before[4], trial->update.average->buffers, buffers);
    assert_true(version == trial->parameters->version && average_version == trial->update.average->version);
    assert_true(step == trial->update.step && rate == trial->update.learning_rate);
    for (int i = 0; i < 5; ++i)
        free(before[i]);
}

static void gradients_that_are_not_finite_change_nothing(void **state)
{
    (void)state;
    struct trial trial = begin("{epochs: 2, ema: 0.9, clip_norm: 1, clip_value: 1}");
    fill(trial.parameters->gradients, trial.graph->trained_floats, 0.5f);
    apply(&trial);
    fill(values_of(&trial, "bn.running_var"), 2, 7.0f);
    gradients_of(&trial, "bn.weight")[1] = NAN;
    assert_refused(&trial, "the gradient of 'bn.weight' is NaN at element 1 in step 1; a smaller learning rate or "
                           "clip_norm may help");
    gradients_of(&trial, "bn.weight")[1] = 0.0f;
    gradients_of(&trial, "fc.weight")[4] = -INFINITY;
    assert_refused(&trial, "the gradient of 'fc.weight' is infinite at element 4 in step 1; a smaller learning rate or "
                           "clip_norm may help");
    gradients_of(&trial, "fc.weight")[4] = 3e38f;
    apply(&trial);
    end(&trial);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decay_spares_norms_and_biases_if_asked),
        cmocka_unit_test(steps_and_spans_reach_the_optimizer),
        cmocka_unit_test(gradients_are_clipped),
        cmocka_unit_test(the_norm_spans_parameters),
        cmocka_unit_test(the_norm_spans_pieces),
        cmocka_unit_test(the_average_moves),
        cmocka_unit_test(the_learning_rate_follows_the_schedule),
        cmocka_unit_test(gradients_that_are_not_finite_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
