/* What a vision transformer does to the pixels of its patches: a learnt token goes before them, and each place gets its
 * learnt vector added. Gradients of both are sums over the batch, in its order. */
#include <string.h>

#include "engine/kernel.h"

static rt_status plan(rt_kernel *kernel, rt_error *err)
{
    (void)err;
    kernel->implementation[0] = kernel->implementation[1] = kernel->implementation[2] = "retort";
    return RT_OK;
}

static rt_status forward(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    (void)err;
    const rt_node *node = kernel->node;
    const size_t channels = node->shape.channels, each = node->shape.width * channels, patches = each - channels;
    const float *token = rt_parameter_values(kernel->parameters, node->weight);
    const float *places = rt_parameter_values(kernel->parameters, node->bias);
#pragma omp parallel for schedule(static)
    for (size_t n = 0; n < kernel->batch; ++n) {
        const float *src = io->src[0] + n * patches;
        float *dst = io->dst + n * each;
        for (size_t c = 0; c < channels; ++c)
            dst[c] = token[c] + places[c];
        for (size_t i = 0; i < patches; ++i)
            dst[channels + i] = src[i] + places[channels + i];
    }
    return RT_OK;
}

static rt_status backward(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    (void)err;
    const rt_node *node = kernel->node;
    const size_t channels = node->shape.channels, each = node->shape.width * channels, patches = each - channels;
    float *places = rt_parameter_gradients(kernel->parameters, node->bias);
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < each; ++i) {
        double sum = 0.0;
        for (size_t n = 0; n < kernel->batch; ++n)
            sum += (double)io->diff_dst[0][n * each + i];
        places[i] = (float)sum;
    }
    memcpy(rt_parameter_gradients(kernel->parameters, node->weight), places, channels * sizeof *places);
    for (size_t n = 0; io->diff_src[0] && n < kernel->batch; ++n)
        memcpy(io->diff_src[0] + n * patches, io->diff_dst[0] + n * each + channels, patches * sizeof(float));
    return RT_OK;
}

const rt_kernel_class rt_kernel_tokens = {.name = "retort", .plan = plan, .forward = forward, .backward = backward};
