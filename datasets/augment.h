/* From an image's bytes to the floats of a batch: pad, crop, flip and normalise in one pass. */
#ifndef RETORT_DATASETS_AUGMENT_H
#define RETORT_DATASETS_AUGMENT_H

#include "datasets/loader.h"

/* What is the same for every image. Filled by rt_rendering_make(), released by rt_rendering_free(). */
typedef struct rt_rendering {
    size_t height, width, channels;
    rt_augment augment;
    float values[RT_MAX_CHANNELS][256]; /* the normalised value of each byte */
    float *black;                       /* [width, channels]: a row of padding */
} rt_rendering;

rt_status rt_rendering_make(rt_rendering *rendering, const rt_images *images, const rt_augment *augment,
                            const rt_normalization *normalization, rt_error *err);
void rt_rendering_free(rt_rendering *rendering); /* accepts a zeroed struct */

/* How many augmentations of an image there are: rt_batch's variants are below this. 0 where they have no number,
 * because there is more than crop and flip. */
uint32_t rt_augment_variants(const rt_augment *augment);

/* The augmentation of image `index` in epoch `epoch`: draws 0 (row), 1 (column) and 2 (flip) of RT_STREAM_AUGMENT. */
uint32_t rt_augment_draw(const rt_augment *augment, uint64_t seed, uint32_t epoch, uint64_t index);

/* Writes the given variant of an image, [height, width, channels]. */
void rt_render(const rt_rendering *rendering, const uint8_t *pixels, uint32_t variant, float *out);

#endif
