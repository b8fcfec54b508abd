/* What the readers share: opening a file of a dataset, and the memory that holds a split. */
#ifndef RETORT_DATASETS_READING_H
#define RETORT_DATASETS_READING_H

#include <limits.h>
#include <stdbool.h>

#include "retort/dataset.h"

/* A path on its way to an open file. */
typedef struct rt_data_path {
    char text[PATH_MAX];
} rt_data_path;

/* root/name, or root itself where `name` is empty; fails where the path is longer than the system allows. */
rt_status rt_data_path_join(rt_data_path *path, const char *root, const char *name, rt_error *err);

/* Whether anything is there, readable or not. */
bool rt_data_path_exists(const rt_data_path *path);

/* Opens a regular file for reading: never a folder, a pipe or a device. The caller closes *file. */
rt_status rt_data_open(const rt_data_path *path, int *file, size_t *size, rt_error *err);

/* Reads up to `size` bytes, fewer only at the end of the file: *got says how many. */
rt_status rt_data_read(int file, const rt_data_path *path, void *bytes, size_t size, size_t *got, rt_error *err);

/* Memory for `count` images of the size that `images` says and for their labels, uninitialised but for images->count.
 * `name` is what an error calls the images. The caller fills images->pixels and images->labels through the two
 * pointers; rt_images_free() releases both and zeroes the struct. */
rt_status rt_images_allocate(rt_images *images, size_t count, const char *name, uint8_t **pixels, int64_t **labels,
                             rt_error *err);
void rt_images_free(rt_images *images);

#endif
