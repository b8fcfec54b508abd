/* Winograd's weight gradient where weights are large and tiles are few, one block of them: the sum over tiles, four
 * times as large as the weights or more, is made and transformed back piece by piece within the cache. Compiled for
 * each form and instruction set. */
#include "engine/winograd_code.h"
#include "engine/winograd_tiles.h"

/* Bytes of gradients that stay in the second cache while the sources of all inputs pass by. */
enum { GROUP_BYTES = 512 << 10 };

/* So many vectors of outputs: whole panels of two. */
RT_INLINE size_t group_of(size_t tiles, size_t vectors)
{
    const size_t fit = GROUP_BYTES / (tiles * CELL * sizeof(float)) / 2 * 2;
    const size_t group = fit < 2 ? 2 : fit;
    return group < vectors ? group : vectors;
}

/* A product of a vector of inputs and a group of outputs. */
RT_INLINE size_t product_plane(size_t vectors)
{
    return (RT_LANES * vectors + 1) * RT_LANES;
}

size_t RT_OF_FORM(rt_winograd_correlate_once_floats_)(const rt_winograd *shape)
{
    const size_t group = group_of(shape->block, vectors_of(shape->outputs));
    return shape->block * (vectors_of(shape->inputs) + group) * CELL + PLANES * product_plane(group);
}

/* Of one group of outputs, those of `part`. `scratch` holds gradients and a product. */
static void correlate_group(const rt_winograd *shape, const float *sources, const rt_winograd_source *diff_dst,
                            rt_winograd_part part, float *scratch, float *diff_weights, double *sums)
{
    const size_t tiles = part.last_tile - part.first_tile, outputs = part.last_output - part.first_output;
    const size_t source_tile = vectors_of(shape->inputs) * CELL, plane = product_plane(vectors_of(outputs));
    float *gradients = scratch, *product = gradients + tiles * vectors_of(outputs) * CELL;
    RT_OF_FORM(rt_winograd_read_gradients_)(shape, diff_dst, part, tiles, gradients, sums);
    for (size_t c = 0; c < shape->inputs; c += RT_LANES, sources += CELL) {
        const size_t inputs = shape->inputs - c < RT_LANES ? shape->inputs - c : RT_LANES;
        memset(product, 0, PLANES * plane * sizeof *product);
        for (size_t f = 0; f < FREQUENCIES; ++f)
            RT_OF_FORM(rt_winograd_correlate_frequency_)
        (tiles, inputs, outputs, sources + f * RT_LANES, source_tile, gradients + f * RT_LANES,
         product + plane_of(f) * plane);
        RT_OF_FORM(rt_winograd_transform_cell_back_)
        (shape->inputs, outputs, product, plane, c, inputs, diff_weights + part.first_output * shape->inputs * 9);
    }
}

void RT_OF_FORM(rt_winograd_correlate_once_)(const rt_winograd *shape, const rt_winograd_source *src,
                                             const rt_winograd_source *diff_dst, rt_winograd_part part, float *scratch,
                                             float *diff_weights, double *sums)
{
    const size_t tiles = part.last_tile - part.first_tile;
    const size_t group = group_of(tiles, vectors_of(part.last_output - part.first_output)) * RT_LANES;
    float *sources = scratch, *rest = sources + tiles * vectors_of(shape->inputs) * CELL;
    RT_OF_FORM(rt_winograd_read_)(shape, src, part.first_tile, tiles, sources);
    for (size_t first = part.first_output; first < part.last_output; first += group) {
        const size_t last = first + group < part.last_output ? first + group : part.last_output;
        correlate_group(shape, sources, diff_dst, (rt_winograd_part){part.first_tile, part.last_tile, first, last},
                        rest, diff_weights, sums);
    }
}
