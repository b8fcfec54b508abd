/* A map times one number for each image and channel, as squeeze-and-excitation has it. The numbers' gradient is a sum
 * over all pixels of an image, in double. */
#include <string.h>

#include "base/vector.h"
#include "engine/kernel.h"

static rt_status plan(rt_kernel *kernel, rt_error *err)
{
    (void)err;
    if (kernel->mode != RT_MODE_FROZEN) {
        kernel->keeps_src = true;
        kernel->scratch_bytes = kernel->batch * kernel->node->shape.channels * sizeof(double);
    }
    kernel->implementation[0] = kernel->implementation[1] = "retort";
    return RT_OK;
}

RT_WIDE static void multiply(const float *restrict x, const float *restrict factors, float *restrict to, size_t pixels,
                             size_t channels)
{
    for (size_t p = 0; p < pixels; ++p)
#pragma omp simd
        for (size_t c = 0; c < channels; ++c)
            to[p * channels + c] = x[p * channels + c] * factors[c];
}

/* sums[c] = sum over pixels of x g. */
RT_WIDE static void sum_products(const float *restrict x, const float *restrict g, double *restrict sums, size_t pixels,
                                 size_t channels)
{
    memset(sums, 0, channels * sizeof *sums);
    for (size_t p = 0; p < pixels; ++p)
#pragma omp simd
        for (size_t c = 0; c < channels; ++c)
            sums[c] += (double)x[p * channels + c] * (double)g[p * channels + c];
}

static rt_status forward(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    (void)err;
    const rt_extent e = kernel->node->shape;
    const size_t pixels = e.height * e.width, channels = e.channels;
#pragma omp parallel for schedule(static)
    for (size_t n = 0; n < kernel->batch; ++n)
        multiply(io->src[0] + n * pixels * channels, io->src[1] + n * channels, io->dst + n * pixels * channels, pixels,
                 channels);
    return RT_OK;
}

static rt_status backward(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    (void)err;
    const rt_extent e = kernel->node->shape;
    const size_t pixels = e.height * e.width, channels = e.channels;
    double *sums = io->scratch;
#pragma omp parallel for schedule(static)
    for (size_t n = 0; n < kernel->batch; ++n) {
        const float *g = io->diff_dst[0] + n * pixels * channels;
        if (io->diff_src[0])
            multiply(g, io->src[1] + n * channels, io->diff_src[0] + n * pixels * channels, pixels, channels);
        if (!io->diff_src[1])
            continue;
        sum_products(io->src[0] + n * pixels * channels, g, sums + n * channels, pixels, channels);
        for (size_t c = 0; c < channels; ++c)
            io->diff_src[1][n * channels + c] = (float)sums[n * channels + c];
    }
    return RT_OK;
}

const rt_kernel_class rt_kernel_scale = {.name = "retort", .plan = plan, .forward = forward, .backward = backward};
