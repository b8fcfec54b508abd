/* ReLU and ReLU6, in plain loops that the compiler vectorises. They are bound by memory, so backward sums its readers'
 * contributions as it masks. The mask is read off the output (0 < dst < ceiling). */
#include "engine/elementwise.h"

#include "base/vector.h"

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

RT_WIDE void rt_mask_span(const rt_kernel_io *io, float *diff_src, const float *dst, float ceiling, size_t start,
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
        rt_mask_span(io, diff_src, dst, ceiling, start, span_end(start, total));
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
