/* The loader: what a batch holds, that it depends on nothing but (seed, epoch, index), and the normalisation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "datasets/mixing.h"
#include "retort/random.h"

enum { COUNT = 103, HEIGHT = 6, WIDTH = 5, CHANNELS = 3, SIZE = HEIGHT * WIDTH * CHANNELS, BATCH = 8, SAMPLES = 90 };

static uint8_t pixels[COUNT * SIZE];
static int64_t labels[COUNT];
static uint32_t samples[SAMPLES];
static const rt_images images = {.count = COUNT,
                                 .height = HEIGHT,
                                 .width = WIDTH,
                                 .channels = CHANNELS,
                                 .classes = 10,
                                 .pixels = pixels,
                                 .labels = labels};

static int fill(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof pixels; ++i)
        pixels[i] = (uint8_t)rt_random_word(&(rt_key){.seed = 11}, i);
    for (size_t i = 0; i < COUNT; ++i)
        labels[i] = (int64_t)(i * 7 % 10);
    for (size_t i = 0; i < SAMPLES; ++i)
        samples[i] = (uint32_t)(i + 5 + i / 40); /* a part of the images, with a gap */
    return 0;
}

static rt_loader_options plain_options(void)
{
    return (rt_loader_options){.images = &images,
                               .samples = samples,
                               .sample_count = SAMPLES,
                               .normalization = {CHANNELS, {0.5f, 0.25f, 0.4f}, {0.5f, 0.2f, 1.0f}},
                               .batch = BATCH,
                               .seed = 99,
                               .prefetch = 3};
}

static rt_loader_options training_options(void)
{
    rt_loader_options options = plain_options();
    options.augment = (rt_augment){.crop_pad = 2, .flip = true};
    options.shuffle = true;
    return options;
}

static rt_loader *open_loader(const rt_loader_options *options)
{
    rt_loader *loader;
    rt_error err = {0};
    if (rt_loader_open(options, &loader, &err) != RT_OK)
        fail_msg("%s", err.message);
    return loader;
}

/* An epoch's batches one after the other. */
typedef struct epoch {
    size_t count, batches;
    float images[SAMPLES * SIZE];
    int64_t labels[SAMPLES], samples[SAMPLES];
    uint32_t variants[SAMPLES];
} epoch;

static void append(epoch *e, const rt_batch *batch)
{
    assert_true(batch->count > 0 && e->count + batch->count <= SAMPLES);
    assert_int_equal((uintptr_t)batch->images % 64, 0);
    memcpy(e->images + e->count * SIZE, batch->images, batch->count * SIZE * sizeof(float));
    memcpy(e->labels + e->count, batch->labels, batch->count * sizeof(int64_t));
    memcpy(e->samples + e->count, batch->samples, batch->count * sizeof(int64_t));
    memcpy(e->variants + e->count, batch->variants, batch->count * sizeof(uint32_t));
    e->count += batch->count;
    ++e->batches;
}

static epoch *read_epoch(rt_loader *loader, uint32_t number)
{
    epoch *e = calloc(1, sizeof *e);
    rt_loader_seek(loader, number, 0);
    const rt_batch *batch;
    while ((batch = rt_loader_next(loader)) != NULL)
        append(e, batch);
    assert_null(rt_loader_next(loader));
    return e;
}

/* Pads onto a canvas, cuts out, mirrors: by the book, one pixel at a time. */
static void expect_image(const float *made, size_t index, size_t pad, size_t row, size_t column, bool flipped,
                         const rt_normalization *normalization)
{
    for (size_t y = 0; y < HEIGHT; ++y)
        for (size_t x = 0; x < WIDTH; ++x)
            for (size_t c = 0; c < CHANNELS; ++c) {
                uint8_t canvas[HEIGHT + 8][WIDTH + 8] = {{0}};
                for (size_t i = 0; i < HEIGHT; ++i)
                    for (size_t j = 0; j < WIDTH; ++j)
                        canvas[i + pad][j + pad] = pixels[index * SIZE + (i * WIDTH + j) * CHANNELS + c];
                double byte = canvas[y + row][(flipped ? WIDTH - 1 - x : x) + column];
                double value = (byte / 255 - (double)normalization->mean[c]) / (double)normalization->std[c];
                double got = (double)made[(y * WIDTH + x) * CHANNELS + c];
                if (fabs(got - value) > 1e-6)
                    fail_msg("image %zu at (%zu, %zu, %zu): %g instead of %g", index, y, x, c, got, value);
            }
}

static void each_sample_comes_once(void **state)
{
    (void)state;
    rt_loader_options options = training_options();
    rt_loader *loader = open_loader(&options);
    assert_int_equal(rt_loader_batches(loader), (SAMPLES + BATCH - 1) / BATCH);
    int64_t first_order[SAMPLES];
    for (uint32_t number = 0; number < 3; ++number) {
        epoch *e = read_epoch(loader, number);
        assert_int_equal(e->count, SAMPLES);
        assert_int_equal(e->batches, rt_loader_batches(loader)); /* the last one has 2 images */
        int times[COUNT] = {0};
        for (size_t i = 0; i < SAMPLES; ++i) {
            ++times[e->samples[i]];
            assert_int_equal(e->labels[i], labels[e->samples[i]]);
        }
        for (size_t i = 0; i < SAMPLES; ++i)
            assert_int_equal(times[samples[i]], 1);
        if (number == 0)
            memcpy(first_order, e->samples, sizeof first_order);
        else
            assert_memory_not_equal(first_order, e->samples, sizeof first_order);
        free(e);
    }
    rt_loader_close(loader);
}

static void without_shuffling_the_order_stays(void **state)
{
    (void)state;
    rt_loader_options options = plain_options();
    rt_loader *loader = open_loader(&options);
    epoch *e = read_epoch(loader, 4);
    for (size_t i = 0; i < SAMPLES; ++i) {
        assert_int_equal(e->samples[i], samples[i]);
        assert_int_equal(e->variants[i], 0);
        expect_image(e->images + i * SIZE, samples[i], 0, 0, 0, false, &options.normalization);
    }
    free(e);
    rt_loader_close(loader);
}

static void order_and_augmentation_follow_their_definition(void **state)
{
    (void)state;
    const rt_augment augments[] = {
        {.crop_pad = 2, .flip = true}, {.flip = true}, {.crop_pad = 4}, {.crop_pad = 1, .flip = true}};
    for (size_t a = 0; a < 4; ++a) {
        rt_loader_options options = training_options();
        options.augment = augments[a];
        size_t pad = augments[a].crop_pad, offsets = 2 * pad + 1, flips = 0, moved = 0;
        rt_loader *loader = open_loader(&options);
        epoch *e = read_epoch(loader, 7);
        uint32_t order[SAMPLES];
        rt_random_permutation(&(rt_key){.seed = 99, .stream = RT_STREAM_SHUFFLE, .epoch = 7}, order, SAMPLES);
        for (size_t i = 0; i < SAMPLES; ++i) {
            uint32_t index = samples[order[i]];
            assert_int_equal(e->samples[i], index);
            rt_key key = {.seed = 99, .stream = RT_STREAM_AUGMENT, .epoch = 7, .index = index};
            size_t row = rt_random_below(&key, 0, (uint32_t)offsets);
            size_t column = rt_random_below(&key, 1, (uint32_t)offsets);
            bool flipped = augments[a].flip && rt_random_below(&key, 2, 2);
            assert_int_equal(e->variants[i], (row * offsets + column) * 2 + flipped);
            expect_image(e->images + i * SIZE, index, pad, row, column, flipped, &options.normalization);
            flips += flipped;
            moved += row != pad || column != pad;
        }
        assert_true(augments[a].flip ? flips > 25 && flips < 65 : flips == 0);
        assert_true(pad ? moved > 60 : moved == 0);
        free(e);
        rt_loader_close(loader);
    }
}

static void other_channel_counts_are_rendered_alike(void **state)
{
    (void)state;
    /* The same bytes seen as images of 1, 5 and 15 channels. */
    const size_t channel_counts[] = {1, 5, 15};
    for (size_t k = 0; k < 3; ++k) {
        size_t channels = channel_counts[k], width = WIDTH * CHANNELS / channels;
        rt_images view = {.count = COUNT,
                          .height = HEIGHT,
                          .width = width,
                          .channels = channels,
                          .classes = 10,
                          .pixels = pixels,
                          .labels = labels};
        rt_loader_options options = training_options();
        options.images = &view;
        options.augment.crop_pad = 0;
        options.normalization = (rt_normalization){.channels = channels};
        for (size_t c = 0; c < channels; ++c) {
            options.normalization.mean[c] = 0.1f * (float)c;
            options.normalization.std[c] = 1.0f + (float)c;
        }
        rt_loader *loader = open_loader(&options);
        const rt_batch *batch = rt_loader_next(loader);
        for (size_t i = 0; i < batch->count * SIZE; ++i) {
            size_t image = i / SIZE, c = i % channels, x = i / channels % width, y = i / channels / width % HEIGHT;
            size_t from = batch->variants[image] ? width - 1 - x : x;
            double byte = pixels[(size_t)batch->samples[image] * SIZE + (y * width + from) * channels + c];
            double value = (byte / 255 - (double)options.normalization.mean[c]) / (double)(1 + c);
            assert_true(fabs((double)batch->images[i] - value) < 1e-6);
        }
        rt_loader_close(loader);
    }
}

static void workers_change_nothing(void **state)
{
    (void)state;
    const size_t worker_counts[] = {0, 1, 3};
    epoch *reference[2] = {NULL, NULL};
    for (size_t w = 0; w < 3; ++w)
        for (size_t prefetch = 1; prefetch < 30; prefetch += 14) {
            rt_loader_options options = training_options();
            options.workers = worker_counts[w];
            options.prefetch = prefetch;
            rt_loader *loader = open_loader(&options);
            for (uint32_t number = 0; number < 2; ++number) {
                epoch *e = read_epoch(loader, number);
                if (!reference[number]) {
                    reference[number] = e;
                    continue;
                }
                assert_memory_equal(e, reference[number], sizeof *e);
                free(e);
            }
            rt_loader_close(loader);
        }
    free(reference[0]);
    free(reference[1]);
}

static void any_batch_can_be_asked_for(void **state)
{
    (void)state;
    rt_loader_options options = training_options();
    for (options.workers = 0; options.workers < 4; ++options.workers) {
        rt_loader *loader = open_loader(&options);
        epoch *whole[2] = {read_epoch(loader, 0), read_epoch(loader, 1)};
        /* Jumps while batches are in the making, and while one is in the caller's hands. */
        for (size_t jump = 0; jump < 2000; ++jump) {
            uint32_t number = (uint32_t)jump % 2;
            size_t first = jump * 5 % (rt_loader_batches(loader) + 2);
            rt_loader_seek(loader, number, first);
            for (size_t b = first; b < first + jump % 3; ++b) {
                const rt_batch *batch = rt_loader_next(loader);
                if (b >= rt_loader_batches(loader)) {
                    assert_null(batch);
                    continue;
                }
                assert_int_equal(batch->count, b + 1 < rt_loader_batches(loader) ? BATCH : SAMPLES % BATCH);
                assert_memory_equal(batch->samples, whole[number]->samples + b * BATCH, batch->count * sizeof(int64_t));
                assert_memory_equal(batch->images, whole[number]->images + b * BATCH * SIZE,
                                    batch->count * SIZE * sizeof(float));
            }
        }
        rt_loader_close(loader);
        free(whole[0]);
        free(whole[1]);
    }
}

static void opening_is_the_first_epoch(void **state)
{
    (void)state;
    rt_loader_options options = training_options();
    options.workers = 2;
    rt_loader *loader = open_loader(&options);
    epoch e = {0};
    const rt_batch *batch;
    while ((batch = rt_loader_next(loader)) != NULL)
        append(&e, batch);
    epoch *again = read_epoch(loader, 0);
    assert_memory_equal(&e, again, sizeof e);
    free(again);
    rt_loader_close(loader);
    rt_loader_close(NULL);
}

static void a_batch_is_at_most_an_epoch(void **state)
{
    (void)state;
    rt_loader_options options = plain_options();
    options.batch = (size_t)1 << 60;
    options.workers = 1;
    rt_loader *loader = open_loader(&options);
    assert_int_equal(rt_loader_batches(loader), 1);
    assert_int_equal(rt_loader_next(loader)->count, SAMPLES);
    assert_null(rt_loader_next(loader));
    rt_loader_close(loader);
}

static void wrong_options_are_refused(void **state)
{
    (void)state;
    const uint32_t beyond[] = {0, COUNT};
    rt_loader_options wrong[9];
    const char *words[9] = {"loader: 0 samples; at least 1 is needed",
                            "loader: batch 0; it must be at least 1",
                            "loader: prefetch 0; it must be 1 to 1024",
                            "loader: 300 workers; at most 256 are allowed",
                            "loader: sample 103 of 103 images; it must be below their count",
                            "crop pad 5 for images of 6x5; it must be less than either side",
                            "normalisation of 1 channels for images of 3; they must be the same",
                            "normalisation of channel 1 by mean 0.25 and std 0; both must be finite and std above 0",
                            "normalisation of channel 2 by mean nan and std 1; both must be finite and std above 0"};
    for (size_t i = 0; i < 9; ++i)
        wrong[i] = plain_options();
    wrong[0].sample_count = 0;
    wrong[1].batch = 0;
    wrong[2].prefetch = 0;
    wrong[3].workers = 300;
    wrong[4].samples = beyond;
    wrong[4].sample_count = 2;
    wrong[5].augment.crop_pad = 5;
    wrong[6].normalization.channels = 1;
    wrong[7].normalization.std[1] = 0;
    wrong[8].normalization.mean[2] = NAN;
    for (size_t i = 0; i < 9; ++i) {
        rt_loader *loader;
        rt_error err = {0};
        assert_int_not_equal(rt_loader_open(&wrong[i], &loader, &err), RT_OK);
        assert_string_equal(err.message, words[i]);
        assert_null(loader);
    }
}

static void normalization_is_measured(void **state)
{
    (void)state;
    /* Channel 0 is half black and half white, channel 1 is constant, channel 2 is 0, 51, 102, 153. */
    const uint8_t bytes[] = {0, 200, 0, 255, 200, 51, 0, 200, 102, 255, 200, 153, 9, 9, 9, 9, 9, 9};
    const rt_images few = {
        .count = 3, .height = 1, .width = 2, .channels = 3, .classes = 1, .pixels = bytes, .labels = labels};
    const uint32_t chosen[] = {1, 0};
    rt_normalization normalization;
    rt_normalization_measure(&few, chosen, 2, &normalization);
    assert_int_equal(normalization.channels, 3);
    const double mean[] = {0.5, 200 / 255.0, 0.3}, std[] = {0.5, 1, 0.2 * sqrt(1.25)};
    for (size_t c = 0; c < 3; ++c) {
        assert_true(fabs((double)normalization.mean[c] - mean[c]) < 1e-7);
        assert_true(fabs((double)normalization.std[c] - std[c]) < 1e-7);
    }
    /* Against two plain passes in double, for channel counts that do and do not divide the lanes. */
    const size_t channel_counts[] = {1, 9, 11, 15}, bytes_per_image = 990;
    const uint32_t odd[] = {7, 1, 5, 3};
    for (size_t k = 0; k < 4; ++k) {
        size_t channels = channel_counts[k], per_image = bytes_per_image / channels;
        const rt_images view = {.count = 9,
                                .height = 1,
                                .width = per_image,
                                .channels = channels,
                                .classes = 1,
                                .pixels = pixels,
                                .labels = labels};
        rt_normalization_measure(&view, odd, 4, &normalization);
        for (size_t c = 0; c < channels; ++c) {
            double sum = 0, spread = 0, n = 4 * (double)per_image;
            for (int pass = 0; pass < 2; ++pass)
                for (size_t i = 0; i < 4; ++i)
                    for (size_t j = 0; j < per_image; ++j) {
                        double value = pixels[odd[i] * bytes_per_image + j * channels + c] / 255.0;
                        if (pass == 0)
                            sum += value;
                        else
                            spread += (value - sum / n) * (value - sum / n);
                    }
            assert_true(fabs((double)normalization.mean[c] - sum / n) < 1e-7);
            assert_true(fabs((double)normalization.std[c] - sqrt(spread / n)) < 1e-7);
        }
    }
}

static void large_white_images_do_not_overflow(void **state)
{
    (void)state;
    const size_t side = 4200; /* 240 lanes x 65536 additions are less than this image */
    uint8_t *white = malloc(side * side);
    memset(white, 255, side * side);
    const rt_images one = {
        .count = 1, .height = side, .width = side, .channels = 1, .classes = 1, .pixels = white, .labels = labels};
    rt_normalization normalization;
    rt_normalization_measure(&one, &(uint32_t){0}, 1, &normalization);
    assert_true(normalization.mean[0] == 1.0f && normalization.std[0] == 1.0f);
    free(white);
}

static void ignore(int signal_number)
{
    (void)signal_number;
}

/* With the signal blocked here too, it stays pending: no worker takes it. */
static void workers_leave_signals_to_others(void **state)
{
    (void)state;
    rt_loader_options options = training_options();
    options.workers = 2;
    rt_loader *loader = open_loader(&options);
    struct sigaction before, action = {.sa_handler = ignore};
    sigset_t stop, mask, pending;
    sigemptyset(&stop);
    sigaddset(&stop, SIGINT);
    sigaddset(&stop, SIGTERM);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, NULL, &mask), 0);
    assert_false(sigismember(&mask, SIGINT)); /* the caller's own mask is as it was */
    sigaction(SIGINT, &action, &before);
    pthread_sigmask(SIG_BLOCK, &stop, NULL);
    kill(getpid(), SIGINT);
    free(read_epoch(loader, 0));
    usleep(20000);
    sigpending(&pending);
    assert_true(sigismember(&pending, SIGINT));
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    sigaction(SIGINT, &before, NULL);
    rt_loader_close(loader);
}

static rt_augmentation_choice mixing_choice(const char *name, void *settings)
{
    size_t i = 0;
    while (strcmp(rt_augmentations[i]->name, name) != 0)
        ++i;
    rt_param_defaults(rt_augmentations[i]->params, settings);
    return (rt_augmentation_choice){rt_augmentations[i], settings};
}

/* A batch is what it would be without mixing, mixed by its number; whoever made it, and whatever came before. */
static void batches_are_mixed_as_wholes(void **state)
{
    (void)state;
    _Alignas(max_align_t) char settings[2][64];
    const rt_augmentation_choice choices[] = {mixing_choice("mixup", settings[0]),
                                              mixing_choice("cutmix", settings[1])};
    const rt_loader_options plain = training_options();
    rt_loader_options mixed = plain;
    mixed.augment.choices = choices;
    mixed.augment.choice_count = 2;
    size_t faded = 0, pasted = 0;
    for (size_t workers = 0; workers < 4; ++workers) {
        mixed.workers = workers;
        rt_loader *without = open_loader(&plain), *with = open_loader(&mixed);
        for (uint32_t turn = 0; turn < 2; ++turn) {
            const size_t first = turn * 3;
            rt_loader_seek(without, turn, first);
            rt_loader_seek(with, turn, first);
            for (size_t number = first; number < rt_loader_batches(with); ++number) {
                rt_batch expected = *rt_loader_next(without); /* its arrays are the loader's, which looks away */
                const rt_batch *found = rt_loader_next(with);
                float spare[SIZE];
                assert_true(expected.mixed_shares[0] == 0.0f && expected.mixed_labels[0] == expected.labels[0]);
                const rt_blend blend = rt_mixing_draw(&mixed.augment, mixed.seed, turn, number, HEIGHT, WIDTH);
                faded += !blend.pasted, pasted += blend.pasted;
                rt_mix(&blend, HEIGHT, WIDTH, CHANNELS, spare, &expected);
                assert_int_equal(found->count, expected.count);
                assert_memory_equal(found->images, expected.images, found->count * sizeof spare);
                assert_memory_equal(found->labels, expected.labels, found->count * sizeof(int64_t));
                assert_memory_equal(found->mixed_labels, expected.mixed_labels, found->count * sizeof(int64_t));
                assert_memory_equal(found->mixed_shares, expected.mixed_shares, found->count * sizeof(float));
                assert_memory_equal(found->samples, expected.samples, found->count * sizeof(int64_t));
            }
        }
        rt_loader_close(without);
        rt_loader_close(with);
    }
    assert_true(faded > 12 && pasted > 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_sample_comes_once),
        cmocka_unit_test(without_shuffling_the_order_stays),
        cmocka_unit_test(order_and_augmentation_follow_their_definition),
        cmocka_unit_test(other_channel_counts_are_rendered_alike),
        cmocka_unit_test(workers_change_nothing),
        cmocka_unit_test(any_batch_can_be_asked_for),
        cmocka_unit_test(opening_is_the_first_epoch),
        cmocka_unit_test(a_batch_is_at_most_an_epoch),
        cmocka_unit_test(wrong_options_are_refused),
        cmocka_unit_test(normalization_is_measured),
        cmocka_unit_test(large_white_images_do_not_overflow),
        cmocka_unit_test(workers_leave_signals_to_others),
        cmocka_unit_test(batches_are_mixed_as_wholes),
    };
    return cmocka_run_group_tests(tests, fill, NULL);
}
