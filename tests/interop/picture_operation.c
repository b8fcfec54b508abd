/* One operation on an image of bytes, from stdin to stdout, for pictures.py:
 *
 *     picture_operation HEIGHT WIDTH policy OPERATION STEP NEGATIVE
 *     picture_operation HEIGHT WIDTH brightness|contrast|saturation|hue FACTOR
 *     picture_operation HEIGHT WIDTH view SIZE SHORT_SIDE             resized, and the centre cropped
 *     picture_operation HEIGHT WIDTH crop TOP LEFT HEIGHT WIDTH SIZE  a part of it, resized */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datasets/augmentations/policy.h"
#include "datasets/color.h"
#include "datasets/view.h"

enum { CHANNELS = 3 };

static bool write_out(const uint8_t *pixels, size_t height, size_t width)
{
    return fwrite(pixels, CHANNELS, height * width, stdout) == height * width;
}

static bool change(char **words, int count, uint8_t *pixels, size_t height, size_t width)
{
    static const struct {
        const char *name;
        void (*apply)(rt_canvas *canvas, double factor);
    } colors[] = {{"brightness", rt_color_brightness},
                  {"contrast", rt_color_contrast},
                  {"saturation", rt_color_saturation},
                  {"hue", rt_color_hue}};
    rt_canvas canvas = {height, width, CHANNELS, pixels, pixels + height * width * CHANNELS};
    if (count == 4 && strcmp(words[0], "policy") == 0) {
        rt_policy_apply(&canvas, (rt_policy_operation)atoi(words[1]), strtoul(words[2], NULL, 10), atoi(words[3]) == 1);
        return write_out(canvas.pixels, height, width);
    }
    for (size_t i = 0; i < sizeof colors / sizeof *colors; ++i)
        if (count == 2 && strcmp(words[0], colors[i].name) == 0) {
            colors[i].apply(&canvas, strtod(words[1], NULL));
            return write_out(canvas.pixels, height, width);
        }
    return false;
}

static bool view(char **words, const uint8_t *pixels, size_t height, size_t width)
{
    const size_t size = strtoul(words[1], NULL, 10);
    const int64_t label[1] = {0};
    rt_images images = {.count = 1,
                        .height = height,
                        .width = width,
                        .channels = CHANNELS,
                        .classes = 1,
                        .pixels = pixels,
                        .labels = label};
    rt_workspace workspace = {0};
    const uint8_t *bytes;
    bool done = rt_images_fit(&images, size, strtoul(words[2], NULL, 10), NULL) == RT_OK &&
                rt_view_bytes(&images, 0, &workspace, &bytes, NULL) == RT_OK && write_out(bytes, size, size);
    rt_workspace_free(&workspace);
    return done;
}

static bool crop(char **words, const uint8_t *pixels, size_t height, size_t width)
{
    size_t numbers[5];
    for (size_t i = 0; i < 5; ++i)
        numbers[i] = strtoul(words[i + 1], NULL, 10);
    const size_t size = numbers[4];
    const rt_picture picture = {.height = height, .width = width, .channels = CHANNELS, .pixels = pixels};
    const rt_resampling how = {.from = {numbers[0], numbers[1], numbers[2], numbers[3]},
                               .height = size,
                               .width = size,
                               .window = {0, 0, size, size}};
    void *scratch = malloc(rt_resample_scratch(&picture, &how));
    uint8_t *out = malloc(size * size * CHANNELS);
    bool done = scratch && out;
    if (done) {
        rt_resample(&picture, &how, scratch, out);
        done = write_out(out, size, size);
    }
    free(scratch);
    free(out);
    return done;
}

int main(int argc, char **argv)
{
    const size_t height = argc > 4 ? strtoul(argv[1], NULL, 10) : 0, width = argc > 4 ? strtoul(argv[2], NULL, 10) : 0;
    uint8_t *pixels = malloc(2 * height * width * CHANNELS + 1);
    char **words = argv + 3;
    bool done = height > 0 && pixels && fread(pixels, CHANNELS, height * width, stdin) == height * width;
    if (done && strcmp(words[0], "view") == 0 && argc == 6)
        done = view(words, pixels, height, width);
    else if (done && strcmp(words[0], "crop") == 0 && argc == 9)
        done = crop(words, pixels, height, width);
    else
        done = done && change(words, argc - 3, pixels, height, width);
    free(pixels);
    return done ? 0 : 1;
}
