#include "formats/zip.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/quote.h"

/* Sizes of the format's records, without the texts that follow them. */
enum { LOCAL = 30, CENTRAL = 46, END = 22, COMMENT_LIMIT = 65535 };

static uint32_t number(const unsigned char *bytes, size_t width)
{
    uint32_t value = 0;
    for (size_t i = width; i-- > 0;)
        value = value << 8 | bytes[i];
    return value;
}

static rt_status fail(rt_error *err, const char *words)
{
    return rt_fail(err, RT_ERROR_FORMAT, "%s", words);
}

static rt_status fail_entry(rt_error *err, const rt_zip_entry *entry, const char *words)
{
    rt_quote quote;
    return rt_fail(err, RT_ERROR_FORMAT, "zip entry '%s' %s", rt_quote_text(&quote, entry->name, entry->name_length),
                   words);
}

/* The record at the end: it stands before a comment, and its own length must agree. */
static const unsigned char *find_end(const unsigned char *bytes, size_t size)
{
    for (size_t comment = 0; comment <= COMMENT_LIMIT && END + comment <= size; ++comment) {
        const unsigned char *end = bytes + size - comment - END;
        if (memcmp(end, "PK\5\6", 4) == 0 && number(end + 20, 2) == comment)
            return end;
    }
    return NULL;
}

/* Reads the entry whose central record is at `record`, verified to be whole. */
static rt_status read_entry(const unsigned char *bytes, size_t limit, const unsigned char *record, rt_zip_entry *entry,
                            rt_error *err)
{
    size_t compressed = number(record + 20, 4), place = number(record + 42, 4);
    *entry = (rt_zip_entry){.name = (const char *)record + CENTRAL,
                            .name_length = number(record + 28, 2),
                            .size = number(record + 24, 4),
                            .checksum = number(record + 16, 4)};
    if (number(record + 10, 2) != 0 || number(record + 8, 2) & 1 || compressed != entry->size)
        return fail_entry(err, entry, "is compressed or encrypted; torch.save() stores it as it is");
    if (place > limit || limit - place < LOCAL || memcmp(bytes + place, "PK\3\4", 4) != 0)
        return fail_entry(err, entry, "is not where the archive's directory says");
    const unsigned char *local = bytes + place;
    size_t skipped = LOCAL + (size_t)number(local + 26, 2) + number(local + 28, 2);
    if (number(local + 26, 2) != entry->name_length || limit - place < skipped ||
        memcmp(local + LOCAL, entry->name, entry->name_length) != 0)
        return fail_entry(err, entry, "has another name in the archive's directory");
    if (limit - place - skipped < entry->size)
        return fail_entry(err, entry, "reaches beyond the archive");
    entry->data = local + skipped;
    return RT_OK;
}

/* Whole names without a zero byte behind, in two parts. */
static int compare(const rt_zip_entry *entry, const char *prefix, size_t prefix_length, const char *name,
                   size_t name_length)
{
    size_t common = entry->name_length < prefix_length ? entry->name_length : prefix_length;
    int order = memcmp(entry->name, prefix, common);
    if (order != 0 || common < prefix_length)
        return order != 0 ? order : -1;
    const char *rest = entry->name + prefix_length;
    size_t rest_length = entry->name_length - prefix_length;
    order = memcmp(rest, name, rest_length < name_length ? rest_length : name_length);
    return order != 0 ? order : (rest_length > name_length) - (rest_length < name_length);
}

static int compare_entries(const void *left, const void *right)
{
    const rt_zip_entry *other = right;
    return compare(left, other->name, other->name_length, "", 0);
}

static rt_status read_entries(const unsigned char *bytes, size_t size, rt_zip *zip, rt_error *err)
{
    const unsigned char *end = find_end(bytes, size);
    if (!end)
        return fail(err, "the zip archive has no end; it may have been cut");
    size_t count = number(end + 10, 2), length = number(end + 12, 4), place = number(end + 16, 4);
    if (count == 0xFFFF || place == 0xFFFFFFFF)
        return fail(err, "zip archives of 4 GiB or 65535 entries and more are not read");
    if (number(end + 4, 4) != 0 || place > (size_t)(end - bytes) || length > (size_t)(end - bytes) - place)
        return fail(err, "the zip archive's directory lies outside of it");
    zip->entries = calloc(count + 1, sizeof *zip->entries);
    if (!zip->entries)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for %zu zip entries", count);
    const unsigned char *record = bytes + place;
    size_t total = 0;
    for (size_t rest = length; zip->count < count; ++zip->count) {
        size_t whole = rest < CENTRAL
                           ? CENTRAL
                           : CENTRAL + (size_t)number(record + 28, 2) + number(record + 30, 2) + number(record + 32, 2);
        if (rest < whole || memcmp(record, "PK\1\2", 4) != 0)
            return fail(err, "the zip archive's directory is damaged");
        RT_TRY(read_entry(bytes, place, record, &zip->entries[zip->count], err));
        total += zip->entries[zip->count].size; /* each is at most the archive's, and there are few */
        if (total > size)
            return fail(err, "entries of the zip archive overlap");
        record += whole;
        rest -= whole;
    }
    return RT_OK;
}

rt_status rt_zip_open(const unsigned char *bytes, size_t size, rt_zip *zip, rt_error *err)
{
    *zip = (rt_zip){0};
    rt_status status = read_entries(bytes, size, zip, err);
    if (status == RT_OK)
        qsort(zip->entries, zip->count, sizeof *zip->entries, compare_entries);
    for (size_t i = 1; status == RT_OK && i < zip->count; ++i)
        if (compare_entries(&zip->entries[i - 1], &zip->entries[i]) == 0)
            status = fail_entry(err, &zip->entries[i], "is there twice");
    if (status != RT_OK)
        rt_zip_close(zip);
    return status;
}

void rt_zip_close(rt_zip *zip)
{
    free(zip->entries);
    *zip = (rt_zip){0};
}

const rt_zip_entry *rt_zip_find(const rt_zip *zip, const char *prefix, size_t prefix_length, const char *name,
                                size_t name_length)
{
    size_t from = 0, to = zip->count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        int order = compare(&zip->entries[middle], prefix, prefix_length, name, name_length);
        if (order == 0)
            return &zip->entries[middle];
        if (order < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return NULL;
}

rt_status rt_zip_verify(const rt_zip_entry *entry, rt_error *err)
{
    if (entry->checksum != 0 && crc32_z(0, entry->data, entry->size) != entry->checksum)
        return fail_entry(err, entry, "is damaged: its checksum is another");
    return RT_OK;
}
