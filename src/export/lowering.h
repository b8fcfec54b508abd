/* Between lower.c and the files that know operators: a program on its way to retort_infer.h. An operator has a function
 * in one of the lower_*.c, and its line in the list below. */
#ifndef RETORT_EXPORT_LOWERING_H
#define RETORT_EXPORT_LOWERING_H

#include "export/lowered.h"

enum { RT_LARGEST_WINDOW = 65536 };

typedef struct rt_lowering {
    const rt_program *program;
    const rt_operator *op; /* the one at work */
    rt_sizes *sizes;       /* of each value, for one image; filled in the order of the operators */
    rt_error error;
} rt_lowering;

/* Finds the output's sizes and the lowered operator's kind, numbers, and how many of the inputs it reads (the first
 * ones; integers behind them have become numbers). What does not fit is an error that names the operator. */
void rt_lower_operator(rt_lowering *l, const rt_operator *op, retort_operator *to);

#define RT_LOWERINGS(X)                                                                                                \
    X(CONV, convolution)                                                                                               \
    X(BATCH_NORMALIZATION, batch_norm)                                                                                 \
    X(RELU, curve)                                                                                                     \
    X(CLIP, clip)                                                                                                      \
    X(ADD, elementwise)                                                                                                \
    X(SUB, elementwise)                                                                                                \
    X(MUL, elementwise)                                                                                                \
    X(DIV, elementwise)                                                                                                \
    X(SIGMOID, curve)                                                                                                  \
    X(ERF, curve)                                                                                                      \
    X(HARD_SIGMOID, hard_sigmoid)                                                                                      \
    X(HARD_SWISH, curve)                                                                                               \
    X(SOFTMAX, softmax)                                                                                                \
    X(LAYER_NORMALIZATION, layer_norm)                                                                                 \
    X(MAX_POOL, pool)                                                                                                  \
    X(AVERAGE_POOL, pool)                                                                                              \
    X(GLOBAL_AVERAGE_POOL, global_average_pool)                                                                        \
    X(GEMM, gemm)                                                                                                      \
    X(MATMUL, matmul)                                                                                                  \
    X(CONCAT, concat)                                                                                                  \
    X(SLICE, slice)                                                                                                    \
    X(PAD, pad)                                                                                                        \
    X(TRANSPOSE, transpose)                                                                                            \
    X(RESHAPE, reshape)                                                                                                \
    X(FLATTEN, flatten)                                                                                                \
    X(QUANTIZE_LINEAR, quantize)                                                                                       \
    X(DEQUANTIZE_LINEAR, dequantize)

/* One function may serve several operators: what is declared twice is declared once. */
#define RT_DECLARE_LOWERING(kind, name) void rt_lower_##name(rt_lowering *l, retort_operator *to);
RT_LOWERINGS(RT_DECLARE_LOWERING)
#undef RT_DECLARE_LOWERING

/* Reports and returns false where the rule does not hold. */
bool rt_lower_holds(rt_lowering *l, bool rule, const char *words);

const rt_sizes *rt_lower_input(const rt_lowering *l, size_t place);
void rt_lower_output(rt_lowering *l, const rt_sizes *sizes);

/* Whether the input is there and has floats of so many dimensions. */
bool rt_lower_has(rt_lowering *l, size_t place, size_t least, size_t most);

/* The integers of a constant input; NULL, and reported, where there are not so many. */
const int64_t *rt_lower_constant(rt_lowering *l, size_t place, size_t count);
size_t rt_lower_constant_length(const rt_lowering *l, size_t place); /* 0 where it is no constant of integers */

/* Attributes, or `absent`. A list has `absent` for each of its numbers, and at least `least` in each otherwise. */
int64_t rt_lower_integer(const rt_lowering *l, const char *name, int64_t absent);
float rt_lower_real(const rt_lowering *l, const char *name, float absent);
bool rt_lower_list(rt_lowering *l, const char *name, size_t count, int64_t absent, int64_t least, int64_t *values);

/* The sizes of two inputs from the right: equal, or 1 on one side. The last `own` dimensions are the operator's own
 * business. */
bool rt_lower_broadcast(rt_lowering *l, size_t own, rt_sizes *out);

#endif
