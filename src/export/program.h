/* A network as a list of ONNX operators on named values: what every export that runs elsewhere goes through.
 *
 *     graph and parameters -> rt_program_translate() -> program -> rt_onnx_write() -> file
 *     file -> rt_onnx_read() -> program -> rt_lowered_new() -> retort_infer.h runs it
 *
 * Layout is ONNX's: [batch, channels, height, width] for maps, [batch, features] for vectors. */
#ifndef RETORT_EXPORT_PROGRAM_H
#define RETORT_EXPORT_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>

#include "formats/tensors.h"
#include "graph/parameters.h"

enum { RT_PROGRAM_DIMS = 5, RT_PROGRAM_INPUTS = 8, RT_PROGRAM_ATTRIBUTES = 6, RT_PROGRAM_NAME = 160 };

/* The operators of opset 17 that programs are made of. */
typedef enum rt_operator_kind {
    RT_OPERATOR_CONV,
    RT_OPERATOR_BATCH_NORMALIZATION,
    RT_OPERATOR_RELU,
    RT_OPERATOR_CLIP,
    RT_OPERATOR_ADD,
    RT_OPERATOR_SUB,
    RT_OPERATOR_MUL,
    RT_OPERATOR_DIV,
    RT_OPERATOR_SIGMOID,
    RT_OPERATOR_ERF,
    RT_OPERATOR_HARD_SIGMOID,
    RT_OPERATOR_HARD_SWISH,
    RT_OPERATOR_SOFTMAX,
    RT_OPERATOR_LAYER_NORMALIZATION,
    RT_OPERATOR_MAX_POOL,
    RT_OPERATOR_AVERAGE_POOL,
    RT_OPERATOR_GLOBAL_AVERAGE_POOL,
    RT_OPERATOR_GEMM,
    RT_OPERATOR_MATMUL,
    RT_OPERATOR_CONCAT,
    RT_OPERATOR_SLICE,
    RT_OPERATOR_PAD,
    RT_OPERATOR_TRANSPOSE,
    RT_OPERATOR_RESHAPE,
    RT_OPERATOR_FLATTEN,
    RT_OPERATOR_QUANTIZE_LINEAR,
    RT_OPERATOR_DEQUANTIZE_LINEAR,
    RT_OPERATOR_KINDS
} rt_operator_kind;

typedef struct rt_sizes {
    size_t count;
    int64_t dims[RT_PROGRAM_DIMS];
} rt_sizes;

/* A constant, the input, or what an operator computes. */
typedef struct rt_value {
    char name[RT_PROGRAM_NAME];
    bool integer;     /* a constant of int64_t, not of float */
    bool narrow;      /* a constant of int8_t, which DequantizeLinear alone reads */
    rt_sizes sizes;   /* of constants and the input, whose first is the batch, 1 here and any in a file */
    const void *data; /* constants alone */
    void *owned;      /* what to free with the program; data may be borrowed */
} rt_value;

/* `name` is in static storage. Floats have kind FLOAT, everything else is integers. */
typedef struct rt_attribute {
    const char *name;
    bool real, list; /* a float; a list of integers, however long */
    float value;
    size_t count;
    int64_t integers[2 * RT_PROGRAM_DIMS];
} rt_attribute;

typedef struct rt_operator {
    rt_operator_kind kind;
    char name[RT_PROGRAM_NAME]; /* the layer's */
    int inputs[RT_PROGRAM_INPUTS], output;
    size_t input_count, attribute_count;
    rt_attribute attributes[RT_PROGRAM_ATTRIBUTES];
} rt_operator;

typedef struct rt_program {
    rt_value *values;
    size_t value_count, value_capacity;
    rt_operator *operators;
    size_t operator_count, operator_capacity;
    int input, output; /* values */
    size_t classes;
    rt_error error; /* the first; later additions do nothing */
} rt_program;

void rt_program_free(rt_program *program); /* accepts a zeroed struct */

/* Each returns the number of the new value, or -1 once something is wrong. Names are unique among values. */
int rt_program_input(rt_program *program, const char *name, const rt_sizes *sizes);
int rt_program_floats(rt_program *program, const char *name, const rt_sizes *sizes, const float *borrowed);
int rt_program_own_floats(rt_program *program, const char *name, const rt_sizes *sizes,
                          float *owned); /* NULL: no memory */
int rt_program_own_steps(rt_program *program, const char *name, const rt_sizes *sizes,
                         int8_t *owned); /* of quantised numbers; NULL: no memory */
int rt_program_integers(rt_program *program, const char *name, const int64_t *values, size_t count);
int rt_program_operator(rt_program *program, rt_operator_kind kind, const char *name, const int *inputs, size_t count);

/* Attributes of the operator added last. */
void rt_program_set(rt_program *program, const char *attribute, const int64_t *integers, size_t count);
void rt_program_set_integer(rt_program *program, const char *attribute, int64_t integer);
void rt_program_set_real(rt_program *program, const char *attribute, float real);

/* NULL where the operator has none of that name. */
const rt_attribute *rt_operator_attribute(const rt_operator *op, const char *name);

const char *rt_operator_name(rt_operator_kind kind); /* "Conv" */
/* The kind of that name, or RT_OPERATOR_KINDS. */
rt_operator_kind rt_operator_find(const char *name, size_t length);
/* The attribute's name in static storage, or NULL where no operator of ours has one of that name. */
const char *rt_attribute_find(const char *name, size_t length);

rt_sizes rt_shape_sizes(const rt_shape *shape);

/* Bytes of each number of a constant. */
size_t rt_value_size(const rt_value *value);

/* What there is of a value: the product of its sizes; false where that is negative or more than fits. */
bool rt_sizes_count(const rt_sizes *sizes, size_t *count);

typedef struct rt_translation {
    bool fold;      /* batch norms into the convolutions before them */
    bool normalize; /* the input is pixels in 0..1, and the program subtracts `mean` and divides by `std` */
    const float *mean, *std;
} rt_translation;

/* Fills a zeroed program. It borrows weights from `parameters`. A kind of node that has no translation is an error that
 * names it. The input is "images", the output "logits". */
rt_status rt_program_translate(const rt_graph *graph, const rt_parameters *parameters, const rt_translation *how,
                               rt_program *program, rt_error *err);

#endif
