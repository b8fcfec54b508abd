/* Convolutions of int8 factors against their definition, number by number: steps are chosen and rounded here as the
 * headers say, multiplied as integers, and scaled in float64. What is left is the rounding of a few float32 operations
 * behind an exact sum. And ranges are those of the values that a network's convolutions read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "engine/arithmetic.h"
#include "engine/folding.h"
#include "engine/plan_state.h"
#include "trial.h"

enum { BATCH = 3, CLASSES = 10 };

static rt_engine *engine;

static void must(rt_status status, const rt_error *err)
{
    if (status != RT_OK)
        fail_msg("%s", err->message);
}

static int convolution(rt_graph *graph, const char *name, int source, rt_window window)
{
    return rt_graph_convolution(graph, name, source, window);
}

/* The first convolution stays fp32. The second reads what a ReLU leaves, the third values of both signs, the fourth a
 * norm that is left to it, the last adds a residual. */
static rt_graph *build(void)
{
    rt_error err = {0};
    rt_graph *graph = rt_graph_new();
    int x = rt_graph_input(graph, 9, 7, 3);
    x = convolution(graph, "first", x, (rt_window){.channels = 17, .kernel = 3, .stride = 1, .padding = 1});
    x = rt_graph_relu(graph, "relu1", rt_graph_batch_norm(graph, "bn1", x));
    x = convolution(graph, "second", x,
                    (rt_window){.channels = 24, .kernel = 3, .stride = 2, .padding = 1, .bias = true});
    x = convolution(graph, "third", x, (rt_window){.channels = 16, .kernel = 1, .stride = 1, .padding = 0});
    int y = rt_graph_add(graph, "add", x, x);
    y = rt_graph_relu(graph, "relu2", rt_graph_batch_norm(graph, "bn2", y));
    y = convolution(graph, "fourth", y, (rt_window){.channels = 16, .kernel = 3, .stride = 1, .padding = 1});
    y = rt_graph_relu(graph, "relu3", rt_graph_batch_norm(graph, "bn3", y));
    y = rt_graph_batch_norm(
        graph, "bn4",
        convolution(graph, "last", y, (rt_window){.channels = 16, .kernel = 3, .stride = 1, .padding = 1}));
    x = rt_graph_relu(graph, "relu4", rt_graph_add(graph, "add4", y, x));
    x = rt_graph_global_average_pool(graph, "pool", x);
    rt_graph_output(graph, rt_graph_linear(graph, "fc", x, CLASSES, true));
    if (rt_graph_finish(graph, &err) != RT_OK)
        fail_msg("%s", err.message);
    return graph;
}

/* What the observer compares. */
struct subject {
    const rt_calibration *calibration;
    size_t seen;
    double worst; /* in units of 2^-24 of the sum of absolute products and what is added */
};

/* The values that a convolution reads, norm applied. */
static float *source_of(const rt_kernel *kernel, const rt_kernel_io *io)
{
    const size_t count = kernel->batch * rt_extent_floats(rt_kernel_source(kernel, 0));
    const rt_norm_link *norm = kernel->source_norms[0];
    float *values = malloc(count * sizeof *values);
    assert_non_null(values);
    for (size_t i = 0; i < count; ++i) {
        const size_t c = i % rt_kernel_source(kernel, 0).channels;
        values[i] = io->src[0][i];
        if (norm)
            values[i] = (values[i] - norm->lanes.mean[c]) * norm->lanes.scale[c] + norm->lanes.shift[c];
        if (norm && norm->relu)
            values[i] = fmaxf(values[i], 0.0f);
    }
    return values;
}

/* Runs the kernel again on a residual that is known, and compares it with the definition. */
static void define(struct subject *subject, const rt_kernel *kernel, const rt_kernel_io *io)
{
    const rt_node *node = kernel->node;
    const rt_extent in = rt_kernel_source(kernel, 0), out = node->shape;
    const rt_range range = subject->calibration->ranges[kernel->number];
    const bool is_signed = range.lowest < 0.0f;
    const float most = is_signed ? 127.0f : 255.0f, step = fmaxf(-range.lowest, range.highest) / most;
    const size_t k = node->window.kernel, each = in.channels * k * k;
    float *source = source_of(kernel, io), *weights = malloc(out.channels * each * sizeof *weights);
    float bias[64] = {0};
    assert_true(out.channels <= 64 && weights);
    memcpy(weights, rt_parameter_values(kernel->parameters, node->weight), out.channels * each * sizeof *weights);
    if (rt_folds_norm(kernel))
        rt_fold_norm(kernel, weights, bias);
    else if (node->bias >= 0)
        memcpy(bias, rt_parameter_values(kernel->parameters, node->bias), out.channels * sizeof *bias);
    float *dst = rt_aligned_zeros(rt_kernel_elements(kernel) * sizeof *dst);
    rt_kernel_io again = *io;
    rt_error err = {0};
    float *residual = rt_aligned_zeros(rt_kernel_elements(kernel) * sizeof *residual);
    filling_values("residual", residual, rt_kernel_elements(kernel));
    again.dst = dst;
    again.src[1] = residual;
    must(kernel->class->forward((rt_kernel *)(uintptr_t)kernel, &again, &err), &err);
    for (size_t e = 0; e < rt_kernel_elements(kernel); ++e) {
        const size_t o = e % out.channels, x = e / out.channels % out.width,
                     y = e / out.channels / out.width % out.height;
        const size_t n = e / out.channels / out.width / out.height;
        float largest = 0.0f;
        for (size_t i = 0; i < each; ++i)
            largest = fmaxf(largest, fabsf(weights[o * each + i]));
        const float weight_step = largest / 127.0f, inverse = 1.0f / step;
        double sum = 0.0, size = 0.0;
        for (size_t tap = 0; tap < k * k; ++tap) {
            const size_t row = y * node->window.stride + tap / k - node->window.padding;
            const size_t column = x * node->window.stride + tap % k - node->window.padding;
            if (row >= in.height || column >= in.width)
                continue;
            for (size_t c = 0; c < in.channels; ++c) {
                const float value = source[((n * in.height + row) * in.width + column) * in.channels + c] * inverse;
                const double s = (double)rintf(fminf(fmaxf(value, is_signed ? -most : 0.0f), most));
                const double w = (double)rintf(weights[o * each + c * k * k + tap] / weight_step);
                sum += s * w;
                size += fabs(s * w);
            }
        }
        const double scale = (double)step * (double)weight_step;
        double expected = sum * scale + (double)bias[o];
        size = size * scale + fabs((double)bias[o]);
        if (node->source_count == 2) {
            expected += (double)residual[e];
            size += fabs((double)residual[e]);
        }
        if (node->activation == RT_ACTIVATION_RELU)
            expected = fmax(expected, 0.0);
        const double units = fabs((double)dst[e] - expected) / (0x1p-24 * (size + 1e-30));
        if (!(units <= subject->worst))
            subject->worst = isnan(units) ? INFINITY : units;
    }
    free(source);
    free(weights);
    free(dst);
    free(residual);
}

static void observe(void *context, const rt_kernel *kernel, const rt_kernel_io *io)
{
    struct subject *subject = context;
    if (kernel->class != &rt_kernel_convolution_int8)
        return;
    ++subject->seen;
    define(subject, kernel, io);
}

static void kernels_multiply_steps(void **state)
{
    (void)state;
    rt_error err = {0};
    rt_graph *graph = build();
    rt_parameters *parameters = NULL;
    rt_calibration calibration = {0};
    rt_plan *plan = NULL;
    rt_trace trace = {0};
    float images[BATCH * 9 * 7 * 3];
    must(rt_parameters_new(graph, false, &parameters, &err), &err);
    filling_parameters(parameters);
    filling_values("images", images, BATCH * 9 * 7 * 3);
    /* Calibrated on the first image alone: other images' values go beyond the ranges and become their ends. */
    must(rt_calibrate(engine, graph, parameters, images, 1, &calibration, &err), &err);
    must(rt_plan_new_in(&(rt_arithmetic){RT_PRECISION_INT8, &calibration}, engine, graph, parameters, BATCH,
                        RT_MODE_FROZEN, &plan, &err),
         &err);
    char words[RT_PLAN_PRECISION_WORDS];
    rt_plan_precision(plan, words);
    assert_string_equal(words, "int8 in 4 of 5 convolutions");
    struct subject subject = {.calibration = &calibration};
    must(rt_trace_open(&trace, plan, &err), &err);
    trace.observe = observe;
    trace.context = &subject;
    rt_plan_trace(plan, &trace);
    must(rt_plan_forward(plan, images, 0, 0, &err), &err);
    print_message("%zu convolutions, the farthest output is off by %.2f units\n", subject.seen, subject.worst);
    assert_int_equal(subject.seen, 4);
    assert_true(subject.worst <= 6.0); /* three times what was seen: a scale, a product, a bias, a residual */
    rt_trace_close(&trace);
    rt_plan_free(plan);
    rt_calibration_free(&calibration);
    rt_parameters_free(parameters);
    rt_graph_free(graph);
}

static void what_is_not_finite_is_refused(void **state)
{
    (void)state;
    rt_error err = {0};
    rt_graph *graph = build();
    rt_parameters *parameters = NULL;
    rt_calibration calibration = {0};
    float images[9 * 7 * 3];
    must(rt_parameters_new(graph, false, &parameters, &err), &err);
    filling_parameters(parameters);
    filling_values("images", images, 9 * 7 * 3);
    images[40] = NAN;
    assert_int_equal(rt_calibrate(engine, graph, parameters, images, 1, &calibration, &err), RT_ERROR_NUMERIC);
    assert_non_null(strstr(err.message, "reads values that are NaN or infinite"));
    assert_null(calibration.ranges);
    rt_parameters_free(parameters);
    rt_graph_free(graph);
}

int main(void)
{
    rt_error err = {0};
    enum { SKIPPED = 77 };
    trial_begin(2);
    if (!rt_precision_native(RT_PRECISION_INT8)) {
        print_message("skipped: this CPU (%s) has no int8 products, and oneDNN's other code for them has other sums\n",
                      rt_engine_isa());
        return SKIPPED;
    }
    must(rt_engine_new(&engine, &err), &err);
    print_message("%s, %s\n", rt_engine_version(), rt_engine_isa());
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernels_multiply_steps),
        cmocka_unit_test(what_is_not_finite_is_refused),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rt_engine_free(engine);
    trial_end();
    return failed;
}
