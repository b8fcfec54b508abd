/* ReLU, ReLU6 and residual addition, in plain loops that the compiler vectorises. They are bound by memory, so each
 * direction is one pass: addition and its ReLU together, and backward sums its readers' contributions as it masks. The
 * mask is read off the output (dst > 0). */
#include "base/vector.h"
#include "engine/kernel.h"

/* A span that fits the first cache; spans are dealt to threads in order. */
enum { SPAN = 4096 };

static size_t span_end(size_t start, size_t total)
{
    return start + SPAN < total ? start + SPAN : total;
}

static rt_status plan_relu(rt_kernel *kernel, rt_error *err)
{
    (void)err;
    kernel->keeps_dst = kernel->mode != RT_MODE_FROZEN;
    kernel->sums_diff_dst = true;
    kernel->implementation[0] = kernel->implementation[1] = "retort";
    return RT_OK;
}

/* Comparisons this way round let a NaN through, as PyTorch does. */
RT_WIDE static void rectify_span(float *dst, const float *src, float ceiling, size_t start, size_t end)
{
#pragma omp simd
    for (size_t i = start; i < end; ++i) {
        float value = src[i] < 0.0f ? 0.0f : src[i];
        dst[i] = value > ceiling ? ceiling : value;
    }
}

static rt_status forward_relu(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    (void)err;
    size_t total = rt_kernel_elements(kernel);
    const float ceiling = kernel->node->kind == RT_NODE_RELU6 ? 6.0f : __builtin_inff();
#pragma omp parallel for schedule(static)
    for (size_t start = 0; start < total; start += SPAN)
        rectify_span(io->dst, io->src[0], ceiling, start, span_end(start, total));
    return RT_OK;
}

/* diff_src = (sum of contributions) where 0 < dst < ceiling, for one span. */
RT_WIDE static void mask_span(const rt_kernel_io *io, float *diff_src, const float *dst, float ceiling, size_t start,
                              size_t end)
{
    const float *first = io->diff_dst[0], *second = io->diff_dst[1];
    if (io->diff_dst_count == 1) {
#pragma omp simd
        for (size_t i = start; i < end; ++i)
            diff_src[i] = ((dst[i] > 0.0f) & (dst[i] < ceiling)) ? first[i] : 0.0f;
        return;
    }
#pragma omp simd
    for (size_t i = start; i < end; ++i) {
        float sum = first[i] + second[i];
        diff_src[i] = ((dst[i] > 0.0f) & (dst[i] < ceiling)) ? sum : 0.0f;
    }
    for (size_t k = 2; k < io->diff_dst_count; ++k) {
        const float *more = io->diff_dst[k];
#pragma omp simd
        for (size_t i = start; i < end; ++i) {
            float sum = diff_src[i] + more[i];
            diff_src[i] = ((dst[i] > 0.0f) & (dst[i] < ceiling)) ? sum : 0.0f;
        }
    }
}

static void mask(const rt_kernel_io *io, float *diff_src, const float *dst, float ceiling, size_t total)
{
#pragma omp parallel for schedule(static)
    for (size_t start = 0; start < total; start += SPAN)
        mask_span(io, diff_src, dst, ceiling, start, span_end(start, total));
}

static rt_status backward_relu(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    (void)err;
    if (io->diff_src[0])
        mask(io, io->diff_src[0], io->dst, kernel->node->kind == RT_NODE_RELU6 ? 6.0f : __builtin_inff(),
             rt_kernel_elements(kernel));
    return RT_OK;
}

const rt_kernel_class rt_kernel_relu = {
    .name = "retort",
    .plan = plan_relu,
    .forward = forward_relu,
    .backward = backward_relu,
};

static rt_status plan_add(rt_kernel *kernel, rt_error *err)
{
    (void)err;
    kernel->keeps_dst = kernel->mode != RT_MODE_FROZEN && kernel->node->activation == RT_ACTIVATION_RELU;
    kernel->sums_diff_dst = true;
    kernel->shares_diff_src = true;
    kernel->implementation[0] = kernel->implementation[1] = "retort";
    return RT_OK;
}

RT_WIDE static void add_span(float *dst, const float *a, const float *b, bool rectify, size_t start, size_t end)
{
    if (rectify) {
#pragma omp simd
        for (size_t i = start; i < end; ++i) {
            float value = a[i] + b[i];
            dst[i] = value < 0.0f ? 0.0f : value;
        }
    } else {
#pragma omp simd
        for (size_t i = start; i < end; ++i)
            dst[i] = a[i] + b[i];
    }
}

static rt_status forward_add(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    (void)err;
    size_t total = rt_kernel_elements(kernel);
    bool rectify = kernel->node->activation == RT_ACTIVATION_RELU;
#pragma omp parallel for schedule(static)
    for (size_t start = 0; start < total; start += SPAN)
        add_span(io->dst, io->src[0], io->src[1], rectify, start, span_end(start, total));
    return RT_OK;
}

static void sum(const rt_kernel_io *io, float *diff_src, size_t total)
{
#pragma omp parallel for schedule(static)
    for (size_t start = 0; start < total; start += SPAN) {
        size_t end = span_end(start, total);
        for (size_t i = start; i < end; ++i)
            diff_src[i] = io->diff_dst[0][i];
        for (size_t k = 1; k < io->diff_dst_count; ++k)
            for (size_t i = start; i < end; ++i)
                diff_src[i] += io->diff_dst[k][i];
    }
}

static rt_status backward_add(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    (void)err;
    if (!io->diff_src[0])
        return RT_OK;
    if (kernel->node->activation == RT_ACTIVATION_RELU)
        mask(io, io->diff_src[0], io->dst, __builtin_inff(), rt_kernel_elements(kernel));
    else
        sum(io, io->diff_src[0], rt_kernel_elements(kernel));
    return RT_OK;
}

const rt_kernel_class rt_kernel_add = {
    .name = "retort",
    .plan = plan_add,
    .forward = forward_add,
    .backward = backward_add,
};
