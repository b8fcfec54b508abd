#include "datasets/augment.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "retort/random.h"

/* Beyond this the variants of an image no longer fit 32 bits. */
enum { PAD_LIMIT = 16384 };

static rt_status check(const rt_images *images, const rt_augment *augment, const rt_normalization *normalization,
                       rt_error *err)
{
    if (images->channels == 0 || images->channels > RT_MAX_CHANNELS)
        return rt_fail(err, RT_ERROR_SHAPE, "images of %zu channels; 1 to %d are allowed", images->channels,
                       RT_MAX_CHANNELS);
    if (normalization->channels != images->channels)
        return rt_fail(err, RT_ERROR_SHAPE, "normalisation of %zu channels for images of %zu; they must be the same",
                       normalization->channels, images->channels);
    for (size_t c = 0; c < images->channels; ++c) {
        double mean = normalization->mean[c], std = normalization->std[c];
        if (!isfinite(mean) || !isfinite(std) || std <= 0)
            return rt_fail(err, RT_ERROR_USAGE,
                           "normalisation of channel %zu by mean %g and std %g; both must be finite and std above 0", c,
                           mean, std);
    }
    size_t least = images->height < images->width ? images->height : images->width;
    if (augment->crop_pad > 0 && (augment->crop_pad >= least || augment->crop_pad > PAD_LIMIT))
        return rt_fail(err, RT_ERROR_USAGE, "crop pad %zu for images of %zux%zu; it must be less than either side",
                       augment->crop_pad, images->height, images->width);
    return RT_OK;
}

rt_status rt_rendering_make(rt_rendering *rendering, const rt_images *images, const rt_augment *augment,
                            const rt_normalization *normalization, rt_error *err)
{
    *rendering = (rt_rendering){0};
    RT_TRY(check(images, augment, normalization, err));
    size_t row;
    if (__builtin_mul_overflow(images->width, images->channels * sizeof(float), &row))
        return rt_fail(err, RT_ERROR_SHAPE, "images %zu pixels wide; a row does not fit memory", images->width);
    rendering->black = malloc(row);
    if (!rendering->black)
        return rt_fail(err, RT_ERROR_MEMORY, "cannot augment images: no memory for %zu bytes", row);
    rendering->height = images->height;
    rendering->width = images->width;
    rendering->channels = images->channels;
    rendering->augment = *augment;
    for (size_t c = 0; c < images->channels; ++c)
        for (size_t byte = 0; byte < 256; ++byte)
            rendering->values[c][byte] = ((float)byte / 255.0f - normalization->mean[c]) / normalization->std[c];
    for (size_t i = 0; i < images->width * images->channels; ++i)
        rendering->black[i] = rendering->values[i % images->channels][0];
    return RT_OK;
}

void rt_rendering_free(rt_rendering *rendering)
{
    free(rendering->black);
    *rendering = (rt_rendering){0};
}

uint32_t rt_augment_variants(const rt_augment *augment)
{
    uint32_t offsets = (uint32_t)(2 * augment->crop_pad + 1);
    return augment->choice_count > 0 ? 0 : offsets * offsets * 2;
}

uint32_t rt_augment_draw(const rt_augment *augment, uint64_t seed, uint32_t epoch, uint64_t index)
{
    rt_key key = {.seed = seed, .stream = RT_STREAM_AUGMENT, .epoch = epoch, .index = index};
    uint32_t offsets = (uint32_t)(2 * augment->crop_pad + 1);
    uint32_t row = 0, column = 0, flipped = 0;
    if (augment->crop_pad > 0) {
        row = rt_random_below(&key, 0, offsets);
        column = rt_random_below(&key, 1, offsets);
    }
    if (augment->flip)
        flipped = rt_random_below(&key, 2, 2);
    return (row * offsets + column) * 2 + flipped;
}

/* Looks `count` pixels up; `step` is 1, or -1 to read them from the last to the first. Inlined with constants for
 * `channels` and `step`, which makes it several times faster. */
static inline __attribute__((always_inline)) void look_up(const float (*values)[256], const uint8_t *pixels,
                                                          size_t count, size_t channels, ptrdiff_t step, float *out)
{
    if (step < 0)
        pixels += (count - 1) * channels;
    for (size_t x = 0; x < count; ++x, pixels += step * (ptrdiff_t)channels, out += channels)
        for (size_t c = 0; c < channels; ++c)
            out[c] = values[c][pixels[c]];
}

static void render_pixels(const rt_rendering *rendering, const uint8_t *pixels, size_t count, bool flipped, float *out)
{
    const float(*values)[256] = rendering->values;
    switch (rendering->channels * 2 + flipped) {
    case 2:
        look_up(values, pixels, count, 1, 1, out);
        break;
    case 3:
        look_up(values, pixels, count, 1, -1, out);
        break;
    case 6:
        look_up(values, pixels, count, 3, 1, out);
        break;
    case 7:
        look_up(values, pixels, count, 3, -1, out);
        break;
    default:
        look_up(values, pixels, count, rendering->channels, flipped ? -1 : 1, out);
    }
}

void rt_render(const rt_rendering *rendering, const uint8_t *pixels, uint32_t variant, float *out)
{
    size_t height = rendering->height, width = rendering->width, channels = rendering->channels;
    size_t pad = rendering->augment.crop_pad, offsets = 2 * pad + 1;
    bool flipped = variant % 2;
    size_t row = variant / 2 / offsets, column = variant / 2 % offsets;
    /* Output pixel (y, x) before the flip is input pixel (y + row - pad, x + column - pad), black where there is none.
     */
    size_t first = column < pad ? 0 : column - pad;
    size_t seen = width - (column < pad ? pad - column : column - pad);
    size_t left = column < pad ? width - seen : 0;
    if (flipped)
        left = width - seen - left;
    size_t right = width - seen - left, line = width * channels;
    for (size_t y = 0; y < height; ++y, out += line) {
        if (y + row < pad || y + row >= pad + height) {
            memcpy(out, rendering->black, line * sizeof *out);
            continue;
        }
        memcpy(out, rendering->black, left * channels * sizeof *out);
        memcpy(out + (left + seen) * channels, rendering->black, right * channels * sizeof *out);
        render_pixels(rendering, pixels + (y + row - pad) * line + first * channels, seen, flipped,
                      out + left * channels);
    }
}
