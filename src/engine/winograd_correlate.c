/* Winograd's weight gradient: tiles of the source and of diff_dst to frequencies, and for each frequency the product of
 * the two, summed over tiles. Compiled for each form and instruction set. */
#include "engine/winograd_code.h"
#include "engine/winograd_multiply.h"
#include "engine/winograd_tiles.h"

/* A y A^T of one tile and one vector of channels. Outputs beyond the map have no gradient. */
RT_INLINE void read_gradient_tile(const rt_winograd *shape, size_t channels, tile at, const reader *r,
                                  rt_winograd_reading reading, bool whole, float *cell)
{
    const size_t rows = shape->dst_height - at.row, columns = shape->dst_width - at.column;
    const size_t corner = first_output_of(shape, at) * channels;
    rt_vector half[SIDE][OUTPUTS];
#pragma GCC unroll 8
    for (size_t j = 0; j < OUTPUTS; ++j) {
        rt_vector y[OUTPUTS];
#pragma GCC unroll 8
        for (size_t i = 0; i < OUTPUTS; ++i) {
            if (i < rows && j < columns)
                y[i] = read_pixel(r, reading, (ptrdiff_t)(corner + (i * shape->dst_width + j) * channels), whole);
            else
                y[i] = (rt_vector){0};
        }
        transform_gradient(&half[0][j], OUTPUTS, y);
    }
#pragma GCC unroll 9
    for (size_t i = 0; i < SIDE; ++i) {
        rt_vector out[SIDE];
        transform_gradient(out, 1, half[i]);
#pragma GCC unroll 9
        for (size_t j = 0; j < SIDE; ++j)
            rt_store(cell + (i * SIDE + j) * RT_LANES, out[j]);
    }
}

#define READ_GRADIENTS(reading)                                                                                        \
    static void read_gradients_##reading(const rt_winograd *shape, const rt_winograd_source *diff_dst,                 \
                                         rt_winograd_part part, size_t first, size_t count, float *cell)               \
    {                                                                                                                  \
        const size_t channels = shape->outputs;                                                                        \
        tile at = tile_at(shape, first);                                                                               \
        for (size_t t = 0; t < count; ++t, at = next_tile(shape, at)) {                                                \
            for (size_t k = part.first_output; k < part.last_output; k += RT_LANES, cell += CELL) {                    \
                if (k + RT_LANES <= channels) {                                                                        \
                    const reader r = reader_at(diff_dst, reading, k, RT_LANES, true);                                  \
                    read_gradient_tile(shape, channels, at, &r, reading, true, cell);                                  \
                } else {                                                                                               \
                    const reader r = reader_at(diff_dst, reading, k, channels - k, false);                             \
                    read_gradient_tile(shape, channels, at, &r, reading, false, cell);                                 \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }
READ_GRADIENTS(RT_READ_PLAIN)
READ_GRADIENTS(RT_READ_NORM_BACKWARD)

/* One frequency of `rows` inputs of one cell and one or two vectors of outputs, summed over tiles. */
RT_INLINE void correlate_channels(const size_t rows, const size_t vectors, const float *source, size_t source_tile,
                                  const float *gradient, size_t gradient_tile, size_t tiles, float *product,
                                  size_t product_row)
{
    rt_vector sum[CHANNEL_ROWS][COLUMNS];
    load_tile(rows, vectors, sum, product, product_row);
    for (size_t t = 0; t < tiles; ++t, source += source_tile, gradient += gradient_tile) {
        rt_vector right[COLUMNS];
#pragma GCC unroll 2
        for (size_t v = 0; v < vectors; ++v)
            right[v] = rt_load(gradient + v * CELL);
#pragma GCC unroll 12
        for (size_t r = 0; r < rows; ++r) {
            const rt_vector left = rt_broadcast(source[r]);
#pragma GCC unroll 2
            for (size_t v = 0; v < vectors; ++v)
                sum[r][v] = rt_multiply_add(left, right[v], sum[r][v]);
        }
    }
    store_tile(rows, vectors, sum, product, product_row, RT_LANES);
}

/* All inputs: rows of a cell in whole register tiles, then what is left of the last cell. */
#define CORRELATE_PANEL(vectors)                                                                                       \
    static void correlate_panel_##vectors(size_t inputs, const float *source, size_t source_tile,                      \
                                          const float *gradient, size_t gradient_tile, size_t tiles, float *product,   \
                                          size_t product_row)                                                          \
    {                                                                                                                  \
        size_t c = 0;                                                                                                  \
        for (; c + CHANNEL_ROWS <= inputs; c += CHANNEL_ROWS, product += CHANNEL_ROWS * product_row)                   \
            correlate_channels(CHANNEL_ROWS, vectors, source + c / RT_LANES * CELL + c % RT_LANES, source_tile,        \
                               gradient, gradient_tile, tiles, product, product_row);                                  \
        source += c / RT_LANES * CELL + c % RT_LANES;                                                                  \
        switch (inputs - c) {                                                                                          \
            FOR_EACH_CHANNEL_REST(REST_##vectors)                                                                      \
        }                                                                                                              \
    }
#define REST(n, vectors)                                                                                               \
    case n:                                                                                                            \
        correlate_channels(n, vectors, source, source_tile, gradient, gradient_tile, tiles, product, product_row);     \
        return;
#define REST_1(n) REST(n, 1)
#define REST_2(n) REST(n, 2)
CORRELATE_PANEL(1)
CORRELATE_PANEL(2)

/* Tiles whose gradients of a panel stay in the first cache while all inputs pass by. */
enum { STAY = 32 };

void RT_OF_FORM(rt_winograd_correlate_frequency_)(size_t tiles, size_t inputs, size_t outputs, const float *source,
                                                  size_t source_tile, const float *gradient, float *product)
{
    const size_t vectors = vectors_of(outputs);
    for (size_t first = 0; first < tiles; first += STAY) {
        const size_t count = tiles - first < STAY ? tiles - first : STAY;
        const float *left = source + first * source_tile, *right = gradient + first * vectors * CELL;
        size_t v = 0;
        for (; v + 2 <= vectors; v += 2)
            correlate_panel_2(inputs, left, source_tile, right + v * CELL, vectors * CELL, count,
                              product + v * RT_LANES, vectors * RT_LANES);
        if (v < vectors)
            correlate_panel_1(inputs, left, source_tile, right + v * CELL, vectors * CELL, count,
                              product + v * RT_LANES, vectors * RT_LANES);
    }
}

/* A product lies as [planes][inputs][whole vectors of outputs]. */
size_t RT_OF_FORM(rt_winograd_product_floats_)(size_t inputs, size_t outputs)
{
    return PLANES * inputs * vectors_of(outputs) * RT_LANES;
}

size_t RT_OF_FORM(rt_winograd_correlate_floats_)(const rt_winograd *shape)
{
    return shape->block * (vectors_of(shape->inputs) + vectors_of(shape->outputs)) * CELL;
}

/* Where the interpolation point is 1 in both dimensions, A y A^T is the sum of the tile's outputs. */
static void sum_gradients(size_t tiles, size_t outputs, const float *cells, double *sums)
{
    const size_t vectors = vectors_of(outputs);
    for (size_t t = 0; t < tiles; ++t)
        for (size_t k = 0; k < outputs; ++k)
            sums[k] += (double)
                cells[(t * vectors + k / RT_LANES) * CELL + (POINT_ONE * SIDE + POINT_ONE) * RT_LANES + k % RT_LANES];
}

void RT_OF_FORM(rt_winograd_read_gradients_)(const rt_winograd *shape, const rt_winograd_source *diff_dst,
                                             rt_winograd_part part, size_t count, float *cells, double *sums)
{
    if (diff_dst->reading == RT_READ_NORM_BACKWARD)
        read_gradients_RT_READ_NORM_BACKWARD(shape, diff_dst, part, part.first_tile, count, cells);
    else
        read_gradients_RT_READ_PLAIN(shape, diff_dst, part, part.first_tile, count, cells);
    if (sums)
        sum_gradients(count, part.last_output - part.first_output, cells, sums + part.first_output);
}

void RT_OF_FORM(rt_winograd_correlate_)(const rt_winograd *shape, const rt_winograd_source *src,
                                        const rt_winograd_source *diff_dst, rt_winograd_part part, float *scratch,
                                        float *product, double *sums)
{
    const size_t outputs = part.last_output - part.first_output;
    const size_t plane = shape->inputs * vectors_of(outputs) * RT_LANES;
    float *sources = scratch, *gradients = sources + shape->block * vectors_of(shape->inputs) * CELL;
    memset(product, 0, PLANES * plane * sizeof *product);
    for (size_t start = part.first_tile; start < part.last_tile; start += shape->block) {
        const size_t left = part.last_tile - start, count = left < shape->block ? left : shape->block;
        RT_OF_FORM(rt_winograd_read_)(shape, src, start, count, sources);
        part.first_tile = start;
        RT_OF_FORM(rt_winograd_read_gradients_)(shape, diff_dst, part, count, gradients, sums);
        for (size_t f = 0; f < FREQUENCIES; ++f)
            RT_OF_FORM(rt_winograd_correlate_frequency_)
        (count, shape->inputs, outputs, sources + f * RT_LANES, vectors_of(shape->inputs) * CELL,
         gradients + f * RT_LANES, product + plane_of(f) * plane);
    }
}
