/* What the sources of one form and instruction set share; outside them, rt_winograd_code (winograd.h) is the way in.
 * They are compiled once for each pair: RT_LANES is a vector's, RT_FORM the form's name with an underscore before it.
 */
#ifndef RETORT_ENGINE_WINOGRAD_CODE_H
#define RETORT_ENGINE_WINOGRAD_CODE_H

#include "engine/vectors.h"
#include "engine/winograd.h"

/* The name of a function or table of this form and instruction set: RT_OF_FORM(rt_winograd_convolve_). */
#define RT_OF_FORM(name) RT_JOIN(RT_OF_LANES(name), RT_FORM)

size_t RT_OF_FORM(rt_winograd_weights_floats_)(size_t inputs, size_t outputs);
void RT_OF_FORM(rt_winograd_transform_weights_)(size_t inputs, size_t outputs, const float *weights, bool turned,
                                                size_t first, size_t last, float *transformed);

size_t RT_OF_FORM(rt_winograd_convolve_floats_)(const rt_winograd *shape);
void RT_OF_FORM(rt_winograd_convolve_)(const rt_winograd *shape, const rt_winograd_source *src,
                                       const float *transformed, const rt_winograd_target *dst, rt_winograd_part part,
                                       float *scratch, double *sums);

size_t RT_OF_FORM(rt_winograd_correlate_floats_)(const rt_winograd *shape);
size_t RT_OF_FORM(rt_winograd_product_floats_)(size_t inputs, size_t outputs);
void RT_OF_FORM(rt_winograd_correlate_)(const rt_winograd *shape, const rt_winograd_source *src,
                                        const rt_winograd_source *diff_dst, rt_winograd_part part, float *scratch,
                                        float *product, double *sums);
void RT_OF_FORM(rt_winograd_transform_product_)(size_t inputs, size_t outputs, const float *product, size_t count,
                                                size_t stride, size_t first, size_t last, float *diff_weights);

void RT_OF_FORM(rt_winograd_convolve_once_)(const rt_winograd *shape, const rt_winograd_source *src,
                                            const float *weights, bool turned, const rt_winograd_target *dst,
                                            rt_winograd_part part, float *scratch, double *sums);
size_t RT_OF_FORM(rt_winograd_convolve_once_floats_)(const rt_winograd *shape);
size_t RT_OF_FORM(rt_winograd_sources_floats_)(const rt_winograd *shape);
void RT_OF_FORM(rt_winograd_read_sources_)(const rt_winograd *shape, const rt_winograd_source *src, size_t first_tile,
                                           size_t last_tile, float *scratch, float *sources);
size_t RT_OF_FORM(rt_winograd_correlate_once_floats_)(const rt_winograd *shape, size_t outputs);
void RT_OF_FORM(rt_winograd_correlate_once_)(const rt_winograd *shape, const float *sources,
                                             const rt_winograd_source *diff_dst, rt_winograd_part part, float *scratch,
                                             float *diff_weights, double *sums);

/* G g G^T of the outputs of a panel, one or two vectors of them from `first` on: [planes][inputs][vectors], the
 * frequencies `plane` floats apart. */
void RT_OF_FORM(rt_winograd_transform_panel_)(size_t inputs, size_t outputs, const float *weights, bool turned,
                                              size_t first, size_t vectors, float *panel, size_t plane);

/* One frequency of tiles times a panel of weights. `source` and `product` point at the frequency in the first tile's
 * cells, which lie `source_row` and `product_row` floats apart. */
void RT_OF_FORM(rt_winograd_multiply_panel_)(size_t vectors, size_t tiles, const float *source, size_t source_row,
                                             const float *panel, size_t inputs, float *product, size_t product_row);

/* A y A^T of `count` tiles from part.first_tile on, into cells [tiles, vectors of the part's outputs]. `sums` [outputs]
 * gets the sums over pixels added; NULL for none. */
void RT_OF_FORM(rt_winograd_read_gradients_)(const rt_winograd *shape, const rt_winograd_source *diff_dst,
                                             rt_winograd_part part, size_t count, float *cells, double *sums);

/* product [inputs, outputs] += source^T [inputs, tiles] gradient [tiles, outputs], for one frequency of cells; tiles of
 * the source lie `source_tile` floats apart. */
void RT_OF_FORM(rt_winograd_correlate_frequency_)(size_t tiles, size_t inputs, size_t outputs, const float *source,
                                                  size_t source_tile, const float *gradient, float *product);

/* G^T u G of `count` inputs from `first` on; the product is theirs alone. */
void RT_OF_FORM(rt_winograd_transform_chunk_back_)(size_t inputs, size_t outputs, const float *product, size_t first,
                                                   size_t count, float *diff_weights);

/* B^T d B of `count` tiles from `first` on, into cells [tiles, vectors of inputs] (winograd_tiles.h). */
void RT_OF_FORM(rt_winograd_read_)(const rt_winograd *shape, const rt_winograd_source *src, size_t first, size_t count,
                                   float *cells);

/* Cells [tiles, vectors of outputs] to outputs. `block_sums` is scratch of write_floats() floats. */
size_t RT_OF_FORM(rt_winograd_write_floats_)(const rt_winograd *shape);
void RT_OF_FORM(rt_winograd_write_)(const rt_winograd *shape, const rt_winograd_target *dst, rt_winograd_part part,
                                    const float *cells, float *block_sums, double *sums);

extern const rt_winograd_code RT_OF_FORM(rt_winograd_code_);

#endif
