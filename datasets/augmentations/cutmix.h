/* The box of cutmix. */
#ifndef RETORT_DATASETS_AUGMENTATIONS_CUTMIX_H
#define RETORT_DATASETS_AUGMENTATIONS_CUTMIX_H

#include "datasets/augmentation.h"

/* Of a box about pixel (x, y) whose area is 1 - kept of the image's, what lies within the image. */
rt_blend rt_cutmix_blend(double kept, size_t x, size_t y, size_t height, size_t width);

#endif
