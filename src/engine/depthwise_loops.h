/* The vector loops of depthwise 3 x 3 convolution, [image, height, width, channels]: over the regions of a tile, in
 * which every position sees the same taps (depthwise_regions.h). */
#ifndef RETORT_ENGINE_DEPTHWISE_LOOPS_H
#define RETORT_ENGINE_DEPTHWISE_LOOPS_H

#include "engine/depthwise_regions.h"

enum {
    RT_DEPTHWISE_LANES = 16, /* channels that the loops take together */
    RT_DEPTHWISE_TAPS = 9,   /* [ky][kx] */
    RT_DEPTHWISE_SUMS = 10,  /* of the gradient: the taps', then the bias's */
};

/* written = clamp(bias + sum of weights * read + residual). */
typedef struct rt_depthwise_operands {
    const float *read; /* the whole maps of the batch */
    float *written;
    const float *residual; /* like `written`; NULL for none; may be `written` itself if no channel is computed twice */
    float low, high;       /* the clamp; without one, minus infinity and infinity. A NaN passes. */
} rt_depthwise_operands;

/* Sixteen channels from `channel` on, of which there must be that many; `weights` [9][16] and `bias` [16] are theirs.
 * Positions outside of the tile are left alone. */
void rt_depthwise_convolve(const rt_depthwise_tile *tile, const rt_depthwise_operands *operands, size_t channel,
                           const float *weights, const float *bias);

/* Adds the tile's share of the gradients to `sums` [10][16]. Products of one region are summed in float32, regions
 * joined in float32, tiles in float64. The tile is forward's: it reads `src` at the positions of `diff_dst`. */
void rt_depthwise_gradient(const rt_depthwise_tile *tile, const float *src, const float *diff_dst, size_t channel,
                           bool with_bias, double *sums);

#endif
