/* Winograd's last stage: frequencies to outputs, with what else happens to outputs on their way to memory. Compiled for
 * several instruction sets. */
#include "engine/winograd_code.h"
#include "engine/winograd_tiles.h"

/* One tile's outputs of one vector of channels, from frequencies to memory. `sums` are the
 * block's: two sums, and the pivots of moments. */
RT_INLINE void write_tile(const rt_winograd *shape, const rt_winograd_target *dst, rt_winograd_writing writing, tile at,
                          size_t channel, bool whole, const float *cell, float *sums, size_t sums_stride)
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
            m[i] = rt_load(cell + (i * 6 + j) * RT_LANES);
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
                                      size_t count, const float *cell, float *sums)                                    \
    {                                                                                                                  \
        const size_t channels = shape->outputs, stride = vectors_of(channels) * RT_LANES;                              \
        for (size_t t = 0; t < count; ++t) {                                                                           \
            const tile at = tile_at(shape, first + t);                                                                 \
            for (size_t c = 0; c < channels; c += RT_LANES, cell += CELL) {                                            \
                if (c + RT_LANES <= channels)                                                                          \
                    write_tile(shape, dst, writing, at, c, true, cell, sums, stride);                                  \
                else                                                                                                   \
                    write_tile(shape, dst, writing, at, c, false, cell, sums, stride);                                 \
            }                                                                                                          \
        }                                                                                                              \
    }
WRITE_TILES(RT_WRITE_PLAIN)
WRITE_TILES(RT_WRITE_MOMENTS)
WRITE_TILES(RT_WRITE_PRODUCTS)

/* Float32 sums of y^2 would cancel; they are taken about a value that the channel has, and corrected in float64. */
static void take_pivots(const rt_winograd *shape, const rt_winograd_target *dst, size_t first, const float *cells,
                        float *pivots)
{
    const tile at = tile_at(shape, first);
    write_tiles_RT_WRITE_PLAIN(shape, dst, first, 1, cells, NULL);
    memcpy(pivots, dst->values + (at.first_pixel + at.row * shape->width + at.column) * shape->outputs,
           shape->outputs * sizeof *pivots);
}

static void write_moments(const rt_winograd *shape, const rt_winograd_target *dst, size_t first, size_t count,
                          const float *cells, float *block_sums, double *sums)
{
    const float *sum = block_sums, *square = sum + vectors_of(shape->outputs) * RT_LANES;
    float *pivot = block_sums + 2 * vectors_of(shape->outputs) * RT_LANES;
    double pixels = 0.0;
    take_pivots(shape, dst, first, cells, pivot);
    write_tiles_RT_WRITE_MOMENTS(shape, dst, first, count, cells, block_sums);
    for (size_t t = 0; t < count; ++t)
        pixels += (double)tile_pixels(shape, tile_at(shape, first + t));
    for (size_t k = 0; k < shape->outputs; ++k) {
        const double about = (double)pivot[k];
        sums[k] += (double)sum[k] + pixels * about;
        sums[shape->outputs + k] += (double)square[k] + about * (2.0 * (double)sum[k] + pixels * about);
    }
}

size_t RT_OF_LANES(rt_winograd_write_floats_)(const rt_winograd *shape)
{
    return 3 * vectors_of(shape->outputs) * RT_LANES;
}

void RT_OF_LANES(rt_winograd_write_)(const rt_winograd *shape, const rt_winograd_target *dst, size_t first,
                                     size_t count, const float *cells, float *block_sums, double *sums)
{
    const size_t stride = vectors_of(shape->outputs) * RT_LANES;
    if (dst->writing == RT_WRITE_PLAIN) {
        write_tiles_RT_WRITE_PLAIN(shape, dst, first, count, cells, NULL);
        return;
    }
    memset(block_sums, 0, 2 * stride * sizeof *block_sums);
    if (dst->writing == RT_WRITE_MOMENTS) {
        write_moments(shape, dst, first, count, cells, block_sums, sums);
        return;
    }
    write_tiles_RT_WRITE_PRODUCTS(shape, dst, first, count, cells, block_sums);
    for (size_t s = 0; s < 2; ++s)
        for (size_t k = 0; k < shape->outputs; ++k)
            sums[s * shape->outputs + k] += (double)block_sums[s * stride + k];
}
