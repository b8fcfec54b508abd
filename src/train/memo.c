#include "train/memo.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "formats/half.h"

struct rt_memo {
    rt_memo_file file;
    size_t logit_bytes;
    unsigned char *entry; /* [stride]: one that is being read or written */
    int failure;
};

static rt_status wrap(rt_status status, rt_memo_file *file, rt_memo **memo, rt_error *err)
{
    if (status != RT_OK)
        return status;
    rt_memo *made = calloc(1, sizeof *made);
    unsigned char *entry = calloc(1, file->stride);
    if (!made || !entry) {
        free(made);
        free(entry);
        rt_memo_file_close(file);
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for a memo");
    }
    made->file = *file;
    made->entry = entry;
    made->logit_bytes = (size_t)file->key.classes * (file->key.precision == RT_MEMO_FP16 ? 2 : 4);
    *memo = made;
    return RT_OK;
}

rt_status rt_memo_open(const char *path, const rt_memo_key *key, rt_memo **memo, rt_error *err)
{
    rt_memo_file file;
    return wrap(rt_memo_file_open(path, key, &file, err), &file, memo, err);
}

rt_status rt_memo_look(const char *path, rt_memo **memo, rt_error *err)
{
    rt_memo_file file;
    return wrap(rt_memo_file_look(path, &file, err), &file, memo, err);
}

void rt_memo_close(rt_memo *memo)
{
    if (!memo)
        return;
    rt_memo_file_close(&memo->file);
    free(memo->entry);
    free(memo);
}

/* Seeded with the entry's number, so that an entry in another's place does not pass for it. */
static uint64_t checksum_of(const rt_memo *memo, uint64_t entry)
{
    uint64_t sum = XXH3_64bits_withSeed(memo->entry + sizeof(uint64_t), memo->logit_bytes, entry);
    return sum ? sum : 1;
}

rt_memo_found rt_memo_read(const rt_memo *memo, uint64_t sample, uint64_t variant, float *logits)
{
    const rt_memo_key *key = &memo->file.key;
    uint64_t entry = sample * key->variants + variant, stored;
    if (sample >= key->samples || variant >= key->variants)
        return RT_MEMO_ABSENT;
    /* Somebody else may be writing it: what is checked must be what is used, so it is copied first. */
    memcpy(memo->entry, memo->file.bytes + RT_MEMO_PAGE + entry * memo->file.stride, memo->file.stride);
    memcpy(&stored, memo->entry, sizeof stored);
    if (stored == 0)
        return RT_MEMO_ABSENT;
    if (stored != checksum_of(memo, entry))
        return RT_MEMO_DAMAGED;
    const unsigned char *values = memo->entry + sizeof stored;
    if (key->precision == RT_MEMO_FP32) {
        memcpy(logits, values, memo->logit_bytes);
        return RT_MEMO_PRESENT;
    }
    for (size_t c = 0; c < key->classes; ++c) {
        uint16_t half;
        memcpy(&half, values + c * sizeof half, sizeof half);
        logits[c] = rt_float_of_half(half);
    }
    return RT_MEMO_PRESENT;
}

bool rt_memo_write(rt_memo *memo, uint64_t sample, uint64_t variant, const float *logits)
{
    const rt_memo_key *key = &memo->file.key;
    uint64_t entry = sample * key->variants + variant;
    if (!memo->file.writable || memo->failure || sample >= key->samples || variant >= key->variants)
        return false;
    memset(memo->entry, 0, memo->file.stride);
    unsigned char *values = memo->entry + sizeof(uint64_t);
    if (key->precision == RT_MEMO_FP32)
        memcpy(values, logits, memo->logit_bytes);
    else
        for (size_t c = 0; c < key->classes; ++c) {
            uint16_t half = rt_half_of_float(logits[c]);
            memcpy(values + c * sizeof half, &half, sizeof half);
        }
    uint64_t sum = checksum_of(memo, entry);
    memcpy(memo->entry, &sum, sizeof sum);
    /* A disk that is full is an error here; through a mapping it would be the end of the process. */
    off_t place = (off_t)(RT_MEMO_PAGE + entry * memo->file.stride);
    ssize_t written;
    do
        written = pwrite(memo->file.descriptor, memo->entry, memo->file.stride, place);
    while (written < 0 && errno == EINTR);
    if (written == (ssize_t)memo->file.stride)
        return true;
    memo->failure = written < 0 ? errno : ENOSPC;
    return false;
}

int rt_memo_failure(const rt_memo *memo)
{
    return memo->failure;
}

bool rt_memo_round(rt_memo_precision precision, float *logits, size_t classes)
{
    if (precision == RT_MEMO_FP32)
        return true;
    for (size_t c = 0; c < classes; ++c)
        if (!isfinite(rt_float_of_half(rt_half_of_float(logits[c]))))
            return false;
    for (size_t c = 0; c < classes; ++c)
        logits[c] = rt_float_of_half(rt_half_of_float(logits[c]));
    return true;
}

const rt_memo_file *rt_memo_file_of(const rt_memo *memo)
{
    return &memo->file;
}

bool rt_memo_next(const rt_memo *memo, rt_memo_walk *walk)
{
    const rt_memo_file *file = &memo->file;
    if (walk->entry >= file->entries)
        return false;
    if (walk->entry < walk->end)
        return true;
    off_t here = (off_t)(RT_MEMO_PAGE + walk->entry * file->stride);
    off_t data = lseek(file->descriptor, here, SEEK_DATA);
    if (data < 0 && errno == ENXIO)
        return false;
    off_t hole = data < 0 ? -1 : lseek(file->descriptor, data, SEEK_HOLE);
    if (hole < 0) { /* a disk that cannot tell: all of it is data */
        walk->end = file->entries;
        return true;
    }
    walk->entry = ((uint64_t)data - RT_MEMO_PAGE) / file->stride;
    walk->end = ((uint64_t)hole - RT_MEMO_PAGE + file->stride - 1) / file->stride;
    return walk->entry < file->entries;
}

rt_status rt_memo_count_entries(const rt_memo *memo, rt_memo_count *count, rt_error *err)
{
    const rt_memo_key *key = &memo->file.key;
    struct stat about;
    *count = (rt_memo_count){0};
    float *logits = malloc((size_t)key->classes * sizeof *logits);
    if (!logits || fstat(memo->file.descriptor, &about) != 0) {
        free(logits);
        return rt_fail(err, RT_ERROR_MEMORY, "memo '%s': no memory for its logits", memo->file.path);
    }
    for (rt_memo_walk walk = {0}; rt_memo_next(memo, &walk); ++walk.entry) {
        rt_memo_found found = rt_memo_read(memo, walk.entry / key->variants, walk.entry % key->variants, logits);
        count->present += found == RT_MEMO_PRESENT;
        count->damaged += found == RT_MEMO_DAMAGED;
    }
    count->disk_bytes = (uint64_t)about.st_blocks * 512;
    free(logits);
    return RT_OK;
}
