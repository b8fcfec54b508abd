/* Winograd's forward block and data gradient where weights are large and tiles are few, one block of them: weights, in
 * the frequency domain four times as large or more, are made and used up piece by piece within the cache. Compiled for
 * each form and instruction set. */
#include "engine/winograd_code.h"
#include "engine/winograd_tiles.h"

/* One vector of padding spreads the frequencies over the cache's sets. */
RT_INLINE size_t panel_plane(size_t inputs, size_t vectors)
{
    return (inputs * vectors + 1) * RT_LANES;
}

size_t RT_OF_FORM(rt_winograd_convolve_once_floats_)(const rt_winograd *shape)
{
    return RT_OF_FORM(rt_winograd_convolve_floats_)(shape) + PLANES * panel_plane(shape->inputs, 2);
}

void RT_OF_FORM(rt_winograd_convolve_once_)(const rt_winograd *shape, const rt_winograd_source *src,
                                            const float *weights, bool turned, const rt_winograd_target *dst,
                                            rt_winograd_part part, float *scratch, double *sums)
{
    const size_t tiles = part.last_tile - part.first_tile, vectors = vectors_of(part.last_output - part.first_output);
    const size_t source_row = vectors_of(shape->inputs) * CELL, product_row = vectors * CELL;
    float *sources = scratch, *products = sources + tiles * source_row, *panel = products + tiles * product_row;
    float *block_sums = panel + PLANES * panel_plane(shape->inputs, 2);
    RT_OF_FORM(rt_winograd_read_)(shape, src, part.first_tile, tiles, sources);
    for (size_t v = 0; v < vectors; v += 2) {
        const size_t wide = vectors - v < 2 ? 1 : 2, plane = panel_plane(shape->inputs, wide);
        RT_OF_FORM(rt_winograd_transform_panel_)
        (shape->inputs, shape->outputs, weights, turned, part.first_output + v * RT_LANES, wide, panel, plane);
        for (size_t f = 0; f < FREQUENCIES; ++f)
            RT_OF_FORM(rt_winograd_multiply_panel_)
        (wide, tiles, sources + f * RT_LANES, source_row, panel + plane_of(f) * plane, shape->inputs,
         products + v * CELL + f * RT_LANES, product_row);
    }
    RT_OF_FORM(rt_winograd_write_)(shape, dst, part, products, block_sums, sums);
}
