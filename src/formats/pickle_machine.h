/* Within the pickle reader: the machine's stack and bytes, and how values are made and grow. */
#ifndef RETORT_FORMATS_PICKLE_MACHINE_H
#define RETORT_FORMATS_PICKLE_MACHINE_H

#include "formats/pickle.h"

typedef struct rt_pickle_machine {
    rt_pickle *pickle;
    const unsigned char *bytes;
    size_t size, at, begin;  /* `begin`: where the present operation is */
    unsigned char code;      /* the present operation */
    rt_pickle_value **stack; /* NULL where MARK was */
    size_t depth, stack_capacity;
    rt_pickle_value **memo; /* NULL where nothing is kept */
    size_t memo_count, memo_capacity;
    rt_error *err;
} rt_pickle_machine;

rt_status rt_pickle_refuse(const rt_pickle_machine *m, const char *words);
rt_status rt_pickle_no_memory(const rt_pickle_machine *m);

/* Room for `wanted` pointers; new ones are NULL. False without memory, and for more than weights need. */
bool rt_pickle_make_room(rt_pickle_value ***items, size_t *capacity, size_t wanted);

rt_status rt_pickle_push(rt_pickle_machine *m, rt_pickle_value *value);
rt_status rt_pickle_push_new(rt_pickle_machine *m, rt_pickle_value value); /* a copy of `value` */
rt_status rt_pickle_pop(rt_pickle_machine *m, rt_pickle_value **value);
/* All down to the mark, which goes, too. The items lie in the stack until the next push. */
rt_status rt_pickle_pop_to_mark(rt_pickle_machine *m, rt_pickle_value ***items, size_t *count);
/* The value on top of the stack, which stays there and must be of this kind. */
rt_status rt_pickle_top(const rt_pickle_machine *m, rt_pickle_kind kind, rt_pickle_value **value);

rt_status rt_pickle_take_bytes(rt_pickle_machine *m, size_t count, const unsigned char **bytes);
/* An unsigned number of `width` bytes, little-endian. */
rt_status rt_pickle_take_number(rt_pickle_machine *m, size_t width, uint64_t *number);

/* Appends to a tuple, list or dictionary; false without memory. */
bool rt_pickle_append(rt_pickle *pickle, rt_pickle_value *container, rt_pickle_value *const *items, size_t count);

const rt_pickle_host *rt_pickle_host_of(const rt_pickle *pickle);

#endif
