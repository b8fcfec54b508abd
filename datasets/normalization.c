#include <math.h>

#include "datasets/loader.h"

/* Sums of bytes and of their squares are exact in integers, whatever the order, so that the result depends on the
 * samples alone. LANES neighbouring bytes are summed side by side; FLUSH additions of 255^2 still fit 32 bits. */
enum { LANES = 240, FLUSH = 65536 };

typedef struct sums {
    uint32_t values[LANES], squares[LANES];
    size_t additions;
    uint64_t value[RT_MAX_CHANNELS], square[RT_MAX_CHANNELS];
} sums;

static void flush(sums *s, size_t channels)
{
    for (size_t i = 0; i < LANES; ++i) {
        s->value[i % channels] += s->values[i];
        s->square[i % channels] += s->squares[i];
        s->values[i] = s->squares[i] = 0;
    }
    s->additions = 0;
}

static void add(sums *s, const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; ++i) {
        uint32_t byte = bytes[i];
        s->values[i] += byte;
        s->squares[i] += byte * byte;
    }
    ++s->additions;
}

void rt_normalization_measure(const rt_images *images, const uint32_t *samples, size_t count,
                              rt_normalization *normalization)
{
    size_t channels = images->channels, size = images->height * images->width * channels;
    size_t lanes = LANES / channels * channels;
    sums s = {.additions = 0};
    for (size_t i = 0; i < count; ++i) {
        const uint8_t *bytes = images->pixels + samples[i] * size;
        for (size_t done = 0; done < size; done += lanes) {
            add(&s, bytes + done, size - done < lanes ? size - done : lanes);
            if (s.additions == FLUSH)
                flush(&s, channels);
        }
    }
    flush(&s, channels);
    *normalization = (rt_normalization){.channels = channels};
    uint64_t pixels = (uint64_t)count * images->height * images->width;
    for (size_t c = 0; c < channels; ++c) {
        /* n times the sum of squares minus the square of the sum: zero exactly when all are the same. */
        unsigned __int128 spread = (unsigned __int128)s.square[c] * pixels - (unsigned __int128)s.value[c] * s.value[c];
        double n = (double)pixels;
        normalization->mean[c] = pixels ? (float)((double)s.value[c] / n / 255.0) : 0.0f;
        normalization->std[c] = spread ? (float)(sqrt((double)spread) / n / 255.0) : 1.0f;
    }
}
