#include "formats/pickle_machine.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

/* Values are never freed one by one, so they are cut from chunks. The limit is far above what a network takes (a
 * thousand tensors are about a megabyte) and keeps a hostile file from taking the machine's memory. */
enum { CHUNK = 1 << 16, MEMORY_LIMIT = 256 << 20 };

typedef struct chunk {
    struct chunk *next;
    size_t size, used;
    alignas(max_align_t) unsigned char memory[];
} chunk;

struct rt_pickle {
    rt_pickle_host host;
    chunk *chunks; /* the newest first */
    size_t taken;
};

rt_pickle *rt_pickle_new(const rt_pickle_host *host)
{
    rt_pickle *pickle = calloc(1, sizeof *pickle);
    if (pickle)
        pickle->host = *host;
    return pickle;
}

void rt_pickle_free(rt_pickle *pickle)
{
    if (!pickle)
        return;
    while (pickle->chunks) {
        chunk *gone = pickle->chunks;
        pickle->chunks = gone->next;
        free(gone);
    }
    free(pickle);
}

const rt_pickle_host *rt_pickle_host_of(const rt_pickle *pickle)
{
    return &pickle->host;
}

void *rt_pickle_take(rt_pickle *pickle, size_t size)
{
    if (size > MEMORY_LIMIT)
        return NULL;
    size = (size + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t);
    chunk *current = pickle->chunks;
    if (!current || current->size - current->used < size) {
        size_t room = size > CHUNK ? size : CHUNK;
        if (pickle->taken + room > MEMORY_LIMIT || !(current = calloc(1, sizeof *current + room)))
            return NULL;
        *current = (chunk){.next = pickle->chunks, .size = room};
        pickle->chunks = current;
        pickle->taken += room;
    }
    void *memory = current->memory + current->used;
    current->used += size;
    return memory;
}

bool rt_pickle_append(rt_pickle *pickle, rt_pickle_value *container, rt_pickle_value *const *items, size_t count)
{
    if (count > container->capacity - container->count) {
        size_t capacity = 2 * container->capacity;
        if (capacity < container->count + count)
            capacity = container->count + count;
        rt_pickle_value **grown = rt_pickle_take(pickle, capacity * sizeof *grown);
        if (!grown)
            return false;
        if (container->count > 0)
            memcpy(grown, container->items, container->count * sizeof *grown);
        container->items = grown;
        container->capacity = capacity;
    }
    if (count > 0)
        memcpy(container->items + container->count, items, count * sizeof *items);
    container->count += count;
    return true;
}

bool rt_pickle_is_text(const rt_pickle_value *value, const char *text)
{
    return value->kind == RT_PICKLE_TEXT && value->length == strlen(text) &&
           memcmp(value->text, text, value->length) == 0;
}

rt_pickle_value *rt_pickle_find(const rt_pickle_value *dictionary, const char *key)
{
    if (dictionary->kind != RT_PICKLE_DICT)
        return NULL;
    for (size_t i = dictionary->count; i >= 2; i -= 2)
        if (rt_pickle_is_text(dictionary->items[i - 2], key))
            return dictionary->items[i - 1];
    return NULL;
}
