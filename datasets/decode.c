#include "datasets/decode.h"

#include <stdlib.h>
#include <string.h>

const char *const rt_decoder_names[] = {[RT_DECODER_AUTO] = "auto", [RT_DECODER_STB] = "stb", NULL};

static rt_status reserve(uint8_t **memory, size_t *capacity, size_t bytes, rt_error *err)
{
    if (bytes <= *capacity)
        return RT_OK;
    free(*memory);
    *capacity = 0;
    *memory = malloc(bytes);
    if (!*memory)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for an image: %zu bytes", bytes);
    *capacity = bytes;
    return RT_OK;
}

rt_status rt_picture_reserve(rt_picture *picture, size_t bytes, rt_error *err)
{
    return reserve(&picture->memory, &picture->memory_capacity, bytes, err);
}

rt_status rt_picture_reserve_file(rt_picture *picture, size_t bytes, rt_error *err)
{
    return reserve(&picture->file, &picture->file_capacity, bytes, err);
}

void rt_picture_free(rt_picture *picture)
{
    free(picture->memory);
    free(picture->file);
    *picture = (rt_picture){0};
}

const char *rt_decoder_of_jpeg(rt_decoder decoder)
{
#ifdef RETORT_TURBOJPEG
    return decoder == RT_DECODER_STB ? "stb_image" : "libjpeg-turbo";
#else
    (void)decoder;
    return "stb_image";
#endif
}

static bool is_jpeg(const uint8_t *bytes, size_t size)
{
    return size >= 3 && bytes[0] == 0xff && bytes[1] == 0xd8 && bytes[2] == 0xff;
}

static bool is_png(const uint8_t *bytes, size_t size)
{
    static const uint8_t signature[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    return size >= sizeof signature && memcmp(bytes, signature, sizeof signature) == 0;
}

rt_status rt_decode(const uint8_t *bytes, size_t size, const char *name, rt_decoder decoder, rt_picture *picture,
                    rt_error *err)
{
    rt_jpeg_facts facts = {0};
    const char *wrong = NULL;
    const bool jpeg = is_jpeg(bytes, size);
    if (size > RT_MOST_FILE_BYTES)
        return rt_fail(err, RT_ERROR_FORMAT, "cannot read '%s': %zu bytes; an image file has at most %d", name, size,
                       RT_MOST_FILE_BYTES);
    if (!jpeg && !is_png(bytes, size))
        return rt_fail(err, RT_ERROR_FORMAT, "cannot read '%s': neither a JPEG nor a PNG file", name);
    wrong = jpeg ? rt_jpeg_scan(bytes, size, &facts) : rt_stb_measure(bytes, size, &facts.height, &facts.width);
    if (wrong)
        return rt_fail(err, RT_ERROR_FORMAT, "cannot read '%s': %s", name, wrong);
    if (facts.height == 0 || facts.width == 0 || facts.height > RT_MOST_SIDE || facts.width > RT_MOST_SIDE ||
        facts.height * facts.width > RT_MOST_PIXELS)
        return rt_fail(err, RT_ERROR_FORMAT,
                       "cannot read '%s': %zu x %zu pixels; an image has 1 to %d on a side and at most %d million",
                       name, facts.height, facts.width, RT_MOST_SIDE, RT_MOST_PIXELS / 1000000);
    RT_TRY(rt_picture_reserve(picture, facts.height * facts.width * 3, err));
#ifdef RETORT_TURBOJPEG
    if (jpeg && decoder != RT_DECODER_STB)
        wrong = rt_turbo_decode(bytes, size, facts.height, facts.width, picture->memory);
    else
#else
    (void)decoder;
#endif
        wrong = rt_stb_decode(bytes, size, facts.height, facts.width, picture->memory);
    if (wrong)
        return rt_fail(err, RT_ERROR_FORMAT, "cannot read '%s': %s", name, wrong);
    picture->height = facts.height;
    picture->width = facts.width;
    picture->channels = 3;
    picture->pixels = picture->memory;
    return RT_OK;
}
