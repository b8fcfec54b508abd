/* Archives whose entries are stored as they are, not compressed: the kind that PyTorch writes its files as. */
#ifndef RETORT_FORMATS_ZIP_H
#define RETORT_FORMATS_ZIP_H

#include <stddef.h>
#include <stdint.h>

#include "retort/error.h"

typedef struct rt_zip_entry {
    const char *name; /* not terminated */
    size_t name_length;
    const unsigned char *data;
    size_t size;
    uint32_t checksum; /* CRC-32; 0 where the writer did not compute it */
} rt_zip_entry;

typedef struct rt_zip {
    rt_zip_entry *entries; /* by name; they borrow from the bytes */
    size_t count;
} rt_zip;

/* Reads the list of entries, each of which is verified to lie within the bytes. Refuses what is compressed or
 * encrypted, names that are there twice, and archives of 4 GiB or 65535 entries and more. Messages do not name the
 * file. */
rt_status rt_zip_open(const unsigned char *bytes, size_t size, rt_zip *zip, rt_error *err);
void rt_zip_close(rt_zip *zip); /* accepts a zeroed struct */

/* NULL for none. The name is given in two parts: "archive/data/", "17". */
const rt_zip_entry *rt_zip_find(const rt_zip *zip, const char *prefix, size_t prefix_length, const char *name,
                                size_t name_length);

/* Fails where the entry's bytes are not those that were written. */
rt_status rt_zip_verify(const rt_zip_entry *entry, rt_error *err);

#endif
