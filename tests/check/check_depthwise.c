/* Our depthwise convolution against its definition in float64, number by number, whatever kernel the plan would choose:
 * every kind of border, stride 1 and 2, tiles that are cut, frozen with a batch norm, activation and residual. Errors
 * are held to what rounding can do at most. Bits are the same for 1, 2 and 3 threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/threads.h"
#include "engine/kernel.h"
#include "filling.h"
#include "graph/passes.h"

static const double rounding = 0x1p-24; /* largest relative error of one operation in float32 */

/* The largest share of a tile that is summed in float32, and the few operations after that. */
enum { SUMMED_IN_FLOAT32 = 256, REGIONS = 9 };

static const struct shape {
    size_t height, width, channels, stride, batch;
    bool bias;
} shapes[] = {
    {1, 1, 16, 1, 1, false},   {1, 1, 17, 2, 3, true},    {2, 2, 16, 1, 19, false},  {2, 2, 40, 2, 2, true},
    {1, 6, 17, 1, 2, false},   {6, 1, 17, 2, 2, false},   {3, 2, 17, 1, 33, true},   {3, 3, 48, 2, 40, false},
    {4, 4, 33, 1, 64, false},  {4, 5, 16, 2, 17, true},   {7, 5, 40, 1, 3, true},    {7, 5, 40, 2, 3, false},
    {8, 6, 17, 2, 5, false},   {15, 15, 24, 1, 2, false}, {16, 16, 16, 2, 9, false}, {33, 35, 17, 1, 1, true},
    {34, 67, 16, 1, 2, false}, {65, 70, 16, 2, 1, false},
};

enum { SHAPES = sizeof shapes / sizeof *shapes };

/* One kernel with everything that it reads and writes. Residual and dst are one place, as a plan would have it. */
struct bench {
    struct shape shape;
    rt_extent in, out;
    rt_graph *graph;
    rt_parameters *parameters;
    rt_kernel kernel;
    rt_kernel_io io;
    float *src, *dst, *diff_dst, *diff_src, *residual;
    size_t src_count, dst_count;
};

static float *filled(const char *name, size_t count)
{
    float *values = rt_aligned_zeros(count * sizeof *values);
    assert_non_null(values);
    filling_values(name, values, count);
    return values;
}

/* A frozen graph is convolution, batch norm, perhaps an addition of the images, ReLU6; which become one node. */
static rt_graph *build(const struct shape *shape, bool frozen, bool residual, rt_graph **trained)
{
    rt_graph *graph = rt_graph_new();
    int images = rt_graph_input(graph, shape->height, shape->width, shape->channels);
    int x = rt_graph_convolution(graph, "node", images,
                                 (rt_window){.channels = shape->channels,
                                             .kernel = 3,
                                             .stride = shape->stride,
                                             .padding = 1,
                                             .groups = shape->channels,
                                             .bias = shape->bias});
    if (frozen)
        x = rt_graph_batch_norm(graph, "norm", x);
    if (residual)
        x = rt_graph_add(graph, "sum", x, images);
    if (frozen)
        x = rt_graph_relu6(graph, "rectified", x);
    rt_graph_output(graph, x);
    assert_true(x >= 0);
    *trained = graph;
    return frozen ? rt_graph_for_inference(graph) : rt_graph_for_training(graph);
}

static void open_bench(struct bench *b, const struct shape *shape, bool frozen, bool residual)
{
    rt_error err = {0};
    rt_graph *trained;
    *b = (struct bench){.shape = *shape, .graph = build(shape, frozen, residual, &trained)};
    assert_non_null(b->graph);
    rt_graph_free(trained);
    const int number = rt_graph_find(b->graph, "node") >= 0 ? rt_graph_find(b->graph, "node") : b->graph->output;
    const rt_node *node = &b->graph->nodes[number];
    assert_int_equal(node->kind, RT_NODE_CONVOLUTION);
    assert_int_equal(node->source_count, residual ? 2 : 1);
    assert_int_equal(rt_parameters_new(b->graph, true, &b->parameters, &err), RT_OK);
    filling_parameters(b->parameters);
    b->in = b->graph->nodes[0].shape;
    b->out = node->shape;
    b->src_count = shape->batch * rt_extent_floats(b->in);
    b->dst_count = shape->batch * rt_extent_floats(b->out);
    b->src = filled("src", b->src_count);
    b->dst = filled("dst", b->dst_count);
    b->residual = filled("dst", b->dst_count);
    b->diff_dst = filled("diff_dst", b->dst_count);
    b->diff_src = filled("diff_src", b->src_count);
    b->kernel = (rt_kernel){.class = &rt_kernel_depthwise,
                            .graph = b->graph,
                            .node = node,
                            .number = number,
                            .batch = shape->batch,
                            .mode = frozen ? RT_MODE_FROZEN : RT_MODE_TRAIN,
                            .wants_diff_src = true,
                            .parameters = b->parameters};
    assert_int_equal(rt_kernel_depthwise.plan(&b->kernel, &err), RT_OK);
    assert_int_equal(rt_kernel_depthwise.prepare(&b->kernel, &err), RT_OK);
    b->io = (rt_kernel_io){.src = {b->src, b->dst},
                           .dst = b->dst,
                           .scratch = rt_aligned_zeros(b->kernel.scratch_bytes),
                           .diff_dst = {b->diff_dst},
                           .diff_dst_count = 1,
                           .diff_src = {b->diff_src}};
    assert_non_null(b->io.scratch);
}

static void close_bench(struct bench *b)
{
    rt_kernel_depthwise.done(&b->kernel);
    free(b->io.scratch);
    free(b->src);
    free(b->dst);
    free(b->residual);
    free(b->diff_dst);
    free(b->diff_src);
    rt_parameters_free(b->parameters);
    rt_graph_free(b->graph);
}

/* What is overwritten or undefined starts as NaN, the residual as itself. */
static void run(struct bench *b)
{
    rt_error err = {0};
    if (b->kernel.node->source_count == 2)
        memcpy(b->dst, b->residual, b->dst_count * sizeof(float));
    else
        memset(b->dst, 0xff, b->dst_count * sizeof(float));
    assert_int_equal(rt_kernel_depthwise.forward(&b->kernel, &b->io, &err), RT_OK);
    if (b->kernel.mode == RT_MODE_FROZEN)
        return;
    memset(b->diff_src, 0xff, b->src_count * sizeof(float));
    memset(b->io.scratch, 0xff, b->kernel.scratch_bytes);
    memset(b->parameters->gradients, 0xff, b->graph->trained_floats * sizeof(float));
    assert_int_equal(rt_kernel_depthwise.backward(&b->kernel, &b->io, &err), RT_OK);
}

/* Sums of products in float64, and of their sizes. */
struct reference {
    double *dst, *dst_size, *diff_src, *diff_src_size, *weights, *weights_size, *bias, *bias_size;
};

static double *zeros(size_t count)
{
    double *values = calloc(count, sizeof *values);
    assert_non_null(values);
    return values;
}

static void add(double *sum, double *size, size_t at, double term)
{
    sum[at] += term;
    size[at] += fabs(term);
}

/* The definition: every output position, every tap that is not padding, all three passes. */
static void refer(const struct bench *b, struct reference *r)
{
    const size_t channels = b->in.channels;
    const float *weights = rt_parameter_values(b->parameters, b->kernel.node->weight);
    for (size_t n = 0; n < b->shape.batch; ++n)
        for (size_t oy = 0; oy < b->out.height; ++oy)
            for (size_t ox = 0; ox < b->out.width; ++ox)
                for (size_t k = 0; k < 9; ++k) {
                    const size_t iy = oy * b->shape.stride + k / 3, ix = ox * b->shape.stride + k % 3;
                    if (iy < 1 || iy > b->in.height || ix < 1 || ix > b->in.width)
                        continue;
                    const size_t to = ((n * b->out.height + oy) * b->out.width + ox) * channels;
                    const size_t from = ((n * b->in.height + iy - 1) * b->in.width + ix - 1) * channels;
                    for (size_t c = 0; c < channels; ++c) {
                        const double w = weights[9 * c + k], x = b->src[from + c], d = b->diff_dst[to + c];
                        add(r->dst, r->dst_size, to + c, w * x);
                        add(r->diff_src, r->diff_src_size, from + c, w * d);
                        add(r->weights, r->weights_size, 9 * c + k, d * x);
                        if (k == 4)
                            add(r->bias, r->bias_size, c, d);
                    }
                }
}

static struct reference new_reference(const struct bench *b)
{
    const size_t channels = b->in.channels;
    struct reference r = {zeros(b->dst_count), zeros(b->dst_count), zeros(b->src_count), zeros(b->src_count),
                          zeros(9 * channels), zeros(9 * channels), zeros(channels),     zeros(channels)};
    refer(b, &r);
    return r;
}

static void free_reference(struct reference *r)
{
    double *all[] = {r->dst,     r->dst_size,     r->diff_src, r->diff_src_size,
                     r->weights, r->weights_size, r->bias,     r->bias_size};
    for (size_t i = 0; i < sizeof all / sizeof *all; ++i)
        free(all[i]);
}

/* Each number is within so many roundings of the sum of its terms' sizes. */
static void hold(const struct bench *b, const char *what, const float *found, const double *expected,
                 const double *size, size_t count, double roundings)
{
    for (size_t i = 0; i < count; ++i)
        if (!(fabs((double)found[i] - expected[i]) <= roundings * rounding * size[i]))
            fail_msg("%zu x %zu x %zu, stride %zu, batch %zu: %s[%zu] is %.9g, not %.9g", b->shape.height,
                     b->shape.width, b->shape.channels, b->shape.stride, b->shape.batch, what, i, (double)found[i],
                     expected[i]);
}

static void training_is_the_definition(void **state)
{
    (void)state;
    for (size_t s = 0; s < SHAPES; ++s) {
        struct bench b;
        open_bench(&b, &shapes[s], false, false);
        struct reference r = new_reference(&b);
        run(&b);
        const size_t channels = b.in.channels, positions = b.dst_count / channels;
        const rt_node *node = b.kernel.node;
        const float *bias = node->bias >= 0 ? rt_parameter_values(b.parameters, node->bias) : NULL;
        for (size_t i = 0; bias && i < b.dst_count; ++i)
            add(r.dst, r.dst_size, i, bias[i % channels]);
        const double summed = (double)(positions < SUMMED_IN_FLOAT32 ? positions : SUMMED_IN_FLOAT32) + REGIONS + 2;
        hold(&b, "dst", b.dst, r.dst, r.dst_size, b.dst_count, 10);
        hold(&b, "diff_src", b.diff_src, r.diff_src, r.diff_src_size, b.src_count, 10);
        hold(&b, "weight gradient", rt_parameter_gradients(b.parameters, node->weight), r.weights, r.weights_size,
             9 * channels, summed);
        if (bias)
            hold(&b, "bias gradient", rt_parameter_gradients(b.parameters, node->bias), r.bias, r.bias_size, channels,
                 summed);
        free_reference(&r);
        close_bench(&b);
    }
}

/* min(max(s (conv + b - mean) + beta + residual, 0), 6), s = gamma / sqrt(var + eps). */
static void check_frozen(const struct shape *shape, bool residual)
{
    struct bench b;
    open_bench(&b, shape, true, residual);
    const rt_node *node = b.kernel.node;
    assert_int_equal(node->activation, RT_ACTIVATION_RELU6);
    const float *norm[4] = {rt_parameter_values(b.parameters, node->norm.weight),
                            rt_parameter_values(b.parameters, node->norm.bias),
                            rt_parameter_values(b.parameters, node->norm.running_mean),
                            rt_parameter_values(b.parameters, node->norm.running_var)};
    /* Images so large that the activation cuts on both sides. */
    for (size_t i = 0; i < b.src_count; ++i)
        b.src[i] *= 16.0f;
    struct reference r = new_reference(&b);
    run(&b);
    size_t cut[2] = {0, 0};
    for (size_t i = 0; i < b.dst_count; ++i) {
        const size_t c = i % b.out.channels;
        const double scale = norm[0][c] / sqrt((double)norm[3][c] + node->norm.epsilon);
        const double bias = node->bias >= 0 ? rt_parameter_values(b.parameters, node->bias)[c] : 0.0;
        const double shift = scale * (bias - norm[2][c]) + norm[1][c];
        r.dst[i] *= scale;
        r.dst_size[i] *= fabs(scale);
        add(r.dst, r.dst_size, i, shift);
        if (residual)
            add(r.dst, r.dst_size, i, b.residual[i]);
        cut[0] += r.dst[i] < 0.0;
        cut[1] += r.dst[i] > 6.0;
        r.dst[i] = fmin(fmax(r.dst[i], 0.0), 6.0);
    }
    assert_true(b.dst_count < 1000 || (cut[0] > 0 && cut[1] > 0));
    hold(&b, residual ? "frozen dst with residual" : "frozen dst", b.dst, r.dst, r.dst_size, b.dst_count, 12);
    free_reference(&r);
    close_bench(&b);
}

static void frozen_folds_activates_and_adds(void **state)
{
    (void)state;
    size_t residuals = 0;
    for (size_t s = 0; s < SHAPES; ++s) {
        check_frozen(&shapes[s], false);
        if (shapes[s].stride != 1 || shapes[s].channels % 16 != 0)
            continue;
        check_frozen(&shapes[s], true);
        ++residuals;
    }
    assert_true(residuals >= 3);
}

static void bits_do_not_depend_on_threads(void **state)
{
    (void)state;
    for (size_t s = 0; s < SHAPES; ++s) {
        struct bench b;
        open_bench(&b, &shapes[s], false, false);
        const size_t trained = b.graph->trained_floats;
        float *dst = malloc(b.dst_count * sizeof *dst), *diff_src = malloc(b.src_count * sizeof *diff_src);
        float *gradients = malloc(trained * sizeof *gradients);
        assert_true(dst && diff_src && gradients);
        for (int threads = 1; threads <= 3; ++threads) {
            rt_threads_start(threads);
            run(&b);
            if (threads == 1) {
                memcpy(dst, b.dst, b.dst_count * sizeof *dst);
                memcpy(diff_src, b.diff_src, b.src_count * sizeof *diff_src);
                memcpy(gradients, b.parameters->gradients, trained * sizeof *gradients);
            }
            assert_memory_equal(dst, b.dst, b.dst_count * sizeof *dst);
            assert_memory_equal(diff_src, b.diff_src, b.src_count * sizeof *diff_src);
            assert_memory_equal(gradients, b.parameters->gradients, trained * sizeof *gradients);
        }
        free(dst);
        free(diff_src);
        free(gradients);
        close_bench(&b);
    }
    rt_threads_start(2);
}

static bool takes(const struct shape *shape, rt_window window, bool residual)
{
    rt_graph *trained, *graph = build(shape, residual, residual, &trained);
    rt_node node = graph->nodes[residual ? graph->output : rt_graph_find(graph, "node")];
    if (window.kernel)
        node.window = window;
    const rt_kernel kernel = {.graph = graph, .node = &node, .batch = shape->batch};
    const bool fits = rt_kernel_depthwise.fits(&kernel);
    rt_graph_free(graph);
    rt_graph_free(trained);
    return fits;
}

static bool takes_in(rt_mode mode, size_t size, size_t channels, size_t stride)
{
    rt_graph *graph, *copy = build(&(struct shape){size, size, channels, stride, 4, false}, false, false, &graph);
    const rt_kernel kernel = {
        .graph = graph, .node = &graph->nodes[rt_graph_find(graph, "node")], .batch = 4, .mode = mode};
    const bool chosen = rt_kernel_choose(&kernel) == &rt_kernel_depthwise;
    rt_graph_free(graph);
    rt_graph_free(copy);
    return chosen;
}

static void takes_what_it_is_faster_at(void **state)
{
    (void)state;
    assert_true(takes_in(RT_MODE_TRAIN, 2, 480, 1) && takes_in(RT_MODE_FROZEN, 2, 480, 1));
    assert_true(takes_in(RT_MODE_TRAIN, 32, 16, 1) && takes_in(RT_MODE_FROZEN, 32, 16, 1));
    assert_true(takes_in(RT_MODE_TRAIN, 16, 72, 2) && takes_in(RT_MODE_EVAL, 16, 72, 2));
    assert_false(takes_in(RT_MODE_FROZEN, 16, 72, 2));
    assert_false(takes_in(RT_MODE_TRAIN, 16, 72, 1));
    assert_false(takes_in(RT_MODE_TRAIN, 56, 128, 2));
}

static void takes_what_it_can(void **state)
{
    (void)state;
    const rt_window given = {0};
    const struct shape whole = {2, 2, 48, 1, 4, false}, ragged = {2, 2, 40, 1, 4, false},
                       narrow = {2, 2, 3, 1, 4, false}, one = {2, 2, 1, 1, 4, false};
    assert_true(takes(&whole, given, false));
    assert_true(takes(&whole, given, true));
    assert_true(takes(&ragged, given, false));
    assert_false(takes(&ragged, given, true));
    assert_false(takes(&narrow, given, false));
    assert_false(takes(&one, given, false));
    const rt_window other[] = {
        {.channels = 48, .kernel = 5, .stride = 1, .padding = 1, .dilation = 1, .groups = 48},
        {.channels = 48, .kernel = 3, .stride = 3, .padding = 1, .dilation = 1, .groups = 48},
        {.channels = 48, .kernel = 3, .stride = 1, .padding = 0, .dilation = 1, .groups = 48},
        {.channels = 48, .kernel = 3, .stride = 1, .padding = 1, .dilation = 2, .groups = 48},
        {.channels = 48, .kernel = 3, .stride = 1, .padding = 1, .dilation = 1, .groups = 24},
    };
    for (size_t i = 0; i < sizeof other / sizeof *other; ++i)
        assert_false(takes(&whole, other[i], false));
}

int main(void)
{
    rt_threads_start(2);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(training_is_the_definition),    cmocka_unit_test(frozen_folds_activates_and_adds),
        cmocka_unit_test(bits_do_not_depend_on_threads), cmocka_unit_test(takes_what_it_can),
        cmocka_unit_test(takes_what_it_is_faster_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
