/* Batch norm with the ReLU behind it fused (Ioffe and Szegedy 2015, arXiv:1502.03167).
 *
 * Training normalises by the batch's mean and biased variance, and moves the running statistics towards the mean and
 * the unbiased variance, as PyTorch does. Evaluation normalises by the running statistics.
 *
 * Its sums run over the whole batch, and gradients of every layer before it inherit their errors: added up one by one
 * in float32 they are ten times as far off as PyTorch's. Here a chunk of rows that stays in the first cache is summed
 * in float32, and chunks in float64 (batch_norm_sums.h). The ReLU's mask is not kept but computed again. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/batch_norm_sums.h"
#include "engine/kernel.h"

struct batch_norm {
    rt_norm_rows rows;
    float *lanes;                /* owns the arrays below; [rows.lanes] each, the channels over and over */
    float *mean, *scale, *shift; /* y = (x - mean) scale + shift; from forward, for backward too */
    float *common, *slope;       /* diff_src = scale (g - common - slope (x - mean)) */
    double *channels;            /* owns the arrays below; [rows.channels] each */
    double *center, *variance;   /* of the batch or the running ones */
    double *sum, *dot;           /* of gradients, and of gradients with x - mean */
    double *first, *second;      /* moments, from the source's kernel */
    rt_norm_link link;
};

static rt_status plan(rt_kernel *kernel, rt_error *err)
{
    struct batch_norm *b = kernel->state = calloc(1, sizeof *b);
    const rt_extent e = kernel->node->shape;
    if (b) {
        b->rows = rt_norm_rows_of(kernel->batch * e.height * e.width, e.channels);
        b->lanes = rt_aligned_zeros(5 * b->rows.lanes * sizeof(float));
        b->channels = rt_aligned_zeros(6 * e.channels * sizeof(double));
    }
    if (!b || !b->lanes || !b->channels)
        return rt_fail(err, RT_ERROR_MEMORY, "batch norm '%s': no memory", kernel->node->name);
    float **by_lane[] = {&b->mean, &b->scale, &b->shift, &b->common, &b->slope};
    for (size_t i = 0; i < sizeof by_lane / sizeof *by_lane; ++i)
        *by_lane[i] = b->lanes + i * b->rows.lanes;
    double **by_channel[] = {&b->center, &b->variance, &b->sum, &b->dot, &b->first, &b->second};
    for (size_t i = 0; i < sizeof by_channel / sizeof *by_channel; ++i)
        *by_channel[i] = b->channels + i * e.channels;
    b->link = (rt_norm_link){
        .lanes = {b->mean, b->scale, b->shift, b->common, b->slope},
        .relu = kernel->node->activation == RT_ACTIVATION_RELU,
        .first_moment = b->first,
        .second_moment = b->second,
        .sum = b->sum,
        .dot = b->dot,
    };
    kernel->norm = &b->link;
    kernel->keeps_src = kernel->mode != RT_MODE_FROZEN;
    kernel->scratch_bytes = rt_norm_scratch_bytes(&b->rows);
    for (int direction = 0; direction < (kernel->mode == RT_MODE_FROZEN ? 1 : 3); ++direction)
        kernel->implementation[direction] = "retort";
    return RT_OK;
}

/* The running variance is the unbiased one: the batch's times n / (n - 1). */
static void move_running_statistics(rt_kernel *kernel)
{
    const struct batch_norm *b = kernel->state;
    const rt_norm *norm = &kernel->node->norm;
    float *mean = rt_parameter_values(kernel->parameters, norm->running_mean);
    float *variance = rt_parameter_values(kernel->parameters, norm->running_var);
    double samples = (double)b->rows.count, momentum = norm->momentum;
    double unbias = samples > 1.0 ? samples / (samples - 1.0) : 1.0;
    for (size_t c = 0; c < b->rows.channels; ++c) {
        mean[c] = (float)((1.0 - momentum) * (double)mean[c] + momentum * b->center[c]);
        variance[c] = (float)((1.0 - momentum) * (double)variance[c] + momentum * unbias * b->variance[c]);
    }
}

/* What cancels in the difference are 53 bits of sums that were exact to 24: no harm. */
static void take_moments(struct batch_norm *b)
{
    const double samples = (double)b->rows.count;
    for (size_t c = 0; c < b->rows.channels; ++c) {
        const double mean = b->first[c] / samples, variance = b->second[c] / samples - mean * mean;
        b->center[c] = mean;
        b->variance[c] = variance < 0.0 ? 0.0 : variance; /* this way round a NaN comes through */
    }
}

static void prepare_lanes(const rt_kernel *kernel)
{
    struct batch_norm *b = kernel->state;
    const rt_norm *norm = &kernel->node->norm;
    const float *weight = rt_parameter_values(kernel->parameters, norm->weight);
    const float *bias = rt_parameter_values(kernel->parameters, norm->bias);
    for (size_t i = 0; i < b->rows.lanes; ++i) {
        size_t c = i % b->rows.channels;
        b->mean[i] = (float)b->center[c];
        b->scale[i] = (float)((double)weight[c] / sqrt(b->variance[c] + norm->epsilon));
        b->shift[i] = bias[c];
    }
}

static rt_status forward(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    (void)err;
    struct batch_norm *b = kernel->state;
    if (kernel->mode == RT_MODE_TRAIN) {
        if (b->link.moments_by_source)
            take_moments(b);
        else
            rt_norm_moments(&b->rows, io->src[0], b->center, b->variance, io->scratch);
        move_running_statistics(kernel);
    } else {
        const rt_norm *norm = &kernel->node->norm;
        for (size_t c = 0; c < b->rows.channels; ++c) {
            b->center[c] = (double)rt_parameter_values(kernel->parameters, norm->running_mean)[c];
            b->variance[c] = (double)rt_parameter_values(kernel->parameters, norm->running_var)[c];
        }
    }
    prepare_lanes(kernel);
    if (!b->link.deferred)
        rt_norm_apply(&b->rows, &b->link.lanes, b->link.relu, io->src[0], io->dst);
    return RT_OK;
}

/* With g the gradient behind the ReLU and n samples,
 *     d bias = sum g,   d weight = sum g (x - mean) / deviation,
 *     d x = scale (g - d bias / n - (x - mean) / deviation d weight / n)   in training, scale g otherwise. */
static rt_status backward(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    (void)err;
    struct batch_norm *b = kernel->state;
    const rt_norm *norm = &kernel->node->norm;
    float *diff_weight = rt_parameter_gradients(kernel->parameters, norm->weight);
    float *diff_bias = rt_parameter_gradients(kernel->parameters, norm->bias);
    const double samples = (double)b->rows.count;
    if (!b->link.products_by_reader)
        rt_norm_products(&b->rows, &b->link.lanes, b->link.relu, io->src[0], io->diff_dst[0], b->sum, b->dot,
                         io->scratch);
    for (size_t c = 0; c < b->rows.channels; ++c) {
        double variance = b->variance[c] + norm->epsilon;
        diff_bias[c] = (float)b->sum[c];
        diff_weight[c] = (float)(b->dot[c] / sqrt(variance));
        for (size_t i = c; i < b->rows.lanes && kernel->mode == RT_MODE_TRAIN; i += b->rows.channels) {
            b->common[i] = (float)(b->sum[c] / samples);
            b->slope[i] = (float)(b->dot[c] / variance / samples);
        }
    }
    if (io->diff_src[0])
        rt_norm_apply_backward(&b->rows, &b->link.lanes, b->link.relu, io->src[0], io->diff_dst[0], io->diff_src[0]);
    return RT_OK;
}

static void done(rt_kernel *kernel)
{
    struct batch_norm *b = kernel->state;
    if (!b)
        return;
    free(b->lanes);
    free(b->channels);
    free(b);
    kernel->state = NULL;
}

const rt_kernel_class rt_kernel_batch_norm = {
    .name = "retort",
    .plan = plan,
    .forward = forward,
    .backward = backward,
    .done = done,
};
