/* A file's bytes in memory, read-only, without a copy. */
#ifndef RETORT_BASE_MAPPING_H
#define RETORT_BASE_MAPPING_H

#include <stddef.h>

#include "retort/error.h"

typedef struct rt_mapping {
    const unsigned char *data; /* NULL where the file is empty */
    size_t size;
} rt_mapping;

/* Maps a regular file. The bytes stay valid when the file is replaced (as rt_file_write() does), not when it is
 * truncated in place. */
rt_status rt_mapping_open(const char *path, rt_mapping *mapping, rt_error *err);
void rt_mapping_close(rt_mapping *mapping); /* accepts a zeroed struct */

#endif
