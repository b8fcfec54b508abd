/* Smooth activations and their like, one value from one: sigmoid, SiLU, GELU, hard sigmoid, hard swish. Each is computed
 * in double and rounded once, in loops that the compiler vectorises; backward computes the slope from the source again.
 *
 * GELU is x Phi(x), Phi being the normal distribution. With the upper tail Q(a) = exp(-a^2 / 2) M(a), a = |x|, M is
 * smooth: a polynomial of degree 14 in 1 / (1 + 0.3 a), fitted at Chebyshev's points, leaves a relative error of 3e-10.
 * The same exponential serves the slope, Phi(x) + x phi(x). */
#include "base/vector.h"
#include "engine/kernel.h"
#include "retort/exponential.h"

RT_WIDE_INLINE double sigmoid(double x)
{
    return 1.0 / (1.0 + rt_exp(-x));
}

RT_WIDE_INLINE double sigmoid_slope(double x)
{
    const double s = sigmoid(x);
    return s * (1.0 - s);
}

RT_WIDE_INLINE double silu(double x)
{
    return x * sigmoid(x);
}

RT_WIDE_INLINE double silu_slope(double x)
{
    const double s = sigmoid(x);
    return s * (1.0 + x * (1.0 - s));
}

/* Comparisons this way round let a NaN through. */
RT_WIDE_INLINE double hard_sigmoid(double x)
{
    double t = x + 3.0;
    t = t < 0.0 ? 0.0 : t;
    t = t > 6.0 ? 6.0 : t;
    return t / 6.0;
}

RT_WIDE_INLINE double hard_sigmoid_slope(double x)
{
    return ((x > -3.0) & (x < 3.0)) ? 1.0 / 6.0 : 0.0;
}

RT_WIDE_INLINE double hard_swish(double x)
{
    return x * hard_sigmoid(x);
}

RT_WIDE_INLINE double hard_swish_slope(double x)
{
    double slope = x / 3.0 + 0.5;
    slope = x < -3.0 ? 0.0 : slope;
    return x > 3.0 ? 1.0 : slope;
}

/* Phi(x), and exp(-x^2 / 2) for the slope. */
RT_WIDE_INLINE double normal(double x, double *bell)
{
    static const double tail[] = {
        0x1.2b047c1d53552p-40,  0x1.ea3863c35bdf5p-4, 0x1.ea386b8c1f28fp-4,  0x1.be192b8be66d0p-4, 0x1.65dd14bc6059ep-4,
        0x1.db87aad246c97p-5,   0x1.9e154997800c9p-6, 0x1.2e889a7d441cap-7,  -0x1.adda83331304ap-5, 0x1.8d128b9847f54p-4,
        -0x1.bcf8afb4c288ep-3,  0x1.1654161dc84fdp-2, -0x1.728b050bd8555p-3, 0x1.01509e8ae417ap-4, -0x1.2a0111b65d258p-7};
    enum { TERMS = sizeof tail / sizeof *tail };
    const double a = fabs(x), t = 1.0 / (1.0 + 0.3 * a);
    double m = tail[TERMS - 1];
    for (int k = TERMS - 2; k >= 0; --k)
        m = m * t + tail[k];
    *bell = rt_exp(-0.5 * a * a);
    const double q = *bell * m;
    return x > 0.0 ? 1.0 - q : q;
}

RT_WIDE_INLINE double gelu(double x)
{
    double bell;
    return x * normal(x, &bell);
}

RT_WIDE_INLINE double gelu_slope(double x)
{
    double bell;
    const double phi = normal(x, &bell);
    return phi + x * bell * 0x1.9884533d43651p-2; /* 1 / sqrt(2 pi) */
}

#define CURVE(name)                                                                                                    \
    RT_WIDE static void name##_forward(const float *restrict src, float *restrict dst, size_t count)                  \
    {                                                                                                                  \
        _Pragma("omp simd") for (size_t i = 0; i < count; ++i) dst[i] = (float)name((double)src[i]);                  \
    }                                                                                                                  \
    RT_WIDE static void name##_backward(const float *restrict src, const float *restrict diff_dst,                    \
                                        float *restrict diff_src, size_t count)                                       \
    {                                                                                                                  \
        _Pragma("omp simd") for (size_t i = 0; i < count; ++i) diff_src[i] =                                           \
            (float)((double)diff_dst[i] * name##_slope((double)src[i]));                                               \
    }

CURVE(sigmoid)
CURVE(silu)
CURVE(gelu)
CURVE(hard_sigmoid)
CURVE(hard_swish)

static const struct curve {
    void (*forward)(const float *src, float *dst, size_t count);
    void (*backward)(const float *src, const float *diff_dst, float *diff_src, size_t count);
} curves[RT_NODE_KINDS] = {
    [RT_NODE_SIGMOID] = {sigmoid_forward, sigmoid_backward},
    [RT_NODE_SILU] = {silu_forward, silu_backward},
    [RT_NODE_GELU] = {gelu_forward, gelu_backward},
    [RT_NODE_HARD_SIGMOID] = {hard_sigmoid_forward, hard_sigmoid_backward},
    [RT_NODE_HARD_SWISH] = {hard_swish_forward, hard_swish_backward},
};

/* A span that fits the first cache; spans are dealt to threads in order. */
enum { SPAN = 2048 };

static size_t span(size_t start, size_t total)
{
    return total - start < SPAN ? total - start : SPAN;
}

static rt_status plan(rt_kernel *kernel, rt_error *err)
{
    (void)err;
    kernel->keeps_src = kernel->mode != RT_MODE_FROZEN;
    kernel->implementation[0] = kernel->implementation[1] = "retort";
    return RT_OK;
}

static rt_status forward(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    (void)err;
    const struct curve *curve = &curves[kernel->node->kind];
    const size_t total = rt_kernel_elements(kernel);
#pragma omp parallel for schedule(static)
    for (size_t start = 0; start < total; start += SPAN)
        curve->forward(io->src[0] + start, io->dst + start, span(start, total));
    return RT_OK;
}

static rt_status backward(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    (void)err;
    const struct curve *curve = &curves[kernel->node->kind];
    const size_t total = rt_kernel_elements(kernel);
    if (!io->diff_src[0])
        return RT_OK;
#pragma omp parallel for schedule(static)
    for (size_t start = 0; start < total; start += SPAN)
        curve->backward(io->src[0] + start, io->diff_dst[0] + start, io->diff_src[0] + start, span(start, total));
    return RT_OK;
}

const rt_kernel_class rt_kernel_curve = {.name = "retort", .plan = plan, .forward = forward, .backward = backward};
