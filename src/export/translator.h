/* From nodes to ONNX operators. Each kind of node has a function in one of the translate_*.c, and its line in the list
 * below, which declares them all and is translate.c's table. If a new kind needs an operator that programs do not have
 * yet, program.h, one of the lower_*.c and retort_infer.h get it, too. */
#ifndef RETORT_EXPORT_TRANSLATOR_H
#define RETORT_EXPORT_TRANSLATOR_H

#include "export/program.h"

/* What a node's output is in the program: its value as a map [batch, channels, height, width], as tokens [batch,
 * pixels, channels], as rows [batch, features], or several of them; -1 where that form has not been needed. */
typedef struct rt_form {
    int map, tokens, rows;
} rt_form;

typedef struct rt_translator {
    const rt_graph *graph;
    const rt_parameters *parameters;
    const rt_translation *how;
    rt_program *program;
    rt_form *forms; /* of each node */
    int *readers;   /* of each node */
    int *folded;    /* the batch norm whose numbers a convolution takes, or -1 */
} rt_translator;

#define RT_TRANSLATORS(X)                                                                                              \
    X(INPUT, input)                                                                                                    \
    X(CONVOLUTION, convolution)                                                                                        \
    X(BATCH_NORM, batch_norm)                                                                                          \
    X(RELU, relu)                                                                                                      \
    X(RELU6, relu6)                                                                                                    \
    X(ADD, add)                                                                                                        \
    X(MAX_POOL, max_pool)                                                                                              \
    X(AVERAGE_POOL, average_pool)                                                                                      \
    X(GLOBAL_AVERAGE_POOL, global_average_pool)                                                                        \
    X(RESIZE, resize)                                                                                                  \
    X(LINEAR, linear)                                                                                                  \
    X(FLATTEN, flatten)                                                                                                \
    X(CONCAT, concat)                                                                                                  \
    X(CHANNEL_SLICE, channel_slice)                                                                                    \
    X(CHANNEL_SHUFFLE, channel_shuffle)                                                                                \
    X(SUBSAMPLE, subsample)                                                                                            \
    X(DROPOUT, dropout)                                                                                                \
    X(SIGMOID, sigmoid)                                                                                                \
    X(SILU, silu)                                                                                                      \
    X(GELU, gelu)                                                                                                      \
    X(HARD_SIGMOID, hard_sigmoid)                                                                                      \
    X(HARD_SWISH, hard_swish)                                                                                          \
    X(SCALE, scale)                                                                                                    \
    X(LAYER_NORM, layer_norm)                                                                                          \
    X(ATTENTION, attention)                                                                                            \
    X(TOKENS, tokens)

#define RT_DECLARE_TRANSLATOR(kind, name) void rt_translate_##name(rt_translator *t, int at);
RT_TRANSLATORS(RT_DECLARE_TRANSLATOR)
#undef RT_DECLARE_TRANSLATOR

typedef struct rt_label {
    char text[2 * RT_PROGRAM_NAME];
} rt_label;

rt_label rt_labelled(const char *name, const char *suffix); /* "name.suffix" */

const rt_node *rt_translated(const rt_translator *t, int at);
const rt_node *rt_translated_source(const rt_translator *t, int at, size_t s);

/* A node's value in the form that is wanted; where it is in another, an operator brings it there. */
int rt_as_map(rt_translator *t, int at);
int rt_as_tokens(rt_translator *t, int at);
int rt_as_rows(rt_translator *t, int at);
int rt_source_map(rt_translator *t, int at, size_t s); /* rt_as_map() of a source of the node */

/* The form that the node's first source has already: the one to go on with for what takes numbers one by one. The
 * place in t->forms[at] where the result belongs is put into *result. */
int rt_source_as_it_is(rt_translator *t, int at, int **result);

/* Constants. A parameter goes by its own name, and layers may share it. */
int rt_parameter_value(rt_translator *t, int number);
int rt_constant_integers(rt_translator *t, const char *name, const char *suffix, const int64_t *values, size_t count);
int rt_constant_real(rt_translator *t, const char *name, const char *suffix, float value);

/* An operator with the node's own name, whose output is the node's map, or tokens. */
int rt_map_operator(rt_translator *t, int at, rt_operator_kind kind, const int *inputs, size_t count);
int rt_token_operator(rt_translator *t, int at, rt_operator_kind kind, const int *inputs, size_t count);

/* An operator on the way to the node's value: "name.suffix". */
int rt_step_operator(rt_translator *t, int at, const char *suffix, rt_operator_kind kind, const int *inputs,
                     size_t count);

/* Nothing is left of the node: its readers read its source. */
void rt_pass_on(rt_translator *t, int at);

/* Kernel, strides and padding of the node's window, and its dilation, as attributes of the operator added last. */
void rt_set_window(rt_translator *t, int at);
void rt_set_dilation(rt_translator *t, int at);

#endif
