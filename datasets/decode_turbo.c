/* libjpeg-turbo through its TurboJPEG interface. */
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>

#include "datasets/decode.h"

/* Four inks to three lights. Files with them have them inverted, as Adobe does. */
static void mix_inks(const uint8_t *inks, size_t count, uint8_t *pixels)
{
    for (size_t i = 0; i < count; ++i, inks += 4, pixels += 3)
        for (size_t c = 0; c < 3; ++c)
            pixels[c] = (uint8_t)((inks[c] * inks[3] + 127) / 255);
}

/* A warning is an error here where pixels are missing; stray bytes between segments are not. */
static const char *judge(tjhandle handle, int result)
{
    if (result == 0)
        return NULL;
    if (tjGetErrorCode(handle) == TJERR_FATAL)
        return "libjpeg-turbo cannot decode it";
    return strstr(tjGetErrorStr2(handle), "remature end") ? "it ends before its last pixel" : NULL;
}

const char *rt_turbo_decode(const uint8_t *bytes, size_t size, size_t height, size_t width, uint8_t *pixels)
{
    int found_width, found_height, subsampling, colours;
    uint8_t *inks = NULL;
    const char *wrong = NULL;
    tjhandle handle = tjInitDecompress();
    if (!handle)
        return "no memory to decode it";
    if (tjDecompressHeader3(handle, bytes, (unsigned long)size, &found_width, &found_height, &subsampling, &colours) !=
            0 &&
        tjGetErrorCode(handle) == TJERR_FATAL)
        wrong = "libjpeg-turbo cannot read its headers";
    else if ((size_t)found_width != width || (size_t)found_height != height)
        wrong = "its headers contradict each other";
    if (wrong)
        goto done;
    const bool has_inks = colours == TJCS_CMYK || colours == TJCS_YCCK;
    if (has_inks && !(inks = malloc(height * width * 4)))
        wrong = "no memory to decode it";
    if (!wrong)
        wrong = judge(handle, tjDecompress2(handle, bytes, (unsigned long)size, has_inks ? inks : pixels, found_width,
                                            0, found_height, has_inks ? TJPF_CMYK : TJPF_RGB, TJFLAG_ACCURATEDCT));
    if (!wrong && has_inks)
        mix_inks(inks, height * width, pixels);
done:
    free(inks);
    tjDestroy(handle);
    return wrong;
}
