/* Sums of bytes and of their squares, per channel, on the way to a normalisation. They are exact in integers, whatever
 * the order and however they are parted, so that the result depends on the bytes alone. */
#ifndef RETORT_DATASETS_PIXEL_SUMS_H
#define RETORT_DATASETS_PIXEL_SUMS_H

#include "datasets/loader.h"

/* Neighbouring bytes are summed side by side in 32 bits, and flushed before these could overflow. */
enum { RT_SUM_LANES = 240 };

typedef struct rt_pixel_sums {
    uint32_t values[RT_SUM_LANES], squares[RT_SUM_LANES];
    size_t channels, additions;
    uint64_t value[RT_MAX_CHANNELS], square[RT_MAX_CHANNELS];
} rt_pixel_sums;

void rt_pixel_sums_begin(rt_pixel_sums *sums, size_t channels);
void rt_pixel_sums_add(rt_pixel_sums *sums, const uint8_t *bytes, size_t count); /* whole pixels */
void rt_pixel_sums_join(rt_pixel_sums *sums, rt_pixel_sums *others);             /* flushes both */
void rt_pixel_sums_end(rt_pixel_sums *sums, uint64_t pixels, rt_normalization *normalization);

#endif
