/* Files: read whole, or written whole or not at all. */
#ifndef RETORT_BASE_FILE_H
#define RETORT_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "retort/error.h"

/* A file's contents, followed by one zero byte that `size` does not count. */
typedef struct rt_bytes {
    unsigned char *data;
    size_t size;
} rt_bytes;

/* Reads a regular file of at most `limit` bytes. Free with rt_bytes_free(). */
rt_status rt_file_read(const char *path, size_t limit, rt_bytes *bytes, rt_error *err);
void rt_bytes_free(rt_bytes *bytes);

/* One piece of a file to be written. */
typedef struct rt_piece {
    const void *data;
    size_t size;
} rt_piece;

/* Writes the pieces one after the other to a temporary beside `path`, fsyncs it, renames it to `path` (replacing what
 * was there) and fsyncs the folder. After a crash or an error `path` holds either the old or the new contents, whole.
 */
rt_status rt_file_write(const char *path, const rt_piece *pieces, size_t count, rt_error *err);

/* The same piece by piece, where a file does not fit memory:
 *
 *     rt_file_writer writer;
 *     RT_TRY(rt_file_writer_open(&writer, path, err));
 *     rt_status status = rt_file_writer_add(&writer, data, size, err);
 *     if (status == RT_OK)
 *         status = rt_file_writer_commit(&writer, err);
 *     rt_file_writer_close(&writer);
 *
 * Nothing is at `path` before commit. close() removes the temporary of what was not committed; a process that is killed
 * leaves PATH.PID.tmp behind. */
typedef struct rt_file_writer {
    const char *path; /* borrowed */
    char *temporary;
    int file;
    size_t size; /* bytes so far */
} rt_file_writer;

rt_status rt_file_writer_open(rt_file_writer *writer, const char *path, rt_error *err);
rt_status rt_file_writer_add(rt_file_writer *writer, const void *data, size_t size, rt_error *err);
/* Writes over the first bytes, which have been added before. */
rt_status rt_file_writer_begin_with(rt_file_writer *writer, const void *data, size_t size, rt_error *err);
rt_status rt_file_writer_commit(rt_file_writer *writer, rt_error *err);
void rt_file_writer_close(rt_file_writer *writer); /* accepts one that could not be opened */

/* Like mkdir -p. */
rt_status rt_folder_make(const char *path, rt_error *err);

bool rt_path_exists(const char *path);
rt_status rt_file_size(const char *path, size_t *bytes, rt_error *err);

/* "folder/name", allocated; NULL when memory is short. */
char *rt_path_join(const char *folder, const char *name);

#endif
