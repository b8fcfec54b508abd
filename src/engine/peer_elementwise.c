/* oneDNN's eltwise for activations, and its binary addition with a ReLU as post-operation. Behind an addition the way
 * back is that of the ReLU alone, or a copy where there is none: both sources get the same gradient. */
#include <stdlib.h>

#include "engine/onednn.h"
#include "engine/peers.h"

/* oneDNN's name for an activation, and what its way back reads. */
struct curve {
    dnnl_alg_kind_t algorithm;
    float alpha, beta;
    bool reads_dst;
};

static const struct curve rectifier = {dnnl_eltwise_relu_use_dst_for_bwd, 0.0f, 0.0f, true};

static struct curve curve_of(rt_node_kind kind)
{
    switch (kind) {
    case RT_NODE_RELU6:
        return (struct curve){dnnl_eltwise_clip_v2_use_dst_for_bwd, 0.0f, 6.0f, true};
    case RT_NODE_SIGMOID:
        return (struct curve){dnnl_eltwise_logistic_use_dst_for_bwd, 0.0f, 0.0f, true};
    case RT_NODE_SILU:
        return (struct curve){dnnl_eltwise_swish, 1.0f, 0.0f, false};
    case RT_NODE_GELU:
        return (struct curve){dnnl_eltwise_gelu_erf, 0.0f, 0.0f, false};
    case RT_NODE_HARD_SIGMOID:
        return (struct curve){dnnl_eltwise_hardsigmoid, 1.0f / 6.0f, 0.5f, false};
    case RT_NODE_HARD_SWISH:
        return (struct curve){dnnl_eltwise_hardswish, 1.0f / 6.0f, 0.5f, false};
    default:
        return rectifier;
    }
}

struct elementwise {
    dnnl_memory_desc_t layout;
    rt_primitive forward, backward;
};

static rt_status plan_curve(rt_kernel *kernel, const struct curve *curve, rt_primitive *forward,
                            dnnl_primitive_attr_t attributes, rt_error *err)
{
    const struct elementwise *e = kernel->state;
    RT_TRY(rt_onednn_check(kernel,
                           dnnl_eltwise_forward_primitive_desc_create(
                               &forward->descriptor, kernel->engine->engine,
                               kernel->mode == RT_MODE_FROZEN ? dnnl_forward_inference : dnnl_forward_training,
                               curve->algorithm, e->layout, e->layout, curve->alpha, curve->beta, attributes),
                           "activate", err));
    RT_TRY(rt_primitive_create(kernel, forward, err));
    kernel->implementation[0] = forward->implementation;
    return rt_primitive_arguments(kernel, forward, (const int[]){DNNL_ARG_SRC, DNNL_ARG_DST, 0}, e->layout, err);
}

static rt_status plan_slope(rt_kernel *kernel, const struct curve *curve, const rt_primitive *forward,
                            dnnl_primitive_attr_t attributes, rt_error *err)
{
    struct elementwise *e = kernel->state;
    RT_TRY(rt_onednn_check(kernel,
                           dnnl_eltwise_backward_primitive_desc_create(
                               &e->backward.descriptor, kernel->engine->engine, curve->algorithm, e->layout, e->layout,
                               e->layout, curve->alpha, curve->beta, forward->descriptor, attributes),
                           "activate backward", err));
    RT_TRY(rt_primitive_create(kernel, &e->backward, err));
    kernel->implementation[1] = e->backward.implementation;
    const int data = curve->reads_dst ? DNNL_ARG_DST : DNNL_ARG_SRC;
    return rt_primitive_arguments(kernel, &e->backward, (const int[]){data, DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_SRC, 0},
                                  e->layout, err);
}

static rt_status plan_activation_directions(rt_kernel *kernel, dnnl_primitive_attr_t attributes, rt_error *err)
{
    struct elementwise *e = kernel->state;
    const struct curve curve = curve_of(kernel->node->kind);
    RT_TRY(plan_curve(kernel, &curve, &e->forward, attributes, err));
    return kernel->mode == RT_MODE_FROZEN ? RT_OK : plan_slope(kernel, &curve, &e->forward, attributes, err);
}

static rt_status rectify_behind(rt_kernel *kernel, dnnl_primitive_attr_t attributes, rt_error *err)
{
    dnnl_post_ops_t operations;
    RT_TRY(rt_onednn_check(kernel, dnnl_post_ops_create(&operations), "make post-operations", err));
    dnnl_status_t status = dnnl_post_ops_append_eltwise(operations, dnnl_eltwise_relu, 0.0f, 0.0f);
    if (status == dnnl_success)
        status = dnnl_primitive_attr_set_post_ops(attributes, operations);
    dnnl_post_ops_destroy(operations);
    return rt_onednn_check(kernel, status, "fuse its activation", err);
}

/* The forward primitive of a ReLU is made only because its backward asks for one. */
static rt_status plan_sum_backward(rt_kernel *kernel, rt_error *err)
{
    struct elementwise *e = kernel->state;
    if (kernel->node->activation != RT_ACTIVATION_RELU) {
        RT_TRY(rt_onednn_reorder(kernel, e->layout, e->layout, &e->backward, err));
        kernel->implementation[1] = e->backward.implementation;
        return RT_OK;
    }
    dnnl_primitive_attr_t attributes = NULL;
    rt_primitive hint = {0};
    const char *sum = kernel->implementation[0];
    rt_status status = rt_onednn_attributes(kernel, &attributes, err);
    if (status == RT_OK)
        status = plan_curve(kernel, &rectifier, &hint, attributes, err);
    if (status == RT_OK)
        status = plan_slope(kernel, &rectifier, &hint, attributes, err);
    kernel->implementation[0] = sum;
    rt_primitive_done(&hint);
    dnnl_primitive_attr_destroy(attributes);
    return status;
}

static rt_status plan_sum_directions(rt_kernel *kernel, dnnl_primitive_attr_t attributes, rt_error *err)
{
    struct elementwise *e = kernel->state;
    if (kernel->node->activation == RT_ACTIVATION_RELU)
        RT_TRY(rectify_behind(kernel, attributes, err));
    RT_TRY(
        rt_onednn_check(kernel,
                        dnnl_binary_primitive_desc_create(&e->forward.descriptor, kernel->engine->engine,
                                                          dnnl_binary_add, e->layout, e->layout, e->layout, attributes),
                        "add", err));
    RT_TRY(rt_primitive_create(kernel, &e->forward, err));
    kernel->implementation[0] = e->forward.implementation;
    RT_TRY(rt_primitive_arguments(kernel, &e->forward, (const int[]){DNNL_ARG_SRC_0, DNNL_ARG_SRC_1, DNNL_ARG_DST, 0},
                                  e->layout, err));
    return kernel->mode == RT_MODE_FROZEN ? RT_OK : plan_sum_backward(kernel, err);
}

static rt_status plan(rt_kernel *kernel, rt_error *err)
{
    struct elementwise *e = kernel->state = calloc(1, sizeof *e);
    if (!e)
        return rt_fail(err, RT_ERROR_MEMORY, "%s '%s': no memory", rt_node_kind_name(kernel->node->kind),
                       kernel->node->name);
    RT_TRY(rt_onednn_activation(kernel, kernel->node->shape, &e->layout, err));
    dnnl_primitive_attr_t attributes = NULL;
    rt_status status = rt_onednn_attributes(kernel, &attributes, err);
    if (status == RT_OK)
        status = kernel->node->kind == RT_NODE_ADD ? plan_sum_directions(kernel, attributes, err)
                                                   : plan_activation_directions(kernel, attributes, err);
    dnnl_primitive_attr_destroy(attributes);
    return status;
}

/* A pointer that a primitive has no argument for is ignored; DNNL_ARG_SRC_0 is DNNL_ARG_SRC. */
static rt_status forward(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    struct elementwise *e = kernel->state;
    rt_primitive_point(&e->forward, DNNL_ARG_SRC_0, io->src[0]);
    rt_primitive_point(&e->forward, DNNL_ARG_SRC_1, io->src[1]);
    rt_primitive_point(&e->forward, DNNL_ARG_DST, io->dst);
    return rt_primitive_run(kernel, &e->forward, io->scratch, err);
}

static rt_status backward(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    struct elementwise *e = kernel->state;
    if (kernel->node->kind == RT_NODE_ADD && kernel->node->activation != RT_ACTIVATION_RELU)
        return rt_onednn_reorder_run(kernel, &e->backward, io->diff_dst[0], io->diff_src[0], err);
    rt_primitive_point(&e->backward, DNNL_ARG_SRC, io->src[0]);
    rt_primitive_point(&e->backward, DNNL_ARG_DST, io->dst);
    rt_primitive_point(&e->backward, DNNL_ARG_DIFF_DST, io->diff_dst[0]);
    rt_primitive_point(&e->backward, DNNL_ARG_DIFF_SRC, io->diff_src[0]);
    return rt_primitive_run(kernel, &e->backward, io->scratch, err);
}

static void done(rt_kernel *kernel)
{
    struct elementwise *e = kernel->state;
    if (!e)
        return;
    rt_primitive_done(&e->forward);
    rt_primitive_done(&e->backward);
    rt_onednn_layout_done(&e->layout);
    free(e);
    kernel->state = NULL;
}

const rt_kernel_class rt_peer_elementwise = {
    .name = "oneDNN",
    .plan = plan,
    .forward = forward,
    .backward = backward,
    .done = done,
};
