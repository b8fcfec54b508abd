#include "datasets/file_list.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

rt_status rt_file_list_new(rt_decoder decoder, rt_file_list **list, rt_error *err)
{
    *list = calloc(1, sizeof **list);
    if (!*list)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for a list of files");
    (*list)->decoder = decoder;
    return RT_OK;
}

void rt_file_list_free(rt_file_list *list)
{
    for (size_t i = 0; list && i < list->count; ++i)
        free(list->paths[i]);
    for (size_t i = 0; list && i < list->class_count; ++i)
        free(list->class_names[i]);
    if (list) {
        free(list->class_names);
        free(list->paths);
        free(list->labels);
    }
    free(list);
}

static rt_status grow(rt_file_list *list, rt_error *err)
{
    size_t capacity = list->capacity ? 2 * list->capacity : 1024;
    char **paths = realloc(list->paths, capacity * sizeof *paths);
    if (paths)
        list->paths = paths;
    int64_t *labels = realloc(list->labels, capacity * sizeof *labels);
    if (labels)
        list->labels = labels;
    if (!paths || !labels)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for the names of %zu files", capacity);
    list->capacity = capacity;
    return RT_OK;
}

rt_status rt_file_list_add(rt_file_list *list, const char *path, int64_t label, rt_error *err)
{
    if (list->count == list->capacity)
        RT_TRY(grow(list, err));
    list->paths[list->count] = strdup(path);
    if (!list->paths[list->count])
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for the names of %zu files", list->count + 1);
    list->labels[list->count++] = label;
    return RT_OK;
}

rt_status rt_file_list_name_class(rt_file_list *list, const char *name, rt_error *err)
{
    char **names = realloc(list->class_names, (list->class_count + 1) * sizeof *names);
    if (names)
        list->class_names = names;
    char *copy = names ? strdup(name) : NULL;
    if (!copy)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for the names of %zu classes", list->class_count + 1);
    names[list->class_count++] = copy;
    return RT_OK;
}

const char *rt_file_list_path(const rt_images *images, size_t index)
{
    return ((const rt_file_list *)images->owner)->paths[index];
}

static rt_status fetch(const rt_images *images, size_t index, rt_picture *picture, rt_error *err)
{
    const rt_file_list *list = images->owner;
    rt_data_path path;
    int file;
    size_t size, got;
    RT_TRY(rt_data_path_join(&path, list->paths[index], "", err));
    RT_TRY(rt_data_open(&path, &file, &size, err));
    rt_status status = RT_OK;
    if (size > RT_MOST_FILE_BYTES)
        status = rt_fail(err, RT_ERROR_FORMAT, "cannot read '%s': %zu bytes; an image file has at most %d", path.text,
                         size, RT_MOST_FILE_BYTES);
    if (status == RT_OK)
        status = rt_picture_reserve_file(picture, size + 1, err);
    if (status == RT_OK)
        status = rt_data_read(file, &path, picture->file, size, &got, err);
    close(file);
    return status == RT_OK ? rt_decode(picture->file, got, path.text, list->decoder, picture, err) : status;
}

/* A file that changes gets another size or time. Reading all of them to know would take hours where they are many. */
static rt_status identify(const rt_file_list *list, uint64_t *identity, rt_error *err)
{
    const char *decoder = rt_decoder_of_jpeg(list->decoder);
    XXH64_hash_t hash = XXH3_64bits(decoder, strlen(decoder));
    for (size_t i = 0; i < list->count; ++i) {
        struct stat about;
        if (stat(list->paths[i], &about) != 0)
            return rt_fail(err, RT_ERROR_FILE, "cannot open '%s': %s", list->paths[i], strerror(errno));
        if (!S_ISREG(about.st_mode))
            return rt_fail(err, RT_ERROR_FILE, "cannot read '%s': not a regular file", list->paths[i]);
        const int64_t facts[] = {about.st_size, about.st_mtim.tv_sec, about.st_mtim.tv_nsec, list->labels[i]};
        hash = XXH3_64bits_withSeed(facts, sizeof facts, hash);
        hash = XXH3_64bits_withSeed(list->paths[i], strlen(list->paths[i]), hash);
    }
    *identity = hash;
    return RT_OK;
}

rt_status rt_file_list_open(rt_file_list *list, size_t classes, rt_images *images, rt_error *err)
{
    *images = (rt_images){.count = list->count,
                          .channels = 3,
                          .classes = classes,
                          .labels = list->labels,
                          .class_names = list->class_count == classes ? (const char *const *)list->class_names : NULL,
                          .owner = list,
                          .fetch = fetch};
    rt_status status = identify(list, &images->identity, err);
    if (status != RT_OK)
        rt_file_list_close(images);
    return status;
}

void rt_file_list_close(rt_images *images)
{
    rt_file_list_free(images->owner);
    *images = (rt_images){0};
}
