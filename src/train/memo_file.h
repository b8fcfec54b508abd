/* The file of a memo: a page that says whose logits it holds, and behind it an entry for each variant of each image.
 *
 *     0     "RTMEMO1\n"
 *     8     XXH3-64 of bytes 16 to 4095
 *     16    JSON: samples, variants, classes, precision, ingredients of the key; zeros to 4096
 *     4096  samples x variants entries: XXH3-64 of the logits seeded with the entry's number, 0 where there is none;
 *           logits [classes], fp32 or fp16; zeros to a multiple of 8 bytes
 *
 * Numbers are little-endian. The file has its full size from the start and is sparse: what was never written takes no
 * space on the disk, and reads as zeros. It appears under its name whole or not at all. */
#ifndef RETORT_TRAIN_MEMO_FILE_H
#define RETORT_TRAIN_MEMO_FILE_H

#include "train/memo_key.h"

enum { RT_MEMO_PAGE = 4096, RT_MEMO_ALIGNMENT = 8 };

typedef struct rt_memo_file {
    char *path;
    int descriptor;
    bool writable;
    const unsigned char *bytes; /* mapped, read-only */
    size_t size;
    size_t stride; /* bytes of an entry */
    uint64_t entries;
    rt_memo_key key;
} rt_memo_file;

/* Bytes of a whole file; 0 where they are more than a file can have. */
uint64_t rt_memo_file_bytes(const rt_memo_key *key);

/* Opens the file of these logits, and makes it first where there is none; of two processes that make it at the same
 * time one wins, and both have the same file. Fails where it is of other logits, by the name of what differs. A file
 * that may only be read is opened for reading. */
rt_status rt_memo_file_open(const char *path, const rt_memo_key *key, rt_memo_file *file, rt_error *err);

/* Opens an existing file of whatever logits, for reading. */
rt_status rt_memo_file_look(const char *path, rt_memo_file *file, rt_error *err);

void rt_memo_file_close(rt_memo_file *file); /* accepts a zeroed struct */

#endif
