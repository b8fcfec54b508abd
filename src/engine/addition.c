/* Residual addition and the ReLU behind it, in one pass each way, on chunks that stay in the first cache. Where the
 * batch norm of a source is left to us, it is applied on the way, and in backward its products are summed while the
 * gradient is at hand (norm_link.h). The ReLU's mask is read off the output (dst > 0). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/vector.h"
#include "engine/elementwise.h"

enum { SOURCES = 2, BUFFER = 4096 /* floats of a source behind a norm */ };

struct addition {
    rt_norm_rows rows;
    size_t norm_bytes; /* of one norm's scratch */
};

static rt_status plan(rt_kernel *kernel, rt_error *err)
{
    struct addition *a = kernel->state = calloc(1, sizeof *a);
    if (!a)
        return rt_fail(err, RT_ERROR_MEMORY, "addition '%s': no memory", kernel->node->name);
    const rt_extent e = kernel->node->shape;
    a->rows = rt_norm_rows_of(kernel->batch * e.height * e.width, e.channels);
    a->norm_bytes = (rt_norm_scratch_bytes(&a->rows) + 63) / 64 * 64;
    kernel->scratch_bytes = SOURCES * a->norm_bytes;
    kernel->keeps_dst = kernel->mode != RT_MODE_FROZEN && kernel->node->activation == RT_ACTIVATION_RELU;
    kernel->sums_diff_dst = true;
    kernel->shares_diff_src = true;
    kernel->reads_norms = a->rows.lanes <= BUFFER ? 1u << 0 | 1u << 1 : 0;
    kernel->gives_products = true;
    kernel->implementation[0] = kernel->implementation[1] = "retort";
    return RT_OK;
}

RT_WIDE static void add(float *dst, const float *a, const float *b, bool rectify, size_t count)
{
    if (rectify) {
#pragma omp simd
        for (size_t i = 0; i < count; ++i) {
            float value = a[i] + b[i];
            dst[i] = value < 0.0f ? 0.0f : value;
        }
    } else {
#pragma omp simd
        for (size_t i = 0; i < count; ++i)
            dst[i] = a[i] + b[i];
    }
}

/* The part of a source, in place or, behind a norm, in `buffer`. */
static const float *source_part(const rt_kernel *kernel, const rt_kernel_io *io, size_t s, const rt_norm_part *part,
                                float *buffer)
{
    const rt_norm_link *norm = kernel->source_norms[s];
    const float *x = io->src[s] + part->start;
    if (!norm)
        return x;
    rt_norm_apply_part(part, &norm->lanes, norm->relu, x, buffer);
    return buffer;
}

static void add_part(const rt_kernel *kernel, const rt_kernel_io *io, rt_norm_part part)
{
    float buffer[SOURCES][BUFFER];
    const bool rectify = kernel->node->activation == RT_ACTIVATION_RELU;
    const bool direct = !kernel->source_norms[0] && !kernel->source_norms[1];
    const size_t steps = direct ? part.steps : BUFFER / part.width;
    for (size_t left = part.steps; left > 0; left -= part.steps) {
        part.steps = left < steps ? left : steps;
        add(io->dst + part.start, source_part(kernel, io, 0, &part, buffer[0]),
            source_part(kernel, io, 1, &part, buffer[1]), rectify, part.steps * part.width);
        part.start += part.steps * part.width;
    }
}

static rt_status forward(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    (void)err;
    const struct addition *a = kernel->state;
#pragma omp parallel for schedule(static)
    for (size_t chunk = 0; chunk < a->rows.chunks; ++chunk) {
        rt_norm_part parts[2];
        const size_t count = rt_norm_parts(&a->rows, chunk, parts);
        for (size_t p = 0; p < count; ++p)
            add_part(kernel, io, parts[p]);
    }
    return RT_OK;
}

static void sum_span(const rt_kernel_io *io, float *diff_src, size_t start, size_t end)
{
    for (size_t i = start; i < end; ++i)
        diff_src[i] = io->diff_dst[0][i];
    for (size_t k = 1; k < io->diff_dst_count; ++k)
        for (size_t i = start; i < end; ++i)
            diff_src[i] += io->diff_dst[k][i];
}

/* The source's norm if its products are ours to sum. */
static rt_norm_link *norm_of(const rt_kernel *kernel, size_t s)
{
    rt_norm_link *norm = kernel->source_norms[s];
    return norm && norm->products_by_reader ? norm : NULL;
}

static void backward_block(const rt_kernel *kernel, const rt_kernel_io *io, size_t block)
{
    const struct addition *a = kernel->state;
    float *diff_src = io->diff_src[0];
    for (size_t s = 0; s < SOURCES; ++s)
        if (norm_of(kernel, s))
            rt_norm_begin_products(&a->rows, block, (char *)io->scratch + s * a->norm_bytes);
    const size_t end_chunk = rt_norm_first_chunk(&a->rows, block + 1);
    for (size_t chunk = rt_norm_first_chunk(&a->rows, block); chunk < end_chunk; ++chunk) {
        rt_norm_part parts[2];
        const size_t count = rt_norm_parts(&a->rows, chunk, parts);
        for (size_t p = 0; p < count; ++p) {
            const size_t start = parts[p].start, end = start + parts[p].steps * parts[p].width;
            if (kernel->node->activation == RT_ACTIVATION_RELU)
                rt_mask_span(io, diff_src, io->dst, INFINITY, start, end);
            else
                sum_span(io, diff_src, start, end);
            for (size_t s = 0; s < SOURCES; ++s)
                if (norm_of(kernel, s))
                    rt_norm_add_products(&a->rows, &norm_of(kernel, s)->lanes, norm_of(kernel, s)->relu, &parts[p],
                                         io->src[s] + start, diff_src + start, block,
                                         (char *)io->scratch + s * a->norm_bytes);
        }
    }
}

static rt_status backward(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    (void)err;
    const struct addition *a = kernel->state;
    if (!io->diff_src[0])
        return RT_OK;
#pragma omp parallel for schedule(static)
    for (size_t block = 0; block < a->rows.blocks; ++block)
        backward_block(kernel, io, block);
    for (size_t s = 0; s < SOURCES; ++s) {
        rt_norm_link *norm = norm_of(kernel, s);
        if (norm)
            rt_norm_join_products(&a->rows, norm->sum, norm->dot, (char *)io->scratch + s * a->norm_bytes);
    }
    return RT_OK;
}

static void done(rt_kernel *kernel)
{
    free(kernel->state);
    kernel->state = NULL;
}

const rt_kernel_class rt_kernel_add = {
    .name = "retort",
    .plan = plan,
    .forward = forward,
    .backward = backward,
    .done = done,
};
