/* Image files and their labels, by path: what readers of photographs hand out. */
#ifndef RETORT_DATASETS_FILE_LIST_H
#define RETORT_DATASETS_FILE_LIST_H

#include "datasets/decode.h"
#include "datasets/reading.h"

typedef struct rt_file_list {
    char **paths;
    int64_t *labels;
    size_t count, capacity;
    char **class_names;
    size_t class_count;
    rt_decoder decoder;
} rt_file_list;

rt_status rt_file_list_new(rt_decoder decoder, rt_file_list **list, rt_error *err);
rt_status rt_file_list_add(rt_file_list *list, const char *path, int64_t label, rt_error *err);
rt_status rt_file_list_name_class(rt_file_list *list, const char *name, rt_error *err); /* the next class */
void rt_file_list_free(rt_file_list *list);                                             /* accepts NULL */

/* Makes the list's files the images, which own it from then on, even when this fails; every file must be there and a
 * regular one. */
rt_status rt_file_list_open(rt_file_list *list, size_t classes, rt_images *images, rt_error *err);
void rt_file_list_close(rt_images *images); /* a reader's close(): accepts a zeroed struct */

/* The file that an image comes from; for images of rt_file_list_open() alone. */
const char *rt_file_list_path(const rt_images *images, size_t index);

#endif
