/* The mean over all pixels of each channel. */
#include "engine/kernel.h"

static rt_status plan(rt_kernel *kernel, rt_error *err)
{
    (void)err;
    kernel->implementation[0] = kernel->implementation[1] = "retort";
    return RT_OK;
}

static rt_status forward(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    (void)err;
    const rt_extent e = rt_kernel_source(kernel, 0);
    size_t area = e.height * e.width;
    float scale = 1.0f / (float)area;
#pragma omp parallel for schedule(static)
    for (size_t n = 0; n < kernel->batch; ++n) {
        const float *src = io->src[0] + n * area * e.channels;
        float *dst = io->dst + n * e.channels;
        for (size_t c = 0; c < e.channels; ++c)
            dst[c] = 0.0f;
        for (size_t p = 0; p < area; ++p)
#pragma omp simd
            for (size_t c = 0; c < e.channels; ++c)
                dst[c] += src[p * e.channels + c];
        for (size_t c = 0; c < e.channels; ++c)
            dst[c] *= scale;
    }
    return RT_OK;
}

static rt_status backward(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    (void)err;
    const rt_extent e = rt_kernel_source(kernel, 0);
    size_t area = e.height * e.width;
    float scale = 1.0f / (float)area;
    if (!io->diff_src[0])
        return RT_OK;
#pragma omp parallel for schedule(static)
    for (size_t n = 0; n < kernel->batch; ++n) {
        const float *diff_dst = io->diff_dst[0] + n * e.channels;
        float *diff_src = io->diff_src[0] + n * area * e.channels;
        for (size_t p = 0; p < area; ++p)
#pragma omp simd
            for (size_t c = 0; c < e.channels; ++c)
                diff_src[p * e.channels + c] = scale * diff_dst[c];
    }
    return RT_OK;
}

const rt_kernel_class rt_kernel_global_average_pool = {
    .name = "retort", .plan = plan, .forward = forward, .backward = backward};
