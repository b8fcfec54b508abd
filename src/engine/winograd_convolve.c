/* Winograd's forward block: source tiles to frequencies, one matrix product a frequency, frequencies to outputs. The
 * data gradient is the same on turned weights. Compiled for several instruction sets. */
#include "engine/winograd_code.h"
#include "engine/winograd_multiply.h"
#include "engine/winograd_tiles.h"

/* Weights lie as [36][panel][inputs][vectors of the panel]: two vectors a panel, and one in the last if the number of
 * vectors is odd. */
size_t RT_OF_LANES(rt_winograd_weights_floats_)(size_t inputs, size_t outputs)
{
    return RT_WINOGRAD_FREQUENCIES * inputs * whole_vectors(outputs);
}

/* Products of one panel for all tiles: whole register tiles, then what is left. */
#define MULTIPLY_PANEL(vectors)                                                                                        \
    static void multiply_panel_##vectors(size_t tiles, const float *source, size_t source_stride, const float *panel,  \
                                         size_t inputs, float *product, size_t product_stride)                         \
    {                                                                                                                  \
        for (; tiles >= ROWS; tiles -= ROWS, source += ROWS * source_stride, product += ROWS * product_stride)         \
            multiply_tile(ROWS, vectors, false, source, source_stride, 1, panel, vectors *RT_LANES, inputs, product,   \
                          product_stride);                                                                             \
        switch (tiles) {                                                                                               \
            FOR_EACH_ROW_COUNT(REST_##vectors)                                                                         \
        }                                                                                                              \
    }
#define REST(n, vectors)                                                                                               \
    case n:                                                                                                            \
        multiply_tile(n, vectors, false, source, source_stride, 1, panel, vectors *RT_LANES, inputs, product,          \
                      product_stride);                                                                                 \
        return;
#define REST_1(n) REST(n, 1)
#define REST_2(n) REST(n, 2)
MULTIPLY_PANEL(1)
MULTIPLY_PANEL(2)

/* product [tiles, outputs] = source [tiles, inputs] times weights, for one frequency. */
static void multiply_frequency(size_t tiles, size_t inputs, size_t source_stride, size_t outputs, const float *source,
                               const float *weights, float *product)
{
    size_t k = 0;
    for (; k + 2 * RT_LANES <= outputs; k += 2 * RT_LANES)
        multiply_panel_2(tiles, source, source_stride, weights + k * inputs, inputs, product + k, outputs);
    if (k < outputs)
        multiply_panel_1(tiles, source, source_stride, weights + k * inputs, inputs, product + k, outputs);
}

#define READ_TILES(reading)                                                                                            \
    static void read_tiles_##reading(const rt_winograd *shape, const rt_winograd_source *src, size_t first,            \
                                     size_t count, float *planes, size_t plane)                                        \
    {                                                                                                                  \
        const size_t channels = shape->inputs, stride = whole_vectors(channels);                                       \
        for (size_t t = 0; t < count; ++t) {                                                                           \
            const tile at = tile_at(shape, first + t);                                                                 \
            const bool inside = tile_inside(shape, at);                                                                \
            for (size_t c = 0; c < channels; c += RT_LANES) {                                                          \
                const bool whole = c + RT_LANES <= channels;                                                           \
                float *to = planes + t * stride + c;                                                                   \
                const reader r = whole ? reader_at(src, reading, c, RT_LANES, true)                                    \
                                       : reader_at(src, reading, c, channels - c, false);                              \
                if (!whole)                                                                                            \
                    read_source_tile(shape, channels, at, &r, reading, false, false, to, plane);                       \
                else if (inside)                                                                                       \
                    read_source_tile(shape, channels, at, &r, reading, true, true, to, plane);                         \
                else                                                                                                   \
                    read_source_tile(shape, channels, at, &r, reading, false, true, to, plane);                        \
            }                                                                                                          \
        }                                                                                                              \
    }
READ_TILES(RT_READ_PLAIN)
READ_TILES(RT_READ_NORM)
READ_TILES(RT_READ_NORM_RELU)
READ_TILES(RT_READ_NORM_BACKWARD)

void RT_OF_LANES(rt_winograd_read_)(const rt_winograd *shape, const rt_winograd_source *src, size_t first, size_t count,
                                    float *planes, size_t plane)
{
    switch (src->reading) {
    case RT_READ_NORM:
        read_tiles_RT_READ_NORM(shape, src, first, count, planes, plane);
        return;
    case RT_READ_NORM_RELU:
        read_tiles_RT_READ_NORM_RELU(shape, src, first, count, planes, plane);
        return;
    case RT_READ_NORM_BACKWARD:
        read_tiles_RT_READ_NORM_BACKWARD(shape, src, first, count, planes, plane);
        return;
    default:
        read_tiles_RT_READ_PLAIN(shape, src, first, count, planes, plane);
    }
}

/* One tile's outputs of one vector of channels, from frequencies to memory. `sums` are the
 * block's: two sums, and the pivots of moments. */
RT_INLINE void write_tile(const rt_winograd *shape, const rt_winograd_target *dst, rt_winograd_writing writing, tile at,
                          size_t channel, bool whole, const float *planes, size_t plane, float *sums,
                          size_t sums_stride)
{
    const size_t channels = shape->outputs, lanes = channels - channel;
    const size_t rows = shape->height - at.row, columns = shape->width - at.column;
    const size_t corner = (at.first_pixel + at.row * shape->width + at.column) * channels + channel;
    rt_vector half[4][6];
#pragma GCC unroll 6
    for (size_t j = 0; j < 6; ++j) {
        rt_vector m[6];
#pragma GCC unroll 6
        for (size_t i = 0; i < 6; ++i)
            m[i] = rt_load(planes + (i * 6 + j) * plane);
        transform_outputs(&half[0][j], 6, m);
    }
    const rt_vector zero = {0};
    const rt_vector bias = dst->bias ? load_lanes(dst->bias + channel, lanes, whole) : zero;
    const rt_vector ceiling = rt_broadcast(dst->ceiling);
    rt_vector pivot = zero, scale = zero, shift = zero, sum = zero, second = zero;
    if (writing == RT_WRITE_MOMENTS)
        pivot = rt_load(sums + 2 * sums_stride + channel);
    if (writing == RT_WRITE_PRODUCTS) {
        pivot = load_lanes(dst->norm.mean + channel, lanes, whole);
        scale = load_lanes(dst->norm.scale + channel, lanes, whole);
        shift = load_lanes(dst->norm.shift + channel, lanes, whole);
    }
#pragma GCC unroll 4
    for (size_t i = 0; i < 4; ++i) {
        if (i >= rows)
            break;
        rt_vector out[4];
        transform_outputs(out, 1, half[i]);
#pragma GCC unroll 4
        for (size_t j = 0; j < 4; ++j) {
            if (j >= columns)
                break;
            const size_t offset = corner + (i * shape->width + j) * channels;
            rt_vector y = out[j] + bias;
            if (dst->residual)
                y += load_lanes(dst->residual + offset, lanes, whole);
            if (writing == RT_WRITE_MOMENTS) {
                const rt_vector off = y - pivot;
                sum += off;
                second = rt_multiply_add(off, off, second);
            } else if (writing == RT_WRITE_PRODUCTS) {
                const rt_vector off = load_lanes(dst->norm_source + offset, lanes, whole) - pivot;
                if (dst->norm_relu)
                    y = rt_where_positive(y, off * scale + shift);
                sum += y;
                second = rt_multiply_add(y, off, second);
            } else if (dst->ceiling > 0.0f) {
                y = rt_at_most(rt_rectify(y), ceiling);
            }
            if (whole)
                rt_store(dst->values + offset, y);
            else
                rt_store_part(dst->values + offset, y, lanes);
        }
    }
    if (writing != RT_WRITE_PLAIN) {
        rt_store(sums + channel, rt_load(sums + channel) + sum);
        rt_store(sums + sums_stride + channel, rt_load(sums + sums_stride + channel) + second);
    }
}

#define WRITE_TILES(writing)                                                                                           \
    static void write_tiles_##writing(const rt_winograd *shape, const rt_winograd_target *dst, size_t first,           \
                                      size_t count, const float *planes, size_t plane, float *sums)                    \
    {                                                                                                                  \
        const size_t channels = shape->outputs, stride = whole_vectors(channels);                                      \
        for (size_t t = 0; t < count; ++t) {                                                                           \
            const tile at = tile_at(shape, first + t);                                                                 \
            for (size_t c = 0; c < channels; c += RT_LANES) {                                                          \
                if (c + RT_LANES <= channels)                                                                          \
                    write_tile(shape, dst, writing, at, c, true, planes + t * stride + c, plane, sums, stride);        \
                else                                                                                                   \
                    write_tile(shape, dst, writing, at, c, false, planes + t * stride + c, plane, sums, stride);       \
            }                                                                                                          \
        }                                                                                                              \
    }
WRITE_TILES(RT_WRITE_PLAIN)
WRITE_TILES(RT_WRITE_MOMENTS)
WRITE_TILES(RT_WRITE_PRODUCTS)

/* Float32 sums of y and y^2 would cancel; they are taken about a value that the channel has, and corrected in float64.
 */
static void take_pivots(const rt_winograd *shape, const rt_winograd_target *dst, size_t first, const float *planes,
                        size_t plane, float *pivots)
{
    const tile at = tile_at(shape, first);
    write_tiles_RT_WRITE_PLAIN(shape, dst, first, 1, planes, plane, NULL);
    memcpy(pivots, dst->values + (at.first_pixel + at.row * shape->width + at.column) * shape->outputs,
           shape->outputs * sizeof *pivots);
}

static void write_tiles(const rt_winograd *shape, const rt_winograd_target *dst, size_t first, size_t count,
                        const float *planes, size_t plane, float *block_sums, double *sums)
{
    const size_t stride = whole_vectors(shape->outputs);
    if (dst->writing == RT_WRITE_PLAIN) {
        write_tiles_RT_WRITE_PLAIN(shape, dst, first, count, planes, plane, NULL);
        return;
    }
    memset(block_sums, 0, 2 * stride * sizeof *block_sums);
    if (dst->writing == RT_WRITE_MOMENTS) {
        take_pivots(shape, dst, first, planes, plane, block_sums + 2 * stride);
        write_tiles_RT_WRITE_MOMENTS(shape, dst, first, count, planes, plane, block_sums);
        double pixels = 0.0;
        for (size_t t = 0; t < count; ++t)
            pixels += (double)tile_pixels(shape, tile_at(shape, first + t));
        for (size_t k = 0; k < shape->outputs; ++k) {
            const double pivot = (double)block_sums[2 * stride + k];
            const double sum = (double)block_sums[k], square = (double)block_sums[stride + k];
            sums[k] += sum + pixels * pivot;
            sums[shape->outputs + k] += square + pivot * (2.0 * sum + pixels * pivot);
        }
        return;
    }
    write_tiles_RT_WRITE_PRODUCTS(shape, dst, first, count, planes, plane, block_sums);
    for (size_t s = 0; s < 2; ++s)
        for (size_t k = 0; k < shape->outputs; ++k)
            sums[s * shape->outputs + k] += (double)block_sums[s * stride + k];
}

size_t RT_OF_LANES(rt_winograd_convolve_floats_)(const rt_winograd *shape)
{
    const size_t inputs = whole_vectors(shape->inputs), outputs = whole_vectors(shape->outputs);
    return RT_WINOGRAD_FREQUENCIES * (plane_floats(shape->block, inputs) + plane_floats(shape->block, outputs)) +
           3 * outputs;
}

void RT_OF_LANES(rt_winograd_convolve_)(const rt_winograd *shape, const rt_winograd_source *src,
                                        const float *transformed, const rt_winograd_target *dst, size_t first,
                                        size_t last, float *scratch, double *sums)
{
    const size_t inputs = whole_vectors(shape->inputs), outputs = whole_vectors(shape->outputs);
    const size_t source_plane = plane_floats(shape->block, inputs), product_plane = plane_floats(shape->block, outputs);
    float *sources = scratch, *products = sources + RT_WINOGRAD_FREQUENCIES * source_plane;
    float *block_sums = products + RT_WINOGRAD_FREQUENCIES * product_plane;
    for (size_t start = first; start < last; start += shape->block) {
        const size_t count = last - start < shape->block ? last - start : shape->block;
        RT_OF_LANES(rt_winograd_read_)(shape, src, start, count, sources, source_plane);
        for (size_t f = 0; f < RT_WINOGRAD_FREQUENCIES; ++f)
            multiply_frequency(count, shape->inputs, inputs, outputs, sources + f * source_plane,
                               transformed + f * shape->inputs * outputs, products + f * product_plane);
        write_tiles(shape, dst, start, count, products, product_plane, block_sums, sums);
    }
}
