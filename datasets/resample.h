/* Bilinear resizing with antialiasing, to the definition of Pillow and so of torchvision: each side by itself, weights
 * of a triangle that is as wide as the reduction, rounded to a byte after either side. Only the part of the result that
 * is wanted is computed. */
#ifndef RETORT_DATASETS_RESAMPLE_H
#define RETORT_DATASETS_RESAMPLE_H

#include "retort/dataset.h"

/* A part of an image, in pixels. */
typedef struct rt_box {
    size_t top, left, height, width;
} rt_box;

typedef struct rt_resampling {
    rt_box from;          /* of the picture; what lies outside is not looked at */
    size_t height, width; /* that `from` becomes */
    rt_box window;        /* of that: what is written */
} rt_resampling;

/* Bytes of scratch memory, with any alignment of malloc(). */
size_t rt_resample_scratch(const rt_picture *picture, const rt_resampling *resampling);

/* Writes [window.height, window.width, channels]. */
void rt_resample(const rt_picture *picture, const rt_resampling *resampling, void *scratch, uint8_t *out);

#endif
