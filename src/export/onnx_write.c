#include <stdlib.h>

#include "base/file.h"
#include "base/version.h"
#include "export/onnx.h"
#include "export/onnx_fields.h"
#include "export/protobuf.h"

static const size_t largest_file = (size_t)1900 << 20;

static void write_attribute(rt_protobuf *out, const rt_attribute *attribute)
{
    size_t mark;
    rt_protobuf_begin(out, NODE_ATTRIBUTE, &mark);
    rt_protobuf_text(out, ATTRIBUTE_NAME, attribute->name);
    if (attribute->real)
        rt_protobuf_real(out, ATTRIBUTE_FLOAT, attribute->value);
    else if (attribute->list)
        for (size_t i = 0; i < attribute->count; ++i) /* proto2 does not pack them */
            rt_protobuf_integer(out, ATTRIBUTE_INTS, attribute->integers[i]);
    else
        rt_protobuf_integer(out, ATTRIBUTE_INT, attribute->integers[0]);
    rt_protobuf_integer(out, ATTRIBUTE_TYPE,
                        attribute->real   ? ATTRIBUTE_IS_FLOAT
                        : attribute->list ? ATTRIBUTE_IS_INTS
                                          : ATTRIBUTE_IS_INT);
    rt_protobuf_end(out, mark);
}

static void write_operator(rt_protobuf *out, const rt_program *program, const rt_operator *op)
{
    size_t mark;
    rt_protobuf_begin(out, GRAPH_NODE, &mark);
    for (size_t i = 0; i < op->input_count; ++i)
        rt_protobuf_text(out, NODE_INPUT, program->values[op->inputs[i]].name);
    rt_protobuf_text(out, NODE_OUTPUT, program->values[op->output].name);
    rt_protobuf_text(out, NODE_NAME, op->name);
    rt_protobuf_text(out, NODE_TYPE, rt_operator_name(op->kind));
    for (size_t i = 0; i < op->attribute_count; ++i)
        write_attribute(out, &op->attributes[i]);
    rt_protobuf_end(out, mark);
}

static void write_constant(rt_protobuf *out, const rt_value *value)
{
    size_t mark, count;
    rt_sizes_count(&value->sizes, &count);
    rt_protobuf_begin(out, GRAPH_INITIALIZER, &mark);
    for (size_t i = 0; i < value->sizes.count; ++i)
        rt_protobuf_integer(out, TENSOR_DIMS, value->sizes.dims[i]);
    rt_protobuf_integer(out, TENSOR_TYPE, value->integer ? TYPE_INT64 : value->narrow ? TYPE_INT8 : TYPE_FLOAT);
    rt_protobuf_text(out, TENSOR_NAME, value->name);
    rt_protobuf_bytes(out, TENSOR_RAW, value->data, count * rt_value_size(value));
    rt_protobuf_end(out, mark);
}

/* What goes in or comes out: floats of any batch. */
static void write_info(rt_protobuf *out, unsigned field, const rt_value *value, const rt_sizes *sizes)
{
    size_t info, type, tensor, shape, dim;
    rt_protobuf_begin(out, field, &info);
    rt_protobuf_text(out, INFO_NAME, value->name);
    rt_protobuf_begin(out, INFO_TYPE, &type);
    rt_protobuf_begin(out, TYPE_TENSOR, &tensor);
    rt_protobuf_integer(out, TENSOR_TYPE_ELEMENT, TYPE_FLOAT);
    rt_protobuf_begin(out, TENSOR_TYPE_SHAPE, &shape);
    for (size_t i = 0; i < sizes->count; ++i) {
        rt_protobuf_begin(out, SHAPE_DIM, &dim);
        if (i == 0)
            rt_protobuf_text(out, DIM_NAME, "batch");
        else
            rt_protobuf_integer(out, DIM_VALUE, sizes->dims[i]);
        rt_protobuf_end(out, dim);
    }
    rt_protobuf_end(out, shape);
    rt_protobuf_end(out, tensor);
    rt_protobuf_end(out, type);
    rt_protobuf_end(out, info);
}

static void write_graph(rt_protobuf *out, const rt_program *program, const char *name)
{
    size_t mark;
    const rt_sizes logits = {2, {1, (int64_t)program->classes}};
    rt_protobuf_begin(out, MODEL_GRAPH, &mark);
    for (size_t i = 0; i < program->operator_count; ++i)
        write_operator(out, program, &program->operators[i]);
    rt_protobuf_text(out, GRAPH_NAME, name);
    for (size_t i = 0; i < program->value_count; ++i)
        if (program->values[i].data)
            write_constant(out, &program->values[i]);
    const rt_value *input = &program->values[program->input];
    write_info(out, GRAPH_INPUT, input, &input->sizes);
    write_info(out, GRAPH_OUTPUT, &program->values[program->output], &logits);
    rt_protobuf_end(out, mark);
}

rt_status rt_onnx_write(const char *path, const rt_program *program, const char *name, const rt_text_pair *metadata,
                        size_t metadata_count, rt_error *err)
{
    rt_protobuf out = {0};
    size_t mark;
    rt_protobuf_integer(&out, MODEL_IR, IR_VERSION);
    rt_protobuf_text(&out, MODEL_PRODUCER, "retort");
    rt_protobuf_text(&out, MODEL_PRODUCER_VERSION, RT_VERSION);
    write_graph(&out, program, name);
    rt_protobuf_begin(&out, MODEL_OPSET, &mark);
    rt_protobuf_text(&out, OPSET_DOMAIN, "");
    rt_protobuf_integer(&out, OPSET_VERSION, OPSET);
    rt_protobuf_end(&out, mark);
    for (size_t i = 0; i < metadata_count; ++i) {
        rt_protobuf_begin(&out, MODEL_METADATA, &mark);
        rt_protobuf_text(&out, ENTRY_KEY, metadata[i].key);
        rt_protobuf_text(&out, ENTRY_VALUE, metadata[i].value);
        rt_protobuf_end(&out, mark);
    }
    rt_status status = out.failed ? rt_fail(err, RT_ERROR_MEMORY, "cannot write '%s': no memory", path) : RT_OK;
    if (status == RT_OK && out.size > largest_file)
        status = rt_fail(err, RT_ERROR_SHAPE, "cannot write '%s': it would have %zu bytes; ONNX files end at 2 GiB",
                         path, out.size);
    if (status == RT_OK)
        status = rt_file_write(path, &(rt_piece){out.data, out.size}, 1, err);
    free(out.data);
    return status;
}
