/* stb_image, with all but JPEG and PNG left out, and its memory in bounds.
 *
 * Its arithmetic on hostile files is meant to wrap around, so that this file alone is compiled with -fwrapv. Its memory
 * is zeroed: a scan may name a table that the file never defined. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "datasets/decode.h"

/* How much more one allocation of a decoding may take. stb_image hands nothing to its allocator but the size, so that
 * the bound belongs to the thread. */
static _Thread_local size_t most_bytes;

static void *take(size_t size)
{
    return size <= most_bytes ? calloc(1, size + !size) : NULL;
}

static void *take_again(void *old, size_t old_size, size_t size)
{
    if (size > most_bytes)
        return NULL;
    char *grown = realloc(old, size);
    if (grown && size > old_size)
        memset(grown + old_size, 0, size - old_size);
    return grown;
}

#define STBI_MALLOC(size) take(size)
#define STBI_REALLOC_SIZED(old, old_size, size) take_again(old, old_size, size)
#define STBI_FREE(memory) free(memory)
#define STBI_ASSERT(condition) ((void)0)
#define STBI_MAX_DIMENSIONS RT_MOST_SIDE
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_NO_STDIO
#define STBI_NO_HDR
#define STBI_NO_LINEAR
#define STBI_NO_FAILURE_STRINGS
#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#include <stb_image.h>

enum { HEADER_BYTES = 1 << 20, SLACK = 1 << 20 };

const char *rt_stb_measure(const uint8_t *bytes, size_t size, size_t *height, size_t *width)
{
    int found_width, found_height, channels;
    most_bytes = HEADER_BYTES;
    if (!stbi_info_from_memory(bytes, (int)size, &found_width, &found_height, &channels))
        return "its headers are damaged";
    *width = (size_t)found_width;
    *height = (size_t)found_height;
    return NULL;
}

const char *rt_stb_decode(const uint8_t *bytes, size_t size, size_t height, size_t width, uint8_t *pixels)
{
    int found_width, found_height, channels;
    /* 16-bit RGBA, which is the most that a pixel can have, and a file that does not compress. */
    most_bytes = 2 * (height * width * 8 + size) + SLACK;
    stbi_uc *found = stbi_load_from_memory(bytes, (int)size, &found_width, &found_height, &channels, 3);
    const char *wrong = NULL;
    if (!found)
        wrong = "stb_image cannot decode it";
    else if ((size_t)found_width != width || (size_t)found_height != height)
        wrong = "its headers contradict each other";
    else
        memcpy(pixels, found, height * width * 3);
    stbi_image_free(found);
    return wrong;
}
