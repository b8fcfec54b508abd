#include "graph/memory.h"

#include <stdbool.h>
#include <stdlib.h>

static int larger_first(const void *a, const void *b)
{
    const rt_buffer *x = *(rt_buffer *const *)a, *y = *(rt_buffer *const *)b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return x < y ? -1 : x > y; /* qsort is not stable; the plan must be the same everywhere */
}

static int lower_first(const void *a, const void *b)
{
    const rt_buffer *x = *(rt_buffer *const *)a, *y = *(rt_buffer *const *)b;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

rt_status rt_memory_plan(rt_buffer *buffers, size_t count, size_t *total, rt_error *err)
{
    rt_buffer **order = malloc((count + 1) * sizeof(rt_buffer *));
    rt_buffer **alive = malloc((count + 1) * sizeof(rt_buffer *));
    if (!order || !alive) {
        free(order);
        free(alive);
        return rt_fail(err, RT_ERROR_MEMORY, "no memory to plan %zu buffers", count);
    }
    for (size_t i = 0; i < count; ++i)
        order[i] = &buffers[i];
    qsort(order, count, sizeof *order, larger_first);
    *total = 0;
    for (size_t i = 0; i < count; ++i) {
        rt_buffer *buffer = order[i];
        size_t neighbours = 0;
        for (size_t j = 0; j < i; ++j)
            if (order[j]->first <= buffer->last && buffer->first <= order[j]->last)
                alive[neighbours++] = order[j];
        qsort(alive, neighbours, sizeof *alive, lower_first);
        size_t offset = 0;
        for (size_t j = 0; j < neighbours && offset + buffer->bytes > alive[j]->offset; ++j) {
            size_t end = (alive[j]->offset + alive[j]->bytes + 63) / 64 * 64;
            offset = end > offset ? end : offset;
        }
        buffer->offset = offset;
        if (offset + buffer->bytes > *total)
            *total = offset + buffer->bytes;
    }
    free(order);
    free(alive);
    return RT_OK;
}
