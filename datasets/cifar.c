/* The binary files of CIFAR-10 and CIFAR-100: records of one or two label bytes and 32x32 pixels, channel after
 * channel. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "datasets/reading.h"

enum { SIDE = 32, CHANNELS = 3, PLANE = SIDE * SIDE, PIXELS = CHANNELS * PLANE, FILES = 5, CHUNK = 256 };

enum labels { FINE, COARSE };

struct cifar {
    int labels;
};

static const char *const label_choices[] = {"fine", "coarse", NULL};

static const rt_param params[] = {
    RT_ENUM(struct cifar, labels, FINE, label_choices, "CIFAR-100's 100 fine or 20 coarse classes"),
    RT_PARAM_END,
};

/* What tells the two apart. */
typedef struct variant {
    const char *folder;
    size_t label_bytes; /* before the pixels of a record */
    size_t classes[2];  /* fine, coarse; 0 where there is none */
    size_t label_at[2]; /* which label byte */
    const char *train[FILES + 1], *test[FILES + 1];
} variant;

static const variant variants[] = {
    {"cifar-10-batches-bin",
     1,
     {10, 0},
     {0, 0},
     {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"},
     {"test_batch.bin"}},
    {"cifar-100-binary", 2, {100, 20}, {1, 0}, {"train.bin"}, {"test.bin"}},
};

enum { VARIANTS = sizeof variants / sizeof *variants };

static const char *const *files_of(const variant *v, rt_split split)
{
    return split == RT_SPLIT_TRAIN ? v->train : v->test;
}

/* Finds out which CIFAR lies in `root` or in the folder below it that the official archive unpacks to. */
static rt_status find(const char *root, rt_split split, const variant **found, rt_data_path *folder, rt_error *err)
{
    *found = NULL;
    for (size_t i = 0; i < 2 * VARIANTS; ++i) {
        const variant *v = &variants[i / 2];
        rt_data_path candidate, first;
        RT_TRY(rt_data_path_join(&candidate, root, i % 2 ? v->folder : "", err));
        RT_TRY(rt_data_path_join(&first, candidate.text, files_of(v, split)[0], err));
        if (!rt_data_path_exists(&first))
            continue;
        if (*found)
            return rt_fail(err, RT_ERROR_USAGE,
                           "'%s' holds more than one CIFAR ('%s' and '%s'); root must name one folder", root,
                           folder->text, candidate.text);
        *found = v;
        *folder = candidate;
    }
    if (!*found)
        return rt_fail(err, RT_ERROR_FILE,
                       "cannot find '%s' (CIFAR-10) or '%s' (CIFAR-100) in '%s' or its folders '%s' and '%s'",
                       files_of(&variants[0], split)[0], files_of(&variants[1], split)[0], root, variants[0].folder,
                       variants[1].folder);
    return RT_OK;
}

/* The files of a split, opened and measured. */
typedef struct source {
    const variant *variant;
    rt_data_path paths[FILES];
    int files[FILES];
    size_t records[FILES];
    size_t file_count, total;
} source;

static void source_close(source *s)
{
    for (size_t i = 0; i < s->file_count; ++i)
        close(s->files[i]);
    free(s);
}

static rt_status source_open(source *s, const char *root, rt_split split, rt_error *err)
{
    rt_data_path folder;
    RT_TRY(find(root, split, &s->variant, &folder, err));
    size_t record = s->variant->label_bytes + PIXELS;
    for (const char *const *name = files_of(s->variant, split); *name; ++name) {
        size_t i = s->file_count, size;
        RT_TRY(rt_data_path_join(&s->paths[i], folder.text, *name, err));
        RT_TRY(rt_data_open(&s->paths[i], &s->files[i], &size, err));
        ++s->file_count;
        if (size == 0 || size % record != 0)
            return rt_fail(err, RT_ERROR_FORMAT, "cannot read '%s': %zu bytes; it must be whole records of %zu bytes",
                           s->paths[i].text, size, record);
        s->records[i] = size / record;
        s->total += s->records[i];
    }
    return RT_OK;
}

static void interleave(const unsigned char *planes, uint8_t *pixels)
{
    for (size_t i = 0; i < PLANE; ++i) {
        pixels[CHANNELS * i] = planes[i];
        pixels[CHANNELS * i + 1] = planes[PLANE + i];
        pixels[CHANNELS * i + 2] = planes[2 * PLANE + i];
    }
}

static rt_status check_labels(const source *s, size_t file, size_t record, const unsigned char *labels, rt_error *err)
{
    for (size_t kind = 0; kind < 2; ++kind) {
        size_t classes = s->variant->classes[kind], label = labels[s->variant->label_at[kind]];
        if (classes && label >= classes)
            return rt_fail(err, RT_ERROR_FORMAT, "cannot read '%s': %s label %zu in record %zu; labels are 0 to %zu",
                           s->paths[file].text, label_choices[kind], label, record, classes - 1);
    }
    return RT_OK;
}

static rt_status read_file(const source *s, size_t file, size_t label_at, uint8_t *pixels, int64_t *labels,
                           rt_error *err)
{
    size_t record_size = s->variant->label_bytes + PIXELS;
    unsigned char *chunk = malloc(CHUNK * record_size);
    if (!chunk)
        return rt_fail(err, RT_ERROR_MEMORY, "cannot read '%s': no memory", s->paths[file].text);
    rt_status status = RT_OK;
    for (size_t start = 0; start < s->records[file]; start += CHUNK) {
        size_t left = s->records[file] - start, records = left < CHUNK ? left : CHUNK, got;
        status = rt_data_read(s->files[file], &s->paths[file], chunk, records * record_size, &got, err);
        if (status == RT_OK && got != records * record_size)
            status = rt_fail(err, RT_ERROR_FILE, "cannot read '%s': it shrank while it was read", s->paths[file].text);
        for (size_t i = 0; i < records && status == RT_OK; ++i) {
            const unsigned char *record = chunk + i * record_size;
            status = check_labels(s, file, start + i, record, err);
            labels[start + i] = record[label_at];
            interleave(record + s->variant->label_bytes, pixels + (start + i) * PIXELS);
        }
        if (status != RT_OK)
            break;
    }
    free(chunk);
    return status;
}

static rt_status open_split(const void *settings, const char *root, uint64_t seed, rt_split split, rt_images *images,
                            rt_error *err)
{
    (void)seed;
    const struct cifar *cifar = settings;
    *images = (rt_images){.height = SIDE, .width = SIDE, .channels = CHANNELS};
    source *s = calloc(1, sizeof *s);
    if (!s)
        return rt_fail(err, RT_ERROR_MEMORY, "cannot read '%s': no memory", root);
    uint8_t *pixels;
    int64_t *labels;
    rt_status status = source_open(s, root, split, err);
    if (status != RT_OK)
        goto done;
    images->classes = s->variant->classes[cifar->labels];
    if (!images->classes) {
        status = rt_fail(err, RT_ERROR_USAGE, "labels 'coarse': '%s' holds CIFAR-10, which has fine labels only", root);
        goto done;
    }
    status = rt_images_allocate(images, s->total, root, &pixels, &labels, err);
    size_t before = 0;
    for (size_t i = 0; i < s->file_count && status == RT_OK; ++i) {
        status = read_file(s, i, s->variant->label_at[cifar->labels], pixels + before * PIXELS, labels + before, err);
        before += s->records[i];
    }
done:
    source_close(s);
    if (status != RT_OK)
        rt_images_free(images);
    return status;
}

const rt_reader rt_reader_cifar = {
    .name = "cifar",
    .summary = "CIFAR-10 and CIFAR-100 in their binary version",
    .files =
        "data_batch_1.bin to data_batch_5.bin and test_batch.bin (CIFAR-10), or train.bin and test.bin (CIFAR-100); "
        "in root, or in cifar-10-batches-bin or cifar-100-binary below it",
    .needs_root = true,
    .params = params,
    .settings_size = sizeof(struct cifar),
    .open = open_split,
    .close = rt_images_free,
};
