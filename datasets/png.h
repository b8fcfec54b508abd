/* An image as a PNG file's bytes. */
#ifndef RETORT_DATASETS_PNG_H
#define RETORT_DATASETS_PNG_H

#include <stddef.h>
#include <stdint.h>

/* [height, width, channels], 1 or 3 of them. Allocated, the caller frees it; NULL without memory. */
uint8_t *rt_png_encode(const uint8_t *pixels, size_t height, size_t width, size_t channels, size_t *size);

#endif
