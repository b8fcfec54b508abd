/* What the sources of one instruction set share; outside them, rt_winograd_code (winograd.h) is the way in. */
#ifndef RETORT_ENGINE_WINOGRAD_CODE_H
#define RETORT_ENGINE_WINOGRAD_CODE_H

#include "engine/vectors.h"
#include "engine/winograd.h"

size_t RT_OF_LANES(rt_winograd_weights_floats_)(size_t inputs, size_t outputs);
void RT_OF_LANES(rt_winograd_transform_weights_)(size_t inputs, size_t outputs, const float *weights, bool turned,
                                                 size_t first, size_t last, float *transformed);

size_t RT_OF_LANES(rt_winograd_convolve_floats_)(const rt_winograd *shape);
void RT_OF_LANES(rt_winograd_convolve_)(const rt_winograd *shape, const rt_winograd_source *src,
                                        const float *transformed, const rt_winograd_target *dst, size_t first,
                                        size_t last, float *scratch, double *sums);

size_t RT_OF_LANES(rt_winograd_correlate_floats_)(const rt_winograd *shape);
size_t RT_OF_LANES(rt_winograd_product_floats_)(size_t inputs, size_t outputs);
void RT_OF_LANES(rt_winograd_correlate_)(const rt_winograd *shape, const rt_winograd_source *src,
                                         const rt_winograd_source *diff_dst, rt_winograd_part part, float *scratch,
                                         float *product, double *sums);
void RT_OF_LANES(rt_winograd_transform_product_)(size_t inputs, size_t outputs, const float *product, size_t count,
                                                 size_t stride, size_t first, size_t last, float *diff_weights);

/* B^T d B of `count` tiles from `first` on, into cells [tiles, vectors of inputs] (winograd_tiles.h). */
void RT_OF_LANES(rt_winograd_read_)(const rt_winograd *shape, const rt_winograd_source *src, size_t first, size_t count,
                                    float *cells);

/* Cells [tiles, vectors of outputs] to outputs. `block_sums` is scratch of write_floats() floats. */
size_t RT_OF_LANES(rt_winograd_write_floats_)(const rt_winograd *shape);
void RT_OF_LANES(rt_winograd_write_)(const rt_winograd *shape, const rt_winograd_target *dst, size_t first,
                                     size_t count, const float *cells, float *block_sums, double *sums);

extern const rt_winograd_code RT_OF_LANES(rt_winograd_code_);

#endif
