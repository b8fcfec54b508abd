#include <math.h>

#include "datasets/pixel_sums.h"

/* This many additions of 255^2 still fit 32 bits. */
enum { FLUSH = 65536 };

static void flush(rt_pixel_sums *s)
{
    for (size_t i = 0; i < RT_SUM_LANES; ++i) {
        s->value[i % s->channels] += s->values[i];
        s->square[i % s->channels] += s->squares[i];
        s->values[i] = s->squares[i] = 0;
    }
    s->additions = 0;
}

static void add(rt_pixel_sums *s, const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; ++i) {
        uint32_t byte = bytes[i];
        s->values[i] += byte;
        s->squares[i] += byte * byte;
    }
    ++s->additions;
}

void rt_pixel_sums_begin(rt_pixel_sums *sums, size_t channels)
{
    *sums = (rt_pixel_sums){.channels = channels};
}

void rt_pixel_sums_add(rt_pixel_sums *sums, const uint8_t *bytes, size_t count)
{
    const size_t lanes = RT_SUM_LANES / sums->channels * sums->channels;
    for (size_t done = 0; done < count; done += lanes) {
        add(sums, bytes + done, count - done < lanes ? count - done : lanes);
        if (sums->additions == FLUSH)
            flush(sums);
    }
}

void rt_pixel_sums_join(rt_pixel_sums *sums, rt_pixel_sums *others)
{
    flush(sums);
    flush(others);
    for (size_t c = 0; c < sums->channels; ++c) {
        sums->value[c] += others->value[c];
        sums->square[c] += others->square[c];
    }
}

void rt_pixel_sums_end(rt_pixel_sums *sums, uint64_t pixels, rt_normalization *normalization)
{
    flush(sums);
    *normalization = (rt_normalization){.channels = sums->channels};
    for (size_t c = 0; c < sums->channels; ++c) {
        /* n times the sum of squares minus the square of the sum: zero exactly when all are the same. */
        unsigned __int128 spread =
            (unsigned __int128)sums->square[c] * pixels - (unsigned __int128)sums->value[c] * sums->value[c];
        double n = (double)pixels;
        normalization->mean[c] = pixels ? (float)((double)sums->value[c] / n / 255.0) : 0.0f;
        normalization->std[c] = spread ? (float)(sqrt((double)spread) / n / 255.0) : 1.0f;
    }
}

void rt_normalization_measure(const rt_images *images, const uint32_t *samples, size_t count,
                              rt_normalization *normalization)
{
    const size_t size = images->height * images->width * images->channels;
    rt_pixel_sums sums;
    rt_pixel_sums_begin(&sums, images->channels);
    for (size_t i = 0; i < count; ++i)
        rt_pixel_sums_add(&sums, images->pixels + samples[i] * size, size);
    rt_pixel_sums_end(&sums, (uint64_t)count * images->height * images->width, normalization);
}
