#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

rt_status rt_file_read(const char *path, size_t limit, rt_bytes *bytes, rt_error *err)
{
    /* O_NONBLOCK: a pipe without a writer must be refused, not waited for. */
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0)
        return rt_fail(err, RT_ERROR_FILE, "cannot open '%s': %s", path, strerror(errno));
    unsigned char *data = NULL;
    rt_status status = RT_OK;
    struct stat about;
    if (fstat(file, &about) != 0 || !S_ISREG(about.st_mode)) {
        status = rt_fail(err, RT_ERROR_FILE, "cannot read '%s': not a regular file", path);
        goto done;
    }
    size_t size = (size_t)about.st_size;
    if (size > limit) {
        status =
            rt_fail(err, RT_ERROR_FORMAT, "cannot read '%s': %zu bytes; at most %zu are allowed", path, size, limit);
        goto done;
    }
    data = malloc(size + 1);
    if (!data) {
        status = rt_fail(err, RT_ERROR_MEMORY, "cannot read '%s': no memory for %zu bytes", path, size);
        goto done;
    }
    size_t have = 0;
    while (have < size) {
        ssize_t got = read(file, data + have, size - have);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            status = rt_fail(err, RT_ERROR_FILE, "cannot read '%s': %s", path,
                             got < 0 ? strerror(errno) : "it shrank while it was read");
            goto done;
        }
        have += (size_t)got;
    }
    data[size] = 0;
    *bytes = (rt_bytes){data, size};
    data = NULL;
done:
    free(data);
    close(file);
    return status;
}

void rt_bytes_free(rt_bytes *bytes)
{
    free(bytes->data);
    *bytes = (rt_bytes){0};
}

static bool write_all(int file, const unsigned char *data, size_t size)
{
    while (size > 0) {
        ssize_t written = write(file, data, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return false;
        data += written;
        size -= (size_t)written;
    }
    return true;
}

/* A rename is only safe on disk once the folder that holds the name is. */
static bool sync_folder_of(const char *path)
{
    char folder[4096];
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) : 0;
    if (length >= sizeof folder)
        return false;
    if (!slash)
        strcpy(folder, ".");
    else
        snprintf(folder, sizeof folder, "%.*s", length ? (int)length : 1, path);
    int file = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file < 0)
        return false;
    bool synced = fsync(file) == 0;
    close(file);
    return synced;
}

static rt_status cannot_write(const rt_file_writer *writer, int failure, rt_error *err)
{
    return rt_fail(err, RT_ERROR_FILE, "cannot write '%s': %s", writer->path, strerror(failure));
}

rt_status rt_file_writer_open(rt_file_writer *writer, const char *path, rt_error *err)
{
    const size_t room = strlen(path) + 32;
    *writer = (rt_file_writer){.path = path, .file = -1, .temporary = malloc(room)};
    if (!writer->temporary)
        return rt_fail(err, RT_ERROR_MEMORY, "cannot write '%s': no memory", path);
    snprintf(writer->temporary, room, "%s.%ld.tmp", path, (long)getpid());
    writer->file = open(writer->temporary, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0666);
    if (writer->file >= 0)
        return RT_OK;
    rt_status status = cannot_write(writer, errno, err);
    rt_file_writer_close(writer);
    return status;
}

rt_status rt_file_writer_add(rt_file_writer *writer, const void *data, size_t size, rt_error *err)
{
    if (!write_all(writer->file, data, size))
        return cannot_write(writer, errno, err);
    writer->size += size;
    return RT_OK;
}

rt_status rt_file_writer_begin_with(rt_file_writer *writer, const void *data, size_t size, rt_error *err)
{
    if (lseek(writer->file, 0, SEEK_SET) < 0 || !write_all(writer->file, data, size) ||
        lseek(writer->file, 0, SEEK_END) < 0)
        return cannot_write(writer, errno, err);
    return RT_OK;
}

rt_status rt_file_writer_commit(rt_file_writer *writer, rt_error *err)
{
    const int file = writer->file;
    const bool synced = fsync(file) == 0;
    const int failure = synced ? 0 : errno;
    writer->file = -1;
    if ((close(file) != 0 && synced) || !synced)
        return cannot_write(writer, synced ? errno : failure, err);
    if (rename(writer->temporary, writer->path) != 0)
        return cannot_write(writer, errno, err);
    free(writer->temporary);
    writer->temporary = NULL;
    return sync_folder_of(writer->path) ? RT_OK : cannot_write(writer, errno, err);
}

void rt_file_writer_close(rt_file_writer *writer)
{
    if (writer->file >= 0)
        close(writer->file);
    if (writer->temporary)
        unlink(writer->temporary);
    free(writer->temporary);
    *writer = (rt_file_writer){.file = -1};
}

rt_status rt_file_write(const char *path, const rt_piece *pieces, size_t count, rt_error *err)
{
    rt_file_writer writer;
    RT_TRY(rt_file_writer_open(&writer, path, err));
    rt_status status = RT_OK;
    for (size_t i = 0; status == RT_OK && i < count; ++i)
        status = rt_file_writer_add(&writer, pieces[i].data, pieces[i].size, err);
    if (status == RT_OK)
        status = rt_file_writer_commit(&writer, err);
    rt_file_writer_close(&writer);
    return status;
}

rt_status rt_folder_make(const char *path, rt_error *err)
{
    if (!*path)
        return rt_fail(err, RT_ERROR_FILE, "cannot make a folder without a name");
    char *partial = strdup(path);
    if (!partial)
        return rt_fail(err, RT_ERROR_MEMORY, "cannot make folder '%s': no memory", path);
    rt_status status = RT_OK;
    for (char *end = partial + 1; status == RT_OK; ++end) {
        if (*end != '/' && *end != '\0')
            continue;
        char separator = *end;
        *end = '\0';
        struct stat about;
        if (mkdir(partial, 0777) != 0 && (errno != EEXIST || stat(partial, &about) != 0 || !S_ISDIR(about.st_mode)))
            status = rt_fail(err, RT_ERROR_FILE, "cannot make folder '%s': %s", partial, strerror(errno));
        *end = separator;
        if (separator == '\0')
            break;
    }
    free(partial);
    return status;
}

bool rt_path_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

rt_status rt_file_size(const char *path, size_t *bytes, rt_error *err)
{
    struct stat about;
    if (stat(path, &about) != 0)
        return rt_fail(err, RT_ERROR_FILE, "cannot look at '%s': %s", path, strerror(errno));
    *bytes = (size_t)about.st_size;
    return RT_OK;
}

char *rt_path_join(const char *folder, const char *name)
{
    size_t room = strlen(folder) + strlen(name) + 2;
    char *path = malloc(room);
    if (path)
        snprintf(path, room, "%s/%s", folder, name);
    return path;
}
