/* Every kind of node, forward and backward, against PyTorch's float64 values in tests/golden/nodes.txt; and dropout,
 * whose draws are our own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "trial.h"

/* Relative to a tensor's largest value; where PyTorch's own float32 is farther off, twice that. With bf16 factors, each
 * is off by up to 2^-9, and values and gradients of the cases by 6.2 times that at most. */
static double tolerance = 1e-5;
static const double bf16_tolerance = 9.0 * 0x1p-9;
static bool in_bf16;

static const char *golden_path;

/* The case that is being read, run in the modes that the file's next values are for. */
struct subject {
    char name[64], layer[RT_NAME_CAPACITY];
    size_t batch;
    rt_graph *graph;
    struct trial trials[3];
    size_t trial_count;
    double worst[3], float32_worst[3];
    size_t tensors[3];
};

static size_t failures;

static void close_trials(struct subject *subject)
{
    for (size_t t = 0; t < subject->trial_count; ++t) {
        print_message("%-36s %-6s %2zu tensors, error %.1e (PyTorch float32 %.1e)\n", subject->name,
                      trial_mode_name(subject->trials[t].mode), subject->tensors[t], subject->worst[t],
                      subject->float32_worst[t]);
        assert_true(subject->tensors[t] > 0);
        trial_close(&subject->trials[t]);
        subject->worst[t] = subject->float32_worst[t] = 0.0;
        subject->tensors[t] = 0;
    }
    subject->trial_count = 0;
}

static void begin_case(struct subject *subject, const struct golden *golden)
{
    close_trials(subject);
    rt_graph_free(subject->graph);
    subject->graph = rt_graph_new();
    assert_non_null(subject->graph);
    snprintf(subject->name, sizeof subject->name, "%s", golden_word(golden, 1));
    subject->batch = golden_option(golden, "batch", 0);
}

static void run(struct subject *subject, rt_mode mode)
{
    struct trial *trial = &subject->trials[subject->trial_count++];
    trial_open(trial, subject->graph, subject->batch, mode, NULL);
    trial_fill_images(trial, "images");
    trial_forward(trial);
    if (mode == RT_MODE_FROZEN)
        return;
    size_t floats = subject->batch * rt_extent_floats(subject->graph->nodes[subject->graph->output].shape);
    filling_values("output gradient", rt_plan_output_gradient(trial->plan), floats);
    trial_backward(trial);
}

static void begin_mode(struct subject *subject, const struct golden *golden)
{
    close_trials(subject);
    rt_graph_output(subject->graph, rt_graph_find(subject->graph, subject->layer));
    bool train = strcmp(golden_word(golden, 1), "eval") != 0, eval = strcmp(golden_word(golden, 1), "train") != 0;
    if (train)
        run(subject, RT_MODE_TRAIN);
    if (eval) {
        run(subject, RT_MODE_EVAL);
        run(subject, RT_MODE_FROZEN);
    }
}

/* Whether a gradient can jump where a value moves a little. */
static bool has_kinks(const rt_graph *graph)
{
    for (size_t i = 0; i < graph->node_count; ++i)
        if (graph->nodes[i].kind == RT_NODE_RELU || graph->nodes[i].kind == RT_NODE_RELU6 ||
            graph->nodes[i].kind == RT_NODE_MAX_POOL || graph->nodes[i].kind == RT_NODE_HARD_SIGMOID ||
            graph->nodes[i].kind == RT_NODE_HARD_SWISH)
            return true;
    return false;
}

static void compare(struct subject *subject, size_t t, const struct golden_tensor *tensor)
{
    const struct trial *trial = &subject->trials[t];
    if (trial->mode == RT_MODE_FROZEN && strcmp(tensor->tag, "output") != 0)
        return;
    if (in_bf16 && has_kinks(subject->graph) && strcmp(tensor->tag, "output") != 0)
        return;
    struct golden_distance distance = golden_distance(tensor, trial_tensor(trial, tensor));
    double allowed = fmax(tolerance, 2.0 * tensor->float32_error);
    if (tensor->scale == 0.0)
        allowed = 0.0;
    ++subject->tensors[t];
    subject->worst[t] = fmax(subject->worst[t], distance.error);
    subject->float32_worst[t] = fmax(subject->float32_worst[t], tensor->float32_error);
    if (distance.error <= allowed && distance.whole <= allowed)
        return;
    ++failures;
    print_message("%s, %s: %s %s is off by %.2e at the samples and by %.2e as a whole; %.1e is allowed\n",
                  subject->name, trial_mode_name(trial->mode), tensor->tag, tensor->name, distance.error,
                  distance.whole, allowed);
}

static void values_are_pytorchs(void **state)
{
    (void)state;
    struct golden golden;
    struct golden_tensor tensor;
    struct subject subject = {0};
    size_t cases = 0;
    golden_open(&golden, golden_path);
    while (golden_next(&golden)) {
        if (golden_is(&golden, "case")) {
            begin_case(&subject, &golden);
            ++cases;
        } else if (golden_is(&golden, "mode")) {
            begin_mode(&subject, &golden);
        } else if (golden_tensor(&golden, &tensor)) {
            assert_true(subject.trial_count > 0);
            for (size_t t = 0; t < subject.trial_count; ++t)
                compare(&subject, t, &tensor);
        } else {
            assert_true(golden_layer(&golden, subject.graph));
            snprintf(subject.layer, sizeof subject.layer, "%s", golden_word(&golden, 1));
        }
    }
    close_trials(&subject);
    rt_graph_free(subject.graph);
    golden_close(&golden);
    assert_true(cases > 60);
    assert_int_equal(failures, 0);
}

/* Dropout of a constant: what passes is the mask. */
static void run_dropout(struct trial *trial, uint64_t seed, uint64_t step, float *mask, size_t count)
{
    rt_error err = {0};
    if (rt_plan_forward(trial->plan, trial->images, seed, step, &err) != RT_OK)
        fail_msg("%s", err.message);
    memcpy(mask, rt_plan_output(trial->plan), count * sizeof *mask);
}

static void dropout_is_a_function_of_seed_and_step(void **state)
{
    (void)state;
    enum { BATCH = 3, FLOATS = 7 * 5 * 16, COUNT = BATCH * FLOATS };
    const double probability = 0.3;
    static float mask[COUNT], again[COUNT], gradient[COUNT];
    struct trial trial;
    rt_graph *graph = rt_graph_new();
    int x = rt_graph_input(graph, 7, 5, 16);
    x = rt_graph_convolution(graph, "front", x, (rt_window){.channels = 16, .kernel = 1, .bias = true});
    rt_graph_output(graph, rt_graph_dropout(graph, "dropout", x, probability));
    trial_open(&trial, graph, BATCH, RT_MODE_TRAIN, NULL);
    memset(trial.parameters->values, 0, graph->trained_floats * sizeof(float));
    float *bias = rt_parameter_values(trial.parameters, graph->nodes[1].bias);
    for (size_t c = 0; c < 16; ++c)
        bias[c] = 1.0f;

    run_dropout(&trial, 1, 10, mask, COUNT);
    size_t dropped = 0;
    for (size_t i = 0; i < COUNT; ++i) {
        dropped += mask[i] == 0.0f;
        assert_true(mask[i] == 0.0f || mask[i] == (float)(1.0 / (1.0 - probability)));
    }
    double deviation = sqrt(COUNT * probability * (1.0 - probability));
    assert_true(fabs((double)dropped - COUNT * probability) < 4.0 * deviation);
    for (size_t image = 1; image < BATCH; ++image)
        assert_memory_not_equal(mask, mask + image * FLOATS, FLOATS * sizeof *mask);

    filling_values("output gradient", gradient, COUNT);
    memcpy(rt_plan_output_gradient(trial.plan), gradient, sizeof gradient);
    trial_backward(&trial);
    const float *into = trial_tensor(&trial, &(struct golden_tensor){.tag = "into", .name = "front"});
    for (size_t i = 0; i < COUNT; ++i)
        assert_true(into[i] == mask[i] * gradient[i]);

    run_dropout(&trial, 1, 10, again, COUNT);
    assert_memory_equal(again, mask, sizeof mask);
    run_dropout(&trial, 1, 11, again, COUNT);
    assert_memory_not_equal(again, mask, sizeof mask);
    run_dropout(&trial, 2, 10, again, COUNT);
    assert_memory_not_equal(again, mask, sizeof mask);
    trial_close(&trial);

    const rt_mode quiet[] = {RT_MODE_EVAL, RT_MODE_FROZEN};
    for (size_t m = 0; m < 2; ++m) {
        struct trial plain;
        trial_open(&plain, graph, BATCH, quiet[m], NULL);
        trial_fill_images(&plain, "images");
        run_dropout(&plain, 1, 10, again, COUNT);
        for (size_t i = 0; i < COUNT; ++i)
            assert_true(again[i] != 0.0f);
        trial_close(&plain);
    }
    rt_graph_free(graph);
}

static void a_path_is_dropped_for_whole_images(void **state)
{
    (void)state;
    enum { BATCH = 200, FLOATS = 3 * 2 * 4, COUNT = BATCH * FLOATS };
    const double probability = 0.3;
    const float scale = (float)(1.0 / (1.0 - probability));
    static float mask[COUNT], again[COUNT], gradient[COUNT];
    struct trial trial;
    rt_graph *graph = rt_graph_new();
    int x = rt_graph_convolution(graph, "front", rt_graph_input(graph, 3, 2, 4),
                                 (rt_window){.channels = 4, .kernel = 1, .bias = true});
    rt_graph_output(graph, rt_graph_drop_path(graph, "drop", x, probability));
    trial_open(&trial, graph, BATCH, RT_MODE_TRAIN, NULL);
    memset(trial.parameters->values, 0, graph->trained_floats * sizeof(float));
    float *bias = rt_parameter_values(trial.parameters, graph->nodes[1].bias);
    for (size_t c = 0; c < 4; ++c)
        bias[c] = 1.0f;
    run_dropout(&trial, 1, 10, mask, COUNT);
    size_t dropped = 0;
    for (size_t n = 0; n < BATCH; ++n) {
        dropped += mask[n * FLOATS] == 0.0f;
        for (size_t i = 0; i < FLOATS; ++i)
            assert_true(mask[n * FLOATS + i] == (mask[n * FLOATS] == 0.0f ? 0.0f : scale));
    }
    double deviation = sqrt(BATCH * probability * (1.0 - probability));
    assert_true(fabs((double)dropped - BATCH * probability) < 4.0 * deviation);
    filling_values("output gradient", gradient, COUNT);
    memcpy(rt_plan_output_gradient(trial.plan), gradient, sizeof gradient);
    trial_backward(&trial);
    const float *into = trial_tensor(&trial, &(struct golden_tensor){.tag = "into", .name = "front"});
    for (size_t i = 0; i < COUNT; ++i)
        assert_true(into[i] == mask[i] * gradient[i]);
    run_dropout(&trial, 1, 11, again, COUNT);
    assert_memory_not_equal(again, mask, sizeof mask);
    trial_close(&trial);
    rt_graph_free(graph);
}

/* Frozen plans fold running statistics into weights; a training step moves those statistics. */
static void frozen_plans_follow_running_statistics(void **state)
{
    (void)state;
    enum { COUNT = 3 * 5 };
    float before[COUNT];
    struct trial train, eval, frozen;
    rt_graph *graph = rt_graph_new();
    int x = rt_graph_input(graph, 7, 5, 3);
    x = rt_graph_convolution(graph, "conv", x, (rt_window){.channels = 5, .kernel = 3, .padding = 1});
    x = rt_graph_global_average_pool(graph, "avgpool", rt_graph_batch_norm(graph, "bn", x));
    rt_graph_output(graph, x);
    trial_open(&train, graph, 3, RT_MODE_TRAIN, NULL);
    trial_open(&eval, graph, 3, RT_MODE_EVAL, train.parameters);
    trial_open(&frozen, graph, 3, RT_MODE_FROZEN, train.parameters);
    struct trial *trials[] = {&train, &eval, &frozen};
    for (size_t t = 0; t < 3; ++t)
        trial_fill_images(trials[t], "images");
    trial_forward(&frozen);
    memcpy(before, rt_plan_output(frozen.plan), sizeof before);
    for (size_t t = 0; t < 3; ++t)
        trial_forward(trials[t]);
    const float *expected = rt_plan_output(eval.plan), *found = rt_plan_output(frozen.plan);
    for (size_t i = 0; i < COUNT; ++i) {
        assert_true(fabs((double)(found[i] - expected[i])) < 1e-6);
        assert_true(fabs((double)(found[i] - before[i])) > 1e-4);
    }
    trial_close(&frozen);
    trial_close(&eval);
    trial_close(&train);
    rt_graph_free(graph);
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 3 || (argc == 3 && strcmp(argv[2], "bf16") != 0)) {
        fprintf(stderr, "usage: %s tests/golden/nodes.txt [bf16]\n", argv[0]);
        return EXIT_FAILURE;
    }
    golden_path = argv[1];
    trial_begin(2);
    in_bf16 = argc == 3;
    if (in_bf16) {
        trial_demand(RT_PRECISION_BF16);
        tolerance = bf16_tolerance;
    }
    print_message("%s, %s\n", rt_engine_version(), rt_engine_isa());
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_pytorchs),
        cmocka_unit_test(dropout_is_a_function_of_seed_and_step),
        cmocka_unit_test(a_path_is_dropped_for_whole_images),
        cmocka_unit_test(frozen_plans_follow_running_statistics),
    };
    const struct CMUnitTest of_bf16[] = {cmocka_unit_test(values_are_pytorchs)};
    int failed = in_bf16 ? cmocka_run_group_tests(of_bf16, NULL, NULL) : cmocka_run_group_tests(tests, NULL, NULL);
    trial_end();
    return failed;
}
