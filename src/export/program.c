#include "export/program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[RT_OPERATOR_KINDS] = {
    [RT_OPERATOR_CONV] = "Conv",
    [RT_OPERATOR_BATCH_NORMALIZATION] = "BatchNormalization",
    [RT_OPERATOR_RELU] = "Relu",
    [RT_OPERATOR_CLIP] = "Clip",
    [RT_OPERATOR_ADD] = "Add",
    [RT_OPERATOR_SUB] = "Sub",
    [RT_OPERATOR_MUL] = "Mul",
    [RT_OPERATOR_DIV] = "Div",
    [RT_OPERATOR_SIGMOID] = "Sigmoid",
    [RT_OPERATOR_ERF] = "Erf",
    [RT_OPERATOR_HARD_SIGMOID] = "HardSigmoid",
    [RT_OPERATOR_HARD_SWISH] = "HardSwish",
    [RT_OPERATOR_SOFTMAX] = "Softmax",
    [RT_OPERATOR_LAYER_NORMALIZATION] = "LayerNormalization",
    [RT_OPERATOR_MAX_POOL] = "MaxPool",
    [RT_OPERATOR_AVERAGE_POOL] = "AveragePool",
    [RT_OPERATOR_GLOBAL_AVERAGE_POOL] = "GlobalAveragePool",
    [RT_OPERATOR_GEMM] = "Gemm",
    [RT_OPERATOR_MATMUL] = "MatMul",
    [RT_OPERATOR_CONCAT] = "Concat",
    [RT_OPERATOR_SLICE] = "Slice",
    [RT_OPERATOR_PAD] = "Pad",
    [RT_OPERATOR_TRANSPOSE] = "Transpose",
    [RT_OPERATOR_RESHAPE] = "Reshape",
    [RT_OPERATOR_FLATTEN] = "Flatten",
    [RT_OPERATOR_QUANTIZE_LINEAR] = "QuantizeLinear",
    [RT_OPERATOR_DEQUANTIZE_LINEAR] = "DequantizeLinear",
};

static const char *const attributes[] = {"kernel_shape", "strides", "pads", "dilations",         "group", "epsilon",
                                         "axis",         "transB",  "perm", "count_include_pad", "alpha", "beta"};

static bool is_text(const char *known, const char *text, size_t length)
{
    return strlen(known) == length && memcmp(known, text, length) == 0;
}

const char *rt_operator_name(rt_operator_kind kind)
{
    return names[kind];
}

rt_operator_kind rt_operator_find(const char *name, size_t length)
{
    int kind = 0;
    while (kind < RT_OPERATOR_KINDS && !is_text(names[kind], name, length))
        ++kind;
    return (rt_operator_kind)kind;
}

const char *rt_attribute_find(const char *name, size_t length)
{
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes; ++i)
        if (is_text(attributes[i], name, length))
            return attributes[i];
    return NULL;
}

const rt_attribute *rt_operator_attribute(const rt_operator *op, const char *name)
{
    for (size_t i = 0; i < op->attribute_count; ++i)
        if (strcmp(op->attributes[i].name, name) == 0)
            return &op->attributes[i];
    return NULL;
}

rt_sizes rt_shape_sizes(const rt_shape *shape)
{
    rt_sizes sizes = {.count = shape->count};
    for (size_t i = 0; i < shape->count; ++i)
        sizes.dims[i] = (int64_t)shape->dims[i];
    return sizes;
}

bool rt_sizes_count(const rt_sizes *sizes, size_t *count)
{
    *count = 1;
    for (size_t i = 0; i < sizes->count; ++i)
        if (sizes->dims[i] < 0 || __builtin_mul_overflow(*count, (size_t)sizes->dims[i], count))
            return false;
    return *count <= SIZE_MAX / 64;
}

size_t rt_value_size(const rt_value *value)
{
    return value->integer ? sizeof(int64_t) : value->narrow ? sizeof(int8_t) : sizeof(float);
}

void rt_program_free(rt_program *program)
{
    for (size_t i = 0; i < program->value_count; ++i)
        free(program->values[i].owned);
    free(program->values);
    free(program->operators);
    *program = (rt_program){0};
}

static bool grow(rt_program *program, void *array, size_t *capacity, size_t count, size_t size)
{
    if (program->error.status != RT_OK)
        return false;
    if (count < *capacity)
        return true;
    size_t wanted = *capacity ? 2 * *capacity : 64;
    void *larger = realloc(*(void **)array, wanted * size);
    if (!larger) {
        rt_fail(&program->error, RT_ERROR_MEMORY, "no memory for a network of %zu operators", wanted);
        return false;
    }
    *(void **)array = larger;
    *capacity = wanted;
    return true;
}

/* Takes over value->owned, which is freed where the value cannot be added. */
static int add_value(rt_program *program, const char *name, const rt_value *value)
{
    if (program->error.status == RT_OK && strlen(name) >= RT_PROGRAM_NAME)
        rt_fail(&program->error, RT_ERROR_FORMAT, "the name '%.80s...' is too long", name);
    for (size_t i = 0; program->error.status == RT_OK && i < program->value_count; ++i)
        if (strcmp(program->values[i].name, name) == 0)
            rt_fail(&program->error, RT_ERROR_FORMAT, "two values are called '%s'", name);
    if (!grow(program, &program->values, &program->value_capacity, program->value_count, sizeof *program->values)) {
        free(value->owned);
        return -1;
    }
    rt_value *added = &program->values[program->value_count];
    *added = *value;
    snprintf(added->name, sizeof added->name, "%s", name);
    return (int)program->value_count++;
}

int rt_program_input(rt_program *program, const char *name, const rt_sizes *sizes)
{
    return program->input = add_value(program, name, &(rt_value){.sizes = *sizes});
}

int rt_program_floats(rt_program *program, const char *name, const rt_sizes *sizes, const float *borrowed)
{
    return add_value(program, name, &(rt_value){.sizes = *sizes, .data = borrowed});
}

static int own(rt_program *program, const char *name, const rt_sizes *sizes, void *owned, bool narrow)
{
    if (!owned && program->error.status == RT_OK)
        rt_fail(&program->error, RT_ERROR_MEMORY, "no memory for '%s'", name);
    return add_value(program, name, &(rt_value){.narrow = narrow, .sizes = *sizes, .data = owned, .owned = owned});
}

int rt_program_own_floats(rt_program *program, const char *name, const rt_sizes *sizes, float *owned)
{
    return own(program, name, sizes, owned, false);
}

int rt_program_own_steps(rt_program *program, const char *name, const rt_sizes *sizes, int8_t *owned)
{
    return own(program, name, sizes, owned, true);
}

int rt_program_integers(rt_program *program, const char *name, const int64_t *values, size_t count)
{
    int64_t *owned = calloc(count + 1, sizeof *owned);
    if (!owned) {
        rt_fail(&program->error, RT_ERROR_MEMORY, "no memory for '%s'", name);
        return -1;
    }
    memcpy(owned, values, count * sizeof *owned);
    return add_value(program, name,
                     &(rt_value){.integer = true, .sizes = {1, {(int64_t)count}}, .data = owned, .owned = owned});
}

int rt_program_operator(rt_program *program, rt_operator_kind kind, const char *name, const int *inputs, size_t count)
{
    if (program->error.status == RT_OK && count > RT_PROGRAM_INPUTS)
        rt_fail(&program->error, RT_ERROR_SHAPE, "%s '%s' has %zu inputs; at most %d can be exported", names[kind],
                name, count, RT_PROGRAM_INPUTS);
    int output = add_value(program, name, &(rt_value){0});
    if (!grow(program, &program->operators, &program->operator_capacity, program->operator_count,
              sizeof *program->operators))
        return -1;
    rt_operator *op = &program->operators[program->operator_count++];
    *op = (rt_operator){.kind = kind, .input_count = count, .output = output};
    snprintf(op->name, sizeof op->name, "%s", name);
    if (count > 0)
        memcpy(op->inputs, inputs, count * sizeof *inputs);
    return output;
}

static rt_attribute *add_attribute(rt_program *program, const char *name)
{
    if (program->error.status != RT_OK)
        return NULL;
    rt_operator *op = &program->operators[program->operator_count - 1];
    if (op->attribute_count == RT_PROGRAM_ATTRIBUTES) {
        rt_fail(&program->error, RT_ERROR_FORMAT, "operator '%s' has more than %d attributes", op->name,
                RT_PROGRAM_ATTRIBUTES);
        return NULL;
    }
    rt_attribute *attribute = &op->attributes[op->attribute_count++];
    *attribute = (rt_attribute){.name = name};
    return attribute;
}

void rt_program_set(rt_program *program, const char *name, const int64_t *integers, size_t count)
{
    rt_attribute *attribute = add_attribute(program, name);
    if (!attribute)
        return;
    attribute->list = true;
    attribute->count = count;
    memcpy(attribute->integers, integers, count * sizeof *integers);
}

void rt_program_set_integer(rt_program *program, const char *name, int64_t integer)
{
    rt_attribute *attribute = add_attribute(program, name);
    if (!attribute)
        return;
    attribute->count = 1;
    attribute->integers[0] = integer;
}

void rt_program_set_real(rt_program *program, const char *name, float real)
{
    rt_attribute *attribute = add_attribute(program, name);
    if (!attribute)
        return;
    attribute->real = true;
    attribute->value = real;
}
