/* Made-up images that can be learned: a smooth pattern for each class, and noise of its own for each sample. */
#include <math.h>
#include <stdlib.h>

#include "datasets/reading.h"
#include "retort/random.h"

/* Of a pattern: WAVES^2 - 1 products of cosines for each channel. */
enum { WAVES = 4, SIDE_LIMIT = 4096, CHANNEL_LIMIT = 16 };

/* On the scale of 0 to 255: the standard deviation of a pattern, and the half-width of the uniform noise. */
static const double pattern_strength = 36.0, noise_strength = 64.0;

struct synthetic {
    rt_int_list shape;
    int64_t classes, samples, test_samples;
};

static const rt_param params[] = {
    RT_INT_LIST(struct synthetic, shape, 1, SIDE_LIMIT, "channels, height and width; [3, 32, 32] when absent"),
    RT_INT(struct synthetic, classes, 10, 1, 100000, "number of classes; sample i belongs to class i modulo classes"),
    RT_INT(struct synthetic, samples, 1024, 1, 10000000, "number of training images"),
    RT_INT(struct synthetic, test_samples, 0, 0, 10000000, "number of test images; 0 makes a quarter of samples"),
    RT_PARAM_END,
};

/* What the epoch of a key stands for here: both splits share the patterns and never a sample. */
enum { DRAW_TRAIN, DRAW_TEST, DRAW_PATTERN };

/* cosines[wave * size + i]: the basis of the discrete cosine transform along one side. */
static void fill_cosines(double *cosines, size_t size)
{
    const double pi = 3.141592653589793;
    for (size_t wave = 0; wave < WAVES; ++wave)
        for (size_t i = 0; i < size; ++i)
            cosines[wave * size + i] = cos(pi * (double)wave * ((double)i + 0.5) / (double)size);
}

/* The pattern of a class, [height, width, channels], as what is to be added to mid-gray. */
static void draw_pattern(const rt_images *images, uint64_t seed, size_t label, const double *rows,
                         const double *columns, float *pattern)
{
    double weights[CHANNEL_LIMIT][WAVES * WAVES];
    rt_key key = {.seed = seed, .stream = RT_STREAM_SYNTHETIC, .epoch = DRAW_PATTERN, .index = label};
    rt_random_normal(&key, weights[0], images->channels * WAVES * WAVES);
    /* A product of two cosines has a mean square of 1/4, with one constant factor 1/2. */
    const double scale = pattern_strength / sqrt((WAVES - 1) * (WAVES - 1) / 4.0 + (WAVES - 1));
    for (size_t y = 0; y < images->height; ++y)
        for (size_t x = 0; x < images->width; ++x)
            for (size_t c = 0; c < images->channels; ++c) {
                double sum = 0.0;
                for (size_t wave = 1; wave < WAVES * WAVES; ++wave)
                    sum += weights[c][wave] * rows[wave / WAVES * images->height + y] *
                           columns[wave % WAVES * images->width + x];
                *pattern++ = (float)(scale * sum);
            }
}

/* One random byte for each pixel, 16 from a block. */
static void draw_sample(const rt_key *key, const float *pattern, uint8_t *pixels, size_t count)
{
    const float scale = (float)(noise_strength / 127.5);
    for (size_t i = 0; i < count; i += 16) {
        uint32_t words[4];
        rt_random_block(key, (uint32_t)(i / 16), words);
        size_t left = count - i, bytes = left < 16 ? left : 16;
        for (size_t j = 0; j < bytes; ++j) {
            float noise = (float)(words[j / 4] >> 8 * (j % 4) & 0xff) - 127.5f;
            float value = 127.5f + pattern[i + j] + scale * noise;
            pixels[i + j] = (uint8_t)(value < 0.0f ? 0.0f : value > 255.0f ? 255.0f : value + 0.5f);
        }
    }
}

static rt_status set_shape(const struct synthetic *settings, rt_images *images, rt_error *err)
{
    const rt_int_list *shape = &settings->shape;
    *images = (rt_images){.height = 32, .width = 32, .channels = 3, .classes = (size_t)settings->classes};
    if (shape->count == 0)
        return RT_OK;
    if (shape->count != 3)
        return rt_fail(err, RT_ERROR_USAGE, "shape has %zu items; it must be channels, height and width", shape->count);
    if (shape->values[0] > CHANNEL_LIMIT)
        return rt_fail(err, RT_ERROR_USAGE, "shape has %lld channels; at most %d are allowed",
                       (long long)shape->values[0], CHANNEL_LIMIT);
    images->channels = (size_t)shape->values[0];
    images->height = (size_t)shape->values[1];
    images->width = (size_t)shape->values[2];
    return RT_OK;
}

static rt_status open_split(const void *settings, const char *root, uint64_t seed, rt_split split, rt_images *images,
                            rt_error *err)
{
    (void)root;
    const struct synthetic *synthetic = settings;
    RT_TRY(set_shape(synthetic, images, err));
    size_t count = (size_t)synthetic->samples;
    if (split == RT_SPLIT_TEST)
        count = synthetic->test_samples ? (size_t)synthetic->test_samples : (count + 3) / 4;
    uint8_t *pixels;
    int64_t *labels;
    RT_TRY(rt_images_allocate(images, count, "synthetic images", &pixels, &labels, err));
    size_t size = images->height * images->width * images->channels, classes = images->classes;
    float *pattern = malloc(size * sizeof *pattern);
    double *cosines = malloc((images->height + images->width) * WAVES * sizeof *cosines);
    if (!pattern || !cosines) {
        free(pattern);
        free(cosines);
        rt_images_free(images);
        return rt_fail(err, RT_ERROR_MEMORY, "cannot make synthetic images: no memory");
    }
    double *rows = cosines, *columns = cosines + WAVES * images->height;
    fill_cosines(rows, images->height);
    fill_cosines(columns, images->width);
    /* Class by class, so that one pattern at a time is enough. */
    for (size_t label = 0; label < classes && label < count; ++label) {
        draw_pattern(images, seed, label, rows, columns, pattern);
        for (size_t i = label; i < count; i += classes) {
            rt_key key = {.seed = seed,
                          .stream = RT_STREAM_SYNTHETIC,
                          .epoch = split == RT_SPLIT_TRAIN ? DRAW_TRAIN : DRAW_TEST,
                          .index = i};
            draw_sample(&key, pattern, pixels + i * size, size);
            labels[i] = (int64_t)label;
        }
    }
    free(pattern);
    free(cosines);
    return RT_OK;
}

const rt_reader rt_reader_synthetic = {
    .name = "synthetic",
    .summary = "made-up images that can be learned, the same for the same seed; needs no files",
    .files = "none",
    .needs_root = false,
    .params = params,
    .settings_size = sizeof(struct synthetic),
    .open = open_split,
    .close = rt_images_free,
};
