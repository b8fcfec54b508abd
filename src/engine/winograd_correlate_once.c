/* Winograd's weight gradient where channels are many and tiles are few, all of them one block: tiles lie apart by
 * frequency, so that each frequency's product runs through memory in order, and the sums over tiles, four times as
 * large as the weights, are made and transformed back chunk by chunk within the cache. Compiled for each form that has
 * a weight gradient and instruction set. */
#include "engine/winograd_code.h"
#include "engine/winograd_multiply.h"
#include "engine/winograd_tiles.h"

/* A chunk's inputs and outputs, and tiles whose gradients of a panel stay in the first cache while its inputs pass by.
 */
enum { CHUNK = 64, STAY = 128 };

/* Floats between tiles of one frequency: a cache line more than there are channels, so that a column of them does not
 * fall into a few of the cache's sets. */
RT_INLINE size_t row_of(size_t channels)
{
    return vectors_of(channels) * RT_LANES + 16;
}

size_t RT_OF_FORM(rt_winograd_sources_floats_)(const rt_winograd *shape)
{
    return FREQUENCIES * shape->block * row_of(shape->inputs);
}

/* Of one tile, of the source or of the gradients. */
RT_INLINE size_t cells_floats(size_t inputs, size_t outputs)
{
    return vectors_of(inputs > outputs ? inputs : outputs) * CELL;
}

size_t RT_OF_FORM(rt_winograd_correlate_once_floats_)(const rt_winograd *shape, size_t outputs)
{
    return cells_floats(shape->inputs, outputs) + FREQUENCIES * shape->block * row_of(outputs) + PLANES * CHUNK * CHUNK;
}

/* Cells of one tile to their frequencies, which lie `plane` floats apart. */
static void spread(const float *cells, size_t vectors, float *to, size_t plane)
{
    for (size_t f = 0; f < FREQUENCIES; ++f, to += plane)
        for (size_t v = 0; v < vectors; ++v)
            rt_store(to + v * RT_LANES, rt_load(cells + v * CELL + f * RT_LANES));
}

void RT_OF_FORM(rt_winograd_read_sources_)(const rt_winograd *shape, const rt_winograd_source *src, size_t first_tile,
                                           size_t last_tile, float *scratch, float *sources)
{
    const size_t row = row_of(shape->inputs);
    for (size_t t = first_tile; t < last_tile; ++t) {
        RT_OF_FORM(rt_winograd_read_)(shape, src, t, 1, scratch);
        spread(scratch, vectors_of(shape->inputs), sources + t * row, shape->block * row);
    }
}

/* Rows of tiles of one frequency. */
struct rows {
    const float *source, *gradient;
    size_t source_row, gradient_row, tiles;
};

/* product [rows, vectors] += source^T gradient. */
RT_INLINE void correlate_rows(const size_t rows, const size_t vectors, const struct rows *of, size_t input,
                              size_t output, float *product, size_t product_row)
{
    rt_vector sum[CHANNEL_ROWS][COLUMNS];
    load_tile(rows, vectors, sum, product, product_row);
    multiply_steps(rows, vectors, sum, of->source + input, 1, of->source_row, of->gradient + output, of->gradient_row,
                   of->tiles, true);
    store_tile(rows, vectors, sum, product, product_row, RT_LANES);
}

#define CORRELATE_PANEL(vectors)                                                                                       \
    static void correlate_panel_##vectors(const struct rows *of, size_t inputs, size_t output, float *product,         \
                                          size_t product_row)                                                          \
    {                                                                                                                  \
        size_t c = 0;                                                                                                  \
        for (; c + CHANNEL_ROWS <= inputs; c += CHANNEL_ROWS, product += CHANNEL_ROWS * product_row)                   \
            correlate_rows(CHANNEL_ROWS, vectors, of, c, output, product, product_row);                                \
        switch (inputs - c) {                                                                                          \
            FOR_EACH_CHANNEL_REST(REST_##vectors)                                                                      \
        }                                                                                                              \
    }
#define REST(n, vectors)                                                                                               \
    case n:                                                                                                            \
        correlate_rows(n, vectors, of, c, output, product, product_row);                                               \
        return;
#define REST_1(n) REST(n, 1)
#define REST_2(n) REST(n, 2)
CORRELATE_PANEL(1)
CORRELATE_PANEL(2)

/* product [inputs, vectors of outputs] += source^T gradient. */
static void correlate_chunk(const struct rows *of, size_t inputs, size_t vectors, float *product)
{
    size_t v = 0;
    for (; v + 2 <= vectors; v += 2)
        correlate_panel_2(of, inputs, v * RT_LANES, product + v * RT_LANES, vectors * RT_LANES);
    if (v < vectors)
        correlate_panel_1(of, inputs, v * RT_LANES, product + v * RT_LANES, vectors * RT_LANES);
}

void RT_OF_FORM(rt_winograd_correlate_once_)(const rt_winograd *shape, const float *sources,
                                             const rt_winograd_source *diff_dst, rt_winograd_part part, float *scratch,
                                             float *diff_weights, double *sums)
{
    const size_t tiles = part.last_tile, outputs = part.last_output - part.first_output;
    const size_t source_row = row_of(shape->inputs), gradient_row = row_of(outputs);
    float *gradients = scratch + cells_floats(shape->inputs, outputs);
    float *product = gradients + FREQUENCIES * tiles * gradient_row;
    for (size_t t = 0; t < tiles; ++t) {
        const rt_winograd_part one = {t, t + 1, part.first_output, part.last_output};
        RT_OF_FORM(rt_winograd_read_gradients_)(shape, diff_dst, one, 1, scratch, sums);
        spread(scratch, vectors_of(outputs), gradients + t * gradient_row, tiles * gradient_row);
    }
    for (size_t k = 0; k < outputs; k += CHUNK) {
        const size_t chunk_outputs = outputs - k < CHUNK ? outputs - k : CHUNK, vectors = vectors_of(chunk_outputs);
        for (size_t c = 0; c < shape->inputs; c += CHUNK) {
            const size_t inputs = shape->inputs - c < CHUNK ? shape->inputs - c : CHUNK;
            const size_t plane = inputs * vectors * RT_LANES;
            memset(product, 0, PLANES * plane * sizeof *product);
            for (size_t f = 0; f < FREQUENCIES; ++f)
                for (size_t t = 0; t < tiles; t += STAY) {
                    const struct rows of = {sources + (f * tiles + t) * source_row + c,
                                            gradients + (f * tiles + t) * gradient_row + k, source_row, gradient_row,
                                            tiles - t < STAY ? tiles - t : STAY};
                    correlate_chunk(&of, inputs, vectors, product + plane_of(f) * plane);
                }
            RT_OF_FORM(rt_winograd_transform_chunk_back_)
            (shape->inputs, chunk_outputs, product, c, inputs,
             diff_weights + (part.first_output + k) * shape->inputs * 9);
        }
    }
}
