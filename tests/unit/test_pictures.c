/* Images of any size: decoding, resizing and augmentations against Pillow and torchvision (tests/golden), and files
 * that are damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datasets/augmentations/policy.h"
#include "datasets/color.h"
#include "datasets/decode.h"
#include "datasets/view.h"
#include "recipe/recipe.h"

static const struct golden {
    const char *name;
    size_t height, width;
    const uint8_t *pixels;
} goldens[] = {
#include "../golden/pictures.inc"
};

/* Where torchvision's random regions lie, by what is measured of them: borders, and the share of regions up to each. */
enum { MOST_BORDERS = 15 };
static const struct region_golden {
    const char *augmentation, *measure;
    size_t count;
    double borders[MOST_BORDERS], below[MOST_BORDERS];
} region_goldens[] = {
#include "../golden/picture_regions.inc"
};
enum { REGIONS = sizeof region_goldens / sizeof *region_goldens };

enum { FILE_HEIGHT = 13, FILE_WIDTH = 17 };

static const struct image_file {
    const char *name;
    size_t size;
    const uint8_t *bytes, *pixels; /* 13 x 17 */
} files[] = {
#include "../golden/picture_files.inc"
};
enum { FILES = sizeof files / sizeof *files };

static uint8_t *picture(size_t height, size_t width)
{
    uint8_t *pixels = malloc(height * width * 3);
    for (size_t y = 0; y < height; ++y)
        for (size_t x = 0; x < width; ++x)
            for (size_t c = 0; c < 3; ++c)
                pixels[(y * width + x) * 3 + c] =
                    (uint8_t)(x * (7 + c) + y * (11 - 2 * c) + (x * y * (c + 1)) % 23 * 5 + 40 * c);
    return pixels;
}

static const struct golden *golden_named(const char *name)
{
    for (size_t i = 0; i < sizeof goldens / sizeof *goldens; ++i)
        if (strcmp(goldens[i].name, name) == 0)
            return &goldens[i];
    fail_msg("there is no golden '%s'", name);
    return NULL;
}

/* At most `most` levels off, and not in more than `share` of the bytes. */
static void expect_near(const char *name, const uint8_t *found, const uint8_t *expected, size_t count, int most,
                        double share)
{
    size_t off = 0;
    for (size_t i = 0; i < count; ++i) {
        int difference = abs(found[i] - expected[i]);
        if (difference > most)
            fail_msg("%s: byte %zu is %d, and must be %d", name, i, found[i], expected[i]);
        off += difference > 0;
    }
    if ((double)off > share * (double)count)
        fail_msg("%s: %zu of %zu bytes differ", name, off, count);
}

static void resizing_is_pillows(void **state)
{
    (void)state;
    const struct {
        const char *name;
        size_t height, width;
        rt_resampling resampling;
    } cases[] = {
        {"resize_down", 37, 53, {{0, 0, 37, 53}, 9, 7, {0, 0, 9, 7}}},
        {"resize_up", 11, 9, {{0, 0, 11, 9}, 14, 17, {0, 0, 14, 17}}},
        {"resize_box", 37, 53, {{5, 8, 20, 31}, 10, 10, {0, 0, 10, 10}}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        const struct golden *golden = golden_named(cases[i].name);
        uint8_t *pixels = picture(cases[i].height, cases[i].width), *out = malloc(golden->height * golden->width * 3);
        const rt_picture in = {.height = cases[i].height, .width = cases[i].width, .channels = 3, .pixels = pixels};
        void *scratch = malloc(rt_resample_scratch(&in, &cases[i].resampling));
        rt_resample(&in, &cases[i].resampling, scratch, out);
        expect_near(golden->name, out, golden->pixels, golden->height * golden->width * 3, 0, 0.0);
        free(scratch);
        free(out);
        free(pixels);
    }
}

/* The loader's own view: short side, then the centre, from images that a reader holds in memory. */
static void the_view_is_resize_and_center_crop(void **state)
{
    (void)state;
    const struct {
        const char *name;
        size_t height, width, size;
    } cases[] = {{"resize_center", 37, 53, 13}, {"resize_center_tall", 53, 37, 11}};
    for (size_t i = 0; i < 2; ++i) {
        const struct golden *golden = golden_named(cases[i].name);
        uint8_t *pixels = picture(cases[i].height, cases[i].width);
        const int64_t labels[1] = {0};
        rt_images images = {.count = 1,
                            .height = cases[i].height,
                            .width = cases[i].width,
                            .channels = 3,
                            .classes = 1,
                            .pixels = pixels,
                            .labels = labels};
        rt_workspace workspace = {0};
        const uint8_t *bytes;
        assert_int_equal(rt_images_fit(&images, cases[i].size, 16, NULL), RT_OK);
        assert_int_equal(rt_view_bytes(&images, 0, &workspace, &bytes, NULL), RT_OK);
        expect_near(golden->name, bytes, golden->pixels, cases[i].size * cases[i].size * 3, 0, 0.0);
        rt_workspace_free(&workspace);
        free(pixels);
    }
}

static void fit_refuses_what_cannot_be(void **state)
{
    (void)state;
    rt_error err = {0};
    rt_images photographs = {.count = 1, .channels = 3};
    assert_int_equal(rt_images_fit(&photographs, 0, 0, &err), RT_ERROR_USAGE);
    assert_string_equal(err.message, "data: the images differ in size; data.size must say to which they are resized");
    assert_int_equal(rt_images_fit(&photographs, 224, 223, &err), RT_ERROR_USAGE);
    assert_string_equal(err.message, "data: resize 223 and size 224; the short side cannot be below the size");
    assert_int_equal(rt_images_fit(&photographs, 224, 0, &err), RT_OK);
    assert_int_equal(photographs.short_side, 256);
}

/* A canvas with the picture on it; `memory` is the caller's to free. */
static rt_canvas canvas_of(size_t height, size_t width, uint8_t **memory)
{
    uint8_t *pixels = picture(height, width);
    *memory = malloc(2 * height * width * 3);
    memcpy(*memory, pixels, height * width * 3);
    free(pixels);
    return (rt_canvas){height, width, 3, *memory, *memory + height * width * 3};
}

static void colors_are_torchvisions(void **state)
{
    (void)state;
    const struct {
        const char *name;
        void (*change)(rt_canvas *canvas, double factor);
        double factor;
    } cases[] = {
        {"brightness_0.4", rt_color_brightness, 0.4},
        {"brightness_1.7", rt_color_brightness, 1.7},
        {"contrast_0.4", rt_color_contrast, 0.4},
        {"contrast_1.7", rt_color_contrast, 1.7},
        {"saturation_0.4", rt_color_saturation, 0.4},
        {"saturation_1.7", rt_color_saturation, 1.7},
        {"hue_-0.3", rt_color_hue, -0.3},
        {"hue_0.1", rt_color_hue, 0.1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        uint8_t *memory;
        rt_canvas canvas = canvas_of(11, 13, &memory);
        cases[i].change(&canvas, cases[i].factor);
        /* A hue goes through divisions and comes back. */
        const int most = cases[i].change == rt_color_hue;
        expect_near(cases[i].name, canvas.pixels, golden_named(cases[i].name)->pixels, 11 * 13 * 3, most, 0.02);
        free(memory);
    }
}

static void policies_are_torchvisions(void **state)
{
    (void)state;
    static const char *const names[RT_POLICY_OPERATIONS] = {
        NULL,    "ShearX",   "ShearY",    "TranslateX", "TranslateY", "Rotate",       "Brightness",
        "Color", "Contrast", "Sharpness", "Posterize",  "Solarize",   "AutoContrast", "Equalize"};
    for (int operation = RT_POLICY_SHEAR_X; operation < RT_POLICY_OPERATIONS; ++operation)
        for (size_t i = 0; i < 2; ++i) {
            char name[32];
            uint8_t *memory;
            const bool large = operation == RT_POLICY_EQUALIZE, narrow = operation == RT_POLICY_AUTOCONTRAST;
            rt_canvas canvas = canvas_of(large ? 40 : 11, large ? 40 : 13, &memory);
            for (size_t b = 0; b < canvas.height * canvas.width * 3; ++b)
                canvas.pixels[b] = (uint8_t)(large    ? canvas.pixels[b] / 4
                                             : narrow ? canvas.pixels[b] / 3 + 60
                                                      : canvas.pixels[b]);
            snprintf(name, sizeof name, "%s_%d", names[operation], i ? 24 : 9);
            const struct golden *golden = golden_named(name);
            rt_policy_apply(&canvas, (rt_policy_operation)operation, i ? 24 : 9, i == 1);
            const bool moves = operation <= RT_POLICY_ROTATE;
            /* A pixel half-way between two may come from either. */
            expect_near(name, canvas.pixels, golden->pixels, golden->height * golden->width * 3, moves ? 255 : 0, 0.06);
            free(memory);
        }
}

static void gray_images_have_no_hue(void **state)
{
    (void)state;
    uint8_t pixels[8] = {0, 50, 100, 255, 0, 0, 0, 0};
    rt_canvas canvas = {2, 2, 1, pixels, pixels + 4};
    rt_color_hue(&canvas, 0.3);
    rt_color_saturation(&canvas, 0.1);
    assert_memory_equal(canvas.pixels, ((const uint8_t[]){0, 50, 100, 255}), 4);
    rt_color_brightness(&canvas, 0.5);
    assert_memory_equal(canvas.pixels, ((const uint8_t[]){0, 25, 50, 127}), 4);
}

/* Decoders differ in how they fill in colours at half resolution and in how they round. */
static void files_decode_as_pillows(void **state)
{
    (void)state;
    rt_picture image = {0};
    for (size_t i = 0; i < FILES; ++i)
        for (int decoder = RT_DECODER_AUTO; decoder <= RT_DECODER_STB; ++decoder) {
            rt_error err = {0};
            if (rt_decode(files[i].bytes, files[i].size, "x", (rt_decoder)decoder, &image, &err) != RT_OK)
                fail_msg("%s: %s", files[i].name, err.message);
            assert_int_equal(image.height, FILE_HEIGHT);
            assert_int_equal(image.width, FILE_WIDTH);
            const bool exact = strncmp(files[i].name, "png", 3) == 0;
            expect_near(files[i].name, image.pixels, files[i].pixels, FILE_HEIGHT * FILE_WIDTH * 3, exact ? 0 : 6,
                        exact ? 0.0 : 1.0);
        }
    rt_picture_free(&image);
}

static void expect_refusal(const uint8_t *bytes, size_t size, const char *words)
{
    rt_picture image = {0};
    rt_error err = {0};
    assert_int_equal(rt_decode(bytes, size, "a/b.jpg", RT_DECODER_AUTO, &image, &err), RT_ERROR_FORMAT);
    assert_string_equal(err.message, words);
    rt_picture_free(&image);
}

static const struct image_file *file_named(const char *name)
{
    for (size_t i = 0; i < FILES; ++i)
        if (strcmp(files[i].name, name) == 0)
            return &files[i];
    fail_msg("there is no file '%s'", name);
    return NULL;
}

static uint8_t *find_marker(uint8_t *bytes, size_t size, uint8_t marker)
{
    for (size_t i = 2; i + 1 < size; ++i)
        if (bytes[i] == 0xff && bytes[i + 1] == marker)
            return bytes + i;
    fail_msg("there is no marker %x", marker);
    return NULL;
}

static void damaged_files_are_refused_in_words(void **state)
{
    (void)state;
    const struct image_file *file = file_named("baseline");
    uint8_t *bytes = malloc(file->size + 4), *at;
    expect_refusal((const uint8_t *)"GIF89a", 6, "cannot read 'a/b.jpg': neither a JPEG nor a PNG file");
    expect_refusal(file->bytes, 0, "cannot read 'a/b.jpg': neither a JPEG nor a PNG file");
    expect_refusal(file->bytes, 40, "cannot read 'a/b.jpg': a segment is longer than the file");
    expect_refusal(file->bytes, file->size - 2,
                   "cannot read 'a/b.jpg': it ends before its end marker: it was cut short");
#define DAMAGE(marker, offset, value, words)                                                                           \
    memcpy(bytes, file->bytes, file->size);                                                                            \
    at = find_marker(bytes, file->size, marker);                                                                       \
    at[offset] = value;                                                                                                \
    expect_refusal(bytes, file->size, "cannot read 'a/b.jpg': " words)
    DAMAGE(0xc4, 5, 3, "a Huffman table has more codes than there can be");
    DAMAGE(0xc4, 3, 22, "a Huffman table has more symbols than its segment");
    DAMAGE(0xc4, 4, 0x25, "a Huffman table has a number beyond 3");
    DAMAGE(0xdb, 4, 0x44, "a quantisation table is not one");
    DAMAGE(0xc0, 4, 12, "its samples do not have 8 bits");
    DAMAGE(0xc0, 9, 2, "its frame header has the wrong length");
    DAMAGE(0xc0, 1, 0xc9, "a kind of JPEG that is not read (lossless, hierarchical or arithmetic)");
    DAMAGE(0xda, 1, 0xd9, "it has no image");
    DAMAGE(0xc0, 5, 0xff, "65293 x 17 pixels; an image has 1 to 16384 on a side and at most 67 million");
    file = file_named("png");
    memcpy(bytes, file->bytes, 30);
    bytes[16] = 0x70;
    expect_refusal(bytes, 30, "cannot read 'a/b.jpg': its headers are damaged");
    expect_refusal(file->bytes, file->size - 30, "cannot read 'a/b.jpg': stb_image cannot decode it");
    free(bytes);
}

/* Every file is refused in one line, or decodes to an image within the bounds; the sanitizers watch. */
static void mutated_files_do_no_harm(void **state)
{
    (void)state;
    enum { ROUNDS = 1500 };
    rt_picture image = {0};
    size_t taken = 0;
    for (size_t f = 0; f < FILES; ++f) {
        uint8_t *bytes = malloc(files[f].size);
        for (uint64_t round = 0; round < ROUNDS; ++round) {
            const rt_key key = {.seed = f, .index = round};
            rt_error err = {0};
            uint32_t draw = 0, changes = 1 + rt_random_below(&key, draw++, 3);
            size_t size = files[f].size;
            memcpy(bytes, files[f].bytes, size);
            for (uint32_t i = 0; i < changes; ++i) {
                size_t place = rt_random_below(&key, draw++, (uint32_t)size);
                bytes[place] = (uint8_t)rt_random_below(&key, draw++, 256);
            }
            if (rt_random_below(&key, draw++, 6) == 0)
                size = rt_random_below(&key, draw++, (uint32_t)size);
            /* Behind an allocation of its own length, so that a byte too many is seen. */
            uint8_t *exact = malloc(size + !size);
            memcpy(exact, bytes, size);
            if (rt_decode(exact, size, "x", (rt_decoder)(round % 2), &image, &err) == RT_OK)
                ++taken;
            else
                assert_true(err.message[0] != '\0' && !strchr(err.message, '\n'));
            free(exact);
        }
        free(bytes);
    }
    assert_in_range(taken, FILES * ROUNDS / 20, FILES * ROUNDS * 19 / 20);
    rt_picture_free(&image);
}

static const rt_augmentation *augmentation_named(const char *name)
{
    for (size_t i = 0; i < rt_augmentation_count; ++i)
        if (strcmp(rt_augmentations[i]->name, name) == 0)
            return rt_augmentations[i];
    fail_msg("there is no augmentation '%s'", name);
    return NULL;
}

static void random_crops_keep_to_their_ranges(void **state)
{
    (void)state;
    const rt_augmentation *augmentation = augmentation_named("random_resized_crop");
    char *settings = calloc(1, augmentation->settings_size);
    rt_param_defaults(augmentation->params, settings);
    double mean = 0.0;
    enum { CROPS = 4000 };
    for (uint64_t i = 0; i < CROPS; ++i) {
        rt_draws draws = {.key = {.seed = 3, .stream = RT_STREAM_PICTURE, .index = i}};
        rt_box box = {0};
        augmentation->choose(settings, &draws, 300, 400, &box);
        assert_true(box.top + box.height <= 300 && box.left + box.width <= 400);
        const double share = (double)(box.height * box.width) / (300.0 * 400.0);
        const double ratio = (double)box.width / (double)box.height;
        /* Sides are whole pixels: 80 and more here. */
        assert_true(share > 0.08 * 0.98 && share <= 1.0 && ratio > 0.75 * 0.98 && ratio < 4.0 / 3.0 * 1.02);
        mean += share / CROPS;
    }
    /* Uniform in [0.08, 1] has the mean 0.54, but large ones are drawn again where they do not fit: torchvision's mean
     * of 20000 crops is 0.432, and 0.012 is more than three standard deviations of this one. */
    assert_true(mean > 0.42 && mean < 0.444);
    rt_box box = {0};
    rt_draws draws = {.key = {.seed = 3}};
    augmentation->choose(settings, &draws, 10, 4000, &box); /* nothing fits: the centre, at the widest ratio */
    assert_true(box.height <= 10 && box.width <= 14 && box.left + box.width <= 4000);
    free(settings);
}

enum { CROP_HEIGHT = 300, CROP_WIDTH = 400, ERASED_HEIGHT = 96, ERASED_WIDTH = 128 };

/* The rectangle that is 0 among ones, which it becomes again. */
static rt_box take_back(float *values)
{
    rt_box box = {ERASED_HEIGHT, ERASED_WIDTH, 0, 0};
    size_t zeros = 0;
    for (size_t y = 0; y < ERASED_HEIGHT; ++y)
        for (size_t x = 0; x < ERASED_WIDTH; ++x) {
            if (values[y * ERASED_WIDTH + x] != 0.0f)
                continue;
            values[y * ERASED_WIDTH + x] = 1.0f;
            box.top = y < box.top ? y : box.top;
            box.left = x < box.left ? x : box.left;
            box.height = y + 1 - box.top;
            box.width = x >= box.left + box.width ? x + 1 - box.left : box.width;
            ++zeros;
        }
    assert_int_equal(zeros, box.height * box.width);
    return box;
}

static double measure(const char *what, const rt_box *box, size_t height, size_t width)
{
    if (strcmp(what, "area") == 0)
        return (double)(box->height * box->width) / (double)(height * width);
    if (strcmp(what, "shape") == 0)
        return (double)box->width / (double)box->height;
    if (strcmp(what, "top") == 0)
        return ((double)box->top + 0.5) / (double)(height - box->height + 1);
    assert_string_equal(what, "left");
    return ((double)box->left + 0.5) / (double)(width - box->width + 1);
}

/* "random_resized_crop scale=[0.2,0.5]": an augmentation and its settings. */
static const rt_augmentation *augmentation_of(const char *words, void **settings)
{
    char text[128], *rest = NULL;
    const char *values[8];
    size_t count = 0;
    snprintf(text, sizeof text, "%s", words);
    const rt_augmentation *augmentation = augmentation_named(strtok_r(text, " ", &rest));
    if (augmentation->finish)
        values[count++] = "probability=1";
    for (char *value; (value = strtok_r(NULL, " ", &rest));)
        values[count++] = value;
    *settings = calloc(1, augmentation->settings_size);
    assert_int_equal(rt_settings_parse(words, augmentation->params, values, count, *settings, NULL), RT_OK);
    return augmentation;
}

/* Regions are distributed as torchvision's: chi-square on bins between its borders, for each measure. */
static void regions_lie_where_torchvisions_do(void **state)
{
    (void)state;
    enum { DRAWS = 20000, TORCHVISIONS = 400000 };
    static float values[ERASED_HEIGHT * ERASED_WIDTH];
    for (size_t i = 0; i < sizeof values / sizeof *values; ++i)
        values[i] = 1.0f;
    for (size_t r = 0; r < REGIONS; ++r) {
        const struct region_golden *golden = &region_goldens[r];
        void *settings;
        const rt_augmentation *augmentation = augmentation_of(golden->augmentation, &settings);
        size_t counts[MOST_BORDERS + 1] = {0};
        for (uint64_t i = 0; i < DRAWS; ++i) {
            rt_draws draws = {.key = {.seed = 9, .stream = RT_STREAM_PICTURE, .index = i}};
            rt_box box = {0};
            if (augmentation->choose)
                augmentation->choose(settings, &draws, CROP_HEIGHT, CROP_WIDTH, &box);
            else
                augmentation->finish(settings, &draws, ERASED_HEIGHT, ERASED_WIDTH, 1, values);
            if (!augmentation->choose)
                box = take_back(values);
            const double value = measure(golden->measure, &box, augmentation->choose ? CROP_HEIGHT : ERASED_HEIGHT,
                                         augmentation->choose ? CROP_WIDTH : ERASED_WIDTH);
            size_t bin = 0;
            while (bin < golden->count && value > golden->borders[bin])
                ++bin;
            ++counts[bin];
        }
        double chi_square = 0.0;
        for (size_t bin = 0; bin <= golden->count; ++bin) {
            const double below = bin > 0 ? golden->below[bin - 1] : 0.0;
            const double expected = DRAWS * ((bin < golden->count ? golden->below[bin] : 1.0) - below);
            chi_square += ((double)counts[bin] - expected) * ((double)counts[bin] - expected) / expected;
        }
        print_message("%s, %s: chi-square %.1f of %zu\n", golden->augmentation, golden->measure, chi_square,
                      golden->count);
        /* 1 in 1000 of 15 degrees of freedom is beyond 37.7; torchvision's shares are drawn, too. */
        assert_int_equal(golden->count, 15);
        assert_true(chi_square < 37.7 * (1.0 + (double)DRAWS / TORCHVISIONS));
        free(settings);
    }
}

static void erasing_zeroes_one_rectangle(void **state)
{
    (void)state;
    enum { SIDE = 32, ROUNDS = 400 };
    const rt_augmentation *augmentation = augmentation_named("random_erasing");
    char *settings = calloc(1, augmentation->settings_size);
    rt_param_defaults(augmentation->params, settings);
    size_t erased = 0;
    for (uint64_t round = 0; round < ROUNDS; ++round) {
        float values[SIDE * SIDE * 2];
        size_t zeros = 0, top = SIDE, left = SIDE, bottom = 0, right = 0;
        for (size_t i = 0; i < SIDE * SIDE * 2; ++i)
            values[i] = 1.0f;
        rt_draws draws = {.key = {.seed = 4, .stream = RT_STREAM_PICTURE, .index = round}};
        augmentation->finish(settings, &draws, SIDE, SIDE, 2, values);
        for (size_t y = 0; y < SIDE; ++y)
            for (size_t x = 0; x < SIDE; ++x) {
                assert_true(values[(y * SIDE + x) * 2] == values[(y * SIDE + x) * 2 + 1]);
                if (values[(y * SIDE + x) * 2] != 0.0f)
                    continue;
                ++zeros;
                top = y < top ? y : top;
                left = x < left ? x : left;
                bottom = y + 1 > bottom ? y + 1 : bottom;
                right = x + 1 > right ? x + 1 : right;
            }
        if (zeros == 0)
            continue;
        ++erased;
        assert_int_equal(zeros, (bottom - top) * (right - left));
        assert_in_range(zeros, 0.01 * SIDE * SIDE, 0.36 * SIDE * SIDE);
    }
    assert_in_range(erased, ROUNDS / 2 - 60, ROUNDS / 2 + 60); /* six standard deviations */
    free(settings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resizing_is_pillows),          cmocka_unit_test(the_view_is_resize_and_center_crop),
        cmocka_unit_test(fit_refuses_what_cannot_be),   cmocka_unit_test(colors_are_torchvisions),
        cmocka_unit_test(policies_are_torchvisions),    cmocka_unit_test(gray_images_have_no_hue),
        cmocka_unit_test(files_decode_as_pillows),      cmocka_unit_test(damaged_files_are_refused_in_words),
        cmocka_unit_test(mutated_files_do_no_harm),     cmocka_unit_test(random_crops_keep_to_their_ranges),
        cmocka_unit_test(erasing_zeroes_one_rectangle), cmocka_unit_test(regions_lie_where_torchvisions_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
