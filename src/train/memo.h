/* The memo: what a frozen teacher said of each variant of each training image, kept in a file for whoever asks again.
 *
 *     rt_memo_open(path, &key, &memo, err);
 *     if (rt_memo_read(memo, sample, variant, logits) != RT_MEMO_PRESENT) {
 *         ... compute the logits ...
 *         rt_memo_write(memo, sample, variant, logits);
 *     }
 *
 * A frozen network in evaluation mode is a pure function of the image, and padding, cropping and flipping make finitely
 * many images of one: (2 pad + 1)^2 x 2, 162 for pad 4. The key (memo_key.h) makes sure that it is the same function.
 *
 * Any number of processes may read and write one file at once, without locks: whoever writes an entry writes the same
 * bytes as anybody else. An entry is written with its checksum in one piece, and one that is torn (by a kill, a crash,
 * a disk that was full, or because somebody is just writing it) does not match it: it is computed again. So a file can
 * be incomplete or damaged, but no logits that come out of it are wrong. */
#ifndef RETORT_TRAIN_MEMO_H
#define RETORT_TRAIN_MEMO_H

#include "train/memo_file.h"

typedef struct rt_memo rt_memo;

typedef enum rt_memo_found {
    RT_MEMO_ABSENT,
    RT_MEMO_PRESENT,
    RT_MEMO_DAMAGED /* an entry whose checksum does not fit; for the caller the same as absent */
} rt_memo_found;

/* For reading and writing, made where it is absent: rt_memo_file_open(). */
rt_status rt_memo_open(const char *path, const rt_memo_key *key, rt_memo **memo, rt_error *err);
/* For reading, whatever it holds: rt_memo_file_look(). */
rt_status rt_memo_look(const char *path, rt_memo **memo, rt_error *err);
void rt_memo_close(rt_memo *memo); /* accepts NULL */

/* Logits [classes] of a variant (rt_batch's) of a sample (index into the reader's training images). They are written
 * only where the result is RT_MEMO_PRESENT. */
rt_memo_found rt_memo_read(const rt_memo *memo, uint64_t sample, uint64_t variant, float *logits);

/* Keeps logits that rt_memo_representable(). False where they are not kept: the file is for reading only, or a write
 * has failed (which rt_memo_failure() tells); after a failure nothing more is written. */
bool rt_memo_write(rt_memo *memo, uint64_t sample, uint64_t variant, const float *logits);
int rt_memo_failure(const rt_memo *memo); /* errno of the write that failed, or 0 */

/* Makes logits what the precision can hold: fp32 leaves them alone, fp16 rounds each to the nearest half. Logits of
 * which one is beyond the largest half stay as they are, all of them, and cannot be kept: false. It is a function of
 * the logits alone, so that it does not matter whether they were kept. */
bool rt_memo_round(rt_memo_precision precision, float *logits, size_t classes);

const rt_memo_file *rt_memo_file_of(const rt_memo *memo);

/* Goes through the entries, leaving out the file's holes: sets *entry to the first at or after it that may be there;
 * false at the end. Entry e is variant e % variants of sample e / variants. */
typedef struct rt_memo_walk {
    uint64_t entry;
    uint64_t end; /* entries before this one are in the same stretch of data; begin with 0 */
} rt_memo_walk;
bool rt_memo_next(const rt_memo *memo, rt_memo_walk *walk);

/* How many entries are there, and how many of those are damaged; looks at each. */
typedef struct rt_memo_count {
    uint64_t present, damaged;
    uint64_t disk_bytes; /* that the file takes */
} rt_memo_count;
rt_status rt_memo_count_entries(const rt_memo *memo, rt_memo_count *count, rt_error *err);

#endif
