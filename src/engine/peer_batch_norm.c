/* oneDNN's batch normalization, with the ReLU behind it fused: it keeps a mask for its backward. */
#include <stdlib.h>

#include "engine/onednn.h"
#include "engine/peers.h"

struct batch_norm {
    dnnl_memory_desc_t layout, channels;
    rt_primitive forward, backward;
    float *mean, *variance; /* of the batch; [channels] each */
};

static unsigned flags_of(const rt_kernel *kernel)
{
    unsigned flags = dnnl_use_scale | dnnl_use_shift;
    if (kernel->mode != RT_MODE_TRAIN)
        flags |= dnnl_use_global_stats;
    if (kernel->node->activation == RT_ACTIVATION_RELU)
        flags |= dnnl_fuse_norm_relu;
    return flags;
}

static rt_status plan_forward(rt_kernel *kernel, dnnl_primitive_attr_t attributes, rt_error *err)
{
    struct batch_norm *b = kernel->state;
    RT_TRY(rt_onednn_check(kernel,
                           dnnl_batch_normalization_forward_primitive_desc_create(
                               &b->forward.descriptor, kernel->engine->engine,
                               kernel->mode == RT_MODE_FROZEN ? dnnl_forward_inference : dnnl_forward_training,
                               b->layout, b->layout, (float)kernel->node->norm.epsilon, flags_of(kernel), attributes),
                           "normalise", err));
    RT_TRY(rt_primitive_create(kernel, &b->forward, err));
    RT_TRY(rt_primitive_arguments(kernel, &b->forward, (const int[]){DNNL_ARG_SRC, DNNL_ARG_DST, 0}, b->layout, err));
    kernel->implementation[0] = b->forward.implementation;
    return rt_primitive_arguments(kernel, &b->forward,
                                  (const int[]){DNNL_ARG_MEAN, DNNL_ARG_VARIANCE, DNNL_ARG_SCALE, DNNL_ARG_SHIFT, 0},
                                  b->channels, err);
}

static rt_status plan_backward(rt_kernel *kernel, dnnl_primitive_attr_t attributes, rt_error *err)
{
    struct batch_norm *b = kernel->state;
    RT_TRY(rt_onednn_check(kernel,
                           dnnl_batch_normalization_backward_primitive_desc_create(
                               &b->backward.descriptor, kernel->engine->engine, dnnl_backward, b->layout, b->layout,
                               b->layout, (float)kernel->node->norm.epsilon, flags_of(kernel), b->forward.descriptor,
                               attributes),
                           "normalise backward", err));
    RT_TRY(rt_primitive_create(kernel, &b->backward, err));
    RT_TRY(rt_primitive_arguments(
        kernel, &b->backward, (const int[]){DNNL_ARG_SRC, DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_SRC, 0}, b->layout, err));
    RT_TRY(rt_primitive_arguments(
        kernel, &b->backward,
        (const int[]){DNNL_ARG_MEAN, DNNL_ARG_VARIANCE, DNNL_ARG_SCALE, DNNL_ARG_DIFF_SCALE, DNNL_ARG_DIFF_SHIFT, 0},
        b->channels, err));
    kernel->implementation[1] = kernel->implementation[2] = b->backward.implementation;
    const_dnnl_memory_desc_t mask = dnnl_primitive_desc_query_md(b->forward.descriptor, dnnl_query_workspace_md, 0);
    kernel->workspace_bytes = mask ? dnnl_memory_desc_get_size(mask) : 0;
    if (kernel->workspace_bytes == 0)
        return RT_OK;
    RT_TRY(rt_primitive_argument(kernel, &b->forward, DNNL_ARG_WORKSPACE, mask, err));
    return rt_primitive_argument(kernel, &b->backward, DNNL_ARG_WORKSPACE, mask, err);
}

static rt_status plan(rt_kernel *kernel, rt_error *err)
{
    struct batch_norm *b = kernel->state = calloc(1, sizeof *b);
    const size_t channels = kernel->node->shape.channels;
    if (b) {
        b->mean = rt_aligned_zeros(channels * sizeof(float));
        b->variance = rt_aligned_zeros(channels * sizeof(float));
    }
    if (!b || !b->mean || !b->variance)
        return rt_fail(err, RT_ERROR_MEMORY, "batch norm '%s': no memory", kernel->node->name);
    RT_TRY(rt_onednn_activation(kernel, kernel->node->shape, &b->layout, err));
    RT_TRY(rt_onednn_layout(kernel, 1, (dnnl_dim_t[]){(dnnl_dim_t)channels}, dnnl_a, &b->channels, err));
    dnnl_primitive_attr_t attributes = NULL;
    rt_status status = rt_onednn_attributes(kernel, &attributes, err);
    if (status == RT_OK)
        status = plan_forward(kernel, attributes, err);
    if (status == RT_OK && kernel->mode != RT_MODE_FROZEN)
        status = plan_backward(kernel, attributes, err);
    dnnl_primitive_attr_destroy(attributes);
    return status;
}

/* What both directions read: the batch's statistics or the running ones, and the parameters. */
static void point_at_channels(const rt_kernel *kernel, rt_primitive *primitive)
{
    const struct batch_norm *b = kernel->state;
    const rt_norm *norm = &kernel->node->norm;
    const bool of_batch = kernel->mode == RT_MODE_TRAIN;
    rt_primitive_point(primitive, DNNL_ARG_MEAN,
                       of_batch ? b->mean : rt_parameter_values(kernel->parameters, norm->running_mean));
    rt_primitive_point(primitive, DNNL_ARG_VARIANCE,
                       of_batch ? b->variance : rt_parameter_values(kernel->parameters, norm->running_var));
    rt_primitive_point(primitive, DNNL_ARG_SCALE, rt_parameter_values(kernel->parameters, norm->weight));
    rt_primitive_point(primitive, DNNL_ARG_SHIFT, rt_parameter_values(kernel->parameters, norm->bias));
}

static rt_status forward(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    struct batch_norm *b = kernel->state;
    point_at_channels(kernel, &b->forward);
    rt_primitive_point(&b->forward, DNNL_ARG_SRC, io->src[0]);
    rt_primitive_point(&b->forward, DNNL_ARG_DST, io->dst);
    rt_primitive_point(&b->forward, DNNL_ARG_WORKSPACE, io->workspace);
    return rt_primitive_run(kernel, &b->forward, io->scratch, err);
}

static rt_status backward(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    struct batch_norm *b = kernel->state;
    const rt_norm *norm = &kernel->node->norm;
    point_at_channels(kernel, &b->backward);
    rt_primitive_point(&b->backward, DNNL_ARG_SRC, io->src[0]);
    rt_primitive_point(&b->backward, DNNL_ARG_DIFF_DST, io->diff_dst[0]);
    rt_primitive_point(&b->backward, DNNL_ARG_DIFF_SRC, io->diff_src[0]);
    rt_primitive_point(&b->backward, DNNL_ARG_WORKSPACE, io->workspace);
    rt_primitive_point(&b->backward, DNNL_ARG_DIFF_SCALE, rt_parameter_gradients(kernel->parameters, norm->weight));
    rt_primitive_point(&b->backward, DNNL_ARG_DIFF_SHIFT, rt_parameter_gradients(kernel->parameters, norm->bias));
    return rt_primitive_run(kernel, &b->backward, io->scratch, err);
}

static void done(rt_kernel *kernel)
{
    struct batch_norm *b = kernel->state;
    if (!b)
        return;
    rt_primitive_done(&b->forward);
    rt_primitive_done(&b->backward);
    rt_onednn_layout_done(&b->layout);
    rt_onednn_layout_done(&b->channels);
    free(b->mean);
    free(b->variance);
    free(b);
    kernel->state = NULL;
}

const rt_kernel_class rt_peer_batch_norm = {
    .name = "oneDNN",
    .plan = plan,
    .forward = forward,
    .backward = backward,
    .done = done,
};
