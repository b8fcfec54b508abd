#include "datasets/pack_write.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/file.h"
#include "datasets/decode.h"
#include "datasets/pack_file.h"
#include "datasets/resample.h"

enum { EACH = 4 }; /* images that a thread has in a block, so that a large one holds nobody up for long */

/* An image of the block that is being decoded, and its memory. */
typedef struct slot {
    rt_picture picture;
    uint8_t *resized;
    size_t height, width;
    const uint8_t *pixels;
    rt_error err;
} slot;

typedef struct packer {
    const rt_packing *packing;
    rt_file_writer writer;
    slot *slots;
    size_t slot_count;
    rt_pack_entry *entries;
    size_t entry_count, seen;
    rt_packed *packed;
} packer;

static rt_status resize(slot *s, size_t short_side, size_t channels, rt_error *err)
{
    const size_t height = s->height, width = s->width;
    if (short_side == 0 || (height < width ? height : width) <= short_side)
        return RT_OK;
    rt_resampling r = {.from = {0, 0, height, width}};
    r.height = height <= width ? short_side : short_side * height / width;
    r.width = height <= width ? short_side * width / height : short_side;
    r.window = (rt_box){0, 0, r.height, r.width};
    free(s->resized);
    s->resized = malloc(r.height * r.width * channels);
    void *scratch = malloc(rt_resample_scratch(&s->picture, &r));
    if (s->resized && scratch) {
        rt_resample(&s->picture, &r, scratch, s->resized);
        s->height = r.height;
        s->width = r.width;
        s->pixels = s->resized;
    }
    const bool done = s->resized && scratch;
    free(scratch);
    return done ? RT_OK : rt_fail(err, RT_ERROR_MEMORY, "no memory to resize an image to %zu x %zu", r.height, r.width);
}

static void decode(const rt_packing *packing, const rt_images *images, size_t index, slot *s)
{
    rt_picture *p = &s->picture;
    s->err = (rt_error){0};
    if (images->pixels) {
        p->height = images->height;
        p->width = images->width;
        p->channels = images->channels;
        p->pixels = images->pixels + index * p->height * p->width * p->channels;
    } else if (images->fetch(images, index, p, &s->err) != RT_OK) {
        return;
    }
    s->height = p->height;
    s->width = p->width;
    s->pixels = p->pixels;
    resize(s, packing->short_side, images->channels, &s->err);
}

static rt_status add(packer *p, rt_split split, size_t index, const slot *s, rt_error *err)
{
    const rt_images *images = p->packing->splits[split];
    const bool images_fault = s->err.status == RT_ERROR_FORMAT || s->err.status == RT_ERROR_FILE;
    if (s->err.status != RT_OK && !(p->packing->skip && images_fault))
        return rt_fail(err, s->err.status, "%s", s->err.message);
    if (s->err.status != RT_OK) {
        ++p->packed->left_out[split];
        if (p->packing->left_out)
            p->packing->left_out(p->packing->context, s->err.message);
        return RT_OK;
    }
    const size_t bytes = s->height * s->width * images->channels;
    p->entries[p->entry_count] = (rt_pack_entry){.offset = p->writer.size,
                                                 .checksum = rt_pack_checksum(p->entry_count, s->pixels, bytes),
                                                 .height = (uint32_t)s->height,
                                                 .width = (uint32_t)s->width,
                                                 .label = (uint32_t)images->labels[index]};
    ++p->entry_count;
    ++p->packed->counts[split];
    return rt_file_writer_add(&p->writer, s->pixels, bytes, err);
}

/* A block is decoded by all threads, then written in order. */
static rt_status add_split(packer *p, rt_split split, rt_error *err)
{
    const rt_packing *packing = p->packing;
    const rt_images *images = packing->splits[split];
    for (size_t first = 0; first < images->count; first += p->slot_count) {
        const size_t left = images->count - first, count = left < p->slot_count ? left : p->slot_count;
        if (packing->stop && *packing->stop)
            return rt_fail(err, RT_ERROR_INTERRUPTED, "stopped after %zu images; nothing was written", p->seen);
#pragma omp parallel for schedule(dynamic, 1)
        for (size_t i = 0; i < count; ++i)
            decode(packing, images, first + i, &p->slots[i]);
        for (size_t i = 0; i < count; ++i)
            RT_TRY(add(p, split, first + i, &p->slots[i], err));
        p->seen += count;
        if (packing->progress)
            packing->progress(packing->context, p->seen);
    }
    if (p->packed->counts[split] == 0)
        return rt_fail(err, RT_ERROR_FORMAT, "no image of the %s split can be read",
                       split == RT_SPLIT_TRAIN ? "training" : "test");
    return RT_OK;
}

/* The names of the classes, one behind the other; nothing where there are none. */
static rt_status join_names(const rt_images *images, char **names, size_t *bytes, rt_error *err)
{
    *names = NULL;
    *bytes = 0;
    for (size_t i = 0; images->class_names && i < images->classes; ++i)
        *bytes += strlen(images->class_names[i]) + 1;
    if (*bytes == 0)
        return RT_OK;
    char *at = *names = malloc(*bytes);
    if (!at)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for the names of %zu classes", images->classes);
    for (size_t i = 0; i < images->classes; ++i)
        at = stpcpy(at, images->class_names[i]) + 1;
    return RT_OK;
}

/* Index, names, and what the file begins with. */
static rt_status finish(packer *p, rt_error *err)
{
    const rt_images *images = p->packing->splits[RT_SPLIT_TRAIN];
    const size_t entry_bytes = p->entry_count * sizeof *p->entries;
    char *names;
    size_t name_bytes;
    RT_TRY(join_names(images, &names, &name_bytes, err));
    XXH3_state_t *sum = XXH3_createState();
    rt_status status = sum ? RT_OK : rt_fail(err, RT_ERROR_MEMORY, "no memory for a checksum");
    rt_pack_header h = {.version = RT_PACK_VERSION,
                        .channels = (uint32_t)images->channels,
                        .file_bytes = p->writer.size + entry_bytes + name_bytes,
                        .index_offset = p->writer.size,
                        .counts = {p->packed->counts[RT_SPLIT_TRAIN], p->packed->counts[RT_SPLIT_TEST]},
                        .classes = images->classes,
                        .name_bytes = name_bytes,
                        .short_side = (uint32_t)p->packing->short_side};
    memcpy(h.magic, "RETORTPK", sizeof h.magic);
    if (status == RT_OK) {
        XXH3_64bits_reset(sum);
        XXH3_64bits_update(sum, p->entries, entry_bytes);
        XXH3_64bits_update(sum, names ? names : "", name_bytes);
        h.index_checksum = XXH3_64bits_digest(sum);
        h.checksum = rt_pack_header_checksum(&h);
        status = rt_file_writer_add(&p->writer, p->entries, entry_bytes, err);
    }
    if (status == RT_OK)
        status = rt_file_writer_add(&p->writer, names ? names : "", name_bytes, err);
    p->packed->bytes = p->writer.size;
    if (status == RT_OK)
        status = rt_file_writer_begin_with(&p->writer, &h, sizeof h, err);
    if (status == RT_OK)
        status = rt_file_writer_commit(&p->writer, err);
    XXH3_freeState(sum);
    free(names);
    return status;
}

static rt_status check_splits(const rt_packing *packing, rt_error *err)
{
    const rt_images *a = packing->splits[RT_SPLIT_TRAIN], *b = packing->splits[RT_SPLIT_TEST];
    if (a->channels != b->channels || a->classes != b->classes)
        return rt_fail(err, RT_ERROR_SHAPE,
                       "training images of %zu channels and %zu classes, test images of %zu and %zu; they must agree",
                       a->channels, a->classes, b->channels, b->classes);
    if (a->channels > RT_PACK_CHANNELS || a->classes > RT_PACK_CLASSES)
        return rt_fail(err, RT_ERROR_SHAPE, "%zu channels and %zu classes; a pack has at most %d and %d", a->channels,
                       a->classes, RT_PACK_CHANNELS, RT_PACK_CLASSES);
    return RT_OK;
}

rt_status rt_pack_write(const char *path, const rt_packing *packing, rt_packed *packed, rt_error *err)
{
    static const rt_pack_header room = {0};
    packer p = {.packing = packing, .packed = packed, .slot_count = EACH * (size_t)omp_get_max_threads()};
    *packed = (rt_packed){0};
    RT_TRY(check_splits(packing, err));
    RT_TRY(rt_file_writer_open(&p.writer, path, err));
    p.slots = calloc(p.slot_count, sizeof *p.slots);
    p.entries = calloc(packing->splits[0]->count + packing->splits[1]->count + 1, sizeof *p.entries);
    rt_status status = p.slots && p.entries ? RT_OK : rt_fail(err, RT_ERROR_MEMORY, "no memory to pack images");
    if (status == RT_OK)
        status = rt_file_writer_add(&p.writer, &room, sizeof room, err);
    if (status == RT_OK)
        status = add_split(&p, RT_SPLIT_TRAIN, err);
    if (status == RT_OK)
        status = add_split(&p, RT_SPLIT_TEST, err);
    if (status == RT_OK)
        status = finish(&p, err);
    for (size_t i = 0; p.slots && i < p.slot_count; ++i) {
        rt_picture_free(&p.slots[i].picture);
        free(p.slots[i].resized);
    }
    free(p.slots);
    free(p.entries);
    rt_file_writer_close(&p.writer);
    return status;
}
