/* Winograd's weight gradient: tiles of the source and of diff_dst to frequencies, and for each frequency the product of
 * the two, summed over tiles. Compiled for several instruction sets. */
#include "engine/winograd_code.h"
#include "engine/winograd_multiply.h"
#include "engine/winograd_tiles.h"

/* A y A^T of one tile and one vector of channels. Outputs beyond the map have no gradient. */
RT_INLINE void read_gradient_tile(const rt_winograd *shape, size_t channels, tile at, const reader *r,
                                  rt_winograd_reading reading, bool whole, float *planes, size_t plane)
{
    const size_t rows = shape->height - at.row, columns = shape->width - at.column;
    const size_t corner = (at.first_pixel + at.row * shape->width + at.column) * channels;
    rt_vector half[6][4];
#pragma GCC unroll 4
    for (size_t j = 0; j < 4; ++j) {
        rt_vector y[4];
#pragma GCC unroll 4
        for (size_t i = 0; i < 4; ++i) {
            if (i < rows && j < columns)
                y[i] = read_pixel(r, reading, (ptrdiff_t)(corner + (i * shape->width + j) * channels), whole);
            else
                y[i] = (rt_vector){0};
        }
        transform_gradient(&half[0][j], 4, y);
    }
#pragma GCC unroll 6
    for (size_t i = 0; i < 6; ++i) {
        rt_vector out[6];
        transform_gradient(out, 1, half[i]);
#pragma GCC unroll 6
        for (size_t j = 0; j < 6; ++j)
            rt_store(planes + (i * 6 + j) * plane, out[j]);
    }
}

#define READ_GRADIENTS(reading)                                                                                        \
    static void read_gradients_##reading(const rt_winograd *shape, const rt_winograd_source *diff_dst,                 \
                                         rt_winograd_part part, size_t first, size_t count, float *planes,             \
                                         size_t plane)                                                                 \
    {                                                                                                                  \
        const size_t channels = shape->outputs, stride = whole_vectors(part.last_output - part.first_output);          \
        for (size_t t = 0; t < count; ++t) {                                                                           \
            const tile at = tile_at(shape, first + t);                                                                 \
            for (size_t k = part.first_output; k < part.last_output; k += RT_LANES) {                                  \
                float *to = planes + t * stride + k - part.first_output;                                               \
                if (k + RT_LANES <= channels) {                                                                        \
                    const reader r = reader_at(diff_dst, reading, k, RT_LANES, true);                                  \
                    read_gradient_tile(shape, channels, at, &r, reading, true, to, plane);                             \
                } else {                                                                                               \
                    const reader r = reader_at(diff_dst, reading, k, channels - k, false);                             \
                    read_gradient_tile(shape, channels, at, &r, reading, false, to, plane);                            \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }
READ_GRADIENTS(RT_READ_PLAIN)
READ_GRADIENTS(RT_READ_NORM_BACKWARD)

/* Adds the products of one or two vectors of outputs for all inputs: whole register tiles, then what is left. */
#define CORRELATE_PANEL(vectors)                                                                                       \
    static void correlate_panel_##vectors(size_t inputs, const float *source, size_t source_stride,                    \
                                          const float *gradient, size_t gradient_stride, size_t tiles, float *product, \
                                          size_t product_stride)                                                       \
    {                                                                                                                  \
        for (; inputs >= ROWS; inputs -= ROWS, source += ROWS, product += ROWS * product_stride)                       \
            multiply_tile(ROWS, vectors, true, source, 1, source_stride, gradient, gradient_stride, tiles, product,    \
                          product_stride);                                                                             \
        switch (inputs) {                                                                                              \
            FOR_EACH_ROW_COUNT(REST_##vectors)                                                                         \
        }                                                                                                              \
    }
#define REST(n, vectors)                                                                                               \
    case n:                                                                                                            \
        multiply_tile(n, vectors, true, source, 1, source_stride, gradient, gradient_stride, tiles, product,           \
                      product_stride);                                                                                 \
        return;
#define REST_1(n) REST(n, 1)
#define REST_2(n) REST(n, 2)
CORRELATE_PANEL(1)
CORRELATE_PANEL(2)

/* product [inputs, outputs] += source^T [inputs, tiles] gradient [tiles, outputs], for one frequency. */
static void correlate_frequency(size_t tiles, size_t inputs, size_t source_stride, size_t outputs, const float *source,
                                const float *gradient, float *product)
{
    size_t k = 0;
    for (; k + 2 * RT_LANES <= outputs; k += 2 * RT_LANES)
        correlate_panel_2(inputs, source, source_stride, gradient + k, outputs, tiles, product + k, outputs);
    if (k < outputs)
        correlate_panel_1(inputs, source, source_stride, gradient + k, outputs, tiles, product + k, outputs);
}

size_t RT_OF_LANES(rt_winograd_product_floats_)(size_t inputs, size_t outputs)
{
    return RT_WINOGRAD_FREQUENCIES * inputs * whole_vectors(outputs);
}

size_t RT_OF_LANES(rt_winograd_correlate_floats_)(const rt_winograd *shape)
{
    return RT_OF_LANES(rt_winograd_convolve_floats_)(shape);
}

/* Frequency (1, 1) of A y A^T, where the interpolation point is 1, is the sum of the tile's outputs. */
static void sum_gradients(size_t tiles, size_t outputs, size_t stride, const float *planes, size_t plane, double *sums)
{
    for (size_t t = 0; t < tiles; ++t)
        for (size_t k = 0; k < outputs; ++k)
            sums[k] += (double)planes[7 * plane + t * stride + k];
}

void RT_OF_LANES(rt_winograd_correlate_)(const rt_winograd *shape, const rt_winograd_source *src,
                                         const rt_winograd_source *diff_dst, rt_winograd_part part, float *scratch,
                                         float *product, double *sums)
{
    const size_t own = part.last_output - part.first_output;
    const size_t inputs = whole_vectors(shape->inputs), outputs = whole_vectors(own);
    const size_t source_plane = plane_floats(shape->block, inputs);
    const size_t gradient_plane = plane_floats(shape->block, outputs);
    float *sources = scratch, *gradients = sources + RT_WINOGRAD_FREQUENCIES * source_plane;
    memset(product, 0, RT_WINOGRAD_FREQUENCIES * shape->inputs * outputs * sizeof *product);
    for (size_t start = part.first_tile; start < part.last_tile; start += shape->block) {
        const size_t left = part.last_tile - start, count = left < shape->block ? left : shape->block;
        RT_OF_LANES(rt_winograd_read_)(shape, src, start, count, sources, source_plane);
        if (diff_dst->reading == RT_READ_NORM_BACKWARD)
            read_gradients_RT_READ_NORM_BACKWARD(shape, diff_dst, part, start, count, gradients, gradient_plane);
        else
            read_gradients_RT_READ_PLAIN(shape, diff_dst, part, start, count, gradients, gradient_plane);
        if (sums)
            sum_gradients(count, own, outputs, gradients, gradient_plane, sums + part.first_output);
        for (size_t f = 0; f < RT_WINOGRAD_FREQUENCIES; ++f)
            correlate_frequency(count, shape->inputs, inputs, outputs, sources + f * source_plane,
                                gradients + f * gradient_plane, product + f * shape->inputs * outputs);
    }
}
