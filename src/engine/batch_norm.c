/* Batch norm by oneDNN, with the ReLU behind it fused (Ioffe and Szegedy 2015, arXiv:1502.03167).
 *
 * Training normalises by the batch's mean and biased variance, and moves the running statistics towards the mean and the
 * unbiased variance, as PyTorch does. Evaluation normalises by the running statistics. */
#include <stdlib.h>

#include "engine/onednn.h"

struct batch_norm {
    dnnl_memory_desc_t activation;
    rt_primitive forward, backward;
    float *mean, *variance;  /* the batch's, kept for backward */
};

static unsigned flags(const rt_kernel *kernel)
{
    unsigned flags = dnnl_use_scale | dnnl_use_shift;
    if (kernel->mode != RT_MODE_TRAIN)
        flags |= dnnl_use_global_stats;
    if (kernel->node->activation == RT_ACTIVATION_RELU)
        flags |= dnnl_fuse_norm_relu;
    return flags;
}

static rt_status statistics_arguments(rt_kernel *kernel, rt_primitive *primitive, rt_error *err)
{
    struct batch_norm *b = kernel->state;
    const dnnl_dim_t channels[1] = {(dnnl_dim_t)kernel->node->shape.channels};
    dnnl_memory_desc_t statistics = NULL;
    rt_status status = rt_onednn_layout(kernel, 1, channels, dnnl_a, &statistics, err);
    const int arguments[] = {DNNL_ARG_MEAN, DNNL_ARG_VARIANCE, DNNL_ARG_SCALE,
                             /* backward refuses a shift, and gives gradients of both */
                             primitive == &b->forward ? DNNL_ARG_SHIFT : DNNL_ARG_DIFF_SCALE,
                             primitive == &b->forward ? 0 : DNNL_ARG_DIFF_SHIFT};
    for (size_t i = 0; status == RT_OK && i < 5; ++i)
        if (arguments[i])
            status = rt_primitive_argument(kernel, primitive, arguments[i], statistics, err);
    rt_onednn_layout_done(&statistics);
    return status;
}

static rt_status workspace_argument(rt_kernel *kernel, rt_primitive *primitive, rt_error *err)
{
    struct batch_norm *b = kernel->state;
    const_dnnl_memory_desc_t workspace =
        dnnl_primitive_desc_query_md(b->forward.descriptor, dnnl_query_workspace_md, 0);
    if (!workspace || kernel->mode == RT_MODE_FROZEN)
        return RT_OK;
    kernel->workspace_bytes = dnnl_memory_desc_get_size(workspace);
    return kernel->workspace_bytes ? rt_primitive_argument(kernel, primitive, DNNL_ARG_WORKSPACE, workspace, err) : RT_OK;
}

static rt_status plan_forward(rt_kernel *kernel, dnnl_primitive_attr_t attributes, rt_error *err)
{
    struct batch_norm *b = kernel->state;
    dnnl_prop_kind_t kind = kernel->mode == RT_MODE_FROZEN ? dnnl_forward_inference : dnnl_forward_training;
    RT_TRY(rt_onednn_check(kernel,
                           dnnl_batch_normalization_forward_primitive_desc_create(
                               &b->forward.descriptor, kernel->engine->engine, kind, b->activation, b->activation,
                               (float)kernel->node->norm.epsilon, flags(kernel), attributes),
                           "normalise", err));
    RT_TRY(rt_primitive_create(kernel, &b->forward, err));
    RT_TRY(rt_primitive_argument(kernel, &b->forward, DNNL_ARG_SRC, b->activation, err));
    RT_TRY(rt_primitive_argument(kernel, &b->forward, DNNL_ARG_DST, b->activation, err));
    kernel->implementation[0] = b->forward.implementation;
    RT_TRY(statistics_arguments(kernel, &b->forward, err));
    return workspace_argument(kernel, &b->forward, err);
}

static rt_status plan_backward(rt_kernel *kernel, dnnl_primitive_attr_t attributes, rt_error *err)
{
    struct batch_norm *b = kernel->state;
    RT_TRY(rt_onednn_check(kernel,
                           dnnl_batch_normalization_backward_primitive_desc_create(
                               &b->backward.descriptor, kernel->engine->engine, dnnl_backward, b->activation,
                               b->activation, b->activation, (float)kernel->node->norm.epsilon, flags(kernel),
                               b->forward.descriptor, attributes),
                           "normalise backward", err));
    RT_TRY(rt_primitive_create(kernel, &b->backward, err));
    RT_TRY(rt_primitive_argument(kernel, &b->backward, DNNL_ARG_SRC, b->activation, err));
    RT_TRY(rt_primitive_argument(kernel, &b->backward, DNNL_ARG_DIFF_DST, b->activation, err));
    RT_TRY(rt_primitive_argument(kernel, &b->backward, DNNL_ARG_DIFF_SRC, b->activation, err));
    kernel->implementation[1] = kernel->implementation[2] = b->backward.implementation;
    RT_TRY(statistics_arguments(kernel, &b->backward, err));
    return workspace_argument(kernel, &b->backward, err);
}

static rt_status plan(rt_kernel *kernel, rt_error *err)
{
    struct batch_norm *b = kernel->state = calloc(1, sizeof *b);
    size_t channels = kernel->node->shape.channels;
    if (b) {
        b->mean = rt_aligned_zeros(channels * sizeof(float));
        b->variance = rt_aligned_zeros(channels * sizeof(float));
    }
    if (!b || !b->mean || !b->variance)
        return rt_fail(err, RT_ERROR_MEMORY, "batch norm '%s': no memory", kernel->node->name);
    dnnl_primitive_attr_t attributes = NULL;
    rt_status status = rt_onednn_activation(kernel, kernel->node->shape, &b->activation, err);
    if (status == RT_OK)
        status = rt_onednn_attributes(kernel, &attributes, err);
    if (status == RT_OK)
        status = plan_forward(kernel, attributes, err);
    if (status == RT_OK && kernel->mode != RT_MODE_FROZEN) {
        kernel->keeps_src = true;
        status = plan_backward(kernel, attributes, err);
    }
    dnnl_primitive_attr_destroy(attributes);
    return status;
}

/* The running variance is the unbiased one: the batch's times n / (n - 1). */
static void move_running_statistics(rt_kernel *kernel)
{
    const struct batch_norm *b = kernel->state;
    const rt_norm *norm = &kernel->node->norm;
    const rt_extent e = kernel->node->shape;
    float *mean = rt_parameter_values(kernel->parameters, norm->running_mean);
    float *variance = rt_parameter_values(kernel->parameters, norm->running_var);
    double samples = (double)(kernel->batch * e.height * e.width);
    float momentum = (float)norm->momentum;
    float unbias = samples > 1.0 ? (float)(samples / (samples - 1.0)) : 1.0f;
    for (size_t c = 0; c < e.channels; ++c) {
        mean[c] = (1.0f - momentum) * mean[c] + momentum * b->mean[c];
        variance[c] = (1.0f - momentum) * variance[c] + momentum * unbias * b->variance[c];
    }
}

static void point_statistics(rt_kernel *kernel, rt_primitive *primitive)
{
    const struct batch_norm *b = kernel->state;
    const rt_norm *norm = &kernel->node->norm;
    bool training = kernel->mode == RT_MODE_TRAIN;
    rt_primitive_point(primitive, DNNL_ARG_MEAN,
                       training ? b->mean : rt_parameter_values(kernel->parameters, norm->running_mean));
    rt_primitive_point(primitive, DNNL_ARG_VARIANCE,
                       training ? b->variance : rt_parameter_values(kernel->parameters, norm->running_var));
    rt_primitive_point(primitive, DNNL_ARG_SCALE, rt_parameter_values(kernel->parameters, norm->weight));
    rt_primitive_point(primitive, DNNL_ARG_SHIFT, rt_parameter_values(kernel->parameters, norm->bias));
}

static rt_status forward(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    struct batch_norm *b = kernel->state;
    point_statistics(kernel, &b->forward);
    rt_primitive_point(&b->forward, DNNL_ARG_SRC, io->src[0]);
    rt_primitive_point(&b->forward, DNNL_ARG_DST, io->dst);
    rt_primitive_point(&b->forward, DNNL_ARG_WORKSPACE, io->workspace);
    RT_TRY(rt_primitive_run(kernel, &b->forward, io->scratch, err));
    if (kernel->mode == RT_MODE_TRAIN)
        move_running_statistics(kernel);
    return RT_OK;
}

static rt_status backward(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    struct batch_norm *b = kernel->state;
    const rt_norm *norm = &kernel->node->norm;
    point_statistics(kernel, &b->backward);
    rt_primitive_point(&b->backward, DNNL_ARG_SRC, io->src[0]);
    rt_primitive_point(&b->backward, DNNL_ARG_DIFF_DST, io->diff_dst[0]);
    /* A norm right behind the images still needs somewhere to put what nobody reads. */
    rt_primitive_point(&b->backward, DNNL_ARG_DIFF_SRC, io->diff_src[0]);
    rt_primitive_point(&b->backward, DNNL_ARG_DIFF_SCALE, rt_parameter_gradients(kernel->parameters, norm->weight));
    rt_primitive_point(&b->backward, DNNL_ARG_DIFF_SHIFT, rt_parameter_gradients(kernel->parameters, norm->bias));
    rt_primitive_point(&b->backward, DNNL_ARG_WORKSPACE, io->workspace);
    return rt_primitive_run(kernel, &b->backward, io->scratch, err);
}

static void done(rt_kernel *kernel)
{
    struct batch_norm *b = kernel->state;
    if (!b)
        return;
    rt_primitive_done(&b->forward);
    rt_primitive_done(&b->backward);
    rt_onednn_layout_done(&b->activation);
    free(b->mean);
    free(b->variance);
    free(b);
    kernel->state = NULL;
}

const rt_kernel_class rt_kernel_batch_norm = {
    .name = "oneDNN",
    .plan = plan,
    .forward = forward,
    .backward = backward,
    .done = done,
};
