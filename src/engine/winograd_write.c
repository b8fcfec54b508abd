/* Winograd's last stage: frequencies to outputs, with what else happens to outputs on their way to memory. Compiled for
 * several instruction sets. */
#include <math.h>

#include "engine/winograd_code.h"
#include "engine/winograd_tiles.h"

/* A^T m, a column at a time. */
RT_INLINE void transform_columns(const float *cell, rt_vector half[OUTPUTS][SIDE])
{
#pragma GCC unroll 9
    for (size_t j = 0; j < SIDE; ++j) {
        rt_vector m[SIDE];
#pragma GCC unroll 9
        for (size_t i = 0; i < SIDE; ++i)
            m[i] = rt_load(cell + (i * SIDE + j) * RT_LANES);
        transform_outputs(&half[0][j], SIDE, m);
        RT_STORED(half);
    }
}

/* What a writing needs for one vector of channels. */
typedef struct writer {
    float *values;
    const float *residual, *norm_source;
    rt_vector bias, ceiling, about, scale, shift; /* `about`: pivots of moments, means of products */
    bool rectify, limit;
    rt_vector sum, second;
} writer;

RT_INLINE writer writer_at(const rt_winograd_target *dst, rt_winograd_writing writing, size_t channel, size_t lanes,
                           bool whole, const float *pivots)
{
    writer w = {.values = dst->values,
                .residual = dst->residual,
                .norm_source = dst->norm_source,
                .rectify = dst->ceiling > 0.0f,
                .limit = dst->ceiling < INFINITY};
    if (dst->bias)
        w.bias = load_lanes(dst->bias + channel, lanes, whole);
    w.ceiling = rt_broadcast(dst->ceiling);
    if (writing == RT_WRITE_MOMENTS)
        w.about = rt_load(pivots + channel);
    if (writing == RT_WRITE_PRODUCTS) {
        w.about = load_lanes(dst->norm.mean + channel, lanes, whole);
        w.scale = load_lanes(dst->norm.scale + channel, lanes, whole);
        w.shift = load_lanes(dst->norm.shift + channel, lanes, whole);
    }
    return w;
}

RT_INLINE rt_vector write_pixel(const rt_winograd_target *dst, rt_winograd_writing writing, writer *w, rt_vector y,
                                size_t offset, size_t lanes, bool whole)
{
    y += w->bias;
    if (w->residual)
        y += load_lanes(w->residual + offset, lanes, whole);
    if (writing == RT_WRITE_MOMENTS) {
        const rt_vector off = y - w->about;
        w->sum += off;
        w->second = rt_multiply_add(off, off, w->second);
    } else if (writing == RT_WRITE_PRODUCTS) {
        const rt_vector off = load_lanes(w->norm_source + offset, lanes, whole) - w->about;
        if (dst->norm_relu)
            y = rt_where_positive(y, off * w->scale + w->shift);
        w->sum += y;
        w->second = rt_multiply_add(y, off, w->second);
    } else if (w->rectify) {
        y = rt_rectify(y);
        if (w->limit)
            y = rt_at_most(y, w->ceiling);
    }
    return y;
}

/* One tile's outputs of one vector of channels, from frequencies to memory. `sums` are the block's: two sums, and the
 * pivots of moments. */
RT_INLINE void write_tile(const rt_winograd *shape, const rt_winograd_target *dst, rt_winograd_writing writing, tile at,
                          size_t channel, bool full, bool whole, const float *cell, float *sums, size_t sums_stride)
{
    const size_t channels = shape->outputs, lanes = channels - channel;
    const size_t rows = full || shape->dst_height - at.row > OUTPUTS ? OUTPUTS : shape->dst_height - at.row;
    const size_t columns = full || shape->dst_width - at.column > OUTPUTS ? OUTPUTS : shape->dst_width - at.column;
    rt_vector half[OUTPUTS][SIDE];
    transform_columns(cell, half);
    RT_LOAD_AGAIN();
    writer w = writer_at(dst, writing, channel, lanes, whole, sums + 2 * sums_stride);
    size_t offset = first_output_of(shape, at) * channels + channel;
#pragma GCC unroll 1
    for (size_t i = 0; i < rows; ++i, offset += shape->dst_width * channels) {
        rt_vector out[OUTPUTS];
        transform_outputs(out, 1, half[i]);
#pragma GCC unroll 8
        for (size_t j = 0; j < OUTPUTS; ++j) {
            if (j >= columns)
                break;
            const size_t pixel = offset + j * channels;
            const rt_vector y = write_pixel(dst, writing, &w, out[j], pixel, lanes, whole);
            if (whole)
                rt_store(w.values + pixel, y);
            else
                rt_store_part(w.values + pixel, y, lanes);
        }
    }
    if (writing != RT_WRITE_PLAIN) {
        rt_store(sums + channel, rt_load(sums + channel) + w.sum);
        rt_store(sums + sums_stride + channel, rt_load(sums + sums_stride + channel) + w.second);
    }
}

#define WRITE_TILES(writing)                                                                                           \
    static void write_tiles_##writing(const rt_winograd *shape, const rt_winograd_target *dst, rt_winograd_part part,  \
                                      const float *cell, float *sums)                                                  \
    {                                                                                                                  \
        const size_t channels = shape->outputs, stride = vectors_of(channels) * RT_LANES;                              \
        tile at = tile_at(shape, part.first_tile);                                                                     \
        for (size_t t = part.first_tile; t < part.last_tile; ++t, at = next_tile(shape, at)) {                         \
            const bool full = at.row + OUTPUTS <= shape->dst_height && at.column + OUTPUTS <= shape->dst_width;        \
            for (size_t c = part.first_output; c < part.last_output; c += RT_LANES, cell += CELL) {                    \
                if (c + RT_LANES > channels)                                                                           \
                    write_tile(shape, dst, writing, at, c, false, false, cell, sums, stride);                          \
                else if (full)                                                                                         \
                    write_tile(shape, dst, writing, at, c, true, true, cell, sums, stride);                            \
                else                                                                                                   \
                    write_tile(shape, dst, writing, at, c, false, true, cell, sums, stride);                           \
            }                                                                                                          \
        }                                                                                                              \
    }
WRITE_TILES(RT_WRITE_PLAIN)
WRITE_TILES(RT_WRITE_MOMENTS)
WRITE_TILES(RT_WRITE_PRODUCTS)

/* Float32 sums of y^2 would cancel; they are taken about a value that the channel has, and corrected in float64. */
static void take_pivots(const rt_winograd *shape, const rt_winograd_target *dst, rt_winograd_part part,
                        const float *cells, float *pivots)
{
    const tile at = tile_at(shape, part.first_tile);
    part.last_tile = part.first_tile + 1;
    write_tiles_RT_WRITE_PLAIN(shape, dst, part, cells, NULL);
    memcpy(pivots + part.first_output, dst->values + first_output_of(shape, at) * shape->outputs + part.first_output,
           (part.last_output - part.first_output) * sizeof *pivots);
}

static void write_moments(const rt_winograd *shape, const rt_winograd_target *dst, rt_winograd_part part,
                          const float *cells, float *block_sums, double *sums)
{
    const float *sum = block_sums, *square = sum + vectors_of(shape->outputs) * RT_LANES;
    float *pivot = block_sums + 2 * vectors_of(shape->outputs) * RT_LANES;
    double pixels = 0.0;
    take_pivots(shape, dst, part, cells, pivot);
    write_tiles_RT_WRITE_MOMENTS(shape, dst, part, cells, block_sums);
    for (size_t t = part.first_tile; t < part.last_tile; ++t)
        pixels += (double)tile_pixels(shape, tile_at(shape, t));
    for (size_t k = part.first_output; k < part.last_output; ++k) {
        const double about = (double)pivot[k];
        sums[k] += (double)sum[k] + pixels * about;
        sums[shape->outputs + k] += (double)square[k] + about * (2.0 * (double)sum[k] + pixels * about);
    }
}

size_t RT_OF_FORM(rt_winograd_write_floats_)(const rt_winograd *shape)
{
    return 3 * vectors_of(shape->outputs) * RT_LANES;
}

void RT_OF_FORM(rt_winograd_write_)(const rt_winograd *shape, const rt_winograd_target *dst, rt_winograd_part part,
                                    const float *cells, float *block_sums, double *sums)
{
    const size_t stride = vectors_of(shape->outputs) * RT_LANES;
    if (dst->writing == RT_WRITE_PLAIN) {
        write_tiles_RT_WRITE_PLAIN(shape, dst, part, cells, NULL);
        return;
    }
    memset(block_sums, 0, 2 * stride * sizeof *block_sums);
    if (dst->writing == RT_WRITE_MOMENTS) {
        write_moments(shape, dst, part, cells, block_sums, sums);
        return;
    }
    write_tiles_RT_WRITE_PRODUCTS(shape, dst, part, cells, block_sums);
    for (size_t s = 0; s < 2; ++s)
        for (size_t k = part.first_output; k < part.last_output; ++k)
            sums[s * shape->outputs + k] += (double)block_sums[s * stride + k];
}
