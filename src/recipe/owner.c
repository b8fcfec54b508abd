#include "recipe/owner.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 16 * 1024 };

struct block {
    struct block *next;
    size_t used, size;
    alignas(max_align_t) unsigned char bytes[];
};

struct rt_owner {
    struct block *blocks;
    bool is_short;
};

rt_owner *rt_owner_new(void)
{
    return calloc(1, sizeof(rt_owner));
}

void rt_owner_free(rt_owner *owner)
{
    if (!owner)
        return;
    while (owner->blocks) {
        struct block *next = owner->blocks->next;
        free(owner->blocks);
        owner->blocks = next;
    }
    free(owner);
}

static struct block *add_block(rt_owner *owner, size_t size)
{
    struct block *block = calloc(1, sizeof *block + size);
    if (!block)
        return NULL;
    block->size = size;
    /* A block for one large request goes behind the current one, which still has room for small requests. */
    if (size > BLOCK_BYTES && owner->blocks) {
        block->next = owner->blocks->next;
        owner->blocks->next = block;
    } else {
        block->next = owner->blocks;
        owner->blocks = block;
    }
    return block;
}

void *rt_owner_take(rt_owner *owner, size_t count, size_t size)
{
    const size_t step = alignof(max_align_t);
    struct block *block = owner->blocks;
    if (size != 0 && count > (SIZE_MAX / 2) / size)
        goto short_of_memory;
    size_t bytes = (count * size + step - 1) / step * step;
    if (!block || block->size - block->used < bytes)
        block = add_block(owner, bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES);
    if (!block)
        goto short_of_memory;
    void *taken = block->bytes + block->used;
    block->used += bytes;
    return taken;
short_of_memory:
    owner->is_short = true;
    return NULL;
}

char *rt_owner_copy(rt_owner *owner, const char *text, size_t length)
{
    char *copy = rt_owner_take(owner, length + 1, 1);
    if (copy)
        memcpy(copy, text, length);
    return copy;
}

bool rt_owner_is_short(const rt_owner *owner)
{
    return owner->is_short;
}
