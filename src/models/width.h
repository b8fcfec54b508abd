/* How the families' option `width` turns a layer's channels into others. */
#ifndef RETORT_MODELS_WIDTH_H
#define RETORT_MODELS_WIDTH_H

#include <stddef.h>

/* `channels` times `width`, rounded to the nearest whole number; at least 1. */
static inline size_t rt_model_width(double width, size_t channels)
{
    double wide = width * (double)channels + 0.5;
    return wide < 1.0 ? 1 : (size_t)wide;
}

#endif
