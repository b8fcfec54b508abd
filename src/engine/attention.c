/* Attention of every token to every token (Vaswani et al. 2017, arXiv:1706.03762, section 3.2), for heads of `width`
 * channels each: softmax(Q K^T / sqrt(width)) V. The source has queries, keys and values side by side, [token, 3, head,
 * channel], as the transformers' one linear layer `qkv` makes them.
 *
 * Products are oneDNN's, on matrices of one head of one image that are gathered first, so that they are dense. With
 * P = softmax(S) and S = Q K^T / sqrt(width), backward is
 *
 *     dV = P^T dO,  dP = dO V^T,  dS = P (dP - rowsum(P dP)),  dQ = dS K / sqrt(width),  dK = dS^T Q / sqrt(width),
 *
 * which takes the same three products. The factor is multiplied into Q as it is gathered. */
#include <math.h>
#include <stdlib.h>

#include "base/vector.h"
#include "engine/onednn.h"
#include "retort/exponential.h"

/* Of [matrices, tokens, width] and [matrices, tokens, tokens], dense. */
struct attention {
    size_t matrices, tokens, width, heads;
    size_t narrow, square; /* floats of these two */
    rt_primitive against;  /* narrow times a transposed narrow: square */
    rt_primitive weigh;    /* square times narrow: narrow */
    rt_primitive collect;  /* transposed square times narrow: narrow */
};

enum product_side { NARROW, NARROW_TRANSPOSED, SQUARE, SQUARE_TRANSPOSED };

static rt_status layout(rt_kernel *kernel, enum product_side side, dnnl_memory_desc_t *made, rt_error *err)
{
    const struct attention *a = kernel->state;
    const dnnl_dim_t matrices = (dnnl_dim_t)a->matrices, tokens = (dnnl_dim_t)a->tokens, width = (dnnl_dim_t)a->width;
    const bool square = side == SQUARE || side == SQUARE_TRANSPOSED;
    const bool transposed = side == NARROW_TRANSPOSED || side == SQUARE_TRANSPOSED;
    const dnnl_dim_t sizes[3] = {matrices, transposed && !square ? width : tokens,
                                 square || transposed ? tokens : width};
    return rt_onednn_layout(kernel, 3, sizes, transposed ? dnnl_acb : dnnl_abc, made, err);
}

static rt_status plan_product(rt_kernel *kernel, dnnl_primitive_attr_t attributes, const enum product_side sides[3],
                              rt_primitive *product, rt_error *err)
{
    static const int arguments[3] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST};
    dnnl_memory_desc_t layouts[3] = {0};
    rt_status status = RT_OK;
    for (int i = 0; status == RT_OK && i < 3; ++i)
        status = layout(kernel, sides[i], &layouts[i], err);
    if (status == RT_OK)
        status = rt_onednn_check(kernel,
                                 dnnl_matmul_primitive_desc_create(&product->descriptor, kernel->engine->engine,
                                                                   layouts[0], layouts[1], NULL, layouts[2],
                                                                   attributes),
                                 "multiply matrices", err);
    if (status == RT_OK)
        status = rt_primitive_create(kernel, product, err);
    for (int i = 0; status == RT_OK && i < 3; ++i)
        status = rt_primitive_argument(kernel, product, arguments[i], layouts[i], err);
    for (int i = 0; i < 3; ++i)
        rt_onednn_layout_done(&layouts[i]);
    return status;
}

static rt_status plan_products(rt_kernel *kernel, rt_error *err)
{
    struct attention *a = kernel->state;
    dnnl_primitive_attr_t attributes = NULL;
    rt_status status = rt_onednn_attributes(kernel, &attributes, err);
    if (status == RT_OK)
        status = plan_product(kernel, attributes, (enum product_side[]){NARROW, NARROW_TRANSPOSED, SQUARE},
                              &a->against, err);
    if (status == RT_OK)
        status = plan_product(kernel, attributes, (enum product_side[]){SQUARE, NARROW, NARROW}, &a->weigh, err);
    if (status == RT_OK && kernel->mode != RT_MODE_FROZEN)
        status = plan_product(kernel, attributes, (enum product_side[]){SQUARE_TRANSPOSED, NARROW, NARROW},
                              &a->collect, err);
    dnnl_primitive_attr_destroy(attributes);
    return status;
}

static size_t aligned(size_t floats)
{
    return (floats + 15) / 16 * 16;
}

static rt_status plan(rt_kernel *kernel, rt_error *err)
{
    struct attention *a = kernel->state = calloc(1, sizeof *a);
    if (!a)
        return rt_fail(err, RT_ERROR_MEMORY, "attention '%s': no memory", kernel->node->name);
    a->heads = kernel->node->heads;
    a->matrices = kernel->batch * a->heads;
    a->tokens = kernel->node->shape.height * kernel->node->shape.width;
    a->width = kernel->node->shape.channels / a->heads;
    a->narrow = aligned(a->matrices * a->tokens * a->width);
    a->square = aligned(a->matrices * a->tokens * a->tokens);
    RT_TRY(plan_products(kernel, err));
    /* Behind the scratchpad: queries, keys, values, and the output or one gradient; probabilities or their gradient. */
    kernel->scratch_bytes = (kernel->scratch_bytes + 63) / 64 * 64 + (4 * a->narrow + a->square) * sizeof(float);
    if (kernel->mode != RT_MODE_FROZEN) {
        kernel->keeps_src = true;
        kernel->workspace_bytes = a->square * sizeof(float);
    }
    kernel->implementation[0] = a->against.implementation;
    kernel->implementation[1] = a->collect.implementation;
    return RT_OK;
}

/* Between [image, token, parts, head, channel], of which one part is meant, and [image, head, token, channel]. */
static void gather(const struct attention *a, const float *from, size_t part, size_t parts, float factor, float *to)
{
#pragma omp parallel for schedule(static)
    for (size_t m = 0; m < a->matrices; ++m)
        for (size_t t = 0; t < a->tokens; ++t) {
            const size_t n = m / a->heads, h = m % a->heads;
            const float *source = from + (((n * a->tokens + t) * parts + part) * a->heads + h) * a->width;
            float *target = to + (m * a->tokens + t) * a->width;
            for (size_t c = 0; c < a->width; ++c)
                target[c] = factor * source[c];
        }
}

static void scatter(const struct attention *a, const float *from, size_t part, size_t parts, float factor, float *to)
{
#pragma omp parallel for schedule(static)
    for (size_t m = 0; m < a->matrices; ++m)
        for (size_t t = 0; t < a->tokens; ++t) {
            const size_t n = m / a->heads, h = m % a->heads;
            const float *source = from + (m * a->tokens + t) * a->width;
            float *target = to + (((n * a->tokens + t) * parts + part) * a->heads + h) * a->width;
            for (size_t c = 0; c < a->width; ++c)
                target[c] = factor * source[c];
        }
}

static rt_status multiply(rt_kernel *kernel, rt_primitive *product, const float *x, const float *y, float *to,
                          void *scratch, rt_error *err)
{
    rt_primitive_point(product, DNNL_ARG_SRC, x);
    rt_primitive_point(product, DNNL_ARG_WEIGHTS, y);
    rt_primitive_point(product, DNNL_ARG_DST, to);
    return rt_primitive_run(kernel, product, scratch, err);
}

/* A row of scores becomes probabilities. A NaN comes through. */
RT_WIDE static void soften(float *row, size_t count)
{
    float largest = row[0];
    for (size_t i = 1; i < count; ++i)
        largest = row[i] > largest ? row[i] : largest;
#pragma omp simd
    for (size_t i = 0; i < count; ++i)
        row[i] = (float)rt_exp((double)row[i] - (double)largest);
    double sum = 0.0;
    for (size_t i = 0; i < count; ++i)
        sum += (double)row[i];
    const float factor = (float)(1.0 / sum);
#pragma omp simd
    for (size_t i = 0; i < count; ++i)
        row[i] *= factor;
}

/* A row of gradients of probabilities becomes one of scores. */
RT_WIDE static void soften_backward(const float *restrict p, float *restrict row, size_t count)
{
    double sum = 0.0;
    for (size_t i = 0; i < count; ++i)
        sum += (double)p[i] * (double)row[i];
#pragma omp simd
    for (size_t i = 0; i < count; ++i)
        row[i] = (float)((double)p[i] * ((double)row[i] - sum));
}

/* Places in the scratch memory. */
struct parts {
    void *pad;
    float *queries, *keys, *values, *other, *square;
};

static struct parts place(const rt_kernel *kernel, void *scratch)
{
    const struct attention *a = kernel->state;
    float *own = (float *)(void *)((char *)scratch + kernel->scratch_bytes) - 4 * a->narrow - a->square;
    return (struct parts){scratch, own, own + a->narrow, own + 2 * a->narrow, own + 3 * a->narrow, own + 4 * a->narrow};
}

static void gather_source(const rt_kernel *kernel, const float *src, const struct parts *at)
{
    const struct attention *a = kernel->state;
    gather(a, src, 0, 3, (float)(1.0 / sqrt((double)a->width)), at->queries);
    gather(a, src, 1, 3, 1.0f, at->keys);
    gather(a, src, 2, 3, 1.0f, at->values);
}

static rt_status forward(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    struct attention *a = kernel->state;
    const struct parts at = place(kernel, io->scratch);
    float *p = kernel->mode == RT_MODE_FROZEN ? at.square : io->workspace;
    gather_source(kernel, io->src[0], &at);
    RT_TRY(multiply(kernel, &a->against, at.queries, at.keys, p, at.pad, err));
#pragma omp parallel for schedule(static)
    for (size_t row = 0; row < a->matrices * a->tokens; ++row)
        soften(p + row * a->tokens, a->tokens);
    RT_TRY(multiply(kernel, &a->weigh, p, at.values, at.other, at.pad, err));
    scatter(a, at.other, 0, 1, 1.0f, io->dst);
    return RT_OK;
}

static rt_status backward(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    struct attention *a = kernel->state;
    const struct parts at = place(kernel, io->scratch);
    const float *p = io->workspace;
    float *diff = io->diff_src[0];
    if (!diff)
        return RT_OK;
    gather_source(kernel, io->src[0], &at);
    gather(a, io->diff_dst[0], 0, 1, 1.0f, at.other);
    RT_TRY(multiply(kernel, &a->against, at.other, at.values, at.square, at.pad, err));
    RT_TRY(multiply(kernel, &a->collect, p, at.other, at.values, at.pad, err));
    scatter(a, at.values, 2, 3, 1.0f, diff);
#pragma omp parallel for schedule(static)
    for (size_t row = 0; row < a->matrices * a->tokens; ++row)
        soften_backward(p + row * a->tokens, at.square + row * a->tokens, a->tokens);
    RT_TRY(multiply(kernel, &a->weigh, at.square, at.keys, at.other, at.pad, err));
    scatter(a, at.other, 0, 3, (float)(1.0 / sqrt((double)a->width)), diff);
    RT_TRY(multiply(kernel, &a->collect, at.square, at.queries, at.other, at.pad, err));
    scatter(a, at.other, 1, 3, 1.0f, diff); /* the queries have the factor */
    return RT_OK;
}

static void done(rt_kernel *kernel)
{
    struct attention *a = kernel->state;
    if (!a)
        return;
    rt_primitive_done(&a->against);
    rt_primitive_done(&a->weigh);
    rt_primitive_done(&a->collect);
    free(a);
    kernel->state = NULL;
}

const rt_kernel_class rt_kernel_attention = {
    .name = "oneDNN", .plan = plan, .forward = forward, .backward = backward, .done = done};
