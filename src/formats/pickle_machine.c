#include "formats/pickle_machine.h"

#include <stdlib.h>
#include <string.h>

/* Of the stack and of the memo: far above what weights take, far below what a machine has. */
enum { ENTRY_LIMIT = 1 << 23 };

rt_status rt_pickle_refuse(const rt_pickle_machine *m, const char *words)
{
    return rt_fail(m->err, RT_ERROR_FORMAT, "byte %zu of the pickle: %s", m->begin, words);
}

rt_status rt_pickle_no_memory(const rt_pickle_machine *m)
{
    return rt_fail(m->err, RT_ERROR_FORMAT, "byte %zu of the pickle: no memory, or more than a file of weights needs",
                   m->begin);
}

bool rt_pickle_make_room(rt_pickle_value ***items, size_t *capacity, size_t wanted)
{
    if (wanted <= *capacity)
        return true;
    if (wanted > ENTRY_LIMIT)
        return false;
    size_t larger = wanted < 64 ? 64 : 2 * wanted;
    rt_pickle_value **grown = realloc(*items, larger * sizeof *grown);
    if (!grown)
        return false;
    memset(grown + *capacity, 0, (larger - *capacity) * sizeof *grown);
    *items = grown;
    *capacity = larger;
    return true;
}

rt_status rt_pickle_push(rt_pickle_machine *m, rt_pickle_value *value)
{
    if (!rt_pickle_make_room(&m->stack, &m->stack_capacity, m->depth + 1))
        return rt_pickle_no_memory(m);
    m->stack[m->depth++] = value;
    return RT_OK;
}

rt_status rt_pickle_push_new(rt_pickle_machine *m, rt_pickle_value value)
{
    rt_pickle_value *made = rt_pickle_take(m->pickle, sizeof *made);
    if (!made)
        return rt_pickle_no_memory(m);
    *made = value;
    return rt_pickle_push(m, made);
}

rt_status rt_pickle_pop(rt_pickle_machine *m, rt_pickle_value **value)
{
    if (m->depth == 0 || !m->stack[m->depth - 1])
        return rt_pickle_refuse(m, "nothing is left to work on");
    *value = m->stack[--m->depth];
    return RT_OK;
}

rt_status rt_pickle_pop_to_mark(rt_pickle_machine *m, rt_pickle_value ***items, size_t *count)
{
    size_t from = m->depth;
    while (from > 0 && m->stack[from - 1])
        --from;
    if (from == 0)
        return rt_pickle_refuse(m, "there is no mark");
    *items = m->stack + from;
    *count = m->depth - from;
    m->depth = from - 1;
    return RT_OK;
}

rt_status rt_pickle_top(const rt_pickle_machine *m, rt_pickle_kind kind, rt_pickle_value **value)
{
    if (m->depth == 0 || !m->stack[m->depth - 1] || m->stack[m->depth - 1]->kind != kind)
        return rt_pickle_refuse(m, "this cannot be done to what is there");
    *value = m->stack[m->depth - 1];
    return RT_OK;
}

rt_status rt_pickle_take_bytes(rt_pickle_machine *m, size_t count, const unsigned char **bytes)
{
    if (count > m->size - m->at)
        return rt_pickle_refuse(m, "the file ends within it");
    *bytes = m->bytes + m->at;
    m->at += count;
    return RT_OK;
}

rt_status rt_pickle_take_number(rt_pickle_machine *m, size_t width, uint64_t *number)
{
    const unsigned char *bytes = NULL;
    *number = 0;
    RT_TRY(rt_pickle_take_bytes(m, width, &bytes));
    for (size_t i = width; i-- > 0;)
        *number = *number << 8 | bytes[i];
    return RT_OK;
}
