#include "engine/bias_gradient.h"

#include <stdlib.h>

rt_status rt_bias_gradient_plan(rt_kernel *kernel, rt_bias_gradient *bias, rt_error *err)
{
    const rt_extent out = kernel->node->shape;
    if (kernel->node->bias < 0)
        return RT_OK;
    bias->rows = rt_norm_rows_of(kernel->batch * out.height * out.width, out.channels);
    bias->moments = calloc(2 * out.channels, sizeof *bias->moments);
    if (!bias->moments)
        return rt_fail(err, RT_ERROR_MEMORY, "%s '%s': no memory for the gradient of its bias",
                       rt_node_kind_name(kernel->node->kind), kernel->node->name);
    const size_t bytes = rt_norm_scratch_bytes(&bias->rows);
    if (bytes > kernel->scratch_bytes)
        kernel->scratch_bytes = bytes;
    return RT_OK;
}

void rt_bias_gradient_sum(const rt_kernel *kernel, const rt_bias_gradient *bias, const float *diff_dst, void *scratch)
{
    if (kernel->node->bias < 0)
        return;
    const size_t channels = kernel->node->shape.channels;
    float *gradient = rt_parameter_gradients(kernel->parameters, kernel->node->bias);
    double *mean = bias->moments, *variance = mean + channels;
    rt_norm_moments(&bias->rows, diff_dst, mean, variance, scratch);
    for (size_t k = 0; k < channels; ++k)
        gradient[k] = (float)(mean[k] * (double)bias->rows.count);
}

void rt_bias_gradient_done(rt_bias_gradient *bias)
{
    free(bias->moments);
    bias->moments = NULL;
}
