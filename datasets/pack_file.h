/* A pack: decoded images of any size, both splits, in one file that is mapped into memory. `retort pack` writes it
 * (pack_write.h), the reader `pack` hands it out.
 *
 *     offset   bytes
 *     0        8        "RETORTPK"
 *     8        4        version, 1
 *     12       4        channels of every image, 1 to 16
 *     16       8        bytes of the whole file
 *     24       8        offset of the index; pixels lie between 128 and there
 *     32       8, 8     images of the training split, of the test split
 *     48       8        classes
 *     56       8        bytes of the classes' names
 *     64       8        checksum of the index and the names
 *     72       4        short side that larger images were resized to; 0 where they are as they were
 *     76       44       zeros
 *     120      8        checksum of the 120 bytes before
 *     128               pixels of one image after the other, each [height, width, channels]
 *     index             32 bytes an image, training split first:
 *                         offset (8), checksum (8), height (4), width (4), label (4), zeros (4)
 *                       then the names of the classes in order, each with a zero byte behind it; or nothing
 *
 * Numbers are little-endian. Checksums are XXH3 of 64 bits, an image's seeded with its place in the index, so that two
 * images that change places do not go unnoticed. Everything but the pixels is checked when the file is opened; an
 * image's checksum when it is asked for, which costs far less than decoding did. */
#ifndef RETORT_DATASETS_PACK_FILE_H
#define RETORT_DATASETS_PACK_FILE_H

#include "base/mapping.h"
#include "retort/dataset.h"

enum { RT_PACK_VERSION = 1, RT_PACK_CHANNELS = 16, RT_PACK_CLASSES = 1 << 24 };

typedef struct rt_pack_header {
    char magic[8];
    uint32_t version, channels;
    uint64_t file_bytes, index_offset;
    uint64_t counts[2]; /* by rt_split */
    uint64_t classes, name_bytes;
    uint64_t index_checksum;
    uint32_t short_side;
    uint8_t zeros[44];
    uint64_t checksum;
} rt_pack_header;

typedef struct rt_pack_entry {
    uint64_t offset, checksum;
    uint32_t height, width, label, zero;
} rt_pack_entry;

typedef struct rt_pack {
    rt_mapping file;
    rt_pack_header header;
    rt_pack_entry *entries;   /* [counts[0] + counts[1]] */
    const char **class_names; /* [classes], in the file; NULL where it has none */
    char *path;
} rt_pack;

/* A file that is not a whole pack is refused with what is wrong. */
rt_status rt_pack_open(const char *path, rt_pack *pack, rt_error *err);
void rt_pack_close(rt_pack *pack); /* accepts a zeroed struct */

size_t rt_pack_count(const rt_pack *pack); /* images of both splits */

/* The pixels of an image by its place in the index; with `check`, an error where they are not what was written. */
rt_status rt_pack_image(const rt_pack *pack, size_t place, bool check, const uint8_t **pixels, rt_error *err);

uint64_t rt_pack_checksum(size_t place, const void *pixels, size_t bytes);
uint64_t rt_pack_header_checksum(const rt_pack_header *header);

#endif
