/* stb_image_write, of which PNG alone is used: its sizes are ours. */
#include "datasets/png.h"

#include <limits.h>
#include <stdlib.h>

#define STBI_WRITE_NO_STDIO
#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#include <stb_image_write.h>

uint8_t *rt_png_encode(const uint8_t *pixels, size_t height, size_t width, size_t channels, size_t *size)
{
    int length = 0;
    if (height * (width * channels + 1) > INT_MAX / 4) /* stb counts in int, and its buffers double */
        return NULL;
    uint8_t *bytes =
        stbi_write_png_to_mem(pixels, (int)(width * channels), (int)width, (int)height, (int)channels, &length);
    *size = (size_t)length;
    return bytes;
}
