/* The memory plan: buffers that are never alive together share addresses. */
#ifndef RETORT_GRAPH_MEMORY_H
#define RETORT_GRAPH_MEMORY_H

#include <stddef.h>

#include "retort/error.h"

typedef struct rt_buffer {
    size_t bytes;
    int first, last; /* the steps of its first write and last read, inclusive */
    size_t offset;   /* set by rt_memory_plan(), a multiple of 64 */
} rt_buffer;

/* Places the buffers, largest first, each at the lowest offset that is free during its life (greedy by size; Pisarchyk
 * and Lee 2020, arXiv:2001.03288). *total is the size of the arena that holds them all. */
rt_status rt_memory_plan(rt_buffer *buffers, size_t count, size_t *total, rt_error *err);

#endif
