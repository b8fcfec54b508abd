/* The reader npy, on arrays that numpy wrote (tests/golden/make_npy_files.py): what it hands out, what it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "datasets/readers.h"

static const char *root; /* tests/golden/npy: the program's argument */

static union {
    char bytes[128];
    max_align_t aligned;
} settings;

static const rt_reader *reader(void)
{
    for (size_t i = 0; i < rt_reader_count; ++i)
        if (strcmp(rt_readers[i]->name, "npy") == 0)
            return rt_readers[i];
    fail_msg("there is no reader 'npy'");
    return NULL;
}

static void *setting(const char *name)
{
    const rt_param *param = rt_param_find(reader()->params, name);
    assert_non_null(param);
    return settings.bytes + param->offset;
}

static rt_status open_split(const char *pixels, const char *labels, int64_t classes, rt_split split, rt_images *images,
                            rt_error *err)
{
    rt_param_defaults(reader()->params, settings.bytes);
    *(const char **)setting(split == RT_SPLIT_TRAIN ? "train_images" : "test_images") = pixels;
    *(const char **)setting(split == RT_SPLIT_TRAIN ? "train_labels" : "test_labels") = labels;
    *(int64_t *)setting("classes") = classes;
    return reader()->open(settings.bytes, root, 0, split, images, err);
}

static void expect_images(const char *pixels, const char *labels, size_t channels)
{
    rt_images images;
    rt_error err = {0};
    if (open_split(pixels, labels, 0, RT_SPLIT_TRAIN, &images, &err) != RT_OK)
        fail_msg("%s", err.message);
    static const int64_t expected[] = {2, 0, 1};
    assert_int_equal(images.count, 3);
    assert_int_equal(images.height, 4);
    assert_int_equal(images.width, 5);
    assert_int_equal(images.channels, channels);
    assert_int_equal(images.classes, 3);
    assert_memory_equal(images.labels, expected, sizeof expected);
    for (size_t i = 0; i < 60 * channels; ++i)
        assert_int_equal(images.pixels[i], (7 * i + 3) % 256);
    reader()->close(&images);
    assert_null(images.pixels);
}

static void arrays_of_numpy_are_images(void **state)
{
    (void)state;
    static const char *const kinds[] = {"int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; ++i) {
        char labels[64];
        snprintf(labels, sizeof labels, "labels_%s.npy", kinds[i]);
        expect_images("color.npy", labels, 3);
        expect_images("gray.npy", labels, 1);
    }
}

static void classes_are_those_of_training_or_given(void **state)
{
    (void)state;
    rt_images images;
    rt_error err = {0};
    assert_int_equal(open_split("gray.npy", "labels_int8.npy", 10, RT_SPLIT_TRAIN, &images, &err), RT_OK);
    assert_int_equal(images.classes, 10);
    reader()->close(&images);
    /* Test images alone: there is no train_labels.npy. */
    assert_int_equal(open_split("gray.npy", "labels_int8.npy", 0, RT_SPLIT_TEST, &images, &err), RT_OK);
    assert_int_equal(images.classes, 3);
    reader()->close(&images);
}

static void other_arrays_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *pixels, *labels, *words; /* the words follow "cannot read 'ROOT/" */
        int64_t classes;
    } cases[] = {
        {"float.npy", "labels_int8.npy",
         "float.npy': images of float32; they must be uint8, 0 to 255: images.astype(numpy.uint8), after scaling where "
         "they are 0 to 1",
         0},
        {"channels_first_large.npy", "labels_int8.npy",
         "channels_first_large.npy': images of 3 x 4 x 20; channels, 1 to 16, come last: images.transpose(0, 2, 3, 1)",
         0},
        {"fortran.npy", "labels_int8.npy",
         "fortran.npy': the array is in Fortran order; numpy.ascontiguousarray(images) has rows in order", 0},
        {"flat.npy", "labels_int8.npy",
         "flat.npy': an array of 2 dimensions; images are [count, height, width] or [count, height, width, channels]",
         0},
        {"five.npy", "labels_int8.npy", "five.npy': more than 4 dimensions", 0},
        {"none.npy", "labels_int8.npy", "none.npy': it holds no image", 0},
        {"thin.npy", "labels_int8.npy", "thin.npy': images of 0 x 5 pixels; a side has 1 to 16384", 0},
        {"gray.npy", "labels_two.npy", "labels_two.npy': 2 labels for 3 images", 0},
        {"gray.npy", "labels_float.npy", "labels_float.npy': labels of float64; they must be integers", 0},
        {"gray.npy", "labels_bool.npy", "labels_bool.npy': labels of bool; they must be integers", 0},
        {"gray.npy", "labels_big_endian.npy",
         "labels_big_endian.npy': dtype '>i4' is big-endian; it must be little-endian", 0},
        {"gray.npy", "labels_column.npy", "labels_column.npy': an array of 2 dimensions; labels are [count]", 0},
        {"gray.npy", "labels_negative.npy", "labels_negative.npy': label -1 of image 1; it must be from 0 to 2", 0},
        {"gray.npy", "labels_huge.npy",
         "labels_huge.npy': label 9223372036854775807 of image 1; there are at most 65536 classes", 0},
        {"gray.npy", "labels_huge.npy",
         "labels_huge.npy': label 9223372036854775807 of image 1; it must be from 0 to 9", 10},
        {"gray.npy", "labels_int8.npy", "labels_int8.npy': label 2 of image 0; it must be from 0 to 1", 2},
        {"gray.npy", "labels_string.npy",
         "labels_string.npy': dtype '<U1'; it must be float32, float64, int64 or a narrower integer", 0},
        {"gray.npy", "labels_object.npy",
         "labels_object.npy': dtype '|O'; it must be float32, float64, int64 or a narrower integer", 0},
        {"missing.npy", "labels_int8.npy", NULL, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        rt_images images;
        rt_error err = {0};
        char expected[512];
        rt_status status =
            open_split(cases[i].pixels, cases[i].labels, cases[i].classes, RT_SPLIT_TRAIN, &images, &err);
        assert_int_equal(status, cases[i].words ? RT_ERROR_FORMAT : RT_ERROR_FILE);
        if (cases[i].words) {
            snprintf(expected, sizeof expected, "cannot read '%s/%s", root, cases[i].words);
            assert_string_equal(err.message, expected);
        }
        assert_null(images.pixels);
        assert_null(images.labels);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrays_of_numpy_are_images),
        cmocka_unit_test(classes_are_those_of_training_or_given),
        cmocka_unit_test(other_arrays_are_refused),
    };
    if (argc != 2)
        return 99;
    root = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
