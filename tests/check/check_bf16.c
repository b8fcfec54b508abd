/* Convolutions of bf16 factors against their definition, number by number: factors rounded to the nearest bfloat16
 * here, in another way than the kernels do it, and multiplied and summed in float64. What is left is the rounding of
 * float32 sums: the products themselves are exact in float32. A factor that was not rounded, or rounded twice or to
 * another side, would be off by thousands of times as much. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "base/threads.h"
#include "engine/folding.h"
#include "engine/narrow.h"
#include "graph/passes.h"
#include "trial.h"

/* In units of 2^-24 times the sum of the absolute products; three times what was seen. One for each product would be
 * the limit if all roundings went one way. */
static const double allowed = 4.0;

static double round_bf16(double x)
{
    int exponent;
    const double fraction = frexp(x, &exponent); /* 8 bits behind the point, nearest and ties to even */
    return ldexp(nearbyint(ldexp(fraction, 8)), exponent - 8);
}

/* x, made by filling_values(), rounded. */
static double *rounded(const float *x, size_t count)
{
    double *values = malloc((count + 1) * sizeof *values);
    assert_non_null(values);
    for (size_t i = 0; i < count; ++i)
        values[i] = round_bf16((double)x[i]);
    return values;
}

static float *filled(const char *name, size_t count)
{
    float *values = rt_aligned_zeros(count * sizeof *values);
    assert_non_null(values);
    filling_values(name, values, count);
    return values;
}

/* A convolution alone, and all arrays around it. */
struct subject {
    rt_extent in, out;
    rt_window window;
    size_t batch, src_count, dst_count, weight_count;
    rt_mode mode;
    rt_graph *graph, *planned; /* the frozen form is fused */
    rt_parameters *parameters;
    rt_kernel kernel;
    rt_kernel_io io;
    float *src, *dst, *diff_dst, *diff_src;
    double *wide_src, *wide_weights, *wide_diff_dst; /* rounded */
};

static rt_graph *build(const struct subject *s)
{
    rt_error err = {0};
    rt_graph *graph = rt_graph_new();
    int x = rt_graph_input(graph, s->in.height, s->in.width, s->in.channels);
    x = rt_graph_convolution(graph, "convolution", x, s->window);
    x = rt_graph_relu(graph, "relu", rt_graph_batch_norm(graph, "norm", x));
    rt_graph_output(graph, rt_graph_global_average_pool(graph, "end", x));
    if (rt_graph_finish(graph, &err) != RT_OK)
        fail_msg("%s", err.message);
    return graph;
}

static void must(rt_status status, const rt_error *err)
{
    if (status != RT_OK)
        fail_msg("%s", err->message);
}

static void open_subject(struct subject *s, rt_engine *engine)
{
    rt_error err = {0};
    s->graph = build(s);
    s->planned = s->mode == RT_MODE_FROZEN ? rt_graph_for_inference(s->graph) : s->graph;
    must(rt_parameters_new(s->graph, true, &s->parameters, &err), &err);
    filling_parameters(s->parameters);
    const int number = rt_graph_find(s->planned, "convolution");
    s->kernel = (rt_kernel){.class = &rt_kernel_convolution_bf16,
                            .engine = engine,
                            .graph = s->planned,
                            .node = &s->planned->nodes[number],
                            .number = number,
                            .batch = s->batch,
                            .mode = s->mode,
                            .precision = RT_PRECISION_BF16,
                            .wants_diff_src = s->mode != RT_MODE_FROZEN,
                            .parameters = s->parameters};
    assert_ptr_equal(rt_kernel_choose(&s->kernel), &rt_kernel_convolution_bf16);
    must(s->kernel.class->plan(&s->kernel, &err), &err);
    must(s->kernel.class->prepare(&s->kernel, &err), &err);
    s->out = s->kernel.node->shape;
    s->src_count = s->batch * rt_extent_floats(s->in);
    s->dst_count = s->batch * rt_extent_floats(s->out);
    s->weight_count = s->planned->parameters[s->kernel.node->weight].count;
    s->src = filled("source", s->src_count);
    s->dst = filled("nothing", s->dst_count);
    s->diff_dst = filled("gradient", s->dst_count);
    s->diff_src = filled("nothing", s->src_count);
    s->wide_diff_dst = rounded(s->diff_dst, s->dst_count);
    s->io = (rt_kernel_io){.src = {s->src},
                           .dst = s->dst,
                           .workspace = rt_aligned_zeros(s->kernel.workspace_bytes),
                           .scratch = rt_aligned_zeros(s->kernel.scratch_bytes),
                           .diff_dst = {s->diff_dst},
                           .diff_dst_count = 1,
                           .diff_src = {s->mode == RT_MODE_FROZEN ? NULL : s->diff_src}};
}

static void close_subject(struct subject *s)
{
    s->kernel.class->done(&s->kernel);
    free(s->io.workspace);
    free(s->io.scratch);
    free(s->src);
    free(s->dst);
    free(s->diff_dst);
    free(s->diff_src);
    free(s->wide_src);
    free(s->wide_weights);
    free(s->wide_diff_dst);
    rt_parameters_free(s->parameters);
    if (s->planned != s->graph)
        rt_graph_free(s->planned);
    rt_graph_free(s->graph);
}

/* Sums and sums of absolute products of the three passes, straight from the definition. */
struct sums {
    double *dst, *dst_size, *diff_src, *diff_src_size, *diff_weights, *diff_weights_size;
};

static double *zeros(size_t count)
{
    double *values = calloc(count + 1, sizeof *values);
    assert_non_null(values);
    return values;
}

static void add_product(double *sum, double *size, double a, double b)
{
    *sum += a * b;
    *size += fabs(a * b);
}

/* All products of one pixel of the output. */
static void define_pixel(const struct subject *s, size_t n, size_t y, size_t x, const struct sums *sums)
{
    const size_t k = s->window.kernel, stride = s->window.stride, padding = s->window.padding;
    const size_t inputs = s->in.channels, outputs = s->out.channels;
    const size_t at = ((n * s->out.height + y) * s->out.width + x) * outputs;
    for (size_t i = 0; i < k; ++i)
        for (size_t j = 0; j < k; ++j) {
            const size_t row = y * stride + i - padding, column = x * stride + j - padding;
            if (row >= s->in.height || column >= s->in.width) /* before 0 as well: unsigned */
                continue;
            const size_t from = ((n * s->in.height + row) * s->in.width + column) * inputs;
            for (size_t o = 0; o < outputs; ++o)
                for (size_t c = 0; c < inputs; ++c) {
                    const size_t w = ((o * inputs + c) * k + i) * k + j;
                    add_product(&sums->dst[at + o], &sums->dst_size[at + o], s->wide_src[from + c], s->wide_weights[w]);
                    add_product(&sums->diff_src[from + c], &sums->diff_src_size[from + c], s->wide_diff_dst[at + o],
                                s->wide_weights[w]);
                    add_product(&sums->diff_weights[w], &sums->diff_weights_size[w], s->wide_diff_dst[at + o],
                                s->wide_src[from + c]);
                }
        }
}

static struct sums define(const struct subject *s)
{
    const struct sums sums = {zeros(s->dst_count), zeros(s->dst_count),    zeros(s->src_count),
                              zeros(s->src_count), zeros(s->weight_count), zeros(s->weight_count)};
    for (size_t n = 0; n < s->batch; ++n)
        for (size_t y = 0; y < s->out.height; ++y)
            for (size_t x = 0; x < s->out.width; ++x)
                define_pixel(s, n, y, x, &sums);
    return sums;
}

static void free_sums(struct sums *sums)
{
    free(sums->dst);
    free(sums->dst_size);
    free(sums->diff_src);
    free(sums->diff_src_size);
    free(sums->diff_weights);
    free(sums->diff_weights_size);
}

/* The largest error in the units above; infinite for a NaN. */
static double units(const float *found, const double *sum, const double *size, size_t count)
{
    double worst = 0.0;
    for (size_t i = 0; i < count; ++i) {
        const double error = fabs((double)found[i] - sum[i]) / (0x1p-24 * (size[i] + 1e-30));
        if (!(error <= worst))
            worst = isnan(error) ? INFINITY : error;
    }
    return worst;
}

static const struct {
    rt_extent in;
    rt_window window;
    size_t batch;
} shapes[] = {
    {{8, 8, 16}, {.channels = 16, .kernel = 3, .stride = 1, .padding = 1}, 2},
    {{9, 7, 3}, {.channels = 16, .kernel = 3, .stride = 1, .padding = 1}, 3},
    {{8, 8, 32}, {.channels = 48, .kernel = 3, .stride = 2, .padding = 1}, 2},
    {{7, 5, 17}, {.channels = 9, .kernel = 3, .stride = 2, .padding = 1, .bias = true}, 1},
    {{6, 6, 24}, {.channels = 144, .kernel = 1, .stride = 1, .padding = 0}, 2},
    {{8, 8, 16}, {.channels = 32, .kernel = 1, .stride = 2, .padding = 0, .bias = true}, 3},
    {{2, 2, 64}, {.channels = 64, .kernel = 3, .stride = 1, .padding = 1}, 1},
    {{9, 9, 5}, {.channels = 7, .kernel = 5, .stride = 2, .padding = 2, .bias = true}, 2},
};

static struct subject subject_of(size_t shape, rt_mode mode)
{
    return (struct subject){
        .in = shapes[shape].in, .window = shapes[shape].window, .batch = shapes[shape].batch, .mode = mode};
}

static rt_engine *engine;

/* The bias, and its gradient, are fp32 throughout. */
static void add_bias(const struct subject *s, const float *bias, const struct sums *sums)
{
    for (size_t i = 0; bias && i < s->dst_count; ++i) {
        sums->dst[i] += (double)bias[i % s->out.channels];
        sums->dst_size[i] += fabs((double)bias[i % s->out.channels]);
    }
}

static void training_multiplies_rounded_factors(void **state)
{
    (void)state;
    size_t far = 0;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; ++i) {
        rt_error err = {0};
        struct subject s = subject_of(i, RT_MODE_TRAIN);
        open_subject(&s, engine);
        const rt_node *node = s.kernel.node;
        s.wide_src = rounded(s.src, s.src_count);
        s.wide_weights = rounded(rt_parameter_values(s.parameters, node->weight), s.weight_count);
        must(s.kernel.class->forward(&s.kernel, &s.io, &err), &err);
        memset(s.src, 0xFF, s.src_count * sizeof *s.src); /* the kernel said that it keeps no source */
        assert_false(s.kernel.keeps_src);
        must(s.kernel.class->backward(&s.kernel, &s.io, &err), &err);
        struct sums sums = define(&s);
        add_bias(&s, node->bias >= 0 ? rt_parameter_values(s.parameters, node->bias) : NULL, &sums);
        const double dst = units(s.dst, sums.dst, sums.dst_size, s.dst_count);
        const double diff_src = units(s.diff_src, sums.diff_src, sums.diff_src_size, s.src_count);
        const double diff_weights = units(rt_parameter_gradients(s.parameters, node->weight), sums.diff_weights,
                                          sums.diff_weights_size, s.weight_count);
        print_message("%-44s output %.1f, gradients of source %.1f and weights %.1f units\n",
                      s.kernel.implementation[0], dst, diff_src, diff_weights);
        far += !(dst <= allowed && diff_src <= allowed && diff_weights <= allowed);
        free_sums(&sums);
        close_subject(&s);
    }
    assert_int_equal(far, 0);
}

/* A frozen one folds the batch norm into its weights before they are rounded, and rectifies the sum. */
static void frozen_folds_before_it_rounds(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; ++i) {
        rt_error err = {0};
        struct subject s = subject_of(i, RT_MODE_FROZEN);
        open_subject(&s, engine);
        assert_true(rt_folds_norm(&s.kernel));
        float *weights = filled("weights", s.weight_count), *bias = filled("bias", s.out.channels);
        rt_fold_norm(&s.kernel, weights, bias);
        s.wide_src = rounded(s.src, s.src_count);
        s.wide_weights = rounded(weights, s.weight_count);
        must(s.kernel.class->forward(&s.kernel, &s.io, &err), &err);
        struct sums sums = define(&s);
        add_bias(&s, bias, &sums);
        for (size_t e = 0; e < s.dst_count; ++e)
            sums.dst[e] = fmax(sums.dst[e], 0.0);
        assert_true(units(s.dst, sums.dst, sums.dst_size, s.dst_count) <= allowed);
        free(weights);
        free(bias);
        free_sums(&sums);
        close_subject(&s);
    }
}

/* A batch norm that is left to the kernel: normalised in fp32, rectified, then rounded. */
static void norms_are_applied_before_rounding(void **state)
{
    (void)state;
    rt_error err = {0};
    struct subject s = subject_of(0, RT_MODE_TRAIN);
    open_subject(&s, engine);
    const rt_norm_rows rows = rt_norm_rows_of(s.src_count / s.in.channels, s.in.channels);
    assert_int_equal(s.kernel.reads_norms, 1);
    float *mean = filled("mean", rows.lanes), *scale = filled("scale", rows.lanes),
          *shift = filled("shift", rows.lanes);
    for (size_t l = 0; l < rows.lanes; ++l) {
        mean[l] = mean[l % s.in.channels];
        scale[l] = scale[l % s.in.channels];
        shift[l] = shift[l % s.in.channels];
    }
    rt_norm_link norm = {.lanes = {.mean = mean, .scale = scale, .shift = shift}, .relu = true, .deferred = true};
    s.kernel.source_norms[0] = &norm;
    float *normalised = filled("normalised", s.src_count);
    for (size_t i = 0; i < s.src_count; ++i) {
        const size_t c = i % s.in.channels;
        normalised[i] = fmaxf((s.src[i] - mean[c]) * scale[c] + shift[c], 0.0f);
    }
    s.wide_src = rounded(normalised, s.src_count);
    s.wide_weights = rounded(rt_parameter_values(s.parameters, s.kernel.node->weight), s.weight_count);
    must(s.kernel.class->forward(&s.kernel, &s.io, &err), &err);
    must(s.kernel.class->backward(&s.kernel, &s.io, &err), &err);
    struct sums sums = define(&s);
    assert_true(units(s.dst, sums.dst, sums.dst_size, s.dst_count) <= allowed);
    assert_true(units(rt_parameter_gradients(s.parameters, s.kernel.node->weight), sums.diff_weights,
                      sums.diff_weights_size, s.weight_count) <= allowed);
    free_sums(&sums);
    free(mean);
    free(scale);
    free(shift);
    free(normalised);
    close_subject(&s);
}

static void rounding_is_to_nearest_even(void **state)
{
    (void)state;
    const struct {
        uint32_t from;
        uint16_t to;
    } cases[] = {
        {0x3f800000, 0x3f80},
        {0x3f808000, 0x3f80} /* a tie, to even */,
        {0x3f818000, 0x3f82} /* a tie, up */,
        {0x3f808001, 0x3f81},
        {0x3f807fff, 0x3f80},
        {0x80000000, 0x8000},
        {0x7f800000, 0x7f80},
        {0xff800000, 0xff80},
        {0x7f7fffff, 0x7f80} /* overflows */,
        {0x7fc00000, 0x7fc0},
        {0x7f800001, 0x7fc0} /* NaN, not infinity */,
        {0xffffffff, 0xffff},
    };
    enum { COUNT = sizeof cases / sizeof *cases };
    float from[COUNT];
    uint16_t to[COUNT];
    for (size_t i = 0; i < COUNT; ++i)
        memcpy(&from[i], &cases[i].from, sizeof from[i]);
    const rt_norm_rows rows = rt_norm_rows_of(COUNT, 1);
    rt_narrow_bf16(&rows, NULL, from, to);
    for (size_t i = 0; i < COUNT; ++i)
        assert_int_equal(to[i], cases[i].to);
}

int main(void)
{
    rt_error err = {0};
    trial_begin(2);
    print_message("%s, %s\n", rt_engine_version(), rt_engine_isa());
    trial_demand(RT_PRECISION_BF16);
    must(rt_engine_new(&engine, &err), &err);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rounding_is_to_nearest_even),
        cmocka_unit_test(training_multiplies_rounded_factors),
        cmocka_unit_test(frozen_folds_before_it_rounds),
        cmocka_unit_test(norms_are_applied_before_rounding),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rt_engine_free(engine);
    trial_end();
    return failed;
}
