#include "datasets/pack_file.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "datasets/decode.h"

static_assert(sizeof(rt_pack_header) == 128 && offsetof(rt_pack_header, checksum) == 120, "as the file has it");
static_assert(sizeof(rt_pack_entry) == 32, "as the file has it");

uint64_t rt_pack_checksum(size_t place, const void *pixels, size_t bytes)
{
    return XXH3_64bits_withSeed(pixels, bytes, place);
}

uint64_t rt_pack_header_checksum(const rt_pack_header *header)
{
    return XXH3_64bits(header, offsetof(rt_pack_header, checksum));
}

size_t rt_pack_count(const rt_pack *pack)
{
    return (size_t)(pack->header.counts[RT_SPLIT_TRAIN] + pack->header.counts[RT_SPLIT_TEST]);
}

static rt_status refuse(const rt_pack *pack, rt_error *err, const char *words)
{
    return rt_fail(err, RT_ERROR_FORMAT, "cannot read '%s': %s", pack->path, words);
}

static rt_status check_header(const rt_pack *pack, rt_error *err)
{
    const rt_pack_header *h = &pack->header;
    if (memcmp(h->magic, "RETORTPK", sizeof h->magic) != 0)
        return refuse(pack, err, "not a pack, as 'retort pack' writes them");
    if (h->version != RT_PACK_VERSION)
        return rt_fail(err, RT_ERROR_FORMAT, "cannot read '%s': a pack of version %u; this build reads version %d",
                       pack->path, h->version, RT_PACK_VERSION);
    if (h->checksum != rt_pack_header_checksum(h))
        return refuse(pack, err, "its header does not match its checksum: the file is damaged");
    if (h->file_bytes != pack->file.size)
        return rt_fail(err, RT_ERROR_FORMAT, "cannot read '%s': it has %zu bytes and was written with %llu", pack->path,
                       pack->file.size, (unsigned long long)h->file_bytes);
    if (h->channels < 1 || h->channels > RT_PACK_CHANNELS || h->classes < 1 || h->classes > RT_PACK_CLASSES)
        return rt_fail(err, RT_ERROR_FORMAT, "cannot read '%s': %u channels and %llu classes; 1 to %d and 1 to %d",
                       pack->path, h->channels, (unsigned long long)h->classes, RT_PACK_CHANNELS, RT_PACK_CLASSES);
    return RT_OK;
}

/* Whether index and names fill what is behind the pixels; sums and products stay below 2^64. */
static bool index_fits(const rt_pack_header *h)
{
    const uint64_t most = h->file_bytes / sizeof(rt_pack_entry);
    if (h->index_offset < sizeof *h || h->index_offset > h->file_bytes || h->counts[0] > most || h->counts[1] > most)
        return false;
    const uint64_t left = h->file_bytes - h->index_offset;
    const uint64_t entries = (h->counts[0] + h->counts[1]) * sizeof(rt_pack_entry);
    return entries <= left && h->name_bytes == left - entries;
}

static rt_status check_entry(const rt_pack *pack, size_t place, rt_error *err)
{
    const rt_pack_header *h = &pack->header;
    const rt_pack_entry *e = &pack->entries[place];
    if (e->height < 1 || e->width < 1 || e->height > RT_MOST_SIDE || e->width > RT_MOST_SIDE)
        return rt_fail(err, RT_ERROR_FORMAT, "cannot read '%s': image %zu has %u x %u pixels; a side has 1 to %d",
                       pack->path, place, e->height, e->width, RT_MOST_SIDE);
    const uint64_t bytes = (uint64_t)e->height * e->width * h->channels;
    if (e->offset < sizeof *h || e->offset > h->index_offset || bytes > h->index_offset - e->offset)
        return rt_fail(err, RT_ERROR_FORMAT,
                       "cannot read '%s': image %zu of %llu bytes at %llu; pixels lie between %zu and %llu", pack->path,
                       place, (unsigned long long)bytes, (unsigned long long)e->offset, sizeof *h,
                       (unsigned long long)h->index_offset);
    if (e->label >= h->classes)
        return rt_fail(err, RT_ERROR_FORMAT, "cannot read '%s': image %zu has label %u; there are %llu classes",
                       pack->path, place, e->label, (unsigned long long)h->classes);
    return RT_OK;
}

static rt_status find_names(rt_pack *pack, const char *names, rt_error *err)
{
    const rt_pack_header *h = &pack->header;
    if (h->name_bytes == 0)
        return RT_OK;
    const char *end = names + h->name_bytes;
    if (end[-1] != '\0' || h->classes > h->name_bytes)
        return refuse(pack, err, "the names of its classes are cut short");
    pack->class_names = malloc(h->classes * sizeof *pack->class_names);
    if (!pack->class_names)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for the names of %llu classes", (unsigned long long)h->classes);
    size_t count = 0;
    for (const char *name = names; name < end; name += strlen(name) + 1) {
        if (count == h->classes)
            return refuse(pack, err, "it has more names than classes");
        pack->class_names[count++] = name;
    }
    return count == h->classes ? RT_OK : refuse(pack, err, "it has fewer names than classes");
}

static rt_status read_index(rt_pack *pack, rt_error *err)
{
    const rt_pack_header *h = &pack->header;
    if (!index_fits(h))
        return refuse(pack, err, "its index is not where the header says");
    const unsigned char *index = pack->file.data + h->index_offset;
    if (h->index_checksum != XXH3_64bits(index, h->file_bytes - h->index_offset))
        return refuse(pack, err, "its index does not match its checksum: the file is damaged");
    /* Pixels end anywhere, so that entries in the file are not aligned. */
    const size_t count = rt_pack_count(pack);
    pack->entries = malloc((count + 1) * sizeof *pack->entries);
    if (!pack->entries)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for the index of '%s'", pack->path);
    memcpy(pack->entries, index, count * sizeof *pack->entries);
    for (size_t place = 0; place < count; ++place)
        RT_TRY(check_entry(pack, place, err));
    return find_names(pack, (const char *)index + count * sizeof *pack->entries, err);
}

rt_status rt_pack_open(const char *path, rt_pack *pack, rt_error *err)
{
    *pack = (rt_pack){.path = strdup(path)};
    rt_status status = pack->path ? RT_OK : rt_fail(err, RT_ERROR_MEMORY, "no memory for a file name");
    if (status == RT_OK)
        status = rt_mapping_open(path, &pack->file, err);
    if (status == RT_OK && pack->file.size < sizeof pack->header)
        status = rt_fail(err, RT_ERROR_FORMAT, "cannot read '%s': %zu bytes; a pack has at least %zu", path,
                         pack->file.size, sizeof pack->header);
    if (status == RT_OK) {
        memcpy(&pack->header, pack->file.data, sizeof pack->header);
        status = check_header(pack, err);
    }
    if (status == RT_OK)
        status = read_index(pack, err);
    if (status != RT_OK)
        rt_pack_close(pack);
    return status;
}

void rt_pack_close(rt_pack *pack)
{
    rt_mapping_close(&pack->file);
    free(pack->entries);
    free(pack->class_names);
    free(pack->path);
    *pack = (rt_pack){0};
}

rt_status rt_pack_image(const rt_pack *pack, size_t place, bool check, const uint8_t **pixels, rt_error *err)
{
    const rt_pack_entry *e = &pack->entries[place];
    const size_t bytes = (size_t)e->height * e->width * pack->header.channels;
    const size_t training = (size_t)pack->header.counts[RT_SPLIT_TRAIN];
    *pixels = pack->file.data + e->offset;
    if (check && rt_pack_checksum(place, *pixels, bytes) != e->checksum)
        return rt_fail(err, RT_ERROR_FORMAT, "cannot read '%s': %s image %zu does not match its checksum", pack->path,
                       place < training ? "training" : "test", place < training ? place : place - training);
    return RT_OK;
}
