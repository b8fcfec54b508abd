#include "datasets/reading.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

rt_status rt_data_path_join(rt_data_path *path, const char *root, const char *name, rt_error *err)
{
    int length = snprintf(path->text, sizeof path->text, "%s%s%s", root, *name ? "/" : "", name);
    if (length < 0 || (size_t)length >= sizeof path->text)
        return rt_fail(err, RT_ERROR_FILE, "cannot open '%.100s...': %d characters; a path has at most %zu", root,
                       length, sizeof path->text - 1);
    return RT_OK;
}

bool rt_data_path_exists(const rt_data_path *path)
{
    struct stat about;
    return lstat(path->text, &about) == 0;
}

rt_status rt_data_open(const rt_data_path *path, int *file, size_t *size, rt_error *err)
{
    /* Without O_NONBLOCK the open of a pipe would wait for a writer. */
    int opened = open(path->text, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (opened < 0)
        return rt_fail(err, RT_ERROR_FILE, "cannot open '%s': %s", path->text, strerror(errno));
    struct stat about;
    if (fstat(opened, &about) != 0 || !S_ISREG(about.st_mode)) {
        close(opened);
        return rt_fail(err, RT_ERROR_FILE, "cannot read '%s': not a regular file", path->text);
    }
    *file = opened;
    *size = (size_t)about.st_size;
    return RT_OK;
}

rt_status rt_data_read(int file, const rt_data_path *path, void *bytes, size_t size, size_t *got, rt_error *err)
{
    *got = 0;
    while (*got < size) {
        ssize_t part = read(file, (char *)bytes + *got, size - *got);
        if (part < 0 && errno == EINTR)
            continue;
        if (part < 0)
            return rt_fail(err, RT_ERROR_FILE, "cannot read '%s': %s", path->text, strerror(errno));
        if (part == 0)
            break;
        *got += (size_t)part;
    }
    return RT_OK;
}

rt_status rt_images_allocate(rt_images *images, size_t count, const char *name, uint8_t **pixels, int64_t **labels,
                             rt_error *err)
{
    size_t pixel_bytes, label_bytes;
    if (__builtin_mul_overflow(images->height, images->width, &pixel_bytes) ||
        __builtin_mul_overflow(pixel_bytes, images->channels, &pixel_bytes) ||
        __builtin_mul_overflow(pixel_bytes, count, &pixel_bytes) ||
        __builtin_mul_overflow(count, sizeof **labels, &label_bytes))
        return rt_fail(err, RT_ERROR_FORMAT,
                       "cannot hold %s: %zu images of %zux%zux%zu are more than memory can address", name, count,
                       images->height, images->width, images->channels);
    *pixels = malloc(pixel_bytes);
    *labels = malloc(label_bytes);
    images->count = count;
    images->pixels = *pixels;
    images->labels = *labels;
    if (!*pixels || !*labels) {
        rt_images_free(images);
        return rt_fail(err, RT_ERROR_MEMORY, "cannot hold %s: no memory for %zu bytes of pixels", name, pixel_bytes);
    }
    return RT_OK;
}

void rt_images_free(rt_images *images)
{
    free((void *)images->pixels);
    free((void *)images->labels);
    *images = (rt_images){0};
}
