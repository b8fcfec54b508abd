/* The operations are those of Python's pickletools, by the same names. What is not in the table does not exist here:
 * above all what makes objects of any class (INST, OBJ). NEWOBJ makes what the host has of a name, of nothing. */
#include "formats/pickle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/quote.h"
#include "formats/pickle_machine.h"

/* NONE, NEWTRUE, NEWFALSE, EMPTY_TUPLE, EMPTY_LIST, EMPTY_DICT */
static rt_status constant(rt_pickle_machine *m)
{
    switch (m->code) {
    case 0x88:
    case 0x89:
        return rt_pickle_push_new(m, (rt_pickle_value){.kind = RT_PICKLE_BOOL, .integer = m->code == 0x88});
    case ')':
        return rt_pickle_push_new(m, (rt_pickle_value){.kind = RT_PICKLE_TUPLE});
    case ']':
        return rt_pickle_push_new(m, (rt_pickle_value){.kind = RT_PICKLE_LIST});
    case '}':
        return rt_pickle_push_new(m, (rt_pickle_value){.kind = RT_PICKLE_DICT});
    default:
        return rt_pickle_push_new(m, (rt_pickle_value){.kind = RT_PICKLE_NONE});
    }
}

/* BININT1, BININT2, BININT */
static rt_status integer(rt_pickle_machine *m)
{
    uint64_t number;
    RT_TRY(rt_pickle_take_number(m, m->code == 'K' ? 1 : m->code == 'M' ? 2 : 4, &number));
    return rt_pickle_push_new(
        m, (rt_pickle_value){.kind = RT_PICKLE_INTEGER,
                             .integer = m->code == 'J' ? (int32_t)(uint32_t)number : (int64_t)number});
}

/* LONG1: a length and as many bytes. */
static rt_status long_integer(rt_pickle_machine *m)
{
    uint64_t length, number = 0;
    const unsigned char *bytes;
    RT_TRY(rt_pickle_take_number(m, 1, &length));
    RT_TRY(rt_pickle_take_bytes(m, (size_t)length, &bytes));
    if (length > sizeof number)
        return rt_pickle_push_new(
            m, (rt_pickle_value){.kind = RT_PICKLE_LONG, .text = (const char *)bytes, .length = (size_t)length});
    if (length > 0 && bytes[length - 1] & 0x80)
        number = UINT64_MAX;
    for (size_t i = (size_t)length; i-- > 0;)
        number = number << 8 | bytes[i];
    return rt_pickle_push_new(m, (rt_pickle_value){.kind = RT_PICKLE_INTEGER, .integer = (int64_t)number});
}

/* BINFLOAT: big-endian. */
static rt_status real(rt_pickle_machine *m)
{
    const unsigned char *bytes;
    uint64_t bits = 0;
    double number;
    RT_TRY(rt_pickle_take_bytes(m, sizeof bits, &bytes));
    for (size_t i = 0; i < sizeof bits; ++i)
        bits = bits << 8 | bytes[i];
    memcpy(&number, &bits, sizeof number);
    return rt_pickle_push_new(m, (rt_pickle_value){.kind = RT_PICKLE_FLOAT, .number = number});
}

/* SHORT_BINUNICODE, BINUNICODE, BINUNICODE8, Python 2's SHORT_BINSTRING and BINSTRING; SHORT_BINBYTES, BINBYTES,
 * BINBYTES8 */
static rt_status text(rt_pickle_machine *m)
{
    size_t width = 4;
    if (m->code == 0x8c || m->code == 'U' || m->code == 'C')
        width = 1;
    else if (m->code == 0x8d || m->code == 0x8e)
        width = 8;
    bool bytes_kind = m->code == 'B' || m->code == 'C' || m->code == 0x8e;
    uint64_t length;
    const unsigned char *bytes;
    RT_TRY(rt_pickle_take_number(m, width, &length));
    RT_TRY(rt_pickle_take_bytes(m, (size_t)length, &bytes));
    return rt_pickle_push_new(m, (rt_pickle_value){.kind = bytes_kind ? RT_PICKLE_BYTES : RT_PICKLE_TEXT,
                                                   .text = (const char *)bytes,
                                                   .length = (size_t)length});
}

static rt_status set_mark(rt_pickle_machine *m)
{
    return rt_pickle_push(m, NULL);
}

static rt_status push_tuple(rt_pickle_machine *m, rt_pickle_value *const *items, size_t count)
{
    rt_pickle_value *tuple = rt_pickle_take(m->pickle, sizeof *tuple);
    if (!tuple)
        return rt_pickle_no_memory(m);
    tuple->kind = RT_PICKLE_TUPLE;
    if (!rt_pickle_append(m->pickle, tuple, items, count))
        return rt_pickle_no_memory(m);
    return rt_pickle_push(m, tuple);
}

/* TUPLE */
static rt_status tuple_to_mark(rt_pickle_machine *m)
{
    rt_pickle_value **items;
    size_t count;
    RT_TRY(rt_pickle_pop_to_mark(m, &items, &count));
    return push_tuple(m, items, count);
}

/* TUPLE1, TUPLE2, TUPLE3 */
static rt_status short_tuple(rt_pickle_machine *m)
{
    rt_pickle_value *items[3];
    size_t count = m->code - 0x84u;
    for (size_t i = count; i-- > 0;)
        RT_TRY(rt_pickle_pop(m, &items[i]));
    return push_tuple(m, items, count);
}

static rt_status extend(rt_pickle_machine *m, rt_pickle_kind kind, rt_pickle_value *const *items, size_t count)
{
    rt_pickle_value *container;
    RT_TRY(rt_pickle_top(m, kind, &container));
    if (kind == RT_PICKLE_DICT && count % 2 != 0)
        return rt_pickle_refuse(m, "a key has no value");
    return rt_pickle_append(m->pickle, container, items, count) ? RT_OK : rt_pickle_no_memory(m);
}

/* APPENDS, SETITEMS */
static rt_status extend_to_mark(rt_pickle_machine *m)
{
    rt_pickle_value **items;
    size_t count;
    RT_TRY(rt_pickle_pop_to_mark(m, &items, &count));
    return extend(m, m->code == 'e' ? RT_PICKLE_LIST : RT_PICKLE_DICT, items, count);
}

/* APPEND, SETITEM */
static rt_status extend_by_one(rt_pickle_machine *m)
{
    rt_pickle_value *items[2];
    size_t count = m->code == 'a' ? 1 : 2;
    for (size_t i = count; i-- > 0;)
        RT_TRY(rt_pickle_pop(m, &items[i]));
    return extend(m, m->code == 'a' ? RT_PICKLE_LIST : RT_PICKLE_DICT, items, count);
}

/* BINPUT, LONG_BINPUT, MEMOIZE. Writers number what they keep one by one, so that a number cannot exceed the bytes. */
static rt_status keep(rt_pickle_machine *m)
{
    uint64_t number = m->memo_count;
    if (m->code != 0x94)
        RT_TRY(rt_pickle_take_number(m, m->code == 'q' ? 1 : 4, &number));
    if (m->depth == 0 || !m->stack[m->depth - 1] || number > m->at)
        return rt_pickle_refuse(m, "this cannot be kept");
    if (!rt_pickle_make_room(&m->memo, &m->memo_capacity, (size_t)number + 1))
        return rt_pickle_no_memory(m);
    m->memo_count += !m->memo[number];
    m->memo[number] = m->stack[m->depth - 1];
    return RT_OK;
}

/* BINGET, LONG_BINGET */
static rt_status recall_kept(rt_pickle_machine *m)
{
    uint64_t number;
    RT_TRY(rt_pickle_take_number(m, m->code == 'h' ? 1 : 4, &number));
    if (number >= m->memo_capacity || !m->memo[number])
        return rt_pickle_refuse(m, "nothing was kept under this number");
    return rt_pickle_push(m, m->memo[number]);
}

enum { NAME_CAPACITY = 160 };

static rt_status push_name(rt_pickle_machine *m, const char *module, const char *name)
{
    int number = rt_pickle_host_of(m->pickle)->find(module, name);
    if (number >= 0)
        return rt_pickle_push_new(m, (rt_pickle_value){.kind = RT_PICKLE_NAME, .integer = number});
    char whole[2 * NAME_CAPACITY + 2];
    rt_quote quote;
    snprintf(whole, sizeof whole, "%s.%s", module, name);
    return rt_fail(m->err, RT_ERROR_FORMAT,
                   "'%s' is not a tensor, dictionary, string or number; refused (a whole network cannot be read, its "
                   "state_dict() can)",
                   rt_quote_text(&quote, whole, strlen(whole)));
}

/* GLOBAL: module and name, each in a line of its own. */
static rt_status name_in_lines(rt_pickle_machine *m)
{
    char names[2][NAME_CAPACITY];
    for (int i = 0; i < 2; ++i) {
        const unsigned char *line = m->bytes + m->at, *end = memchr(line, '\n', m->size - m->at);
        size_t length = end ? (size_t)(end - line) : 0;
        if (!end || length >= NAME_CAPACITY)
            return rt_pickle_refuse(m, "a name without end");
        memcpy(names[i], line, length);
        names[i][length] = '\0';
        m->at += length + 1;
    }
    return push_name(m, names[0], names[1]);
}

/* STACK_GLOBAL */
static rt_status name_on_stack(rt_pickle_machine *m)
{
    char names[2][NAME_CAPACITY];
    for (int i = 1; i >= 0; --i) {
        rt_pickle_value *value;
        RT_TRY(rt_pickle_pop(m, &value));
        if (value->kind != RT_PICKLE_TEXT || value->length >= NAME_CAPACITY)
            return rt_pickle_refuse(m, "a name that is no text");
        memcpy(names[i], value->text, value->length);
        names[i][value->length] = '\0';
    }
    return push_name(m, names[0], names[1]);
}

/* What the host makes of it, and where it was that it refused. */
static rt_status push_result(rt_pickle_machine *m, rt_status status, rt_pickle_value result, const rt_error *inner)
{
    if (status != RT_OK)
        return rt_fail(m->err, status, "byte %zu of the pickle: %s", m->begin, inner->message);
    return rt_pickle_push_new(m, result);
}

/* REDUCE */
static rt_status call(rt_pickle_machine *m)
{
    rt_pickle_value *name, *arguments, result = {0};
    rt_error inner = {0};
    RT_TRY(rt_pickle_pop(m, &arguments));
    RT_TRY(rt_pickle_pop(m, &name));
    if (name->kind != RT_PICKLE_NAME || arguments->kind != RT_PICKLE_TUPLE)
        return rt_pickle_refuse(m, "a call of what cannot be called");
    const rt_pickle_host *host = rt_pickle_host_of(m->pickle);
    rt_status status = host->call(host->context, m->pickle, (int)name->integer, arguments, &result, &inner);
    return push_result(m, status, result, &inner);
}

/* NEWOBJ: a class and what its __new__ gets, which is nothing here. Its attributes come with BUILD. */
static rt_status make(rt_pickle_machine *m)
{
    const rt_pickle_value *arguments = m->depth > 0 ? m->stack[m->depth - 1] : NULL;
    if (arguments && arguments->kind == RT_PICKLE_TUPLE && arguments->count > 0)
        return rt_pickle_refuse(m, "an object made of something");
    return call(m);
}

/* BINPERSID */
static rt_status recall_outside(rt_pickle_machine *m)
{
    rt_pickle_value *identity, result = {0};
    rt_error inner = {0};
    RT_TRY(rt_pickle_pop(m, &identity));
    const rt_pickle_host *host = rt_pickle_host_of(m->pickle);
    rt_status status = host->recall(host->context, m->pickle, identity, &result, &inner);
    return push_result(m, status, result, &inner);
}

/* BUILD sets attributes. Dictionaries of tensors have them (`_metadata`: versions of layers), and so do the host's
 * objects; nobody needs them. */
static rt_status attributes(rt_pickle_machine *m)
{
    rt_pickle_value *state, *object;
    RT_TRY(rt_pickle_pop(m, &state));
    if (m->depth > 0 && m->stack[m->depth - 1] && m->stack[m->depth - 1]->kind == RT_PICKLE_OBJECT)
        return RT_OK;
    return rt_pickle_top(m, RT_PICKLE_DICT, &object);
}

/* PROTO, FRAME: told of the bytes that follow, and of no interest. */
static rt_status passed_over(rt_pickle_machine *m)
{
    uint64_t number;
    return rt_pickle_take_number(m, m->code == 0x80 ? 1 : 8, &number);
}

static rt_status (*const operations[256])(rt_pickle_machine *) = {
    [0x80] = passed_over,   [0x95] = passed_over,   ['N'] = constant,       [0x88] = constant,
    [0x89] = constant,      [')'] = constant,       [']'] = constant,       ['}'] = constant,
    ['K'] = integer,        ['M'] = integer,        ['J'] = integer,        [0x8a] = long_integer,
    ['G'] = real,           ['X'] = text,           [0x8c] = text,          [0x8d] = text,
    ['U'] = text,           ['T'] = text,           ['C'] = text,           ['B'] = text,
    [0x8e] = text,          ['('] = set_mark,       ['t'] = tuple_to_mark,  [0x85] = short_tuple,
    [0x86] = short_tuple,   [0x87] = short_tuple,   ['a'] = extend_by_one,  ['s'] = extend_by_one,
    ['e'] = extend_to_mark, ['u'] = extend_to_mark, ['q'] = keep,           ['r'] = keep,
    [0x94] = keep,          ['h'] = recall_kept,    ['j'] = recall_kept,    ['c'] = name_in_lines,
    [0x93] = name_on_stack, ['R'] = call,           ['Q'] = recall_outside, ['b'] = attributes,
    [0x81] = make,
};

static rt_status run(rt_pickle_machine *m, rt_pickle_value **value)
{
    for (;;) {
        const unsigned char *code;
        m->begin = m->at;
        RT_TRY(rt_pickle_take_bytes(m, 1, &code));
        m->code = *code;
        if (m->code == '.')
            return rt_pickle_pop(m, value);
        if (!operations[m->code])
            return rt_fail(m->err, RT_ERROR_FORMAT, "byte %zu of the pickle: operation 0x%02x is not read", m->begin,
                           m->code);
        RT_TRY(operations[m->code](m));
    }
}

rt_status rt_pickle_read(rt_pickle *pickle, const unsigned char *bytes, size_t size, size_t *used,
                         rt_pickle_value **value, rt_error *err)
{
    rt_pickle_machine m = {.pickle = pickle, .bytes = bytes, .size = size, .err = err};
    *value = NULL;
    rt_status status = run(&m, value);
    *used = m.at;
    free(m.stack);
    free(m.memo);
    return status;
}
