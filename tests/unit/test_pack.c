/* Packs: what is written comes back to the bit, and every way to be damaged is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/file.h"
#include "datasets/pack_file.h"
#include "datasets/pack_write.h"
#include "datasets/readers.h"
#include "datasets/view.h"

static const struct image_file {
    const char *name;
    size_t size;
    const uint8_t *bytes, *pixels;
} files[] = {
#include "../golden/picture_files.inc"
};
enum { FILES = sizeof files / sizeof *files, SIDE = 12 };

static char root[64], pack_path[96];

static void put(const char *name, const void *bytes, size_t size)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", root, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

static int make_root(void **state)
{
    (void)state;
    static const char *const folders[] = {"train", "val", "train/b", "train/c", "val/c"};
    strcpy(root, "/tmp/retort-test-XXXXXX");
    if (!mkdtemp(root))
        return -1;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; ++i) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", root, folders[i]);
        mkdir(path, 0777);
    }
    for (size_t i = 0; i < FILES; ++i) {
        char name[64];
        snprintf(name, sizeof name, "train/%c/%zu.jpg", i % 2 ? 'c' : 'b', i);
        put(name, files[i].bytes, files[i].size);
    }
    put("val/c/0.jpg", files[0].bytes, files[0].size);
    snprintf(pack_path, sizeof pack_path, "%s/out.rpk", root);
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

static const rt_reader *reader(const char *name)
{
    for (size_t i = 0; i < rt_reader_count; ++i)
        if (strcmp(rt_readers[i]->name, name) == 0)
            return rt_readers[i];
    fail_msg("there is no reader '%s'", name);
    return NULL;
}

static rt_images expect_open(const char *name, const char *where, rt_split split)
{
    int settings[4] = {0};
    rt_images images;
    rt_error err = {0};
    rt_param_defaults(reader(name)->params, settings);
    if (reader(name)->open(settings, where, 0, split, &images, &err) != RT_OK)
        fail_msg("%s", err.message);
    return images;
}

typedef struct told {
    size_t done, left_out;
    char words[256];
} told;

static void hear_progress(void *context, size_t done)
{
    ((told *)context)->done = done;
}

static void hear_left_out(void *context, const char *words)
{
    told *t = context;
    ++t->left_out;
    snprintf(t->words, sizeof t->words, "%.255s", words);
}

static rt_status write_pack(size_t short_side, bool skip, rt_packed *packed, told *t, rt_error *err)
{
    rt_images train = expect_open("image_folder", root, RT_SPLIT_TRAIN);
    rt_images test = expect_open("image_folder", root, RT_SPLIT_TEST);
    *t = (told){0};
    rt_status status = rt_pack_write(pack_path,
                                     &(rt_packing){.splits = {&train, &test},
                                                   .short_side = short_side,
                                                   .skip = skip,
                                                   .progress = hear_progress,
                                                   .left_out = hear_left_out,
                                                   .context = t},
                                     packed, err);
    reader("image_folder")->close(&train);
    reader("image_folder")->close(&test);
    return status;
}

static void expect_pack(size_t short_side)
{
    rt_packed packed;
    told t;
    rt_error err = {0};
    if (write_pack(short_side, false, &packed, &t, &err) != RT_OK)
        fail_msg("%s", err.message);
    assert_int_equal(packed.counts[RT_SPLIT_TRAIN], FILES);
    assert_int_equal(packed.counts[RT_SPLIT_TEST], 1);
    assert_int_equal(t.done, FILES + 1);
}

static void expect_equal_images(const rt_images *a, const rt_images *b)
{
    rt_picture p = {0}, q = {0};
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->classes, b->classes);
    assert_memory_equal(a->labels, b->labels, a->count * sizeof *a->labels);
    for (size_t i = 0; i < a->classes; ++i)
        assert_string_equal(a->class_names[i], b->class_names[i]);
    for (size_t i = 0; i < a->count; ++i) {
        assert_int_equal(a->fetch(a, i, &p, NULL), RT_OK);
        assert_int_equal(b->fetch(b, i, &q, NULL), RT_OK);
        assert_int_equal(p.height, q.height);
        assert_int_equal(p.width, q.width);
        assert_int_equal(p.channels, q.channels);
        assert_memory_equal(p.pixels, q.pixels, p.height * p.width * p.channels);
    }
    free(p.memory), free(p.file), free(q.memory), free(q.file);
}

static void a_pack_holds_what_the_folder_does(void **state)
{
    (void)state;
    expect_pack(0);
    for (int split = 0; split < 2; ++split) {
        rt_images folder = expect_open("image_folder", root, (rt_split)split);
        rt_images pack = expect_open("pack", pack_path, (rt_split)split);
        expect_equal_images(&folder, &pack);
        reader("image_folder")->close(&folder);
        reader("pack")->close(&pack);
        assert_null(pack.labels);
    }
}

/* An epoch with every augmentation, from the loader. */
static void epoch_of(const rt_images *images, size_t workers, float *out)
{
    static const rt_normalization normalization = {3, {0.5f, 0.4f, 0.3f}, {0.2f, 0.25f, 0.3f}};
    rt_augmentation_choice choices[RT_MOST_AUGMENTATIONS];
    uint32_t samples[FILES];
    rt_loader *loader;
    rt_error err = {0};
    for (size_t i = 0; i < rt_augmentation_count; ++i) {
        void *settings = calloc(1, rt_augmentations[i]->settings_size);
        rt_param_defaults(rt_augmentations[i]->params, settings);
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
    rt_loader_seek(loader, 3, 0);
    for (const rt_batch *batch; (batch = rt_loader_next(loader));) {
        memcpy(out, batch->images, batch->count * SIDE * SIDE * 3 * sizeof *out);
        out += batch->count * SIDE * SIDE * 3;
    }
    assert_int_equal(rt_loader_failure(loader, &err), RT_OK);
    rt_loader_close(loader);
    for (size_t i = 0; i < rt_augmentation_count; ++i)
        free((void *)(uintptr_t)choices[i].settings);
}

static void batches_have_the_same_bits(void **state)
{
    (void)state;
    enum { FLOATS = FILES * SIDE * SIDE * 3 };
    static float from_folder[FLOATS], from_pack[FLOATS];
    expect_pack(0);
    rt_images folder = expect_open("image_folder", root, RT_SPLIT_TRAIN);
    rt_images pack = expect_open("pack", pack_path, RT_SPLIT_TRAIN);
    assert_int_equal(rt_images_fit(&folder, SIDE, 14, NULL), RT_OK);
    assert_int_equal(rt_images_fit(&pack, SIDE, 14, NULL), RT_OK);
    for (size_t workers = 0; workers < 3; ++workers) {
        memset(from_pack, 0, sizeof from_pack);
        epoch_of(&folder, workers, from_folder);
        epoch_of(&pack, workers, from_pack);
        assert_memory_equal(from_folder, from_pack, sizeof from_pack);
    }
    reader("image_folder")->close(&folder);
    reader("pack")->close(&pack);
}

/* The short side becomes 10 where it was larger; the centre of that is what the folder's images give at resize 10. */
static void resizing_at_packing_is_resizing_in_the_recipe(void **state)
{
    (void)state;
    expect_pack(10);
    rt_images folder = expect_open("image_folder", root, RT_SPLIT_TRAIN);
    rt_images pack = expect_open("pack", pack_path, RT_SPLIT_TRAIN);
    rt_picture p = {0}, q = {0};
    rt_workspace a = {0}, b = {0};
    size_t resized = 0;
    assert_int_equal(rt_images_fit(&folder, 8, 10, NULL), RT_OK);
    assert_int_equal(rt_images_fit(&pack, 8, 10, NULL), RT_OK);
    for (size_t i = 0; i < FILES; ++i) {
        const uint8_t *x, *y;
        assert_int_equal(folder.fetch(&folder, i, &p, NULL), RT_OK);
        assert_int_equal(pack.fetch(&pack, i, &q, NULL), RT_OK);
        const size_t was = p.height < p.width ? p.height : p.width, is = q.height < q.width ? q.height : q.width;
        assert_int_equal(is, was > 10 ? 10 : was);
        resized += was > 10;
        assert_int_equal(rt_view_bytes(&folder, i, &a, &x, NULL), RT_OK);
        assert_int_equal(rt_view_bytes(&pack, i, &b, &y, NULL), RT_OK);
        assert_memory_equal(x, y, 8 * 8 * 3);
    }
    assert_true(resized > 0);
    free(p.memory), free(p.file);
    rt_workspace_free(&a);
    rt_workspace_free(&b);
    reader("image_folder")->close(&folder);
    reader("pack")->close(&pack);
}

static void expect_no_file(const char *name)
{
    DIR *folder = opendir(root);
    size_t found = 0;
    for (struct dirent *entry; (entry = readdir(folder));)
        found += strncmp(entry->d_name, name, strlen(name)) == 0;
    closedir(folder);
    assert_int_equal(found, 0);
}

static void an_unreadable_image_ends_it_or_is_left_out(void **state)
{
    (void)state;
    rt_packed packed;
    told t;
    rt_error err = {0};
    char words[192];
    put("train/c/1.jpg", files[1].bytes, files[1].size - 10);
    assert_int_equal(write_pack(0, false, &packed, &t, &err), RT_ERROR_FORMAT);
    snprintf(words, sizeof words, "cannot read '%s/train/c/1.jpg': it ends before its end marker: it was cut short",
             root);
    assert_string_equal(err.message, words);
    expect_no_file("out.rpk"); /* neither the file nor a temporary */
    assert_int_equal(write_pack(0, true, &packed, &t, &err), RT_OK);
    assert_string_equal(t.words, words);
    assert_int_equal(t.left_out, 1);
    assert_int_equal(packed.left_out[RT_SPLIT_TRAIN], 1);
    assert_int_equal(packed.counts[RT_SPLIT_TRAIN], FILES - 1);
    put("val/c/0.jpg", files[0].bytes, 40);
    unlink(pack_path);
    assert_int_equal(write_pack(0, true, &packed, &t, &err), RT_ERROR_FORMAT);
    assert_string_equal(err.message, "no image of the test split can be read");
    expect_no_file("out.rpk");
}

static void a_signal_leaves_nothing(void **state)
{
    (void)state;
    rt_images train = expect_open("image_folder", root, RT_SPLIT_TRAIN);
    rt_packed packed;
    rt_error err = {0};
    const volatile sig_atomic_t stop = 1;
    assert_int_equal(rt_pack_write(pack_path, &(rt_packing){.splits = {&train, &train}, .stop = &stop}, &packed, &err),
                     RT_ERROR_INTERRUPTED);
    expect_no_file("out.rpk");
    reader("image_folder")->close(&train);
}

static rt_bytes good;

static void damaged(const char *words)
{
    rt_pack pack;
    rt_error err = {0};
    char expected[256];
    snprintf(expected, sizeof expected, "cannot read '%s': %s", pack_path, words);
    assert_int_equal(rt_pack_open(pack_path, &pack, &err), RT_ERROR_FORMAT);
    assert_string_equal(err.message, expected);
    assert_null(pack.entries);
}

/* The file with another header, and another first entry, whose checksums are right. */
static void forge(const rt_pack_header *header, const rt_pack_entry *entry, size_t size)
{
    rt_pack_header h = *header;
    unsigned char *bytes = malloc(good.size);
    memcpy(bytes, good.data, good.size);
    const size_t index = (size_t)((const rt_pack_header *)(const void *)good.data)->index_offset;
    memcpy(bytes + index, entry, sizeof *entry);
    h.index_checksum = h.index_offset <= size ? XXH3_64bits(bytes + h.index_offset, size - h.index_offset) : 0;
    h.checksum = rt_pack_header_checksum(&h);
    memcpy(bytes, &h, sizeof h);
    put("out.rpk", bytes, size);
    free(bytes);
}

static void damaged_files_are_refused(void **state)
{
    (void)state;
    expect_pack(0);
    assert_int_equal(rt_file_read(pack_path, 1 << 20, &good, NULL), RT_OK);
    rt_pack_header h;
    rt_pack_entry first;
    char words[160];
    memcpy(&h, good.data, sizeof h);
    memcpy(&first, good.data + h.index_offset, sizeof first);

    put("out.rpk", good.data, 100);
    damaged("100 bytes; a pack has at least 128");
    put("out.rpk", good.data, 0);
    damaged("0 bytes; a pack has at least 128");
    put("out.rpk", good.data, good.size - 1);
    snprintf(words, sizeof words, "it has %zu bytes and was written with %zu", good.size - 1, good.size);
    damaged(words);
    put("out.rpk", files[0].bytes, files[0].size);
    damaged("not a pack, as 'retort pack' writes them");

    /* Every byte of header, index and names counts; one of the pixels is found when its image is read. */
    unsigned char *bytes = malloc(good.size);
    for (size_t at = 0; at < good.size; ++at) {
        if (at == sizeof h)
            at = (size_t)h.index_offset;
        memcpy(bytes, good.data, good.size);
        bytes[at] ^= 4;
        put("out.rpk", bytes, good.size);
        rt_pack pack;
        rt_error err = {0};
        assert_int_equal(rt_pack_open(pack_path, &pack, &err), RT_ERROR_FORMAT);
    }
    memcpy(bytes, good.data, good.size);
    bytes[first.offset + 5] ^= 1;
    put("out.rpk", bytes, good.size);
    free(bytes);
    rt_images images = expect_open("pack", pack_path, RT_SPLIT_TRAIN);
    rt_picture p = {0};
    rt_error err = {0};
    snprintf(words, sizeof words, "cannot read '%s': training image 0 does not match its checksum", pack_path);
    assert_int_equal(images.fetch(&images, 0, &p, &err), RT_ERROR_FORMAT);
    assert_string_equal(err.message, words);
    assert_int_equal(images.fetch(&images, 1, &p, &err), RT_OK);
    reader("pack")->close(&images);

    forge(&h, &first, good.size);
    images = expect_open("pack", pack_path, RT_SPLIT_TRAIN);
    reader("pack")->close(&images);
#define FORGED_HEADER(field, value, words)                                                                             \
    do {                                                                                                               \
        rt_pack_header other = h;                                                                                      \
        other.field = value;                                                                                           \
        forge(&other, &first, good.size);                                                                              \
        damaged(words);                                                                                                \
    } while (0)
    FORGED_HEADER(version, 2, "a pack of version 2; this build reads version 1");
    FORGED_HEADER(channels, 0, "0 channels and 2 classes; 1 to 16 and 1 to 16777216");
    FORGED_HEADER(channels, 1u << 31, "2147483648 channels and 2 classes; 1 to 16 and 1 to 16777216");
    FORGED_HEADER(classes, 1ull << 60, "3 channels and 1152921504606846976 classes; 1 to 16 and 1 to 16777216");
    FORGED_HEADER(index_offset, good.size + 1, "its index is not where the header says");
    FORGED_HEADER(index_offset, UINT64_MAX - 7, "its index is not where the header says");
    FORGED_HEADER(index_offset, 3, "its index is not where the header says");
    FORGED_HEADER(counts[0], UINT64_MAX / 32 + 2, "its index is not where the header says");
    FORGED_HEADER(counts[1], 1ull << 59, "its index is not where the header says");
    FORGED_HEADER(counts[1], 2, "its index is not where the header says");
    FORGED_HEADER(classes, 1, "image 5 has label 1; there are 1 classes");
    FORGED_HEADER(classes, 3, "it has fewer names than classes");
    FORGED_HEADER(classes, 1000, "the names of its classes are cut short");
#define FORGED_ENTRY(field, value, words)                                                                              \
    do {                                                                                                               \
        rt_pack_entry other = first;                                                                                   \
        other.field = value;                                                                                           \
        forge(&h, &other, good.size);                                                                                  \
        rt_pack pack;                                                                                                  \
        rt_error found = {0};                                                                                          \
        assert_int_equal(rt_pack_open(pack_path, &pack, &found), RT_ERROR_FORMAT);                                     \
        if (!strstr(found.message, words))                                                                             \
            fail_msg("'%s' does not hold '%s'", found.message, words);                                                 \
    } while (0)
    FORGED_ENTRY(offset, UINT64_MAX - 3, "at 18446744073709551612; pixels lie between 128 and ");
    FORGED_ENTRY(offset, 127, "at 127; pixels lie between 128 and ");
    FORGED_ENTRY(offset, h.index_offset - 1, "; pixels lie between 128 and ");
    FORGED_ENTRY(height, 16384, "; pixels lie between 128 and ");
    FORGED_ENTRY(height, 0, "image 0 has 0 x ");
    FORGED_ENTRY(width, UINT32_MAX, " x 4294967295 pixels; a side has 1 to 16384");
    FORGED_ENTRY(label, 2, "image 0 has label 2; there are 2 classes");
    rt_bytes_free(&good);
}

/* Two images of one size that change places have the right checksums, but not in the right places. */
static void images_keep_their_places(void **state)
{
    (void)state;
    assert_int_not_equal(rt_pack_checksum(0, "abc", 3), rt_pack_checksum(1, "abc", 3));
    assert_int_equal(rt_pack_checksum(5, "abc", 3), XXH3_64bits_withSeed("abc", 3, 5));
}

int main(void)
{
#define WITH_ROOT(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)
    const struct CMUnitTest tests[] = {
        WITH_ROOT(a_pack_holds_what_the_folder_does),
        WITH_ROOT(batches_have_the_same_bits),
        WITH_ROOT(resizing_at_packing_is_resizing_in_the_recipe),
        WITH_ROOT(an_unreadable_image_ends_it_or_is_left_out),
        WITH_ROOT(a_signal_leaves_nothing),
        WITH_ROOT(damaged_files_are_refused),
        cmocka_unit_test(images_keep_their_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
