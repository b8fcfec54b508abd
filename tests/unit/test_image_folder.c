/* Photographs from a folder to a batch: what the reader finds, what the loader makes of it, and images that cannot be
 * read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "datasets/readers.h"
#include "datasets/survey.h"
#include "datasets/view.h"

static const struct image_file {
    const char *name;
    size_t size;
    const uint8_t *bytes, *pixels;
} files[] = {
#include "../golden/picture_files.inc"
};
enum { FILES = sizeof files / sizeof *files, SIDE = 12 };

static char root[64];

static void put(const char *name, const void *bytes, size_t size)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", root, name);
    for (char *slash = strchr(path + strlen(root) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0777);
        *slash = '/';
    }
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

/* Two classes of all files, one of them in a sub-folder; "b" comes before "c" whatever the file system's order. */
static int make_root(void **state)
{
    (void)state;
    strcpy(root, "/tmp/retort-test-XXXXXX");
    if (!mkdtemp(root))
        return -1;
    for (size_t i = 0; i < FILES; ++i) {
        char name[64];
        const char *folder = i % 2 ? "train/c" : i == 4 ? "train/b/more" : "train/b";
        /* What is in a file decides, not its ending. */
        snprintf(name, sizeof name, "%s/%zu.%s", folder, i, i == 2 ? "JPEG" : i == 3 ? "png" : "jpg");
        put(name, files[i].bytes, files[i].size);
    }
    put("train/b/notes.txt", "x", 1);
    put("train/.hidden/x.jpg", "x", 1);
    put("train/list.jpg", "x", 1);
    put("val/c/0.jpg", files[0].bytes, files[0].size);
    return 0;
}

static int remove_root(void **state)
{
    (void)state;
    char command[96];
    snprintf(command, sizeof command, "rm -r %s", root);
    return system(command);
}

static const rt_reader *reader(void)
{
    for (size_t i = 0; i < rt_reader_count; ++i)
        if (strcmp(rt_readers[i]->name, "image_folder") == 0)
            return rt_readers[i];
    fail_msg("there is no reader 'image_folder'");
    return NULL;
}

static rt_status open_split(rt_split split, rt_images *images, rt_error *err)
{
    const int settings = 0;
    return reader()->open(&settings, root, 0, split, images, err);
}

static void expect_open(rt_split split, rt_images *images)
{
    rt_error err = {0};
    if (open_split(split, images, &err) != RT_OK)
        fail_msg("%s", err.message);
}

static void classes_are_folders_in_order(void **state)
{
    (void)state;
    rt_images train, test;
    expect_open(RT_SPLIT_TRAIN, &train);
    expect_open(RT_SPLIT_TEST, &test);
    assert_int_equal(train.count, FILES);
    assert_int_equal(train.classes, 2);
    assert_null(train.pixels);
    for (size_t i = 0; i < FILES; ++i)
        assert_int_equal(train.labels[i], i >= (FILES + 1) / 2);
    assert_int_equal(test.count, 1);
    assert_int_equal(test.labels[0], 1); /* its own folder is the first there, but the second in training */
    assert_int_equal(test.classes, 2);
    assert_int_not_equal(train.identity, test.identity);
    rt_picture image = {0};
    assert_int_equal(train.fetch(&train, 0, &image, NULL), RT_OK);
    assert_int_equal(image.height, 13);
    assert_int_equal(image.width, 17);
    free(image.memory);
    free(image.file);
    reader()->close(&train);
    reader()->close(&test);
    assert_null(train.labels);
}

static void expect_failure(rt_split split, const char *words)
{
    rt_error err = {0};
    rt_images images;
    char expected[256];
    snprintf(expected, sizeof expected, words, root);
    assert_int_not_equal(open_split(split, &images, &err), RT_OK);
    assert_string_equal(err.message, expected);
    assert_null(images.labels);
}

static void wrong_folders_are_named(void **state)
{
    (void)state;
    put("val/a/0.jpg", files[0].bytes, files[0].size);
    expect_failure(RT_SPLIT_TEST, "cannot read '%s/val/a': the training images have no class 'a'");
    strcat(root, "/train");
    expect_failure(RT_SPLIT_TRAIN, "cannot find the folder 'train' in '%s'");
    expect_failure(RT_SPLIT_TEST, "cannot find the folder 'val' or 'test' in '%s'");
    *strrchr(root, '/') = '\0';
    put("e/train/x.jpg", files[0].bytes, files[0].size);
    put("f/train/x/y.txt", files[0].bytes, files[0].size);
    strcat(root, "/e");
    expect_failure(RT_SPLIT_TRAIN, "cannot read '%s/train': it has no folder for a class");
    root[strlen(root) - 1] = 'f';
    expect_failure(RT_SPLIT_TRAIN, "cannot read '%s/train': no .jpg, .jpeg or .png file in it");
    *strrchr(root, '/') = '\0';
}

enum { LABELLING = 3 };

static const rt_normalization normalization = {3, {0.5f, 0.4f, 0.3f}, {0.2f, 0.25f, 0.3f}};

/* Two epochs of batches, one behind the other: of each image its values, its two labels and the share of the second.
 * All augmentations are on, with their defaults or stronger. */
static float *two_epochs(const rt_images *images, size_t workers, bool resumed, size_t *floats)
{
    rt_augmentation_choice choices[RT_MOST_AUGMENTATIONS];
    uint32_t samples[FILES];
    rt_loader *loader;
    rt_error err = {0};
    const size_t image = SIDE * SIDE * 3;
    float *values = calloc(2 * FILES * (image + LABELLING), sizeof *values);
    for (size_t i = 0; i < rt_augmentation_count; ++i) {
        void *settings = calloc(1, rt_augmentations[i]->settings_size);
        rt_param_defaults(rt_augmentations[i]->params, settings);
        const rt_param *hue = rt_param_find(rt_augmentations[i]->params, "hue");
        if (hue)
            *(double *)(void *)((char *)settings + hue->offset) = 0.3;
        choices[i] = (rt_augmentation_choice){rt_augmentations[i], settings};
    }
    for (uint32_t i = 0; i < FILES; ++i)
        samples[i] = i;
    const rt_loader_options options = {
        .images = images,
        .samples = samples,
        .sample_count = FILES,
        .augment = {.crop_pad = 2, .flip = true, .choices = choices, .choice_count = rt_augmentation_count},
        .normalization = normalization,
        .batch = 2,
        .shuffle = true,
        .seed = 7,
        .workers = workers,
        .prefetch = 2};
    if (rt_loader_open(&options, &loader, &err) != RT_OK)
        fail_msg("%s", err.message);
    *floats = 0;
    for (uint32_t epoch = 0; epoch < 2; ++epoch) {
        rt_loader_seek(loader, epoch, 0);
        for (const rt_batch *batch; (batch = rt_loader_next(loader));) {
            assert_int_equal(batch->variants[0] < 25 * 2, true);
            for (size_t n = 0; n < batch->count; ++n, *floats += image + LABELLING) {
                const float labelling[LABELLING] = {(float)batch->labels[n], (float)batch->mixed_labels[n],
                                                    batch->mixed_shares[n]};
                memcpy(values + *floats, batch->images + n * image, image * sizeof *values);
                memcpy(values + *floats + image, labelling, sizeof labelling);
            }
            if (resumed) {
                rt_loader_close(loader);
                assert_int_equal(rt_loader_open(&options, &loader, &err), RT_OK);
                rt_loader_seek(loader, epoch, (*floats / (image + LABELLING) - epoch * FILES + 1) / 2);
            }
        }
        assert_int_equal(rt_loader_failure(loader, &err), RT_OK);
    }
    rt_loader_close(loader);
    for (size_t i = 0; i < rt_augmentation_count; ++i)
        free((void *)(uintptr_t)choices[i].settings);
    return values;
}

static void workers_and_resumes_change_no_bit(void **state)
{
    (void)state;
    rt_images images;
    size_t count, floats;
    expect_open(RT_SPLIT_TRAIN, &images);
    assert_int_equal(rt_images_fit(&images, SIDE, 14, NULL), RT_OK);
    float *alone = two_epochs(&images, 0, false, &count);
    assert_int_equal(count, 2 * FILES * (SIDE * SIDE * 3 + LABELLING));
    assert_memory_not_equal(alone, alone + count / 2, count / 2 * sizeof *alone);
    for (size_t workers = 0; workers < 4; ++workers) {
        float *values = two_epochs(&images, workers, workers % 2 == 0, &floats);
        assert_int_equal(floats, count);
        assert_memory_equal(values, alone, count * sizeof *alone);
        free(values);
    }
    free(alone);
    reader()->close(&images);
}

/* The second class's first file is cut short, and its last is gone. */
static void damage(char *gone)
{
    put("train/c/1.jpg", files[1].bytes, files[1].size - 10);
    snprintf(gone, 128, "%s/train/c/7.jpg", root);
    assert_int_equal(remove(gone), 0);
}

static void a_damaged_image_ends_the_epoch_with_its_name(void **state)
{
    (void)state;
    rt_images images;
    char gone[128], expected[256];
    uint32_t samples[FILES];
    rt_error err = {0};
    expect_open(RT_SPLIT_TRAIN, &images);
    assert_int_equal(rt_images_fit(&images, SIDE, 0, NULL), RT_OK);
    damage(gone);
    for (uint32_t i = 0; i < FILES; ++i)
        samples[i] = i;
    snprintf(expected, sizeof expected,
             "cannot read '%s/train/c/1.jpg': it ends before its end marker: it was cut short", root);
    for (size_t workers = 0; workers < 3; ++workers) {
        rt_loader *loader;
        const rt_loader_options options = {.images = &images,
                                           .samples = samples,
                                           .sample_count = FILES,
                                           .normalization = normalization,
                                           .batch = 2,
                                           .workers = workers,
                                           .prefetch = 3};
        assert_int_equal(rt_loader_open(&options, &loader, &err), RT_OK);
        assert_non_null(rt_loader_next(loader));
        assert_non_null(rt_loader_next(loader));
        assert_null(rt_loader_next(loader)); /* samples 4 and 5 */
        assert_int_equal(rt_loader_failure(loader, &err), RT_ERROR_FORMAT);
        assert_string_equal(err.message, expected);
        rt_loader_seek(loader, 0, 0);
        assert_int_equal(rt_loader_failure(loader, &err), RT_OK);
        assert_non_null(rt_loader_next(loader));
        rt_loader_close(loader);
    }
    reader()->close(&images);
}

static void a_survey_leaves_out_what_cannot_be_read(void **state)
{
    (void)state;
    rt_images images;
    char gone[128];
    expect_open(RT_SPLIT_TRAIN, &images);
    assert_int_equal(rt_images_fit(&images, SIDE, 0, NULL), RT_OK);
    damage(gone);
    rt_normalization first = {0};
    for (size_t workers = 0; workers < 4; ++workers) {
        uint32_t samples[FILES];
        size_t count = FILES, unreadable_count;
        rt_unreadable *unreadable;
        rt_normalization measured;
        rt_error err = {0};
        for (uint32_t i = 0; i < FILES; ++i)
            samples[i] = i;
        rt_survey survey = {&images, workers, false};
        assert_int_equal(rt_survey_run(&survey, samples, &count, &unreadable, &unreadable_count, NULL, &err),
                         RT_ERROR_FORMAT);
        assert_non_null(strstr(err.message, "train/c/1.jpg"));
        survey.skip = true;
        assert_int_equal(rt_survey_run(&survey, samples, &count, &unreadable, &unreadable_count, &measured, &err),
                         RT_OK);
        assert_int_equal(count, FILES - 2);
        assert_int_equal(unreadable_count, 2);
        assert_int_equal(unreadable[0].sample, 5);
        assert_non_null(strstr(unreadable[1].words, gone));
        for (uint32_t i = 0; i < count; ++i)
            assert_int_equal(samples[i], i < 5 ? i : i + 1);
        free(unreadable);
        if (workers == 0)
            first = measured;
        assert_memory_equal(&measured, &first, sizeof first);
    }
    /* The same as of all pixels side by side. */
    uint8_t pixels[(FILES - 2) * SIDE * SIDE * 3];
    const uint32_t numbers[FILES] = {0, 1, 2, 3, 4, 5, 6, 7, 8};
    const rt_images whole = {.count = FILES - 2, .height = SIDE, .width = SIDE, .channels = 3, .pixels = pixels};
    rt_workspace workspace = {0};
    rt_normalization expected;
    for (size_t i = 0; i < FILES - 2; ++i) {
        const uint8_t *bytes;
        assert_int_equal(rt_view_bytes(&images, i < 5 ? i : i + 1, &workspace, &bytes, NULL), RT_OK);
        memcpy(pixels + i * SIDE * SIDE * 3, bytes, SIDE * SIDE * 3);
    }
    rt_normalization_measure(&whole, numbers, FILES - 2, &expected);
    assert_memory_equal(&expected, &first, sizeof first);
    rt_workspace_free(&workspace);
    reader()->close(&images);
}

int main(void)
{
#define WITH_ROOT(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)
    const struct CMUnitTest tests[] = {
        WITH_ROOT(classes_are_folders_in_order),
        WITH_ROOT(wrong_folders_are_named),
        WITH_ROOT(workers_and_resumes_change_no_bit),
        WITH_ROOT(a_damaged_image_ends_the_epoch_with_its_name),
        WITH_ROOT(a_survey_leaves_out_what_cannot_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
