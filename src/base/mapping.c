#include "base/mapping.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

rt_status rt_mapping_open(const char *path, rt_mapping *mapping, rt_error *err)
{
    *mapping = (rt_mapping){0};
    /* O_NONBLOCK so that a named pipe is refused instead of waited for. */
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0)
        return rt_fail(err, RT_ERROR_FILE, "cannot open '%s': %s", path, strerror(errno));
    rt_status status = RT_OK;
    struct stat about;
    if (fstat(file, &about) != 0 || !S_ISREG(about.st_mode)) {
        status = rt_fail(err, RT_ERROR_FILE, "cannot read '%s': not a regular file", path);
        goto done;
    }
    size_t size = (size_t)about.st_size;
    if (size == 0)
        goto done;
    void *data = mmap(NULL, size, PROT_READ, MAP_PRIVATE, file, 0);
    if (data == MAP_FAILED) {
        status = rt_fail(err, RT_ERROR_FILE, "cannot map '%s': %s", path, strerror(errno));
        goto done;
    }
    *mapping = (rt_mapping){data, size};
done:
    close(file);
    return status;
}

void rt_mapping_close(rt_mapping *mapping)
{
    if (mapping->data)
        munmap((void *)mapping->data, mapping->size);
    *mapping = (rt_mapping){0};
}
