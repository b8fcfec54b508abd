/* The wire format of protocol buffers (https://protobuf.dev/programming-guides/encoding): as much of it as ONNX needs.
 *
 *     rt_protobuf_begin(&out, 7, &mark);          // field 7 is a message
 *     rt_protobuf_text(&out, 2, "graph");
 *     rt_protobuf_end(&out, mark);
 *
 *     rt_field field;
 *     while (rt_protobuf_next(&in, &field))
 *         switch (field.number) ... */
#ifndef RETORT_EXPORT_PROTOBUF_H
#define RETORT_EXPORT_PROTOBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes being written. Zero-initialise; once memory is short, `failed` and later calls do nothing. */
typedef struct rt_protobuf {
    unsigned char *data; /* free() it */
    size_t size, capacity;
    bool failed;
} rt_protobuf;

void rt_protobuf_integer(rt_protobuf *out, unsigned field, int64_t value);
void rt_protobuf_real(rt_protobuf *out, unsigned field, float value);
void rt_protobuf_bytes(rt_protobuf *out, unsigned field, const void *data, size_t size);
void rt_protobuf_text(rt_protobuf *out, unsigned field, const char *text);
void rt_protobuf_integers(rt_protobuf *out, unsigned field, const int64_t *values, size_t count); /* packed */

/* A message within the message: what is written between the two belongs to it. */
void rt_protobuf_begin(rt_protobuf *out, unsigned field, size_t *mark);
void rt_protobuf_end(rt_protobuf *out, size_t mark);

/* Bytes being read; `wrong` once they are not protocol buffers, and rt_protobuf_next() is false then. */
typedef struct rt_protobuf_reader {
    const unsigned char *data;
    size_t size, at;
    bool wrong;
} rt_protobuf_reader;

typedef struct rt_field {
    unsigned number;
    enum { RT_FIELD_INTEGER, RT_FIELD_REAL, RT_FIELD_BYTES } kind; /* doubles and fixed integers are passed over */
    int64_t integer;
    float real;
    const unsigned char *data; /* of bytes, texts, messages, packed numbers: within the reader's */
    size_t size;
} rt_field;

bool rt_protobuf_next(rt_protobuf_reader *in, rt_field *field);
rt_protobuf_reader rt_protobuf_within(const rt_field *field);

/* The next of packed integers; false at the end, or where they are cut short (`wrong`). */
bool rt_protobuf_packed(rt_protobuf_reader *in, int64_t *value);

#endif
