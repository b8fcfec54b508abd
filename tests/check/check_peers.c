/* Layers of our own beside oneDNN's primitives for the same work: on the same numbers both compute the same outputs and
 * gradients, so that `retort bench --kernels` times the same work. ReLUs and sums of two are equal to the bit.
 * Elsewhere ours round once and oneDNN's after each operation in float32: of the largest number, 16 roundings are
 * allowed, and sqrt(n) for a sum of n, which is how far n of them get by chance. Times are not looked at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/threads.h"
#include "engine/engine.h"
#include "engine/layer.h"
#include "engine/lone_kernel.h"
#include "engine/peers.h"
#include "filling.h"

static rt_engine *engine;
static const double rounding = 0x1p-24; /* the largest relative error of one operation in float32 */

enum { FEW = 16 /* roundings */, FEATURES = 37 /* of linear layers */ };

static const struct size {
    size_t batch;
    rt_extent extent;
} sizes[] = {
    {1, {2, 2, 40}}, {3, {5, 7, 17}}, {2, {8, 8, 64}}, {5, {9, 3, 3}}, {4, {1, 1, 129}}, {1, {16, 16, 8}},
};

enum { SIZES = sizeof sizes / sizeof *sizes };

static const rt_node_kind curves[] = {RT_NODE_SIGMOID, RT_NODE_SILU, RT_NODE_GELU, RT_NODE_HARD_SIGMOID,
                                      RT_NODE_HARD_SWISH};

static void must(rt_status status, const rt_error *err)
{
    if (status != RT_OK)
        fail_msg("%s", err->message);
}

/* One layer with its numbers, and what each side makes of them. */
struct trial {
    rt_graph *graph;
    const rt_node *node;
    rt_parameters *parameters;
    rt_kernel proto;
    rt_lone_arrays arrays;
    float *dst, *diff_src, *gradients; /* of the side that ran first */
};

static void open_trial(struct trial *t, const rt_layer *layer, size_t batch, rt_mode mode)
{
    rt_error err = {0};
    *t = (struct trial){0};
    must(rt_layer_graph(layer, &t->graph, &err), &err);
    const int number = rt_graph_find(t->graph, "layer");
    t->node = &t->graph->nodes[number];
    must(rt_parameters_new(t->graph, true, &t->parameters, &err), &err);
    filling_parameters(t->parameters);
    t->proto = (rt_kernel){
        .engine = engine,
        .graph = t->graph,
        .node = t->node,
        .number = number,
        .batch = batch,
        .mode = mode,
        .wants_diff_src = mode != RT_MODE_FROZEN,
        .parameters = t->parameters,
    };
}

static void close_trial(struct trial *t)
{
    rt_lone_arrays_close(&t->arrays);
    rt_parameters_free(t->parameters);
    rt_graph_free(t->graph);
    free(t->dst);
    free(t->diff_src);
    free(t->gradients);
}

static size_t sources_of(const struct trial *t)
{
    return t->proto.batch * rt_extent_floats(rt_kernel_source(&t->proto, 0));
}

/* Numbers from -4 to 4 for what bends, from -1 to 1 for what sums. What is overwritten begins as NaN. */
static void fill(struct trial *t)
{
    const size_t src = sources_of(t), dst = rt_kernel_elements(&t->proto);
    const bool bends = t->node->kind != RT_NODE_BATCH_NORM && t->node->kind != RT_NODE_LINEAR;
    filling_values("first", t->arrays.src[0], src);
    if (t->node->source_count == 2)
        filling_values("second", t->arrays.src[1], src);
    filling_values("gradient", t->arrays.diff_dst, dst);
    for (size_t i = 0; bends && i < src; ++i)
        t->arrays.src[0][i] *= 4.0f;
    for (size_t i = 0; i < dst; ++i)
        t->arrays.dst[i] = NAN;
    for (size_t i = 0; i < src; ++i)
        t->arrays.diff_src[i] = NAN;
    for (size_t i = 0; i < t->graph->trained_floats; ++i)
        t->parameters->gradients[i] = NAN;
}

static void run(struct trial *t, rt_lone_kernel *lone)
{
    rt_error err = {0};
    double seconds;
    fill(t);
    must(rt_lone_kernel_run(lone, &t->arrays, false, &seconds, &err), &err);
    if (t->proto.mode != RT_MODE_FROZEN)
        must(rt_lone_kernel_run(lone, &t->arrays, true, &seconds, &err), &err);
}

static float *copy(const float *values, size_t count)
{
    float *made = malloc((count + 1) * sizeof *made);
    assert_non_null(made);
    memcpy(made, values, count * sizeof *made);
    return made;
}

/* Farthest apart and largest number. Places that neither side wrote stay NaN, and fail. */
struct distance {
    double apart, largest;
};

static struct distance measure(const float *a, const float *b, size_t count)
{
    struct distance d = {0};
    for (size_t i = 0; i < count; ++i) {
        const double apart = fabs((double)a[i] - (double)b[i]);
        d.apart = apart <= d.apart ? d.apart : apart; /* this way round a NaN stays */
        d.largest = fmax(d.largest, fabs((double)a[i]));
        if (isnan(apart))
            return (struct distance){NAN, NAN};
    }
    return d;
}

/* How many numbers the layer's longest sum has. */
static double terms_of(const struct trial *t)
{
    const rt_extent in = rt_kernel_source(&t->proto, 0);
    const double area = (double)(in.height * in.width), samples = area * (double)t->proto.batch;
    switch (t->node->kind) {
    case RT_NODE_BATCH_NORM:
        return samples;
    case RT_NODE_GLOBAL_AVERAGE_POOL:
        return area;
    case RT_NODE_LINEAR:
        return fmax(samples, fmax((double)in.channels, FEATURES));
    default:
        return 0.0;
    }
}

static void compare(const struct trial *t, const char *what, const float *own, const float *peer, size_t count,
                    double allowed)
{
    const struct distance d = measure(own, peer, count);
    const rt_extent in = rt_kernel_source(&t->proto, 0);
    if (!(d.apart <= allowed * rounding * fmax(d.largest, 1e-30)))
        fail_msg("%s of %s%s, %zux%zux%zu, %zu images, %s: oneDNN's is off by %g of %g", what,
                 rt_node_kind_name(t->node->kind), t->node->activation == RT_ACTIVATION_RELU ? " + relu" : "",
                 in.height, in.width, in.channels, t->proto.batch,
                 t->proto.mode == RT_MODE_FROZEN ? "frozen" : "trained", d.apart, d.largest);
}

/* Runs both sides of one layer. `few` roundings are allowed beside those of sums; 0 asks for equal bits. */
static void hold(const rt_layer *layer, size_t batch, rt_mode mode, double few)
{
    rt_error err = {0};
    struct trial t;
    rt_lone_kernel own, peer;
    open_trial(&t, layer, batch, mode);
    const rt_kernel_class *class = rt_kernel_choose(&t.proto);
    assert_non_null(class);
    must(rt_lone_kernel_open(&own, &t.proto, class, &err), &err);
    must(rt_lone_kernel_open(&peer, &t.proto, rt_peer_of(layer->kind), &err), &err);
    const size_t a = own.kernel.scratch_bytes, b = peer.kernel.scratch_bytes;
    must(rt_lone_arrays_open(&t.arrays, &t.proto, a > b ? a : b, &err), &err);
    run(&t, &own);
    t.dst = copy(t.arrays.dst, rt_kernel_elements(&t.proto));
    t.diff_src = copy(t.arrays.diff_src, sources_of(&t));
    t.gradients = copy(t.parameters->gradients, t.graph->trained_floats);
    run(&t, &peer);
    const double allowed = few > 0.0 ? few + sqrt(terms_of(&t)) : 0.0;
    compare(&t, "output", t.dst, t.arrays.dst, rt_kernel_elements(&t.proto), allowed);
    if (mode != RT_MODE_FROZEN)
        compare(&t, "gradient", t.diff_src, t.arrays.diff_src, sources_of(&t), allowed);
    for (size_t p = 0; mode != RT_MODE_FROZEN && p < t.graph->parameter_count; ++p) {
        const rt_parameter *about = &t.graph->parameters[p];
        if (!rt_parameter_is_buffer(about))
            compare(&t, about->name, t.gradients + about->offset, t.parameters->gradients + about->offset, about->count,
                    allowed);
    }
    rt_lone_kernel_close(&own);
    rt_lone_kernel_close(&peer);
    close_trial(&t);
}

static void hold_both(rt_layer layer, double few)
{
    for (size_t i = 0; i < SIZES; ++i) {
        layer.src = layer.dst = sizes[i].extent;
        if (layer.kind == RT_NODE_LINEAR)
            layer.dst.channels = FEATURES;
        hold(&layer, sizes[i].batch, RT_MODE_TRAIN, few);
        hold(&layer, sizes[i].batch, RT_MODE_FROZEN, few);
    }
}

static void additions_and_rectifiers_are_equal(void **state)
{
    (void)state;
    hold_both((rt_layer){.kind = RT_NODE_RELU}, 0);
    hold_both((rt_layer){.kind = RT_NODE_RELU6}, 0);
    hold_both((rt_layer){.kind = RT_NODE_ADD}, 0);
    hold_both((rt_layer){.kind = RT_NODE_ADD, .activation = RT_ACTIVATION_RELU}, 0);
}

static void batch_norms_agree(void **state)
{
    (void)state;
    hold_both((rt_layer){.kind = RT_NODE_BATCH_NORM}, FEW);
    hold_both((rt_layer){.kind = RT_NODE_BATCH_NORM, .activation = RT_ACTIVATION_RELU}, FEW);
}

static void averages_and_linear_layers_agree(void **state)
{
    (void)state;
    hold_both((rt_layer){.kind = RT_NODE_GLOBAL_AVERAGE_POOL}, FEW);
    hold_both((rt_layer){.kind = RT_NODE_LINEAR}, FEW);
    hold_both((rt_layer){.kind = RT_NODE_LINEAR, .bias = true}, FEW);
}

static void curves_agree(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof curves / sizeof *curves; ++i)
        hold_both((rt_layer){.kind = curves[i]}, FEW);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(additions_and_rectifiers_are_equal),
        cmocka_unit_test(batch_norms_agree),
        cmocka_unit_test(averages_and_linear_layers_agree),
        cmocka_unit_test(curves_agree),
    };
    rt_error err = {0};
    rt_threads_start(2);
    if (rt_engine_new(&engine, &err) != RT_OK) {
        print_error("%s\n", err.message);
        return EXIT_FAILURE;
    }
    print_message("%s, %s\n", rt_engine_version(), rt_engine_isa());
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rt_engine_free(engine);
    return failed;
}
