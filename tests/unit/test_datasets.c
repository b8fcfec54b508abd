/* The readers, on small files made here: what they read, and what they refuse in which words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "datasets/readers.h"

static char root[64];

static int make_root(void **state)
{
    (void)state;
    strcpy(root, "/tmp/retort-test-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int delete (const char *path, const struct stat *about, int type, struct FTW *place)
{
    (void)about, (void)type, (void)place;
    return remove(path);
}

static int remove_root(void **state)
{
    (void)state;
    return nftw(root, delete, 8, FTW_DEPTH | FTW_PHYS);
}

static void write_file(const char *name, const void *bytes, size_t size)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", root, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void write_gzip(const char *name, const void *bytes, size_t size)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", root, name);
    gzFile file = gzopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(gzwrite(file, bytes, (unsigned)size), size);
    assert_int_equal(gzclose(file), Z_OK);
}

static void make_folder(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", root, name);
    assert_int_equal(mkdir(path, 0777), 0);
}

static const rt_reader *reader_named(const char *name)
{
    for (size_t i = 0; i < rt_reader_count; ++i)
        if (strcmp(rt_readers[i]->name, name) == 0)
            return rt_readers[i];
    fail_msg("there is no reader '%s'", name);
    return NULL;
}

/* Opens with the parameters' defaults, but for `key` = `value` where key is not NULL (INT and ENUM). */
static rt_status open_with(const char *reader_name, const char *key, int value, rt_split split, rt_images *images,
                           rt_error *err)
{
    const rt_reader *reader = reader_named(reader_name);
    char *settings = calloc(1, reader->settings_size);
    rt_param_defaults(reader->params, settings);
    if (key) {
        const rt_param *p = rt_param_find(reader->params, key);
        assert_non_null(p);
        if (p->type == RT_PARAM_ENUM)
            *(int *)(void *)(settings + p->offset) = value;
        else
            *(int64_t *)(void *)(settings + p->offset) = value;
    }
    rt_status status = reader->open(settings, reader->needs_root ? root : NULL, 5, split, images, err);
    free(settings);
    return status;
}

static void expect_open(const char *reader, rt_split split, rt_images *images)
{
    rt_error err = {0};
    if (open_with(reader, NULL, 0, split, images, &err) != RT_OK)
        fail_msg("%s", err.message);
}

/* The message must hold `words` and be one line without a final period; nothing is left in the struct. */
static void expect_failure(const char *reader, const char *key, int value, rt_status status, const char *words)
{
    rt_error err = {0};
    rt_images images;
    memset(&images, 0xff, sizeof images);
    assert_int_equal(open_with(reader, key, value, RT_SPLIT_TRAIN, &images, &err), status);
    assert_int_equal(err.status, status);
    if (!strstr(err.message, words))
        fail_msg("'%s' does not hold '%s'", err.message, words);
    assert_null(strchr(err.message, '\n'));
    assert_int_not_equal(err.message[strlen(err.message) - 1], '.');
    const rt_images zero = {0};
    assert_memory_equal(&images, &zero, sizeof zero);
}

static void registry_is_in_order_and_whole(void **state)
{
    (void)state;
    const char *const names[] = {"idx", "cifar", "synthetic", "image_folder", "csv", "npy", "pack"};
    assert_int_equal(rt_reader_count, 7);
    for (size_t i = 0; i < rt_reader_count; ++i) {
        assert_string_equal(rt_readers[i]->name, names[i]);
        assert_true(rt_readers[i]->summary && rt_readers[i]->files && rt_readers[i]->settings_size > 0);
        rt_images none = {0};
        rt_readers[i]->close(&none);
    }
}

/* Four images of 2x3 whose bytes count up, labels 3 1 4 9. */
static const unsigned char idx_images[40] = {0, 0, 8, 3, 0, 0, 0,  4,  0,  0,  0,  2,  0,  0,  0,  3,  0,  1,  2,  3,
                                             4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 255};
static const unsigned char idx_labels[12] = {0, 0, 8, 1, 0, 0, 0, 4, 3, 1, 4, 9};

static void expect_the_idx_images(rt_split split)
{
    rt_images images;
    expect_open("idx", split, &images);
    assert_int_equal(images.count, 4);
    assert_int_equal(images.height, 2);
    assert_int_equal(images.width, 3);
    assert_int_equal(images.channels, 1);
    assert_int_equal(images.classes, 10);
    assert_memory_equal(images.pixels, idx_images + 16, 24);
    const int64_t labels[] = {3, 1, 4, 9};
    assert_memory_equal(images.labels, labels, sizeof labels);
    reader_named("idx")->close(&images);
    assert_null(images.pixels);
}

static void idx_reads_plain_files(void **state)
{
    (void)state;
    write_file("train-images-idx3-ubyte", idx_images, sizeof idx_images);
    write_file("train-labels-idx1-ubyte", idx_labels, sizeof idx_labels);
    expect_the_idx_images(RT_SPLIT_TRAIN);
}

static void idx_reads_gzip_files(void **state)
{
    (void)state;
    write_gzip("t10k-images-idx3-ubyte.gz", idx_images, sizeof idx_images);
    write_gzip("t10k-labels-idx1-ubyte.gz", idx_labels, sizeof idx_labels);
    expect_the_idx_images(RT_SPLIT_TEST);
    expect_failure("idx", NULL, 0, RT_ERROR_FILE,
                   "cannot find 'train-images-idx3-ubyte' or 'train-images-idx3-ubyte.gz' in '/tmp/retort-test-");
}

static void idx_reads_images_of_several_channels(void **state)
{
    (void)state;
    unsigned char bytes[20 + 24] = {0, 0, 8, 4, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3};
    memcpy(bytes + 20, idx_images + 16, 24);
    write_file("train-images-idx3-ubyte", bytes, sizeof bytes);
    write_file("train-labels-idx1-ubyte", idx_labels, sizeof idx_labels);
    rt_images images;
    expect_open("idx", RT_SPLIT_TRAIN, &images);
    assert_int_equal(images.count * 1000 + images.height * 100 + images.width * 10 + images.channels, 4123);
    assert_memory_equal(images.pixels, bytes + 20, 24);
    reader_named("idx")->close(&images);
}

/* One broken file: the right bytes with some replaced, cut or followed by zeros. */
typedef struct damage {
    bool labels, gzip;
    size_t size;       /* of the file before compression */
    size_t compressed; /* bytes taken off the end of the compressed file */
    size_t at, length; /* replaced bytes */
    unsigned char bytes[16];
    const char *words;
} damage;

static const damage damages[] = {
    {.size = 0, .words = "train-images-idx3-ubyte': it ends inside its header"},
    {.size = 11, .words = "train-images-idx3-ubyte': it ends inside its header"},
    {.size = 39, .words = "train-images-idx3-ubyte': it ends after 23 bytes; its header promises 24"},
    {.size = 41, .words = "train-images-idx3-ubyte': it goes on after the 24 bytes that its header promises"},
    {.size = 40,
     .at = 2,
     .length = 1,
     .bytes = {0x0d},
     .words = "train-images-idx3-ubyte': magic number 0x00000d03; an image file has 0x00000803 or 0x00000804"},
    {.size = 40, .at = 8, .length = 4, .words = "4 images of 0x3x1; every size must be at least 1"},
    {.size = 40,
     .at = 4,
     .length = 12,
     .bytes = {255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255},
     .words = "its header promises 4294967295 images of 4294967295x4294967295x1, more than the file can hold"},
    {.size = 40,
     .at = 4,
     .length = 1,
     .bytes = {127},
     .words = "its header promises 2130706436 images of 2x3x1, more than the file can hold"},
    {.gzip = true, .size = 40, .at = 4, .length = 1, .bytes = {127}, .words = "more than the file can hold"},
    {.gzip = true, .size = 39, .words = "it ends after 23 bytes; its header promises 24"},
    {.gzip = true, .size = 41, .words = "it goes on after the 24 bytes"},
    {.gzip = true, .size = 40, .compressed = 1, .words = "train-images-idx3-ubyte.gz': the gzip data is cut off"},
    {.gzip = true, .size = 40, .compressed = 20, .words = "the gzip data is cut off"},
    {.labels = true, .size = 0, .words = "train-labels-idx1-ubyte': it ends inside its header"},
    {.labels = true, .size = 11, .words = "train-labels-idx1-ubyte': it ends after 3 bytes; its header promises 4"},
    {.labels = true, .size = 13, .words = "train-labels-idx1-ubyte': it goes on after the 4 bytes"},
    {.labels = true,
     .size = 12,
     .at = 3,
     .length = 1,
     .bytes = {3},
     .words = "train-labels-idx1-ubyte': magic number 0x00000803; a label file has 0x00000801"},
    {.labels = true,
     .size = 12,
     .at = 7,
     .length = 1,
     .bytes = {5},
     .words = "train-labels-idx1-ubyte': 5 labels for 4 images; there must be one for each"},
    {.labels = true,
     .size = 12,
     .at = 10,
     .length = 1,
     .bytes = {10},
     .words = "train-labels-idx1-ubyte': label 10 at 2; with 10 classes labels are 0 to 9"},
};

static void idx_refuses_damaged_files(void **state)
{
    for (size_t i = 0; i < sizeof damages / sizeof *damages; ++i) {
        const damage *d = &damages[i];
        remove_root(state);
        make_root(state);
        write_file("train-images-idx3-ubyte", idx_images, sizeof idx_images);
        write_file("train-labels-idx1-ubyte", idx_labels, sizeof idx_labels);
        unsigned char bytes[64] = {0};
        memcpy(bytes, d->labels ? idx_labels : idx_images, d->labels ? sizeof idx_labels : sizeof idx_images);
        memcpy(bytes + d->at, d->bytes, d->length);
        char name[64], path[256];
        snprintf(name, sizeof name, "train-%s%s", d->labels ? "labels-idx1-ubyte" : "images-idx3-ubyte",
                 d->gzip ? ".gz" : "");
        if (d->gzip) {
            snprintf(path, sizeof path, "%s/train-images-idx3-ubyte", root);
            assert_int_equal(unlink(path), 0); /* a plain file comes first */
            write_gzip(name, bytes, d->size);
            struct stat about;
            snprintf(path, sizeof path, "%s/%s", root, name);
            assert_int_equal(stat(path, &about), 0);
            assert_int_equal(truncate(path, about.st_size - (off_t)d->compressed), 0);
        } else {
            write_file(name, bytes, d->size);
        }
        expect_failure("idx", NULL, 0, RT_ERROR_FORMAT, d->words);
    }
}

static void idx_checks_labels_against_the_classes(void **state)
{
    (void)state;
    write_file("train-images-idx3-ubyte", idx_images, sizeof idx_images);
    write_file("train-labels-idx1-ubyte", idx_labels, sizeof idx_labels);
    expect_failure("idx", "classes", 9, RT_ERROR_FORMAT, "label 9 at 3; with 9 classes labels are 0 to 8");
}

static void a_folder_or_a_pipe_is_no_file(void **state)
{
    (void)state;
    make_folder("train-images-idx3-ubyte");
    expect_failure("idx", NULL, 0, RT_ERROR_FILE, "train-images-idx3-ubyte': not a regular file");
    char path[256];
    snprintf(path, sizeof path, "%s/train.bin", root);
    assert_int_equal(mkfifo(path, 0600), 0);
    expect_failure("cifar", NULL, 0, RT_ERROR_FILE, "train.bin': not a regular file");
}

enum { PLANE = 1024, PIXELS = 3 * PLANE };

/* Records whose red, green and blue planes tell their number, channel and place. */
static unsigned char plane_byte(size_t record, size_t channel, size_t place)
{
    return (unsigned char)(record * 31 + channel * 7 + place * 3 + place / 32);
}

static unsigned char *make_records(size_t first, size_t count, size_t label_bytes)
{
    size_t record = label_bytes + PIXELS;
    unsigned char *bytes = malloc(count * record);
    for (size_t i = 0; i < count; ++i) {
        for (size_t j = 0; j < label_bytes; ++j)
            bytes[i * record + j] = (unsigned char)((first + i + 3 * j) % 10);
        for (size_t j = 0; j < PIXELS; ++j)
            bytes[i * record + label_bytes + j] = plane_byte(first + i, j / PLANE, j % PLANE);
    }
    return bytes;
}

static void write_records(const char *name, size_t first, size_t count, size_t label_bytes)
{
    unsigned char *bytes = make_records(first, count, label_bytes);
    write_file(name, bytes, count * (label_bytes + PIXELS));
    free(bytes);
}

static void expect_records(const rt_images *images, size_t count, size_t classes, size_t label_shift)
{
    assert_int_equal(images->count, count);
    assert_int_equal(images->classes, classes);
    assert_true(images->height == 32 && images->width == 32 && images->channels == 3);
    for (size_t i = 0; i < count; ++i) {
        assert_int_equal(images->labels[i], (i + label_shift) % 10);
        for (size_t j = 0; j < PIXELS; ++j)
            if (images->pixels[i * PIXELS + j] != plane_byte(i, j % 3, j / 3))
                fail_msg("image %zu byte %zu", i, j);
    }
}

static void cifar_10_is_five_files(void **state)
{
    (void)state;
    const size_t counts[] = {300, 1, 2, 256, 257}; /* around the reader's chunk */
    size_t first = 0;
    for (size_t i = 0; i < 5; ++i) {
        char name[32];
        snprintf(name, sizeof name, "data_batch_%zu.bin", i + 1);
        write_records(name, first, counts[i], 1);
        first += counts[i];
    }
    rt_images images;
    expect_open("cifar", RT_SPLIT_TRAIN, &images);
    expect_records(&images, first, 10, 0);
    reader_named("cifar")->close(&images);
    expect_failure("cifar", "labels", 1, RT_ERROR_USAGE, "holds CIFAR-10, which has fine labels only");
    char path[256];
    snprintf(path, sizeof path, "%s/data_batch_3.bin", root);
    assert_int_equal(unlink(path), 0);
    expect_failure("cifar", NULL, 0, RT_ERROR_FILE, "data_batch_3.bin': No such file or directory");
}

static void cifar_100_has_two_labels(void **state)
{
    (void)state;
    make_folder("cifar-100-binary");
    write_records("cifar-100-binary/train.bin", 0, 7, 2);
    rt_images images;
    rt_error err = {0};
    expect_open("cifar", RT_SPLIT_TRAIN, &images);
    expect_records(&images, 7, 100, 3);
    reader_named("cifar")->close(&images);
    assert_int_equal(open_with("cifar", "labels", 1, RT_SPLIT_TRAIN, &images, &err), RT_OK);
    expect_records(&images, 7, 20, 0);
    reader_named("cifar")->close(&images);
    /* The other split is not there, which is no concern of this one. */
    assert_int_equal(open_with("cifar", NULL, 0, RT_SPLIT_TEST, &images, &err), RT_ERROR_FILE);
    assert_non_null(strstr(err.message, "cannot find 'test_batch.bin' (CIFAR-10) or 'test.bin' (CIFAR-100) in"));
}

static void cifar_refuses_damaged_files(void **state)
{
    (void)state;
    unsigned char *records = make_records(0, 3, 2);
    write_file("train.bin", records, 0);
    char words[160];
    snprintf(words, sizeof words, "cannot read '%s/train.bin': 0 bytes; it must be whole records of 3074 bytes", root);
    expect_failure("cifar", NULL, 0, RT_ERROR_FORMAT, words);
    write_file("train.bin", records, 3 * (PIXELS + 2) - 1);
    expect_failure("cifar", NULL, 0, RT_ERROR_FORMAT, "train.bin': 9221 bytes; it must be whole records of 3074 bytes");
    records[PIXELS + 2 + 1] = 100;
    write_file("train.bin", records, 3 * (PIXELS + 2));
    expect_failure("cifar", NULL, 0, RT_ERROR_FORMAT, "train.bin': fine label 100 in record 1; labels are 0 to 99");
    records[PIXELS + 2 + 1] = 99;
    records[2 * (PIXELS + 2)] = 20;
    write_file("train.bin", records, 3 * (PIXELS + 2));
    expect_failure("cifar", NULL, 0, RT_ERROR_FORMAT, "train.bin': coarse label 20 in record 2; labels are 0 to 19");
    free(records);
    write_records("data_batch_1.bin", 0, 1, 1);
    expect_failure("cifar", NULL, 0, RT_ERROR_USAGE, "holds more than one CIFAR");
}

static rt_images synthetic(const rt_int_list *shape, int64_t classes, int64_t samples, uint64_t seed, rt_split split)
{
    const rt_reader *reader = reader_named("synthetic");
    char *settings = calloc(1, reader->settings_size);
    rt_param_defaults(reader->params, settings);
    memcpy(settings + rt_param_find(reader->params, "shape")->offset, shape, sizeof *shape);
    memcpy(settings + rt_param_find(reader->params, "classes")->offset, &classes, sizeof classes);
    memcpy(settings + rt_param_find(reader->params, "samples")->offset, &samples, sizeof samples);
    rt_images images;
    rt_error err = {0};
    if (reader->open(settings, NULL, seed, split, &images, &err) != RT_OK)
        fail_msg("%s", err.message);
    free(settings);
    return images;
}

static void synthetic_has_its_defaults(void **state)
{
    (void)state;
    rt_images images;
    expect_open("synthetic", RT_SPLIT_TRAIN, &images);
    assert_true(images.count == 1024 && images.channels == 3 && images.height == 32 && images.width == 32);
    assert_int_equal(images.classes, 10);
    for (size_t i = 0; i < images.count; ++i)
        assert_int_equal(images.labels[i], i % 10);
    reader_named("synthetic")->close(&images);
    expect_open("synthetic", RT_SPLIT_TEST, &images);
    assert_int_equal(images.count, 256);
    reader_named("synthetic")->close(&images);
}

static void synthetic_depends_on_its_seed_alone(void **state)
{
    (void)state;
    const rt_int_list shape = {3, {2, 9, 7}};
    rt_images one = synthetic(&shape, 4, 50, 1, RT_SPLIT_TRAIN), same = synthetic(&shape, 4, 50, 1, RT_SPLIT_TRAIN);
    rt_images other = synthetic(&shape, 4, 50, 2, RT_SPLIT_TRAIN), test = synthetic(&shape, 4, 50, 1, RT_SPLIT_TEST);
    rt_images fewer = synthetic(&shape, 4, 20, 1, RT_SPLIT_TRAIN);
    size_t size = 2 * 9 * 7;
    assert_true(one.height == 9 && one.width == 7 && one.channels == 2 && test.count == 13);
    assert_memory_equal(one.pixels, same.pixels, 50 * size);
    assert_memory_equal(one.pixels, fewer.pixels, 20 * size);
    assert_memory_not_equal(one.pixels, other.pixels, size);
    assert_memory_not_equal(one.pixels, test.pixels, size);
    rt_images *all[] = {&one, &same, &other, &test, &fewer};
    for (size_t i = 0; i < 5; ++i)
        reader_named("synthetic")->close(all[i]);
}

/* The nearest class mean is a linear classifier: what it learns on one split must hold on the other. */
static double accuracy_of_nearest_mean(const rt_images *train, const rt_images *test)
{
    size_t size = train->height * train->width * train->channels, right = 0;
    double *means = calloc(train->classes * size, sizeof *means), *counts = calloc(train->classes, sizeof *counts);
    for (size_t i = 0; i < train->count; ++i) {
        double n = ++counts[train->labels[i]];
        double *mean = means + (size_t)train->labels[i] * size;
        for (size_t j = 0; j < size; ++j)
            mean[j] += (train->pixels[i * size + j] - mean[j]) / n;
    }
    for (size_t i = 0; i < test->count; ++i) {
        size_t best = 0;
        double least = 1e300;
        for (size_t c = 0; c < train->classes; ++c) {
            double distance = 0;
            for (size_t j = 0; j < size; ++j)
                distance += (test->pixels[i * size + j] - means[c * size + j]) *
                            (test->pixels[i * size + j] - means[c * size + j]);
            if (distance < least)
                least = distance, best = c;
        }
        right += best == (size_t)test->labels[i];
    }
    double accuracy = (double)right / (double)test->count;
    free(means);
    free(counts);
    return accuracy;
}

static void synthetic_can_be_learned(void **state)
{
    (void)state;
    const struct {
        rt_int_list shape;
        int64_t classes, samples;
    } cases[] = {{{3, {3, 32, 32}}, 10, 512}, {{3, {1, 8, 8}}, 10, 512}, {{3, {3, 16, 16}}, 100, 1024}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        rt_images train = synthetic(&cases[i].shape, cases[i].classes, cases[i].samples, i, RT_SPLIT_TRAIN);
        rt_images test = synthetic(&cases[i].shape, cases[i].classes, cases[i].samples, i, RT_SPLIT_TEST);
        double accuracy = accuracy_of_nearest_mean(&train, &test);
        if (accuracy < 0.9)
            fail_msg("case %zu: accuracy %g", i, accuracy);
        reader_named("synthetic")->close(&train);
        reader_named("synthetic")->close(&test);
    }
}

static void synthetic_refuses_wrong_shapes(void **state)
{
    (void)state;
    const rt_reader *reader = reader_named("synthetic");
    char *settings = calloc(1, reader->settings_size);
    rt_param_defaults(reader->params, settings);
    rt_int_list *shape = (rt_int_list *)(void *)(settings + rt_param_find(reader->params, "shape")->offset);
    rt_images images;
    rt_error err = {0};
    *shape = (rt_int_list){2, {3, 32}};
    assert_int_equal(reader->open(settings, NULL, 0, RT_SPLIT_TRAIN, &images, &err), RT_ERROR_USAGE);
    assert_string_equal(err.message, "shape has 2 items; it must be channels, height and width");
    *shape = (rt_int_list){3, {17, 32, 32}};
    assert_int_equal(reader->open(settings, NULL, 0, RT_SPLIT_TRAIN, &images, &err), RT_ERROR_USAGE);
    assert_string_equal(err.message, "shape has 17 channels; at most 16 are allowed");
    free(settings);
}

int main(void)
{
#define WITH_ROOT(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registry_is_in_order_and_whole),
        WITH_ROOT(idx_reads_plain_files),
        WITH_ROOT(idx_reads_gzip_files),
        WITH_ROOT(idx_reads_images_of_several_channels),
        WITH_ROOT(idx_refuses_damaged_files),
        WITH_ROOT(idx_checks_labels_against_the_classes),
        WITH_ROOT(a_folder_or_a_pipe_is_no_file),
        WITH_ROOT(cifar_10_is_five_files),
        WITH_ROOT(cifar_100_has_two_labels),
        WITH_ROOT(cifar_refuses_damaged_files),
        cmocka_unit_test(synthetic_has_its_defaults),
        cmocka_unit_test(synthetic_depends_on_its_seed_alone),
        cmocka_unit_test(synthetic_can_be_learned),
        cmocka_unit_test(synthetic_refuses_wrong_shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
