/* Readers of files under fire: thousands of good files with a few bytes changed, or cut short. Each is refused in one
 * line, or what is handed out lies within the file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/file.h"
#include "datasets/pack_file.h"
#include "datasets/pack_write.h"
#include "datasets/readers.h"
#include "formats/npy.h"
#include "formats/safetensors.h"
#include "retort/random.h"
#include "scratch_file.h"

enum { ROUNDS = 4000 };

static const char *golden_folder; /* tests/golden/torch: the program's argument */

static int make_folder(void **state)
{
    (void)state;
    return scratch_make("file");
}

/* Changes one to three bytes, in every other round among the first `header` ones: to what means something there, or by
 * a flipped bit. One in four is cut. Returns the size that is left. */
static size_t mutate(unsigned char *bytes, size_t size, size_t header, uint64_t round)
{
    static const char alphabet[] = "0123456789-.(){}[],:\"' <>|=bfiuTrueE\\\x80\xff";
    const rt_key key = {.seed = 1, .index = round};
    uint32_t draw = 0, changes = 1 + rt_random_below(&key, draw++, 3);
    for (uint32_t change = 0; change < changes; ++change) {
        size_t place = rt_random_below(&key, draw++, (uint32_t)(round % 2 ? header : size));
        uint32_t with = rt_random_below(&key, draw++, 2 * sizeof alphabet);
        bytes[place] = (unsigned char)(with < sizeof alphabet ? alphabet[with] : bytes[place] ^ 1 << with % 8);
    }
    bool cut = rt_random_below(&key, draw++, 4) == 0;
    return cut ? rt_random_below(&key, draw, (uint32_t)size + 1) : size;
}

/* Whether the reader took the file, whose bytes are given, too; checks the message where it did not. */
static bool open_safetensors(const unsigned char *file, size_t size)
{
    rt_error err = {0};
    rt_tensors tensors;
    if (rt_tensors_open(path, &tensors, &err) != RT_OK) {
        assert_true(err.message[0] != '\0' && !strchr(err.message, '\n'));
        return false;
    }
    size_t total = 0, bytes;
    for (size_t i = 0; i < tensors.count; ++i) {
        assert_true(rt_shape_bytes(&tensors.items[i].shape, rt_dtype_size(tensors.items[i].dtype), &bytes));
        assert_ptr_equal(tensors.items[i].data, (const char *)tensors.items[0].data + total);
        total += bytes;
    }
    assert_int_equal(8 + (size_t)file[0] + ((size_t)file[1] << 8) + total, size);
    rt_tensors_close(&tensors);
    return true;
}

/* Of PyTorch's files, too: every element that is handed out is looked at. */
static bool open_torch(const unsigned char *file, size_t size)
{
    (void)file;
    rt_error err = {0};
    rt_tensors tensors;
    if (rt_tensors_open(path, &tensors, &err) != RT_OK) {
        assert_true(err.message[0] != '\0' && !strchr(err.message, '\n'));
        return false;
    }
    volatile unsigned char sum = 0;
    for (size_t i = 0; i < tensors.count; ++i) {
        size_t bytes;
        assert_true(rt_shape_bytes(&tensors.items[i].shape, rt_dtype_size(tensors.items[i].dtype), &bytes));
        assert_true(bytes <= size && strlen(tensors.items[i].name) < size);
        for (size_t b = 0; b < bytes; ++b)
            sum ^= ((const unsigned char *)tensors.items[i].data)[b]; /* the sanitizer watches */
    }
    for (size_t i = 0; i < tensors.metadata_count; ++i)
        assert_true(strlen(tensors.metadata[i].key) + strlen(tensors.metadata[i].value) < size);
    rt_tensors_close(&tensors);
    return true;
}

static bool open_npy(const unsigned char *file, size_t size)
{
    rt_error err = {0};
    rt_array array;
    if (rt_npy_read(path, &array, &err) != RT_OK) {
        assert_true(err.message[0] != '\0' && !strchr(err.message, '\n'));
        return false;
    }
    size_t total, header = (file[6] == 1 ? 10u : 12u) + file[8] + ((size_t)file[9] << 8);
    assert_true(rt_shape_bytes(&array.shape, rt_dtype_size(array.dtype), &total));
    assert_true(header <= size && total % (size - header + (total == 0)) == 0 && total <= 8 * (size - header));
    volatile unsigned char sum = 0;
    for (size_t i = 0; i < total; ++i)
        sum ^= ((unsigned char *)array.data)[i]; /* the sanitizer watches */
    rt_array_free(&array);
    return true;
}

static const rt_reader *reader(const char *name)
{
    for (size_t i = 0; i < rt_reader_count; ++i)
        if (strcmp(rt_readers[i]->name, name) == 0)
            return rt_readers[i];
    fail_msg("there is no reader '%s'", name);
    return NULL;
}

/* The reader's settings with two of them, text, set; `root` NULL for none. */
static bool open_reader(const char *name, const char *const settings[4], const char *root)
{
    char *memory = calloc(1, reader(name)->settings_size);
    rt_error err = {0};
    rt_images images;
    rt_param_defaults(reader(name)->params, memory);
    for (size_t i = 0; settings && i < 4; i += 2)
        memcpy(memory + rt_param_find(reader(name)->params, settings[i])->offset, &settings[i + 1],
               sizeof settings[i + 1]);
    const bool taken = reader(name)->open(memory, root, 0, RT_SPLIT_TRAIN, &images, &err) == RT_OK;
    free(memory);
    if (!taken) {
        assert_true(err.message[0] != '\0' && !strchr(err.message, '\n'));
        assert_null(images.labels);
        return false;
    }
    volatile uint8_t sum = 0;
    rt_picture picture = {0};
    for (size_t i = 0; i < images.count; ++i) {
        assert_true(images.labels[i] >= 0 && (size_t)images.labels[i] < images.classes);
        if (images.pixels)
            picture = (rt_picture){images.height, images.width, images.channels, .pixels = images.pixels};
        else if (images.fetch(&images, i, &picture, NULL) != RT_OK)
            continue;
        const size_t bytes = picture.height * picture.width * picture.channels;
        for (size_t b = 0; b < bytes; ++b)
            sum ^= picture.pixels[(images.pixels ? i * bytes : 0) + b]; /* the sanitizer watches */
    }
    free(picture.memory), free(picture.file);
    reader(name)->close(&images);
    return true;
}

/* Its images are the file itself, which is none. */
static bool open_csv(const unsigned char *file, size_t size)
{
    (void)file, (void)size;
    return open_reader("csv", (const char *const[]){"train", path, "test", path}, NULL);
}

static bool open_image_array(const unsigned char *file, size_t size)
{
    (void)file, (void)size;
    return open_reader("npy", (const char *const[]){"train_images", "file", "train_labels", "labels"}, folder);
}

static bool open_label_array(const unsigned char *file, size_t size)
{
    (void)file, (void)size;
    return open_reader("npy", (const char *const[]){"train_images", "images", "train_labels", "file"}, folder);
}

/* Once as it is, and once with checksums and size that are right, which leaves the damage to the checks behind them. */
static bool open_pack(const unsigned char *file, size_t size)
{
    const bool taken = open_reader("pack", NULL, path);
    rt_pack_header header;
    if (size < sizeof header)
        return taken;
    memcpy(&header, file, sizeof header);
    memcpy(header.magic, "RETORTPK", sizeof header.magic);
    header.version = RT_PACK_VERSION;
    header.file_bytes = size;
    if (header.index_offset <= size)
        header.index_checksum = XXH3_64bits(file + header.index_offset, size - header.index_offset);
    header.checksum = rt_pack_header_checksum(&header);
    unlink(path);
    const rt_piece pieces[] = {{&header, sizeof header}, {file + sizeof header, size - sizeof header}};
    FILE *forged = fopen(path, "wb");
    for (size_t i = 0; i < 2; ++i)
        assert_int_equal(fwrite(pieces[i].data, 1, pieces[i].size, forged), pieces[i].size);
    fclose(forged);
    open_reader("pack", NULL, path);
    return taken;
}

static void fire(bool (*take)(const unsigned char *file, size_t size), size_t header)
{
    rt_bytes good;
    assert_int_equal(rt_file_read(path, 100000, &good, NULL), RT_OK);
    assert_true(header <= good.size);
    unsigned char *bytes = malloc(good.size);
    size_t taken = 0;
    for (uint64_t round = 0; round < ROUNDS; ++round) {
        memcpy(bytes, good.data, good.size);
        size_t size = mutate(bytes, good.size, header, round);
        unlink(path); /* a file system may write out what is replaced in place, and wait for the disk */
        FILE *file = fopen(path, "wb");
        assert_int_equal(fwrite(bytes, 1, size, file), size);
        fclose(file);
        taken += take(bytes, size);
    }
    assert_true(taken > ROUNDS / 50 && taken < ROUNDS / 2);
    free(bytes);
    rt_bytes_free(&good);
}

static void safetensors_files(void **state)
{
    (void)state;
    static const double data[8] = {1, 2, 3};
    const rt_tensor tensors[] = {
        {"layer.weight", RT_DTYPE_F32, {2, {2, 3}}, data},
        {"odd", RT_DTYPE_U8, {1, {3}}, data},
        {"steps", RT_DTYPE_I64, {0}, data},
        {"empty", RT_DTYPE_F32, {2, {0, 5}}, NULL},
        {"halves", RT_DTYPE_F16, {4, {1, 2, 1, 2}}, data},
        {"doubles", RT_DTYPE_F64, {1, {8}}, data},
    };
    const rt_text_pair notes[] = {{"recipe", "a: \"b\"\n\tc: \u00e9\\"}};
    assert_int_equal(rt_safetensors_write(path, tensors, 6, notes, 1, NULL), RT_OK);
    fire(open_safetensors, 500);
}

static void npy_files(void **state)
{
    (void)state;
    const int64_t data[6] = {1, 2, 3, 4, 5, 6};
    assert_int_equal(rt_npy_write(path, RT_DTYPE_I64, &(rt_shape){2, {2, 3}}, data, NULL), RT_OK);
    fire(open_npy, 80);
}

/* Copies a file of tests/golden/torch; without its checksums, which would have nearly every change refused. */
static void copy_golden(const char *name)
{
    char golden[512];
    rt_bytes bytes;
    snprintf(golden, sizeof golden, "%s/%s", golden_folder, name);
    assert_int_equal(rt_file_read(golden, 100000, &bytes, NULL), RT_OK);
    for (size_t i = 0; i + 46 <= bytes.size; ++i)
        if (memcmp(bytes.data + i, "PK\1\2", 4) == 0)
            memset(bytes.data + i + 16, 0, 4);
    FILE *file = fopen(path, "wb");
    assert_int_equal(fwrite(bytes.data, 1, bytes.size, file), bytes.size);
    fclose(file);
    rt_bytes_free(&bytes);
}

static void torch_zip_files(void **state)
{
    (void)state;
    copy_golden("zip.pth");
    fire(open_torch, 1800);
}

static void torch_stream_files(void **state)
{
    (void)state;
    copy_golden("stream.th");
    fire(open_torch, 2400);
}

static void csv_files(void **state)
{
    (void)state;
    static const char text[] = "path,label\nfile,0\r\n\"file\",\"2\"\n\nfile,001\nfile,\"1\"\n\"file\",0\n";
    assert_int_equal(rt_file_write(path, &(rt_piece){text, sizeof text - 1}, 1, NULL), RT_OK);
    fire(open_csv, 30);
}

/* An array as numpy writes it, of bytes that count up from 0 modulo 7. */
static void write_bytes(const char *where, const char *shape, size_t count)
{
    unsigned char bytes[512] = "\x93NUMPY\1";
    snprintf((char *)bytes + 10, 118, "{'descr': '|u1', 'fortran_order': False, 'shape': %s, }", shape);
    for (size_t i = 10 + strlen((char *)bytes + 10); i < 127; ++i)
        bytes[i] = ' ';
    bytes[127] = '\n';
    bytes[8] = 118;
    for (size_t i = 0; i < count; ++i)
        bytes[128 + i] = (unsigned char)(i % 7);
    assert_int_equal(rt_file_write(where, &(rt_piece){bytes, 128 + count}, 1, NULL), RT_OK);
}

static void pairs_of_arrays(void **state)
{
    (void)state;
    char other[64];
    snprintf(other, sizeof other, "%s/labels", folder);
    write_bytes(other, "(4,)", 4);
    write_bytes(path, "(4, 3, 5, 3)", 180);
    fire(open_image_array, 80);
    unlink(other);
    snprintf(other, sizeof other, "%s/images", folder);
    write_bytes(other, "(100, 1, 2)", 200);
    write_bytes(path, "(100,)", 100);
    fire(open_label_array, 80);
    unlink(other);
}

static void packs(void **state)
{
    (void)state;
    static const uint8_t pixels[4 * 3 * 50 * 3] = {1, 2, 3};
    static const int64_t labels[] = {1, 0, 1, 1};
    static const char *const names[] = {"ant", "bee"};
    const rt_images images = {.count = 4,
                              .height = 3,
                              .width = 50,
                              .channels = 3,
                              .classes = 2,
                              .pixels = pixels,
                              .labels = labels,
                              .class_names = names};
    rt_packed packed;
    assert_int_equal(rt_pack_write(path, &(rt_packing){.splits = {&images, &images}}, &packed, NULL), RT_OK);
    fire(open_pack, 128);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(safetensors_files),  cmocka_unit_test(npy_files), cmocka_unit_test(csv_files),
        cmocka_unit_test(pairs_of_arrays),    cmocka_unit_test(packs),     cmocka_unit_test(torch_zip_files),
        cmocka_unit_test(torch_stream_files),
    };
    if (argc != 2)
        return 99;
    golden_folder = argv[1];
    return cmocka_run_group_tests(tests, make_folder, scratch_remove);
}
