/* Photographs by a list of path,label: what the csv reader takes, and what it refuses at which place. */
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

#include "datasets/file_list.h"
#include "datasets/readers.h"

static const struct image_file {
    const char *name;
    size_t size;
    const uint8_t *bytes, *pixels;
} files[] = {
#include "../golden/picture_files.inc"
};

static char root[64], train[128], test[128];

/* The reader's settings, as its table describes them: found by name, since the struct is the reader's own. */
static union {
    char bytes[256];
    max_align_t aligned;
} settings;

static const rt_reader *reader(void)
{
    for (size_t i = 0; i < rt_reader_count; ++i)
        if (strcmp(rt_readers[i]->name, "csv") == 0)
            return rt_readers[i];
    fail_msg("there is no reader 'csv'");
    return NULL;
}

static void *setting(const char *name)
{
    const rt_param *param = rt_param_find(reader()->params, name);
    assert_non_null(param);
    return settings.bytes + param->offset;
}

static void put(const char *name, const void *bytes, size_t size)
{
    char path[192];
    snprintf(path, sizeof path, "%s/%s", root, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

static int make_root(void **state)
{
    (void)state;
    strcpy(root, "/tmp/retort-test-XXXXXX");
    if (!mkdtemp(root))
        return -1;
    char more[96];
    snprintf(more, sizeof more, "%s/more", root);
    mkdir(more, 0777);
    put("a.jpg", files[0].bytes, files[0].size);
    put("more/b, \"c\".png", files[1].bytes, files[1].size);
    put("\xc3\xa4.jpg", files[2].bytes, files[2].size);
    snprintf(train, sizeof train, "%s/train.csv", root);
    snprintf(test, sizeof test, "%s/test.csv", root);
    rt_param_defaults(reader()->params, settings.bytes);
    *(const char **)setting("train") = train;
    *(const char **)setting("test") = test;
    return 0;
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

static rt_images expect_open(rt_split split, const char *base)
{
    rt_images images;
    rt_error err = {0};
    if (reader()->open(settings.bytes, base, 0, split, &images, &err) != RT_OK)
        fail_msg("%s", err.message);
    return images;
}

/* `text` is the training file. */
static void expect_labels(const char *text, size_t count, const int64_t *labels, size_t classes)
{
    put("train.csv", text, strlen(text));
    rt_images images = expect_open(RT_SPLIT_TRAIN, NULL);
    assert_int_equal(images.count, count);
    assert_int_equal(images.classes, classes);
    assert_memory_equal(images.labels, labels, count * sizeof *labels);
    reader()->close(&images);
    assert_null(images.labels);
}

/* `words` follow the file's name. */
static void expect_failure_of(rt_split split, const char *words)
{
    rt_images images;
    rt_error err = {0};
    char expected[512];
    snprintf(expected, sizeof expected, "%s%s", split == RT_SPLIT_TRAIN ? train : test, words);
    assert_int_equal(reader()->open(settings.bytes, NULL, 0, split, &images, &err), RT_ERROR_FORMAT);
    assert_string_equal(err.message, expected);
    assert_null(images.labels);
}

static void expect_failure(const char *text, const char *words)
{
    put("train.csv", text, strlen(text));
    expect_failure_of(RT_SPLIT_TRAIN, words);
}

static void rows_are_those_of_rfc_4180(void **state)
{
    (void)state;
    const int64_t one[] = {0}, two[] = {1, 0};
    expect_labels("a.jpg,0", 1, one, 1);
    expect_labels("a.jpg,0\n", 1, one, 1);
    expect_labels("a.jpg,0\r\n\r\n", 1, one, 1);
    expect_labels("\xEF\xBB\xBF"
                  "a.jpg,0\n",
                  1, one, 1);
    expect_labels("path,label\n\na.jpg,bee\na.jpg,\"ant\"\n", 2, two, 2);
    expect_labels("\"Image\",\"CLASS\"\r\n\"a.jpg\",\"1\"\r\n\"more/b, \"\"c\"\".png\",0\r\n", 2, two, 2);
}

static void labels_are_numbers_or_names(void **state)
{
    (void)state;
    const int64_t numbers[] = {7, 0, 7}, names[] = {1, 0, 2};
    expect_labels("a.jpg,7\n\xc3\xa4.jpg,0\na.jpg,007\n", 3, numbers, 8);
    expect_labels("a.jpg,b\na.jpg,B\na.jpg,b c\n", 3, names, 3);
    *(int *)setting("labels") = 2;
    const int64_t named[] = {1, 0, 2};
    expect_labels("a.jpg,2\na.jpg,10\na.jpg,b\n", 3, named, 3);
    *(int *)setting("labels") = 0;
    *(int64_t *)setting("classes") = 100;
    expect_labels("a.jpg,7\na.jpg,0\na.jpg,7\n", 3, numbers, 100);
    *(int *)setting("header") = 1;
    const int64_t behind[] = {0, 7};
    expect_labels("a.jpg,7\na.jpg,0\na.jpg,7\n", 2, behind, 100);
}

static void the_training_file_numbers_both_splits(void **state)
{
    (void)state;
    static const char training[] = "a.jpg,ant\na.jpg,bee\n", testing[] = "a.jpg,bee\n",
                      wrong[] = "a.jpg,bee\na.jpg,\"cat\"\n";
    put("train.csv", training, sizeof training - 1);
    put("test.csv", testing, sizeof testing - 1);
    rt_images images = expect_open(RT_SPLIT_TEST, NULL);
    assert_int_equal(images.labels[0], 1);
    assert_int_equal(images.classes, 2);
    assert_string_equal(images.class_names[0], "ant");
    assert_string_equal(images.class_names[1], "bee");
    reader()->close(&images);
    put("test.csv", wrong, sizeof wrong - 1);
    expect_failure_of(RT_SPLIT_TEST, ":2:7: label 'cat'; the training images have no such class");
    remove(train);
    images = expect_open(RT_SPLIT_TEST, NULL);
    assert_int_equal(images.labels[0], 0);
    reader()->close(&images);
}

static void paths_are_relative_to_the_file_or_the_root(void **state)
{
    (void)state;
    char text[256], more[96];
    snprintf(text, sizeof text, "a.jpg,0\n%s/a.jpg,0\n", root);
    put("train.csv", text, strlen(text));
    rt_images images = expect_open(RT_SPLIT_TRAIN, NULL);
    assert_string_equal(rt_file_list_path(&images, 0), rt_file_list_path(&images, 1));
    rt_picture picture = {0};
    assert_int_equal(images.fetch(&images, 0, &picture, NULL), RT_OK);
    assert_int_equal(picture.height, 13);
    free(picture.memory);
    free(picture.file);
    reader()->close(&images);
    put("train.csv", "\"b, \"\"c\"\".png\",0\n", 17);
    snprintf(more, sizeof more, "%s/more", root);
    images = expect_open(RT_SPLIT_TRAIN, more);
    assert_int_equal(images.count, 1);
    reader()->close(&images);
}

static void mistakes_are_named_by_their_place(void **state)
{
    (void)state;
    char words[256];
    expect_failure("a.jpg\n", ":1:1: a row of one field; a row is path,label");
    expect_failure("a.jpg,0\na.jpg,0,0\n", ":2:9: a row of more than 2 fields");
    expect_failure("a.jpg,0\n,0\n", ":2:1: the path is empty");
    expect_failure("a.jpg,\n", ":1:7: the label is empty");
    expect_failure("a.jpg,\"\"\n", ":1:7: the label is empty");
    expect_failure("a.jpg,0\n\"a.jpg,0\n", ":2:1: a quote that is not closed in its line");
    expect_failure("a.jpg,\"0\"0\n",
                   ":1:10: behind a closing quote comes a comma or the line's end; a quote in a field "
                   "is written twice");
    expect_failure("\xc3\xa4\"a.jpg,0\n", ":1:2: a quote within a field that does not begin with one; quote all of it, "
                                          "each quote twice");
    expect_failure("a.jpg, 0\n", ":1:7: a space before the field; take it away, or quote the field if it is meant");
    expect_failure("a.jpg ,0\n", ":1:1: a space behind the field; take it away, or quote the field if it is meant");
    expect_failure("a.jpg,0\ra.jpg,0\r", ":1:8: a carriage return without a line feed behind it");
    expect_failure("a.jpg,\t0\n", ":1:7: the control character 0x09; no path or label has one");
    expect_failure("\"a\n.jpg\",0\n", ":1:1: a quote that is not closed in its line");
    expect_failure("\"a.jpg\",\"0", ":1:9: a quote that is not closed in its line");
    expect_failure("\xc3\xa4.jpg,0\na.jpg,ant\n",
                   ":2:7: label 'ant' is not a whole number as the others; 'labels: name' "
                   "takes all as names");
    expect_failure("a.jpg,ant\na.jpg,0\n",
                   ":2:7: label '0' is a number among names; 'labels: name' takes all as names");
    expect_failure("a.jpg,-1\na.jpg,0\n", ":2:7: label '0' is a number among names; 'labels: name' takes all as names");
    expect_failure("a.jpg,99999999999999999999\n",
                   ":1:7: label 99999999999999999999; there are at most 65536 classes, counted from 0");
    snprintf(words, sizeof words, ":1:1: cannot open '%s/b.jpg': No such file or directory", root);
    expect_failure("b.jpg,0\n", words);
    snprintf(words, sizeof words, ":1:1: cannot read '%s/more': not a regular file", root);
    expect_failure("more,0\n", words);
    *(int64_t *)setting("classes") = 3;
    expect_failure("a.jpg,0\na.jpg,3\n", ":2:7: label '3'; it must be a class from 0 to 2");
    put("train.csv", "a.jpg,0\0\n", 9);
    expect_failure_of(RT_SPLIT_TRAIN, ":1:8: the control character 0x00; no path or label has one");
}

static void files_without_rows_are_refused(void **state)
{
    (void)state;
    rt_images images;
    rt_error err = {0};
    char expected[256];
    for (int i = 0; i < 2; ++i) {
        put("train.csv", i ? "path,label\n" : "", i ? 11 : 0);
        snprintf(expected, sizeof expected, "cannot read '%s': it has no row of path,label", train);
        assert_int_equal(reader()->open(settings.bytes, NULL, 0, RT_SPLIT_TRAIN, &images, &err), RT_ERROR_FORMAT);
        assert_string_equal(err.message, expected);
    }
    remove(train);
    assert_int_equal(reader()->open(settings.bytes, NULL, 0, RT_SPLIT_TRAIN, &images, &err), RT_ERROR_FILE);
    *(const char **)setting("train") = NULL;
    assert_int_equal(reader()->open(settings.bytes, NULL, 0, RT_SPLIT_TRAIN, &images, &err), RT_ERROR_USAGE);
    assert_string_equal(err.message, "data: reader csv needs 'train', a CSV file");
}

int main(void)
{
#define WITH_ROOT(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)
    const struct CMUnitTest tests[] = {
        WITH_ROOT(rows_are_those_of_rfc_4180),
        WITH_ROOT(labels_are_numbers_or_names),
        WITH_ROOT(the_training_file_numbers_both_splits),
        WITH_ROOT(paths_are_relative_to_the_file_or_the_root),
        WITH_ROOT(mistakes_are_named_by_their_place),
        WITH_ROOT(files_without_rows_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
