/* The tiles of one Winograd block: where they lie on the map, and their one-dimensional transforms (winograd.h). For
 * sources that are compiled for several instruction sets. */
#ifndef RETORT_ENGINE_WINOGRAD_TILES_H
#define RETORT_ENGINE_WINOGRAD_TILES_H

#include "engine/vectors.h"
#include "engine/winograd.h"

/* A tile of 4 x 4 outputs at (row, column) of an image. */
typedef struct tile {
    size_t first_pixel; /* of the image, in pixels of the batch */
    size_t row, column;
} tile;

RT_INLINE tile tile_at(const rt_winograd *shape, size_t number)
{
    const size_t wide = (shape->width + RT_WINOGRAD_TILE - 1) / RT_WINOGRAD_TILE;
    const size_t high = (shape->height + RT_WINOGRAD_TILE - 1) / RT_WINOGRAD_TILE;
    const size_t image = number / (wide * high), within = number % (wide * high);
    return (tile){image * shape->height * shape->width, within / wide * RT_WINOGRAD_TILE,
                  within % wide * RT_WINOGRAD_TILE};
}

RT_INLINE tile next_tile(const rt_winograd *shape, tile at)
{
    at.column += RT_WINOGRAD_TILE;
    if (at.column < shape->width)
        return at;
    at.column = 0;
    at.row += RT_WINOGRAD_TILE;
    if (at.row < shape->height)
        return at;
    at.row = 0;
    at.first_pixel += shape->height * shape->width;
    return at;
}

/* A cell is what one tile and one vector of channels come to in the frequency domain: 36 vectors side by side, so that
 * transforms write and read one run of memory. One vector of padding spreads cells over the cache's sets. */
enum { CELL = (RT_WINOGRAD_FREQUENCIES + 1) * RT_LANES };

RT_INLINE size_t vectors_of(size_t channels)
{
    return (channels + RT_LANES - 1) / RT_LANES;
}

/* Between the steps of a transform: what was loaded before is loaded again rather than kept, since there are more
 * values than registers, and spilling them costs more. */
#define RT_LOAD_AGAIN() __asm__ volatile("" ::: "memory")

/* B^T d of one column, to column j of a cell: interpolation points 0, 1, -1, 2, -2 and infinity. */
RT_INLINE void transform_source_column(const rt_vector *d, float *cell)
{
    const rt_vector two = rt_broadcast(2.0f), four = rt_broadcast(4.0f), five = rt_broadcast(5.0f);
    const rt_vector a = rt_multiply_add(-four, d[2], d[4]), b = rt_multiply_add(-four, d[1], d[3]);
    const rt_vector c = d[4] - d[2], e = d[3] - d[1];
    rt_store(cell + 0 * 6 * RT_LANES, rt_multiply_add(four, d[0], rt_multiply_add(-five, d[2], d[4])));
    rt_store(cell + 1 * 6 * RT_LANES, a + b);
    rt_store(cell + 2 * 6 * RT_LANES, a - b);
    rt_store(cell + 3 * 6 * RT_LANES, rt_multiply_add(two, e, c));
    rt_store(cell + 4 * 6 * RT_LANES, rt_multiply_add(-two, e, c));
    rt_store(cell + 5 * 6 * RT_LANES, rt_multiply_add(four, d[1], rt_multiply_add(-five, d[3], d[5])));
}

/* B^T d B of 6 x 6 vectors, a column or two at a time. */
RT_INLINE void transform_source(const float *pixels, float *cell)
{
    const rt_vector two = rt_broadcast(2.0f), four = rt_broadcast(4.0f), five = rt_broadcast(5.0f);
    rt_vector left[6], right[6];
#define PIXEL(j) rt_load(pixels + (i * 6 + (j)) * RT_LANES)
#pragma GCC unroll 6
    for (size_t i = 0; i < 6; ++i)
        left[i] = rt_multiply_add(four, PIXEL(0), rt_multiply_add(-five, PIXEL(2), PIXEL(4)));
    transform_source_column(left, cell);
    RT_LOAD_AGAIN();
#pragma GCC unroll 6
    for (size_t i = 0; i < 6; ++i) {
        const rt_vector a = rt_multiply_add(-four, PIXEL(2), PIXEL(4)), b = rt_multiply_add(-four, PIXEL(1), PIXEL(3));
        left[i] = a + b;
        right[i] = a - b;
    }
    transform_source_column(left, cell + RT_LANES);
    transform_source_column(right, cell + 2 * RT_LANES);
    RT_LOAD_AGAIN();
#pragma GCC unroll 6
    for (size_t i = 0; i < 6; ++i) {
        const rt_vector c = PIXEL(4) - PIXEL(2), e = PIXEL(3) - PIXEL(1);
        left[i] = rt_multiply_add(two, e, c);
        right[i] = rt_multiply_add(-two, e, c);
    }
    transform_source_column(left, cell + 3 * RT_LANES);
    transform_source_column(right, cell + 4 * RT_LANES);
    RT_LOAD_AGAIN();
#pragma GCC unroll 6
    for (size_t i = 0; i < 6; ++i)
        left[i] = rt_multiply_add(four, PIXEL(1), rt_multiply_add(-five, PIXEL(3), PIXEL(5)));
    transform_source_column(left, cell + 5 * RT_LANES);
#undef PIXEL
}

/* A^T m. */
RT_INLINE void transform_outputs(rt_vector *out, size_t stride, const rt_vector *m)
{
    const rt_vector two = rt_broadcast(2.0f), four = rt_broadcast(4.0f), eight = rt_broadcast(8.0f);
    const rt_vector sum = m[1] + m[2], difference = m[1] - m[2], far_sum = m[3] + m[4], far_difference = m[3] - m[4];
    out[0 * stride] = m[0] + sum + far_sum;
    out[1 * stride] = rt_multiply_add(two, far_difference, difference);
    out[2 * stride] = rt_multiply_add(four, far_sum, sum);
    out[3 * stride] = rt_multiply_add(eight, far_difference, difference) + m[5];
}

/* A y: the transposed, for gradients of outputs. */
RT_INLINE void transform_gradient(rt_vector *out, size_t stride, const rt_vector *y)
{
    const rt_vector two = rt_broadcast(2.0f), four = rt_broadcast(4.0f), eight = rt_broadcast(8.0f);
    const rt_vector even = y[0] + y[2], odd = y[1] + y[3];
    const rt_vector far_even = rt_multiply_add(four, y[2], y[0]), far_odd = rt_multiply_add(eight, y[3], two * y[1]);
    out[0 * stride] = y[0];
    out[1 * stride] = even + odd;
    out[2 * stride] = even - odd;
    out[3 * stride] = far_even + far_odd;
    out[4 * stride] = far_even - far_odd;
    out[5 * stride] = y[3];
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

/* The 6 x 6 pixels around a tile of one vector of channels. Those outside the map are zeros. */
RT_INLINE void read_source_pixels(const rt_winograd *shape, size_t channels, tile at, const reader *r,
                                  rt_winograd_reading reading, bool inside, bool whole, float *pixels)
{
    const ptrdiff_t pixel = (ptrdiff_t)channels, line = (ptrdiff_t)(shape->width * channels);
    ptrdiff_t offset = (ptrdiff_t)((at.first_pixel + at.row * shape->width + at.column) * channels) - line - pixel;
    const size_t first_row = at.row == 0, rows = shape->height - at.row + 1;
    const size_t first_column = at.column == 0, columns = shape->width - at.column + 1;
    for (size_t i = 0; i < 6; ++i, offset += line, pixels += 6 * RT_LANES) {
        const bool on_map = inside || (i >= first_row && i < rows);
#pragma GCC unroll 6
        for (size_t j = 0; j < 6; ++j) {
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
    const size_t rows = shape->height - at.row, columns = shape->width - at.column;
    return (rows < RT_WINOGRAD_TILE ? rows : RT_WINOGRAD_TILE) *
           (columns < RT_WINOGRAD_TILE ? columns : RT_WINOGRAD_TILE);
}

/* Whether the tile's 6 x 6 pixels are all on the map. */
RT_INLINE bool tile_inside(const rt_winograd *shape, tile at)
{
    return at.row > 0 && at.column > 0 && at.row + 5 <= shape->height && at.column + 5 <= shape->width;
}

#endif
