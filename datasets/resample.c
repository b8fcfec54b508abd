#include "datasets/resample.h"

#include <math.h>
#include <string.h>

enum { FRACTION = 22 }; /* bits of a weight behind the point: 255 times the sum of all stays below 2^31 */

/* How one side is resized. */
typedef struct side {
    size_t from, to;       /* sizes in pixels, of the whole */
    size_t start, count;   /* of `to`: what is wanted */
    size_t taps;           /* room for the weights of one output pixel */
    uint32_t *first, *own; /* [count]: where its input pixels begin, and how many they are */
    int32_t *weights;      /* [count, taps] */
} side;

static size_t most_taps(size_t from, size_t to)
{
    double scale = (double)from / (double)to;
    return 2 * (size_t)ceil(scale < 1.0 ? 1.0 : scale) + 1;
}

static void weigh_pixel(const side *s, size_t i)
{
    double scale = (double)s->from / (double)s->to, reach = scale < 1.0 ? 1.0 : scale;
    double center = ((double)(s->start + i) + 0.5) * scale, sum = 0.0;
    double low = center - reach + 0.5, high = center + reach + 0.5;
    size_t first = low < 0.0 ? 0 : (size_t)low, end = (size_t)high < s->from ? (size_t)high : s->from;
    int32_t *weights = s->weights + i * s->taps;
    s->first[i] = (uint32_t)first;
    s->own[i] = (uint32_t)(end - first);
    for (int pass = 0; pass < 2; ++pass)
        for (size_t k = first; k < end; ++k) {
            double distance = fabs(((double)k - center + 0.5) / reach), weight = distance < 1.0 ? 1.0 - distance : 0.0;
            if (pass == 0)
                sum += weight;
            else
                weights[k - first] = (int32_t)(weight / sum * (1 << FRACTION) + 0.5);
        }
}

static char *place_side(side *s, size_t from, size_t to, size_t start, size_t count, char *scratch)
{
    *s = (side){.from = from, .to = to, .start = start, .count = count, .taps = most_taps(from, to)};
    s->first = (uint32_t *)(void *)scratch;
    s->own = s->first + count;
    s->weights = (int32_t *)(void *)(s->own + count);
    for (size_t i = 0; i < count; ++i)
        weigh_pixel(s, i);
    return (char *)(s->weights + count * s->taps);
}

static uint8_t to_byte(int32_t sum)
{
    sum >>= FRACTION;
    return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

/* Inlined with constants for `channels`. */
static inline __attribute__((always_inline)) void shrink_row(const side *s, const uint8_t *in, size_t channels,
                                                             uint8_t *out)
{
    for (size_t x = 0; x < s->count; ++x, out += channels) {
        const int32_t *weights = s->weights + x * s->taps;
        const uint8_t *pixels = in + s->first[x] * channels;
        for (size_t c = 0; c < channels; ++c) {
            int32_t sum = 1 << (FRACTION - 1);
            for (size_t k = 0; k < s->own[x]; ++k)
                sum += weights[k] * pixels[k * channels + c];
            out[c] = to_byte(sum);
        }
    }
}

static void shrink_column(const side *s, size_t y, const uint8_t *rows, size_t line, int32_t *sums, uint8_t *out)
{
    for (size_t i = 0; i < line; ++i)
        sums[i] = 1 << (FRACTION - 1);
    for (size_t k = 0; k < s->own[y]; ++k) {
        const uint8_t *row = rows + k * line;
        int32_t weight = s->weights[y * s->taps + k];
        for (size_t i = 0; i < line; ++i)
            sums[i] += weight * row[i];
    }
    for (size_t i = 0; i < line; ++i)
        out[i] = to_byte(sums[i]);
}

size_t rt_resample_scratch(const rt_picture *picture, const rt_resampling *r)
{
    size_t line = r->window.width * picture->channels;
    size_t columns = r->window.width * (2 + most_taps(r->from.width, r->width));
    size_t rows = r->window.height * (2 + most_taps(r->from.height, r->height));
    return (columns + rows + line) * sizeof(int32_t) + r->from.height * line;
}

void rt_resample(const rt_picture *picture, const rt_resampling *r, void *scratch, uint8_t *out)
{
    const rt_box *window = &r->window;
    size_t channels = picture->channels, line = window->width * channels;
    side across, down;
    char *at = place_side(&across, r->from.width, r->width, window->left, window->width, scratch);
    at = place_side(&down, r->from.height, r->height, window->top, window->height, at);
    int32_t *sums = (int32_t *)(void *)at;
    uint8_t *rows = (uint8_t *)(sums + line);
    size_t begin = down.first[0], end = down.first[window->height - 1] + down.own[window->height - 1];
    for (size_t y = begin; y < end; ++y) {
        const uint8_t *in = picture->pixels + ((r->from.top + y) * picture->width + r->from.left) * channels;
        if (channels == 3)
            shrink_row(&across, in, 3, rows + (y - begin) * line);
        else
            shrink_row(&across, in, channels, rows + (y - begin) * line);
    }
    for (size_t y = 0; y < window->height; ++y)
        shrink_column(&down, y, rows + (down.first[y] - begin) * line, line, sums, out + y * line);
}
