/* Another height and width: an output pixel i of `to` is the mean of the input pixels that it overlaps, which are
 * floor(i from / to) to ceil((i + 1) from / to) - 1, in either direction. */
#include "engine/kernel.h"

/* A run of pixels along one side. */
struct range {
    size_t first, end;
};

/* The input pixels of output pixel i. */
static struct range overlapped(size_t i, size_t from, size_t to)
{
    return (struct range){i * from / to, ((i + 1) * from + to - 1) / to};
}

/* The output pixels that input pixel j is part of: the same with the sides changed. */
static struct range overlapping(size_t j, size_t from, size_t to)
{
    return overlapped(j, to, from);
}

static rt_status plan(rt_kernel *kernel, rt_error *err)
{
    (void)err;
    kernel->implementation[0] = kernel->implementation[1] = "retort";
    return RT_OK;
}

static void add(float *restrict sum, const float *restrict values, size_t channels, float factor)
{
#pragma omp simd
    for (size_t c = 0; c < channels; ++c)
        sum[c] += factor * values[c];
}

static rt_status forward(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    (void)err;
    const rt_extent from = rt_kernel_source(kernel, 0), to = kernel->node->shape;
    const size_t channels = to.channels;
#pragma omp parallel for schedule(static)
    for (size_t row = 0; row < kernel->batch * to.height; ++row) {
        const struct range tall = overlapped(row % to.height, from.height, to.height);
        const float *src = io->src[0] + row / to.height * from.height * from.width * channels;
        for (size_t column = 0; column < to.width; ++column) {
            const struct range wide = overlapped(column, from.width, to.width);
            float *dst = io->dst + (row * to.width + column) * channels;
            const float share = 1.0f / (float)((tall.end - tall.first) * (wide.end - wide.first));
            for (size_t c = 0; c < channels; ++c)
                dst[c] = 0.0f;
            for (size_t y = tall.first; y < tall.end; ++y)
                for (size_t x = wide.first; x < wide.end; ++x)
                    add(dst, src + (y * from.width + x) * channels, channels, share);
        }
    }
    return RT_OK;
}

static rt_status backward(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    (void)err;
    const rt_extent from = rt_kernel_source(kernel, 0), to = kernel->node->shape;
    const size_t channels = to.channels;
    if (!io->diff_src[0])
        return RT_OK;
#pragma omp parallel for schedule(static)
    for (size_t row = 0; row < kernel->batch * from.height; ++row) {
        const struct range tall = overlapping(row % from.height, from.height, to.height);
        const float *diff_dst = io->diff_dst[0] + row / from.height * to.height * to.width * channels;
        for (size_t column = 0; column < from.width; ++column) {
            const struct range wide = overlapping(column, from.width, to.width);
            float *diff_src = io->diff_src[0] + (row * from.width + column) * channels;
            for (size_t c = 0; c < channels; ++c)
                diff_src[c] = 0.0f;
            for (size_t y = tall.first; y < tall.end; ++y)
                for (size_t x = wide.first; x < wide.end; ++x) {
                    const struct range high = overlapped(y, from.height, to.height);
                    const struct range broad = overlapped(x, from.width, to.width);
                    const size_t pixels = (high.end - high.first) * (broad.end - broad.first);
                    add(diff_src, diff_dst + (y * to.width + x) * channels, channels, 1.0f / (float)pixels);
                }
        }
    }
    return RT_OK;
}

const rt_kernel_class rt_kernel_resize = {.name = "retort", .plan = plan, .forward = forward, .backward = backward};
