/* The mean over all pixels of each channel. */
#include "base/vector.h"
#include "engine/kernel.h"

enum { CHANNELS = 64 /* summed at the same time */, SMALL = 256 /* pixels */ };

static rt_status plan(rt_kernel *kernel, rt_error *err)
{
    (void)err;
    kernel->implementation[0] = kernel->implementation[1] = "retort";
    return RT_OK;
}

/* Means of some channels. Floats are enough for the small maps that networks end with; those that squeeze and excitation
 * reads may have more than ten thousand pixels, and sums in double. */
RT_WIDE static void average(const float *src, size_t area, size_t stride, size_t channels, float *dst)
{
    float sums[CHANNELS] = {0};
    for (size_t p = 0; p < area; ++p)
#pragma omp simd
        for (size_t c = 0; c < channels; ++c)
            sums[c] += src[p * stride + c];
    for (size_t c = 0; c < channels; ++c)
        dst[c] = sums[c] * (1.0f / (float)area);
}

RT_WIDE static void average_many(const float *src, size_t area, size_t stride, size_t channels, float *dst)
{
    double sums[CHANNELS] = {0};
    for (size_t p = 0; p < area; ++p)
#pragma omp simd
        for (size_t c = 0; c < channels; ++c)
            sums[c] += (double)src[p * stride + c];
    for (size_t c = 0; c < channels; ++c)
        dst[c] = (float)(sums[c] / (double)area);
}

static rt_status forward(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    (void)err;
    const rt_extent e = rt_kernel_source(kernel, 0);
    const size_t area = e.height * e.width;
#pragma omp parallel for collapse(2) schedule(static)
    for (size_t n = 0; n < kernel->batch; ++n)
        for (size_t c = 0; c < e.channels; c += CHANNELS)
            (area <= SMALL ? average : average_many)(io->src[0] + n * area * e.channels + c, area, e.channels,
                                                     e.channels - c < CHANNELS ? e.channels - c : CHANNELS,
                                                     io->dst + n * e.channels + c);
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
