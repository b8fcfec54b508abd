/* JPEG and PNG files -> pixels.
 *
 * What is in a file decides, not its name. A file is looked at before anything is decoded: sizes, the tables and the
 * number of scans of a JPEG (jpeg_scan.c). JPEG is decoded by libjpeg-turbo where the build found it, PNG by stb_image,
 * and JPEG, too, where `RT_DECODER_STB` is asked for. The two decoders differ by a few levels in some pixels. */
#ifndef RETORT_DATASETS_DECODE_H
#define RETORT_DATASETS_DECODE_H

#include "retort/dataset.h"

typedef enum rt_decoder { RT_DECODER_AUTO, RT_DECODER_STB } rt_decoder;

extern const char *const rt_decoder_names[]; /* "auto", "stb", NULL: choices of a parameter */

enum {
    RT_MOST_FILE_BYTES = 64 << 20,
    RT_MOST_SIDE = 16384,
    RT_MOST_PIXELS = 64 << 20 /* 192 MB decoded */
};

/* Decodes a whole file to three channels, into the picture's memory: gray is repeated, transparency and rotation notes
 * (EXIF) are ignored. `name` is the file's, for errors. */
rt_status rt_decode(const uint8_t *bytes, size_t size, const char *name, rt_decoder decoder, rt_picture *picture,
                    rt_error *err);

/* "libjpeg-turbo" or "stb_image": what decodes JPEG files. */
const char *rt_decoder_of_jpeg(rt_decoder decoder);

/* Memory of at least `bytes` in picture->memory, or in picture->file; what was there is lost. */
rt_status rt_picture_reserve(rt_picture *picture, size_t bytes, rt_error *err);
rt_status rt_picture_reserve_file(rt_picture *picture, size_t bytes, rt_error *err);
void rt_picture_free(rt_picture *picture); /* accepts a zeroed struct */

/* The parts of rt_decode(). All return what is wrong in words, NULL when nothing is. */
typedef struct rt_jpeg_facts {
    size_t height, width;
} rt_jpeg_facts;

const char *rt_jpeg_scan(const uint8_t *bytes, size_t size, rt_jpeg_facts *facts);

/* `pixels` holds height x width x 3 bytes; the file has already been found to be that large. */
const char *rt_turbo_decode(const uint8_t *bytes, size_t size, size_t height, size_t width, uint8_t *pixels);
const char *rt_stb_measure(const uint8_t *bytes, size_t size, size_t *height, size_t *width);
const char *rt_stb_decode(const uint8_t *bytes, size_t size, size_t height, size_t width, uint8_t *pixels);

#endif
