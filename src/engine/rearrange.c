/* Nodes that move numbers and compute nothing: flatten, concat, channel slice, channel shuffle, subsample. Each is a
 * map from the output's channels (and pixels) to the input's; backward reads the same map the other way. */
#include <string.h>

#include "engine/kernel.h"

static rt_status plan(rt_kernel *kernel, rt_error *err)
{
    (void)err;
    kernel->implementation[0] = kernel->implementation[1] = "retort";
    return RT_OK;
}

static size_t pixels(rt_extent extent)
{
    return extent.height * extent.width;
}

/* Flatten: [pixel, channel] becomes [channel, pixel], PyTorch's order. */
static rt_status forward_flatten(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    (void)err;
    const rt_extent e = rt_kernel_source(kernel, 0);
    size_t area = pixels(e), each = area * e.channels;
#pragma omp parallel for schedule(static)
    for (size_t n = 0; n < kernel->batch; ++n)
        for (size_t p = 0; p < area; ++p)
            for (size_t c = 0; c < e.channels; ++c)
                io->dst[n * each + c * area + p] = io->src[0][n * each + p * e.channels + c];
    return RT_OK;
}

static rt_status backward_flatten(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    (void)err;
    const rt_extent e = rt_kernel_source(kernel, 0);
    size_t area = pixels(e), each = area * e.channels;
    if (!io->diff_src[0])
        return RT_OK;
#pragma omp parallel for schedule(static)
    for (size_t n = 0; n < kernel->batch; ++n)
        for (size_t p = 0; p < area; ++p)
            for (size_t c = 0; c < e.channels; ++c)
                io->diff_src[0][n * each + p * e.channels + c] = io->diff_dst[0][n * each + c * area + p];
    return RT_OK;
}

const rt_kernel_class rt_kernel_flatten = {
    .name = "retort", .plan = plan, .forward = forward_flatten, .backward = backward_flatten};

static rt_status forward_concat(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    (void)err;
    size_t rows = kernel->batch * pixels(kernel->node->shape), width = kernel->node->shape.channels;
    size_t first = 0;
    for (size_t s = 0; s < kernel->node->source_count; ++s) {
        size_t channels = rt_kernel_source(kernel, s).channels;
#pragma omp parallel for schedule(static)
        for (size_t row = 0; row < rows; ++row)
            memcpy(io->dst + row * width + first, io->src[s] + row * channels, channels * sizeof(float));
        first += channels;
    }
    return RT_OK;
}

static rt_status backward_concat(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    (void)err;
    size_t rows = kernel->batch * pixels(kernel->node->shape), width = kernel->node->shape.channels;
    size_t first = 0;
    for (size_t s = 0; s < kernel->node->source_count; ++s) {
        size_t channels = rt_kernel_source(kernel, s).channels;
        if (io->diff_src[s]) {
#pragma omp parallel for schedule(static)
            for (size_t row = 0; row < rows; ++row)
                memcpy(io->diff_src[s] + row * channels, io->diff_dst[0] + row * width + first,
                       channels * sizeof(float));
        }
        first += channels;
    }
    return RT_OK;
}

const rt_kernel_class rt_kernel_concat = {
    .name = "retort", .plan = plan, .forward = forward_concat, .backward = backward_concat};

static rt_status forward_slice(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    (void)err;
    size_t rows = kernel->batch * pixels(kernel->node->shape), count = kernel->node->shape.channels;
    size_t width = rt_kernel_source(kernel, 0).channels, first = kernel->node->first_channel;
#pragma omp parallel for schedule(static)
    for (size_t row = 0; row < rows; ++row)
        memcpy(io->dst + row * count, io->src[0] + row * width + first, count * sizeof(float));
    return RT_OK;
}

static rt_status backward_slice(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    (void)err;
    size_t rows = kernel->batch * pixels(kernel->node->shape), count = kernel->node->shape.channels;
    size_t width = rt_kernel_source(kernel, 0).channels, first = kernel->node->first_channel;
    if (!io->diff_src[0])
        return RT_OK;
#pragma omp parallel for schedule(static)
    for (size_t row = 0; row < rows; ++row) {
        memset(io->diff_src[0] + row * width, 0, width * sizeof(float));
        memcpy(io->diff_src[0] + row * width + first, io->diff_dst[0] + row * count, count * sizeof(float));
    }
    return RT_OK;
}

const rt_kernel_class rt_kernel_channel_slice = {
    .name = "retort", .plan = plan, .forward = forward_slice, .backward = backward_slice};

/* Shuffle: channels seen as [groups, each] come out as [each, groups] (Zhang et al. 2018, arXiv:1707.01083, figure 1).
 */
static void shuffle(const rt_kernel *kernel, float *to, const float *from, bool forward)
{
    size_t rows = kernel->batch * pixels(kernel->node->shape), channels = kernel->node->shape.channels;
    size_t groups = kernel->node->shuffle_groups, each = channels / groups;
#pragma omp parallel for schedule(static)
    for (size_t row = 0; row < rows; ++row)
        for (size_t g = 0; g < groups; ++g)
            for (size_t i = 0; i < each; ++i) {
                size_t before = row * channels + g * each + i, after = row * channels + i * groups + g;
                if (forward)
                    to[after] = from[before];
                else
                    to[before] = from[after];
            }
}

static rt_status forward_shuffle(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    (void)err;
    shuffle(kernel, io->dst, io->src[0], true);
    return RT_OK;
}

static rt_status backward_shuffle(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    (void)err;
    if (io->diff_src[0])
        shuffle(kernel, io->diff_src[0], io->diff_dst[0], false);
    return RT_OK;
}

const rt_kernel_class rt_kernel_channel_shuffle = {
    .name = "retort", .plan = plan, .forward = forward_shuffle, .backward = backward_shuffle};

/* Subsample: the pixel at (stride y, stride x), with zero channels on both sides. */
static size_t source_row(const rt_kernel *kernel, size_t n, size_t y, size_t x)
{
    const rt_extent in = rt_kernel_source(kernel, 0);
    size_t stride = kernel->node->window.stride;
    return (n * in.height + y * stride) * in.width + x * stride;
}

static rt_status forward_subsample(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    (void)err;
    const rt_extent out = kernel->node->shape;
    size_t channels = rt_kernel_source(kernel, 0).channels, before = (out.channels - channels) / 2;
    memset(io->dst, 0, rt_kernel_elements(kernel) * sizeof(float));
#pragma omp parallel for schedule(static)
    for (size_t n = 0; n < kernel->batch; ++n)
        for (size_t y = 0; y < out.height; ++y)
            for (size_t x = 0; x < out.width; ++x)
                memcpy(io->dst + ((n * out.height + y) * out.width + x) * out.channels + before,
                       io->src[0] + source_row(kernel, n, y, x) * channels, channels * sizeof(float));
    return RT_OK;
}

static rt_status backward_subsample(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    (void)err;
    const rt_extent out = kernel->node->shape, in = rt_kernel_source(kernel, 0);
    size_t before = (out.channels - in.channels) / 2;
    if (!io->diff_src[0])
        return RT_OK;
    memset(io->diff_src[0], 0, kernel->batch * rt_extent_floats(in) * sizeof(float));
#pragma omp parallel for schedule(static)
    for (size_t n = 0; n < kernel->batch; ++n)
        for (size_t y = 0; y < out.height; ++y)
            for (size_t x = 0; x < out.width; ++x)
                memcpy(io->diff_src[0] + source_row(kernel, n, y, x) * in.channels,
                       io->diff_dst[0] + ((n * out.height + y) * out.width + x) * out.channels + before,
                       in.channels * sizeof(float));
    return RT_OK;
}

const rt_kernel_class rt_kernel_subsample = {
    .name = "retort", .plan = plan, .forward = forward_subsample, .backward = backward_subsample};
