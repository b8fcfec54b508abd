#include "train/memo_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "train/memo_header.h"

static bool measure(const rt_memo_key *key, size_t *stride, uint64_t *entries, uint64_t *bytes)
{
    uint64_t size = key->precision == RT_MEMO_FP16 ? 2 : 4, logits, padded;
    if (__builtin_mul_overflow(key->classes, size, &logits) ||
        __builtin_add_overflow(logits, sizeof(uint64_t) + RT_MEMO_ALIGNMENT - 1, &padded))
        return false;
    padded = padded / RT_MEMO_ALIGNMENT * RT_MEMO_ALIGNMENT;
    if (__builtin_mul_overflow(key->samples, key->variants, entries) ||
        __builtin_mul_overflow(*entries, padded, bytes) || __builtin_add_overflow(*bytes, RT_MEMO_PAGE, bytes) ||
        *bytes > INT64_MAX || padded > SIZE_MAX / 2)
        return false;
    *stride = (size_t)padded;
    return true;
}

uint64_t rt_memo_file_bytes(const rt_memo_key *key)
{
    size_t stride;
    uint64_t entries, bytes;
    return measure(key, &stride, &entries, &bytes) ? bytes : 0;
}

static rt_status fail_errno(rt_error *err, const char *what, const char *path, int failure)
{
    return rt_fail(err, RT_ERROR_FILE, "memo '%s': cannot %s: %s", path, what, strerror(failure));
}

/* Under another name, whole, and then linked to its own: whoever comes second finds the first one's. */
static rt_status make(const char *path, const rt_memo_key *key, rt_error *err)
{
    unsigned char page[RT_MEMO_PAGE];
    uint64_t bytes = rt_memo_file_bytes(key);
    if (bytes == 0)
        return rt_fail(err, RT_ERROR_USAGE, "memo '%s': more entries than a file can hold", path);
    RT_TRY(rt_memo_header_write(key, page, err));
    size_t room = strlen(path) + 32;
    char *temporary = malloc(room);
    if (!temporary)
        return rt_fail(err, RT_ERROR_MEMORY, "memo '%s': no memory for a file name", path);
    snprintf(temporary, room, "%s.%ld.tmp", path, (long)getpid());
    int file = open(temporary, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0666), failure = 0;
    bool good = file >= 0 && pwrite(file, page, sizeof page, 0) == (ssize_t)sizeof page &&
                ftruncate(file, (off_t)bytes) == 0 && fsync(file) == 0;
    if (good && link(temporary, path) != 0 && errno != EEXIST)
        good = rename(temporary, path) == 0; /* a disk without links: the second then replaces the first's */
    failure = good ? 0 : errno ? errno : ENOSPC;
    if (file >= 0) {
        close(file);
        unlink(temporary);
    }
    free(temporary);
    return good ? RT_OK : fail_errno(err, "make it", path, failure);
}

static rt_status read_header(rt_memo_file *file, rt_error *err)
{
    unsigned char page[RT_MEMO_PAGE];
    struct stat about;
    uint64_t bytes = 0;
    if (fstat(file->descriptor, &about) != 0)
        return fail_errno(err, "look at it", file->path, errno);
    if (!S_ISREG(about.st_mode))
        return rt_fail(err, RT_ERROR_FILE, "memo '%s' is not a regular file", file->path);
    ssize_t got = pread(file->descriptor, page, sizeof page, 0);
    if (got < 0)
        return fail_errno(err, "read it", file->path, errno);
    if (got < RT_MEMO_PAGE)
        return rt_fail(err, RT_ERROR_FORMAT, "'%s' is not a memo of teacher logits: it has only %zd bytes", file->path,
                       got);
    RT_TRY(rt_memo_header_read(page, file->path, &file->key, err));
    if (!measure(&file->key, &file->stride, &file->entries, &bytes) || (uint64_t)about.st_size != bytes)
        return rt_fail(err, RT_ERROR_FORMAT, "memo '%s' has %lld bytes; its header asks for %llu", file->path,
                       (long long)about.st_size, (unsigned long long)bytes);
    file->size = (size_t)bytes;
    return RT_OK;
}

/* A hole in a file on tmpfs takes memory when it is read through a mapping, and where there is none left the process
 * ends. So there must be room for all of it. */
static rt_status check_tmpfs(const rt_memo_file *file, rt_error *err)
{
    struct statfs disk;
    struct stat about;
    if (fstatfs(file->descriptor, &disk) != 0 || fstat(file->descriptor, &about) != 0 || disk.f_type != TMPFS_MAGIC)
        return RT_OK;
    uint64_t room = (uint64_t)disk.f_bavail * (uint64_t)disk.f_bsize + (uint64_t)about.st_blocks * 512;
    if (room >= file->size)
        return RT_OK;
    return rt_fail(err, RT_ERROR_FILE, "memo '%s' may grow to %zu bytes, and its disk, which is memory, has %llu",
                   file->path, file->size, (unsigned long long)room);
}

static rt_status map(rt_memo_file *file, rt_error *err)
{
    RT_TRY(read_header(file, err));
    RT_TRY(check_tmpfs(file, err));
    void *bytes = mmap(NULL, file->size, PROT_READ, MAP_SHARED, file->descriptor, 0);
    if (bytes == MAP_FAILED)
        return fail_errno(err, "map it", file->path, errno);
    file->bytes = bytes;
    madvise(bytes, file->size, MADV_RANDOM); /* samples come shuffled; reading ahead would read what nobody wants */
    return RT_OK;
}

static int open_existing(const char *path, bool *writable)
{
    int file = *writable ? open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK) : -1;
    if (file < 0 && (!*writable || errno == EACCES || errno == EROFS || errno == EPERM)) {
        *writable = false;
        file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    }
    return file;
}

static rt_status open_mapped(const char *path, bool writable, const rt_memo_key *key, rt_memo_file *file, rt_error *err)
{
    *file = (rt_memo_file){.path = strdup(path), .descriptor = -1, .writable = writable};
    if (!file->path)
        return rt_fail(err, RT_ERROR_MEMORY, "memo '%s': no memory for a file name", path);
    file->descriptor = open_existing(path, &file->writable);
    rt_status status = RT_OK;
    if (file->descriptor < 0 && errno == ENOENT && key) {
        status = make(path, key, err);
        if (status == RT_OK)
            file->descriptor = open_existing(path, &file->writable);
    }
    if (status == RT_OK && file->descriptor < 0)
        status = fail_errno(err, "open it", path, errno);
    if (status == RT_OK)
        status = map(file, err);
    if (status == RT_OK && key)
        status = rt_memo_key_compare(&file->key, key, path, err);
    if (status != RT_OK)
        rt_memo_file_close(file);
    return status;
}

rt_status rt_memo_file_open(const char *path, const rt_memo_key *key, rt_memo_file *file, rt_error *err)
{
    return open_mapped(path, true, key, file, err);
}

rt_status rt_memo_file_look(const char *path, rt_memo_file *file, rt_error *err)
{
    return open_mapped(path, false, NULL, file, err);
}

void rt_memo_file_close(rt_memo_file *file)
{
    if (file->bytes)
        munmap((void *)(uintptr_t)file->bytes, file->size);
    if (file->path && file->descriptor >= 0)
        close(file->descriptor);
    free(file->path);
    *file = (rt_memo_file){.descriptor = -1};
}
