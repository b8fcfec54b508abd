/* The tiles of one Winograd block: where they lie on the maps, and how they are read (winograd.h). For sources that are
 * compiled for each form and instruction set; a form's transforms and measures are in its RT_TRANSFORMS. */
#ifndef RETORT_ENGINE_WINOGRAD_TILES_H
#define RETORT_ENGINE_WINOGRAD_TILES_H

#include RT_TRANSFORMS

#include "engine/vectors.h"
#include "engine/winograd.h"

/* A tile of OUTPUTS x OUTPUTS outputs. */
typedef struct tile {
    size_t image;
    size_t row, column;         /* of its first output */
    size_t src_row, src_column; /* of the first pixel that it sees, and BEFORE pixels more */
} tile;

RT_INLINE tile tile_at(const rt_winograd *shape, size_t number)
{
    const size_t wide = (shape->dst_width + OUTPUTS - 1) / OUTPUTS, high = (shape->dst_height + OUTPUTS - 1) / OUTPUTS;
    const size_t within = number % (wide * high), down = within / wide, across = within % wide;
    return (tile){number / (wide * high), down * OUTPUTS, across * OUTPUTS, down * STEP, across * STEP};
}

RT_INLINE tile next_tile(const rt_winograd *shape, tile at)
{
    at.column += OUTPUTS;
    at.src_column += STEP;
    if (at.column < shape->dst_width)
        return at;
    at.column = at.src_column = 0;
    at.row += OUTPUTS;
    at.src_row += STEP;
    if (at.row < shape->dst_height)
        return at;
    at.row = at.src_row = 0;
    ++at.image;
    return at;
}

/* The tile's first output, in outputs of the batch. */
RT_INLINE size_t first_output_of(const rt_winograd *shape, tile at)
{
    return (at.image * shape->dst_height + at.row) * shape->dst_width + at.column;
}

/* A cell is what one tile and one vector of channels come to in the frequency domain: FREQUENCIES vectors side by side,
 * so that transforms write and read one run of memory. Padding to an odd number of vectors spreads cells over the
 * cache's sets. */
enum { FREQUENCIES = SIDE * SIDE, CELL = (FREQUENCIES + 1) / 2 * 2 * RT_LANES + RT_LANES };

/* Weights, and the sums of a weight gradient, in the frequency domain: so many values of a kernel, of which frequency f
 * has the one of plane_of(f). */
enum { PLANES = PLANE_SIDE * PLANE_SIDE };

RT_INLINE size_t vectors_of(size_t channels)
{
    return (channels + RT_LANES - 1) / RT_LANES;
}

/* One vector of channels of a source, at a pixel that exists. */
typedef struct reader {
    const float *values, *norm_source; /* at the tile's first pixel and the channels */
    rt_vector mean, scale, shift, common, slope;
    size_t lanes; /* channels left, if fewer than RT_LANES */
} reader;

RT_INLINE rt_vector load_lanes(const float *values, size_t lanes, bool whole)
{
    return whole ? rt_load(values) : rt_load_part(values, lanes);
}

RT_INLINE reader reader_at(const rt_winograd_source *src, rt_winograd_reading reading, size_t channel, size_t lanes,
                           bool whole)
{
    reader r = {.values = src->values + channel, .lanes = lanes};
    if (reading == RT_READ_PLAIN)
        return r;
    r.mean = load_lanes(src->norm.mean + channel, lanes, whole);
    r.scale = load_lanes(src->norm.scale + channel, lanes, whole);
    if (reading == RT_READ_NORM_BACKWARD) {
        r.norm_source = src->norm_source + channel;
        r.common = load_lanes(src->norm.common + channel, lanes, whole);
        r.slope = load_lanes(src->norm.slope + channel, lanes, whole);
    } else {
        r.shift = load_lanes(src->norm.shift + channel, lanes, whole);
    }
    return r;
}

/* The norm's operations are those of batch_norm_sums.c, one by one, so that masks agree to the bit. */
RT_INLINE rt_vector read_pixel(const reader *r, rt_winograd_reading reading, ptrdiff_t offset, bool whole)
{
    const rt_vector x = load_lanes(r->values + offset, r->lanes, whole);
    if (reading == RT_READ_PLAIN)
        return x;
    if (reading == RT_READ_NORM_BACKWARD) {
        const rt_vector source = load_lanes(r->norm_source + offset, r->lanes, whole);
        return r->scale * (x - r->common - r->slope * (source - r->mean));
    }
    const rt_vector y = (x - r->mean) * r->scale + r->shift;
    return reading == RT_READ_NORM_RELU ? rt_rectify(y) : y;
}

/* The WINDOW x WINDOW pixels that a tile sees of one vector of channels. Those outside the map are zeros. */
RT_INLINE void read_source_pixels(const rt_winograd *shape, size_t channels, tile at, const reader *r,
                                  rt_winograd_reading reading, bool inside, bool whole, float *pixels)
{
    const ptrdiff_t pixel = (ptrdiff_t)channels, line = (ptrdiff_t)(shape->src_width * channels);
    const size_t corner = (at.image * shape->src_height + at.src_row) * shape->src_width + at.src_column;
    ptrdiff_t offset = (ptrdiff_t)(corner * channels) - BEFORE * (line + pixel);
    const size_t first_row = at.src_row == 0 ? BEFORE : 0, rows = shape->src_height - at.src_row + BEFORE;
    const size_t first_column = at.src_column == 0 ? BEFORE : 0, columns = shape->src_width - at.src_column + BEFORE;
    for (size_t i = 0; i < WINDOW; ++i, offset += line, pixels += WINDOW * RT_LANES) {
        const bool on_map = inside || (i >= first_row && i < rows);
#pragma GCC unroll 9
        for (size_t j = 0; j < WINDOW; ++j) {
            rt_vector value = {0};
            if (inside || (on_map && j >= first_column && j < columns))
                value = read_pixel(r, reading, offset + (ptrdiff_t)j * pixel, whole);
            rt_store(pixels + j * RT_LANES, value);
        }
    }
}

/* Outputs of the tile that are on the map. */
RT_INLINE size_t tile_pixels(const rt_winograd *shape, tile at)
{
    const size_t rows = shape->dst_height - at.row, columns = shape->dst_width - at.column;
    return (rows < OUTPUTS ? rows : OUTPUTS) * (columns < OUTPUTS ? columns : OUTPUTS);
}

/* Whether the pixels that the tile sees are all on the map. */
RT_INLINE bool tile_inside(const rt_winograd *shape, tile at)
{
    return (BEFORE == 0 || (at.src_row > 0 && at.src_column > 0)) &&
           at.src_row + WINDOW - BEFORE <= shape->src_height && at.src_column + WINDOW - BEFORE <= shape->src_width;
}

#endif
