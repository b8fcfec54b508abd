#include "export/protobuf.h"

#include <stdlib.h>
#include <string.h>

enum { VARINT = 0, FIXED64 = 1, LENGTH = 2, FIXED32 = 5, VARINT_BYTES = 10 };

static bool reserve(rt_protobuf *out, size_t bytes)
{
    if (out->failed)
        return false;
    if (bytes <= out->capacity - out->size)
        return true;
    size_t wanted = out->capacity + out->capacity / 2 + bytes + 4096;
    unsigned char *larger = realloc(out->data, wanted);
    if (!larger) {
        out->failed = true;
        return false;
    }
    out->data = larger;
    out->capacity = wanted;
    return true;
}

/* Seven bits a byte, the lowest first; the top bit says that more follow. Returns how many bytes. */
static size_t encode(uint64_t value, unsigned char bytes[VARINT_BYTES])
{
    size_t count = 0;
    do {
        bytes[count] = (unsigned char)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        value >>= 7;
        ++count;
    } while (value);
    return count;
}

static void append(rt_protobuf *out, const void *data, size_t size)
{
    if (size == 0 || !reserve(out, size))
        return;
    memcpy(out->data + out->size, data, size);
    out->size += size;
}

static void append_varint(rt_protobuf *out, uint64_t value)
{
    unsigned char bytes[VARINT_BYTES];
    append(out, bytes, encode(value, bytes));
}

static void append_tag(rt_protobuf *out, unsigned field, unsigned type)
{
    append_varint(out, (uint64_t)field << 3 | type);
}

void rt_protobuf_integer(rt_protobuf *out, unsigned field, int64_t value)
{
    append_tag(out, field, VARINT);
    append_varint(out, (uint64_t)value);
}

void rt_protobuf_real(rt_protobuf *out, unsigned field, float value)
{
    append_tag(out, field, FIXED32);
    append(out, &value, sizeof value);
}

void rt_protobuf_bytes(rt_protobuf *out, unsigned field, const void *data, size_t size)
{
    append_tag(out, field, LENGTH);
    append_varint(out, size);
    append(out, data, size);
}

void rt_protobuf_text(rt_protobuf *out, unsigned field, const char *text)
{
    rt_protobuf_bytes(out, field, text, strlen(text));
}

void rt_protobuf_integers(rt_protobuf *out, unsigned field, const int64_t *values, size_t count)
{
    size_t mark;
    rt_protobuf_begin(out, field, &mark);
    for (size_t i = 0; i < count; ++i)
        append_varint(out, (uint64_t)values[i]);
    rt_protobuf_end(out, mark);
}

void rt_protobuf_begin(rt_protobuf *out, unsigned field, size_t *mark)
{
    append_tag(out, field, LENGTH);
    *mark = out->size;
}

/* The length is known only now, and goes before what it counts. */
void rt_protobuf_end(rt_protobuf *out, size_t mark)
{
    unsigned char bytes[VARINT_BYTES];
    size_t length = out->size - mark, count = encode(length, bytes);
    if (!reserve(out, count))
        return;
    memmove(out->data + mark + count, out->data + mark, length);
    memcpy(out->data + mark, bytes, count);
    out->size += count;
}

static bool decode(rt_protobuf_reader *in, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 7 * VARINT_BYTES && in->at < in->size; shift += 7) {
        unsigned char byte = in->data[in->at++];
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return true;
    }
    in->wrong = true;
    return false;
}

/* Moves over `size` bytes, which *data then points to. */
static bool take(rt_protobuf_reader *in, uint64_t size, const unsigned char **data)
{
    if (size > in->size - in->at) {
        in->wrong = true;
        return false;
    }
    *data = in->data + in->at;
    in->at += (size_t)size;
    return true;
}

bool rt_protobuf_next(rt_protobuf_reader *in, rt_field *field)
{
    uint64_t tag, value = 0;
    while (!in->wrong && in->at < in->size) {
        *field = (rt_field){0};
        if (!decode(in, &tag))
            return false;
        field->number = (unsigned)(tag >> 3 & 0x1fffffff);
        switch (tag & 7) {
        case VARINT:
            field->kind = RT_FIELD_INTEGER;
            if (!decode(in, &value))
                return false;
            field->integer = (int64_t)value;
            return true;
        case LENGTH:
            field->kind = RT_FIELD_BYTES;
            if (!decode(in, &value) || !take(in, value, &field->data))
                return false;
            field->size = (size_t)value;
            return true;
        case FIXED32:
            field->kind = RT_FIELD_REAL;
            if (!take(in, 4, &field->data))
                return false;
            memcpy(&field->real, field->data, 4);
            return true;
        case FIXED64:
            if (!take(in, 8, &field->data))
                return false;
            break;
        default:
            in->wrong = true;
        }
    }
    return false;
}

rt_protobuf_reader rt_protobuf_within(const rt_field *field)
{
    return (rt_protobuf_reader){.data = field->data, .size = field->size};
}

bool rt_protobuf_packed(rt_protobuf_reader *in, int64_t *value)
{
    uint64_t bits;
    if (in->wrong || in->at >= in->size || !decode(in, &bits))
        return false;
    *value = (int64_t)bits;
    return true;
}
