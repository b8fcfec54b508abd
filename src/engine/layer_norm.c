/* Layer norm (Ba et al. 2016, arXiv:1607.06450): each pixel's channels are shifted and scaled to mean 0 and variance 1,
 * then to a learnt scale and shift of each channel. Sums are in double, over lanes of a fixed number, so that the bits
 * do not depend on how wide vectors are; gradients of scale and shift are summed over chunks of rows, which are joined
 * in order. */
#include <math.h>
#include <string.h>

#include "base/vector.h"
#include "engine/kernel.h"

enum { LANES = 8, MOST_CHUNKS = 64 };

typedef struct moments {
    double mean, scale; /* 1 / sqrt(variance + epsilon) */
} moments;

static size_t rows_of(const rt_kernel *kernel)
{
    return kernel->batch * kernel->node->shape.height * kernel->node->shape.width;
}

static size_t chunks_of(const rt_kernel *kernel)
{
    const size_t rows = rows_of(kernel);
    return rows < MOST_CHUNKS ? rows : MOST_CHUNKS;
}

static rt_status plan(rt_kernel *kernel, rt_error *err)
{
    (void)err;
    if (kernel->mode != RT_MODE_FROZEN) {
        kernel->keeps_src = true;
        kernel->workspace_bytes = rows_of(kernel) * sizeof(moments);
        kernel->scratch_bytes = chunks_of(kernel) * 2 * kernel->node->shape.channels * sizeof(double);
    }
    kernel->implementation[0] = kernel->implementation[1] = kernel->implementation[2] = "retort";
    return RT_OK;
}

RT_WIDE_INLINE double join(const double lanes[LANES])
{
    return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

/* Two passes: subtracting the mean first keeps the variance exact where it is small beside the mean. */
RT_WIDE static moments measure(const float *x, size_t channels, double epsilon)
{
    double sums[LANES] = {0}, squares[LANES] = {0};
    const size_t whole = channels / LANES * LANES;
    for (size_t c = 0; c < whole; c += LANES)
        for (size_t k = 0; k < LANES; ++k)
            sums[k] += (double)x[c + k];
    for (size_t c = whole; c < channels; ++c)
        sums[c - whole] += (double)x[c];
    const double mean = join(sums) / (double)channels;
    for (size_t c = 0; c < whole; c += LANES)
        for (size_t k = 0; k < LANES; ++k)
            squares[k] += ((double)x[c + k] - mean) * ((double)x[c + k] - mean);
    for (size_t c = whole; c < channels; ++c)
        squares[c - whole] += ((double)x[c] - mean) * ((double)x[c] - mean);
    return (moments){mean, 1.0 / sqrt(join(squares) / (double)channels + epsilon)};
}

RT_WIDE static void normalise(const float *restrict x, const moments m, const float *restrict weight,
                              const float *restrict bias, float *restrict to, size_t channels)
{
#pragma omp simd
    for (size_t c = 0; c < channels; ++c)
        to[c] = (float)(((double)x[c] - m.mean) * m.scale * (double)weight[c] + (double)bias[c]);
}

static rt_status forward(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    (void)err;
    const rt_node *node = kernel->node;
    const size_t channels = node->shape.channels, rows = rows_of(kernel);
    const float *weight = rt_parameter_values(kernel->parameters, node->norm.weight);
    const float *bias = rt_parameter_values(kernel->parameters, node->norm.bias);
    moments *kept = kernel->mode == RT_MODE_FROZEN ? NULL : io->workspace;
#pragma omp parallel for schedule(static)
    for (size_t r = 0; r < rows; ++r) {
        const float *x = io->src[0] + r * channels;
        const moments m = measure(x, channels, node->norm.epsilon);
        if (kept)
            kept[r] = m;
        normalise(x, m, weight, bias, io->dst + r * channels, channels);
    }
    return RT_OK;
}

/* With y = (x - mean) scale and h = g weight: diff = scale (h - mean(h) - y mean(h y)). */
RT_WIDE static void to_source(const float *restrict x, const moments m, const float *restrict weight,
                              const float *restrict g, float *restrict diff, size_t channels)
{
    double sums[LANES] = {0}, products[LANES] = {0};
    const size_t whole = channels / LANES * LANES;
    for (size_t c = 0; c < whole; c += LANES)
        for (size_t k = 0; k < LANES; ++k) {
            const double h = (double)g[c + k] * (double)weight[c + k];
            sums[k] += h;
            products[k] += h * (((double)x[c + k] - m.mean) * m.scale);
        }
    for (size_t c = whole; c < channels; ++c) {
        const double h = (double)g[c] * (double)weight[c];
        sums[c - whole] += h;
        products[c - whole] += h * (((double)x[c] - m.mean) * m.scale);
    }
    const double sum = join(sums) / (double)channels, product = join(products) / (double)channels;
#pragma omp simd
    for (size_t c = 0; c < channels; ++c) {
        const double h = (double)g[c] * (double)weight[c], y = ((double)x[c] - m.mean) * m.scale;
        diff[c] = (float)(m.scale * (h - sum - y * product));
    }
}

/* Adds one row to the gradients of scale and shift. */
RT_WIDE static void to_parameters(const float *restrict x, const moments m, const float *restrict g,
                                  double *restrict weight, double *restrict bias, size_t channels)
{
#pragma omp simd
    for (size_t c = 0; c < channels; ++c) {
        weight[c] += (double)g[c] * (((double)x[c] - m.mean) * m.scale);
        bias[c] += (double)g[c];
    }
}

static rt_status backward(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    (void)err;
    const rt_node *node = kernel->node;
    const size_t channels = node->shape.channels, rows = rows_of(kernel), chunks = chunks_of(kernel);
    const float *weight = rt_parameter_values(kernel->parameters, node->norm.weight);
    const moments *kept = io->workspace;
    double *partial = io->scratch; /* [chunks, 2, channels] */
#pragma omp parallel for schedule(static)
    for (size_t k = 0; k < chunks; ++k) {
        double *sums = partial + 2 * k * channels;
        memset(sums, 0, 2 * channels * sizeof *sums);
        for (size_t r = k * rows / chunks; r < (k + 1) * rows / chunks; ++r) {
            const float *x = io->src[0] + r * channels, *g = io->diff_dst[0] + r * channels;
            to_parameters(x, kept[r], g, sums, sums + channels, channels);
            if (io->diff_src[0])
                to_source(x, kept[r], weight, g, io->diff_src[0] + r * channels, channels);
        }
    }
    float *into[2] = {rt_parameter_gradients(kernel->parameters, node->norm.weight),
                      rt_parameter_gradients(kernel->parameters, node->norm.bias)};
    for (size_t part = 0; part < 2; ++part)
        for (size_t c = 0; c < channels; ++c) {
            double sum = 0.0;
            for (size_t k = 0; k < chunks; ++k)
                sum += partial[(2 * k + part) * channels + c];
            into[part][c] = (float)sum;
        }
    return RT_OK;
}

const rt_kernel_class rt_kernel_layer_norm = {.name = "retort", .plan = plan, .forward = forward, .backward = backward};
