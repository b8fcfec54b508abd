/* Winograd's forward block: source tiles to frequencies, one matrix product a frequency, frequencies to outputs. The
 * data gradient is the same on turned weights. Compiled for each form and instruction set. */
#include "engine/winograd_code.h"
#include "engine/winograd_multiply.h"
#include "engine/winograd_tiles.h"

/* Weights lie as [planes][panel][inputs][vectors of the panel]: two vectors a panel, and one in the last if the
 * number of vectors is odd. */
size_t RT_OF_FORM(rt_winograd_weights_floats_)(size_t inputs, size_t outputs)
{
    return PLANES * inputs * vectors_of(outputs) * RT_LANES;
}

/* One frequency of `rows` tiles and a panel of outputs; `source` and `product` point at the frequency in the first
 * tile's cells, which lie `source_row` and `product_row` floats apart. */
RT_INLINE void multiply_tiles(const size_t rows, const size_t vectors, const float *source, size_t source_row,
                              const float *panel, size_t inputs, float *product, size_t product_row, const bool fetch)
{
    rt_vector sum[ROWS][COLUMNS];
    load_tile(rows, vectors, sum, NULL, 0);
    size_t c = 0;
    for (; c + RT_LANES <= inputs; c += RT_LANES, source += CELL, panel += RT_LANES * vectors * RT_LANES)
        multiply_steps(rows, vectors, sum, source, source_row, 1, panel, vectors * RT_LANES, RT_LANES, fetch);
    if (c < inputs)
        multiply_steps(rows, vectors, sum, source, source_row, 1, panel, vectors * RT_LANES, inputs - c, fetch);
    store_tile(rows, vectors, sum, product, product_row, CELL);
}

/* Panels of so few inputs stay in the first cache from the first register tile on. */
enum { STAYING_INPUTS = 128 };

/* All tiles: whole register tiles, then what is left. */
#define MULTIPLY_PANEL(vectors)                                                                                        \
    static void multiply_panel_##vectors(size_t tiles, const float *source, size_t source_row, const float *panel,     \
                                         size_t inputs, float *product, size_t product_row)                            \
    {                                                                                                                  \
        bool fetch = true;                                                                                             \
        for (; tiles >= ROWS; tiles -= ROWS, source += ROWS * source_row, product += ROWS * product_row) {             \
            if (fetch)                                                                                                 \
                multiply_tiles(ROWS, vectors, source, source_row, panel, inputs, product, product_row, true);          \
            else                                                                                                       \
                multiply_tiles(ROWS, vectors, source, source_row, panel, inputs, product, product_row, false);         \
            fetch = inputs > STAYING_INPUTS;                                                                           \
        }                                                                                                              \
        switch (tiles) {                                                                                               \
            FOR_EACH_REST(REST_##vectors)                                                                              \
        }                                                                                                              \
    }
#define REST(n, vectors)                                                                                               \
    case n:                                                                                                            \
        multiply_tiles(n, vectors, source, source_row, panel, inputs, product, product_row, true);                     \
        return;
#define REST_1(n) REST(n, 1)
#define REST_2(n) REST(n, 2)
MULTIPLY_PANEL(1)
MULTIPLY_PANEL(2)

void RT_OF_FORM(rt_winograd_multiply_panel_)(size_t vectors, size_t tiles, const float *source, size_t source_row,
                                             const float *panel, size_t inputs, float *product, size_t product_row)
{
    if (vectors == 2)
        multiply_panel_2(tiles, source, source_row, panel, inputs, product, product_row);
    else
        multiply_panel_1(tiles, source, source_row, panel, inputs, product, product_row);
}

/* product [tiles, outputs] = source [tiles, inputs] times weights, for one frequency of cells and whole panels. */
static void multiply_frequency(size_t inputs, size_t outputs, size_t tiles, const float *source, const float *weights,
                               float *product)
{
    const size_t vectors = vectors_of(outputs);
    const size_t source_row = vectors_of(inputs) * CELL, product_row = vectors * CELL;
    size_t v = 0;
    for (; v + 2 <= vectors; v += 2, weights += inputs * 2 * RT_LANES)
        multiply_panel_2(tiles, source, source_row, weights, inputs, product + v * CELL, product_row);
    if (v < vectors)
        multiply_panel_1(tiles, source, source_row, weights, inputs, product + v * CELL, product_row);
}

size_t RT_OF_FORM(rt_winograd_convolve_floats_)(const rt_winograd *shape)
{
    const size_t inputs = vectors_of(shape->inputs), outputs = vectors_of(shape->outputs);
    return shape->block * (inputs + outputs) * CELL + RT_OF_FORM(rt_winograd_write_floats_)(shape);
}

void RT_OF_FORM(rt_winograd_convolve_)(const rt_winograd *shape, const rt_winograd_source *src,
                                       const float *transformed, const rt_winograd_target *dst, rt_winograd_part part,
                                       float *scratch, double *sums)
{
    const size_t outputs = part.last_output - part.first_output;
    const size_t plane = shape->inputs * vectors_of(shape->outputs) * RT_LANES;
    float *sources = scratch, *products = sources + shape->block * vectors_of(shape->inputs) * CELL;
    float *block_sums = products + shape->block * vectors_of(shape->outputs) * CELL;
    transformed += part.first_output * shape->inputs;
    for (size_t start = part.first_tile; start < part.last_tile; start += shape->block) {
        const size_t left = part.last_tile - start, count = left < shape->block ? left : shape->block;
        RT_OF_FORM(rt_winograd_read_)(shape, src, start, count, sources);
        for (size_t f = 0; f < FREQUENCIES; ++f)
            multiply_frequency(shape->inputs, outputs, count, sources + f * RT_LANES, transformed + plane_of(f) * plane,
                               products + f * RT_LANES);
        RT_OF_FORM(rt_winograd_write_)
        (shape, dst, (rt_winograd_part){start, start + count, part.first_output, part.last_output}, products,
         block_sums, sums);
    }
}
