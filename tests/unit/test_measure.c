/* What measurements rest on: counts of denormals and of operations, traces, contests, the peak. No times are checked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/denormal.h"
#include "base/fma_peak.h"
#include "base/threads.h"
#include "engine/contest.h"
#include "engine/plan.h"

static rt_engine *engine;

static void must(rt_status status, const rt_error *err)
{
    if (status != RT_OK)
        fail_msg("%s", err->message);
}

static void denormals_are_told_by_their_bits(void **state)
{
    (void)state;
    /* FLT_MIN is the smallest normal number; bits 0x007fffff and 1 are the largest and smallest denormal. */
    const uint32_t bits[] = {0, 0x80000000u, 1, 0x80000001u, 0x007fffffu, 0x807fffffu, 0x00800000u, 0x80800000u};
    float values[10000] = {0.0f};
    memcpy(values, bits, sizeof bits);
    assert_true(values[6] == FLT_MIN);
    values[8] = NAN, values[9] = INFINITY, values[10] = -INFINITY, values[11] = 1.0f;
    assert_int_equal(rt_denormal_count(values, 12), 4);
    memcpy(&values[9999], &bits[2], sizeof bits[2]);
    assert_int_equal(rt_denormal_count(values, 10000), 5);
    assert_int_equal(rt_denormal_count(values, 9999), 4);
    assert_int_equal(rt_denormal_count(values, 0), 0);
}

/* The loop is the widest of the CPU's that the limit allows. */
static void peak_keeps_to_the_limit(void **state)
{
    (void)state;
    const char *widest[3] = {"portable", "portable", "portable"};
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        widest[1] = widest[2] = "AVX2";
    if (__builtin_cpu_supports("avx512f"))
        widest[2] = "AVX-512";
#endif
    static const size_t limits[][3] = {{0, 4, 7}, {8, 9, 15}, {16, 17, SIZE_MAX}};
    for (size_t set = 0; set < 3; ++set)
        for (size_t i = 0; i < 3; ++i) {
            rt_fma_peak peak = rt_fma_peak_measure(limits[set][i]);
            assert_true(peak.gflops > 0.0 && peak.gflops < 1e7);
            assert_string_equal(peak.isa, widest[set]);
        }
}

static void age_grows(void **state)
{
    (void)state;
    double age = rt_process_age(), later = rt_process_age();
    assert_true(age >= 0.0 && age < 300.0 && later >= age);
}

/* Two convolutions and a linear layer on 4 x 4 images of 3 channels. */
static rt_graph *network(void)
{
    rt_graph *graph = rt_graph_new();
    int x = rt_graph_input(graph, 4, 4, 3);
    x = rt_graph_convolution(graph, "conv1", x, (rt_window){.channels = 2, .kernel = 3, .padding = 1});
    x = rt_graph_convolution(graph, "conv2", x, (rt_window){.channels = 5, .kernel = 1, .stride = 2});
    x = rt_graph_global_average_pool(graph, "pool", x);
    rt_graph_output(graph, rt_graph_linear(graph, "fc", x, 7, false));
    rt_error err = {0};
    must(rt_graph_finish(graph, &err), &err);
    return graph;
}

enum { BATCH = 3, IMAGE = 4 * 4 * 3 };

struct trial {
    rt_graph *graph;
    rt_parameters *parameters;
    rt_plan *plan;
    rt_trace trace;
    float *images;
};

static void begin(struct trial *trial, rt_mode mode, float value)
{
    rt_error err = {0};
    trial->graph = network();
    must(rt_parameters_new(trial->graph, true, &trial->parameters, &err), &err);
    for (size_t i = 0; i < trial->graph->trained_floats; ++i)
        trial->parameters->values[i] = value;
    must(rt_plan_new(engine, trial->graph, trial->parameters, BATCH, mode, &trial->plan, &err), &err);
    must(rt_trace_open(&trial->trace, trial->plan, &err), &err);
    trial->images = rt_aligned_zeros(BATCH * IMAGE * sizeof(float));
    assert_non_null(trial->images);
    for (size_t i = 0; i < BATCH * IMAGE; ++i)
        trial->images[i] = value;
}

static void end(struct trial *trial)
{
    rt_trace_close(&trial->trace);
    rt_trace_close(&trial->trace);
    rt_plan_free(trial->plan);
    rt_parameters_free(trial->parameters);
    rt_graph_free(trial->graph);
    free(trial->images);
}

static void step(struct trial *trial)
{
    rt_error err = {0};
    must(rt_plan_forward(trial->plan, trial->images, 0, 0, &err), &err);
    for (size_t i = 0; rt_plan_output_gradient(trial->plan) && i < BATCH * 7; ++i)
        rt_plan_output_gradient(trial->plan)[i] = 1.0f;
    if (rt_plan_output_gradient(trial->plan))
        must(rt_plan_backward(trial->plan, &err), &err);
}

static void operations_are_counted_where_they_are_done(void **state)
{
    (void)state;
    const double conv1 = 2.0 * (3 * 9 * 2) * (4 * 4), conv2 = 2.0 * (2 * 5) * (2 * 2), fc = 2.0 * 5 * 7;
    struct trial trial;
    begin(&trial, RT_MODE_TRAIN, 1.0f);
    /* Nobody wants a gradient of the images. */
    assert_true(rt_plan_flops(trial.plan) == BATCH * (2 * conv1 + 3 * conv2 + 3 * fc));
    end(&trial);
    begin(&trial, RT_MODE_FROZEN, 1.0f);
    assert_true(rt_plan_flops(trial.plan) == BATCH * (conv1 + conv2 + fc));
    end(&trial);
}

static void trace_covers_every_kernel(void **state)
{
    (void)state;
    struct trial trial;
    begin(&trial, RT_MODE_TRAIN, 1.0f);
    rt_plan_trace(trial.plan, &trial.trace);
    step(&trial);
    step(&trial);
    rt_plan_trace(trial.plan, NULL);
    step(&trial);
    assert_int_equal(trial.trace.images, 2 * BATCH);
    assert_int_equal(trial.trace.count, rt_plan_kernel_count(trial.plan));
    for (size_t i = 0; i < trial.trace.count; ++i) {
        bool runs = rt_plan_kernel(trial.plan, i)->class != NULL;
        assert_true((trial.trace.nodes[i].forward > 0.0) == runs);
        assert_true((trial.trace.nodes[i].backward > 0.0) == runs);
    }
    assert_int_equal(trial.trace.values, 0);
    end(&trial);
}

/* 1e-20 times 1e-20 is denormal: it is there unless it is flushed, and flushing can be put back. */
static void trace_counts_what_flushing_hides(void **state)
{
    (void)state;
    struct trial trial;
    begin(&trial, RT_MODE_TRAIN, 1e-20f);
    trial.trace.counts_denormals = true;
    rt_plan_trace(trial.plan, &trial.trace);
    step(&trial);
    assert_int_equal(trial.trace.denormals, 0);
    /* Outputs of conv1, conv2, pool and fc; gradients for all of those but fc's. */
    const uint64_t each = 4 * 4 * 2 + 2 * 2 * 5 + 5;
    assert_int_equal(trial.trace.values, BATCH * (2 * each + 7));
    rt_threads_flush_denormals(false);
    step(&trial);
    rt_threads_flush_denormals(true);
    assert_true(trial.trace.denormals >= BATCH * 4 * 4 * 2);
    uint64_t found = trial.trace.denormals;
    step(&trial);
    assert_int_equal(trial.trace.denormals, found);
    end(&trial);
}

static void shapes_are_equal_by_their_work(void **state)
{
    (void)state;
    const rt_contest_shape shape = {{8, 6, 4}, {4, 3, 1, 1, 1, 1, false, false}, false};
    rt_contest_shape other = shape;
    other.reads_images = other.window.bias = true;
    assert_true(rt_contest_shape_equal(&shape, &other));
    size_t *fields[] = {&other.src.height,      &other.src.width,       &other.src.channels,
                        &other.window.channels, &other.window.kernel,   &other.window.stride,
                        &other.window.padding,  &other.window.dilation, &other.window.groups};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; ++i) {
        ++*fields[i];
        assert_false(rt_contest_shape_equal(&shape, &other));
        --*fields[i];
    }
}

static void contest_lets_every_class_in_once(void **state)
{
    (void)state;
    for (int reads_images = 0; reads_images < 2; ++reads_images)
        for (size_t groups = 1; groups <= 4; groups += 3) {
            const rt_contest_shape shape = {{8, 6, 4}, {4, 3, 1, 1, 1, groups, false, false}, reads_images};
            rt_contest contest;
            rt_error err = {0};
            must(rt_contest_run(engine, RT_PRECISION_FP32, &shape, 2, 2, &contest, &err), &err);
            assert_true(contest.count >= 1 && contest.count <= RT_KERNEL_CLASSES_A_KIND);
            const double once = 2.0 * (4.0 * 4 * 9 / (double)groups) * (8 * 6) * 2;
            assert_true(contest.flops[RT_CONTEST_FORWARD] == once && contest.flops[RT_CONTEST_FROZEN] == once);
            assert_true(contest.flops[RT_CONTEST_BACKWARD] == 2 * once && contest.flops[RT_CONTEST_WEIGHTS] == once);
            int trained = 0, frozen = 0, onednn = 0;
            for (size_t i = 0; i < contest.count; ++i) {
                const rt_contestant *contestant = &contest.contestants[i];
                trained += contestant->picked_trained;
                frozen += contestant->picked_frozen;
                if (contestant->picked_trained)
                    assert_true(rt_contestant_cost(contestant, &shape, false) > 0.0);
                if (contestant->picked_frozen)
                    assert_true(rt_contestant_cost(contestant, &shape, true) > 0.0);
                if (reads_images)
                    assert_true(contestant->milliseconds[RT_CONTEST_BACKWARD] == 0.0);
                for (size_t k = 0; k < i; ++k)
                    assert_ptr_not_equal(contestant->class, contest.contestants[k].class);
                if (contestant->class != &rt_kernel_convolution)
                    continue;
                ++onednn; /* it fits everything */
                for (int pass = 0; pass < RT_CONTEST_PASSES; ++pass)
                    assert_true(contestant->milliseconds[pass] > 0.0 || (reads_images && pass == RT_CONTEST_BACKWARD));
            }
            assert_int_equal(trained, 1);
            assert_int_equal(frozen, 1);
            assert_int_equal(onednn, 1);
        }
}

static void regret_is_the_choice_over_the_fastest(void **state)
{
    (void)state;
    /* Forward, frozen, backward, weights. The rule picks the first for training and the second for frozen plans. */
    rt_contest contest = {.contestants = {{.milliseconds = {2, 3, 4, 1}, .picked_trained = true},
                                          {.milliseconds = {1, 4, 2, 9}, .picked_frozen = true},
                                          {.milliseconds = {0, 2, 0, 0}}},
                          .count = 3};
    rt_contest_shape shape = {{8, 8, 4}, {4, 3, 1, 1, 1, 1, false, false}, false};
    assert_true(rt_contest_regret(&contest, &shape, false) == 6.0 / 3.0);
    assert_true(rt_contest_regret(&contest, &shape, true) == 4.0 / 2.0);
    shape.reads_images = true;
    assert_true(rt_contest_regret(&contest, &shape, false) == 1.0);
    contest.contestants[1].milliseconds[RT_CONTEST_FORWARD] = 0.0; /* one is left that can be trained */
    assert_true(rt_contest_regret(&contest, &shape, false) == 0.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(denormals_are_told_by_their_bits),
        cmocka_unit_test(peak_keeps_to_the_limit),
        cmocka_unit_test(age_grows),
        cmocka_unit_test(operations_are_counted_where_they_are_done),
        cmocka_unit_test(trace_covers_every_kernel),
        cmocka_unit_test(trace_counts_what_flushing_hides),
        cmocka_unit_test(shapes_are_equal_by_their_work),
        cmocka_unit_test(contest_lets_every_class_in_once),
        cmocka_unit_test(regret_is_the_choice_over_the_fastest),
    };
    rt_error err = {0};
    rt_threads_start(2);
    if (rt_engine_new(&engine, &err) != RT_OK) {
        fprintf(stderr, "%s\n", err.message);
        return EXIT_FAILURE;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rt_engine_free(engine);
    return failed;
}
