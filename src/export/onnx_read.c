#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mapping.h"
#include "base/quote.h"
#include "export/onnx.h"
#include "export/onnx_fields.h"
#include "export/protobuf.h"

typedef struct text {
    char bytes[RT_PROGRAM_NAME];
} text;

/* Everything below reports what is wrong to program->error, as program.c does. */
static bool good(const rt_program *program)
{
    return program->error.status == RT_OK;
}

static void refuse(rt_program *program, const char *what, const char *name)
{
    rt_quote quote;
    if (good(program))
        rt_fail(&program->error, RT_ERROR_FORMAT, "%s '%s'", what, rt_quote_text(&quote, name, strlen(name)));
}

static text read_text(rt_program *program, const rt_field *field)
{
    text read = {""};
    if (field->kind != RT_FIELD_BYTES || field->size >= sizeof read.bytes || memchr(field->data, 0, field->size))
        refuse(program, "a name is not a short text", "");
    else if (field->size > 0)
        memcpy(read.bytes, field->data, field->size);
    return read;
}

static void check_end(rt_program *program, const rt_protobuf_reader *in, const char *what)
{
    if (in->wrong)
        refuse(program, "it ends within, or is not of protocol buffers:", what);
}

static void add_size(rt_program *program, rt_sizes *sizes, int64_t size)
{
    if (sizes->count == RT_PROGRAM_DIMS || size < 0)
        refuse(program, "a tensor has more than five dimensions, or a negative one", "");
    else
        sizes->dims[sizes->count++] = size;
}

/* Integers of a repeated field, one by one or packed. */
static void add_sizes(rt_program *program, rt_sizes *sizes, const rt_field *field)
{
    int64_t size;
    if (field->kind == RT_FIELD_INTEGER) {
        add_size(program, sizes, field->integer);
        return;
    }
    rt_protobuf_reader in = rt_protobuf_within(field);
    while (good(program) && rt_protobuf_packed(&in, &size))
        add_size(program, sizes, size);
    check_end(program, &in, "dims");
}

static void read_constant(rt_program *program, const rt_field *message)
{
    rt_protobuf_reader in = rt_protobuf_within(message);
    rt_field field, raw = {0};
    rt_sizes sizes = {0};
    int64_t type = 0;
    text name = {""};
    while (good(program) && rt_protobuf_next(&in, &field)) {
        if (field.number == TENSOR_DIMS)
            add_sizes(program, &sizes, &field);
        else if (field.number == TENSOR_TYPE)
            type = field.integer;
        else if (field.number == TENSOR_NAME)
            name = read_text(program, &field);
        else if (field.number == TENSOR_RAW && field.kind == RT_FIELD_BYTES)
            raw = field;
    }
    check_end(program, &in, "initializer");
    size_t count, bytes = rt_value_size(&(rt_value){.integer = type == TYPE_INT64, .narrow = type == TYPE_INT8});
    if (type != TYPE_FLOAT && type != TYPE_INT64 && type != TYPE_INT8)
        refuse(program, "neither float, int8 nor int64 is", name.bytes);
    else if (!rt_sizes_count(&sizes, &count) || raw.size != count * bytes)
        refuse(program, "raw_data and dims do not agree in", name.bytes);
    if (!good(program))
        return;
    if (type == TYPE_INT64) {
        int64_t integers[2 * RT_PROGRAM_DIMS];
        if (sizes.count != 1 || count > 2 * RT_PROGRAM_DIMS) {
            refuse(program, "more than ten integers, or not a list:", name.bytes);
            return;
        }
        if (count > 0)
            memcpy(integers, raw.data, raw.size);
        rt_program_integers(program, name.bytes, integers, count);
        return;
    }
    void *values = malloc(raw.size + 1);
    if (values && raw.size > 0)
        memcpy(values, raw.data, raw.size);
    if (type == TYPE_INT8)
        rt_program_own_steps(program, name.bytes, &sizes, values);
    else
        rt_program_own_floats(program, name.bytes, &sizes, values);
}

/* `number` is that of a message field; false where there is none. */
static bool descend(rt_protobuf_reader in, unsigned number, rt_protobuf_reader *within)
{
    rt_field field;
    while (rt_protobuf_next(&in, &field))
        if (field.number == number && field.kind == RT_FIELD_BYTES) {
            *within = rt_protobuf_within(&field);
            return true;
        }
    return false;
}

/* A graph's input or output: its name, and its sizes, of which one that is open counts as 1. */
static text read_info(rt_program *program, const rt_field *message, rt_sizes *sizes)
{
    rt_protobuf_reader in = rt_protobuf_within(message), within = in;
    rt_field field, dim;
    text name = {""};
    *sizes = (rt_sizes){0};
    while (good(program) && rt_protobuf_next(&in, &field))
        if (field.number == INFO_NAME)
            name = read_text(program, &field);
    check_end(program, &in, "input or output");
    if (descend(within, INFO_TYPE, &within) && descend(within, TYPE_TENSOR, &within) &&
        descend(within, TENSOR_TYPE_SHAPE, &within))
        while (good(program) && rt_protobuf_next(&within, &field)) {
            rt_protobuf_reader sides = rt_protobuf_within(&field);
            int64_t size = 1;
            while (field.kind == RT_FIELD_BYTES && rt_protobuf_next(&sides, &dim))
                if (dim.number == DIM_VALUE && dim.kind == RT_FIELD_INTEGER)
                    size = dim.integer;
            add_size(program, sizes, size);
        }
    return name;
}

static void read_attribute(rt_program *program, const rt_field *message)
{
    rt_protobuf_reader in = rt_protobuf_within(message);
    rt_field field;
    rt_attribute read = {0};
    text name = {""};
    while (good(program) && rt_protobuf_next(&in, &field)) {
        if (field.number == ATTRIBUTE_NAME)
            name = read_text(program, &field);
        if (field.number == ATTRIBUTE_TYPE) {
            read.real = field.integer == ATTRIBUTE_IS_FLOAT;
            read.list = field.integer == ATTRIBUTE_IS_INTS;
            if (!read.real && !read.list && field.integer != ATTRIBUTE_IS_INT)
                refuse(program, "an attribute is neither a float nor of integers", name.bytes);
        }
        if (field.number == ATTRIBUTE_FLOAT)
            read.value = field.real;
        if (field.number == ATTRIBUTE_INT || field.number == ATTRIBUTE_INTS) {
            if (field.kind != RT_FIELD_INTEGER || read.count == 2 * RT_PROGRAM_DIMS)
                refuse(program, "attributes with more than ten integers, or packed, are not known:", name.bytes);
            else
                read.integers[read.count++] = field.integer;
        }
    }
    check_end(program, &in, "attribute");
    read.name = rt_attribute_find(name.bytes, strlen(name.bytes));
    if (!read.name)
        refuse(program, "no operator here has an attribute", name.bytes);
    else if (!read.real && !read.list && read.count != 1)
        refuse(program, "an integer is absent from attribute", name.bytes);
    if (!good(program))
        return;
    if (read.real)
        rt_program_set_real(program, read.name, read.value);
    else if (read.list)
        rt_program_set(program, read.name, read.integers, read.count);
    else
        rt_program_set_integer(program, read.name, read.integers[0]);
}

static int find_value(rt_program *program, const text *name)
{
    for (size_t i = 0; i < program->value_count; ++i)
        if (strcmp(program->values[i].name, name->bytes) == 0)
            return (int)i;
    refuse(program, "nothing before its reader is called", name->bytes);
    return -1;
}

static void read_operator(rt_program *program, const rt_field *message)
{
    rt_protobuf_reader in = rt_protobuf_within(message);
    const rt_protobuf_reader again = in;
    rt_field field;
    text output = {""}, name = {""}, type = {""};
    int inputs[RT_PROGRAM_INPUTS];
    size_t count = 0, outputs = 0;
    while (good(program) && rt_protobuf_next(&in, &field)) {
        if (field.number == NODE_INPUT) {
            text input = read_text(program, &field);
            if (count == RT_PROGRAM_INPUTS)
                refuse(program, "an operator has more than eight inputs:", name.bytes);
            else if (good(program))
                inputs[count++] = find_value(program, &input);
        } else if (field.number == NODE_OUTPUT) {
            output = read_text(program, &field);
            ++outputs;
        } else if (field.number == NODE_NAME) {
            name = read_text(program, &field);
        } else if (field.number == NODE_TYPE) {
            type = read_text(program, &field);
        }
    }
    check_end(program, &in, "node");
    rt_operator_kind kind = rt_operator_find(type.bytes, strlen(type.bytes));
    if (kind == RT_OPERATOR_KINDS)
        refuse(program, "operators of type are not known:", type.bytes);
    if (outputs != 1)
        refuse(program, "there is not exactly one output of", name.bytes);
    if (!good(program))
        return;
    rt_program_operator(program, kind, output.bytes, inputs, count);
    if (!good(program))
        return;
    rt_operator *op = &program->operators[program->operator_count - 1];
    snprintf(op->name, sizeof op->name, "%s", name.bytes);
    in = again;
    while (good(program) && rt_protobuf_next(&in, &field))
        if (field.number == NODE_ATTRIBUTE && field.kind == RT_FIELD_BYTES)
            read_attribute(program, &field);
}

/* All messages of one field of the graph, in turn. */
static void read_each(rt_program *program, rt_protobuf_reader in, unsigned number,
                      void (*read)(rt_program *program, const rt_field *message))
{
    rt_field field;
    while (good(program) && rt_protobuf_next(&in, &field))
        if (field.number == number && field.kind == RT_FIELD_BYTES)
            read(program, &field);
    check_end(program, &in, "graph");
}

static void read_input(rt_program *program, const rt_field *message)
{
    rt_sizes sizes;
    text name = read_info(program, message, &sizes);
    if (program->input >= 0)
        refuse(program, "there is more than one input:", name.bytes);
    else if (sizes.count != 4 || sizes.dims[0] != 1 || sizes.dims[1] < 1 || sizes.dims[2] < 1 || sizes.dims[3] < 1)
        refuse(program, "not of four dimensions with an open batch is the input", name.bytes);
    if (good(program))
        rt_program_input(program, name.bytes, &sizes);
}

static void read_output(rt_program *program, const rt_field *message)
{
    rt_sizes sizes;
    text name = read_info(program, message, &sizes);
    if (program->output >= 0)
        refuse(program, "there is more than one output:", name.bytes);
    else if (sizes.count != 2 || sizes.dims[1] < 1)
        refuse(program, "not of two dimensions, batch and classes, is the output", name.bytes);
    if (!good(program))
        return;
    program->output = find_value(program, &name);
    program->classes = (size_t)sizes.dims[1];
    if (good(program) && (program->output == program->input || program->values[program->output].data))
        refuse(program, "no operator computes the output", name.bytes);
}

static void read_model(rt_program *program, rt_protobuf_reader model)
{
    rt_protobuf_reader graph;
    program->input = program->output = -1;
    if (!descend(model, MODEL_GRAPH, &graph)) {
        refuse(program, "there is no graph in", "the model");
        return;
    }
    read_each(program, graph, GRAPH_INPUT, read_input);
    read_each(program, graph, GRAPH_INITIALIZER, read_constant);
    read_each(program, graph, GRAPH_NODE, read_operator);
    read_each(program, graph, GRAPH_OUTPUT, read_output);
    if (good(program) && (program->input < 0 || program->output < 0))
        refuse(program, "it has no", program->input < 0 ? "input" : "output");
}

rt_status rt_onnx_read(const char *path, rt_program *program, rt_error *err)
{
    rt_mapping file;
    rt_quote quote;
    *program = (rt_program){0};
    RT_TRY(rt_mapping_open(path, &file, err));
    read_model(program, (rt_protobuf_reader){.data = file.data, .size = file.size});
    rt_mapping_close(&file);
    if (program->error.status == RT_OK)
        return RT_OK;
    rt_status status = rt_fail(err, program->error.status, "cannot read '%s': %s",
                               rt_quote_text(&quote, path, strlen(path)), program->error.message);
    rt_program_free(program);
    return status;
}
