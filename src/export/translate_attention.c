/* Transformers, on tokens [batch, tokens, channels]. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "export/translator.h"

void rt_translate_layer_norm(rt_translator *t, int at)
{
    const rt_node *node = rt_translated(t, at);
    const int inputs[] = {rt_as_tokens(t, node->sources[0]), rt_parameter_value(t, node->norm.weight),
                          rt_parameter_value(t, node->norm.bias)};
    rt_token_operator(t, at, RT_OPERATOR_LAYER_NORMALIZATION, inputs, 3);
    rt_program_set_integer(t->program, "axis", -1);
    rt_program_set_real(t->program, "epsilon", (float)node->norm.epsilon);
}

/* The learnt token and the place of each, [1, tokens, channels]: the first row is the sum of the two, since nothing
 * else stands there. */
static int places(rt_translator *t, const rt_node *node)
{
    const rt_parameter *p = &t->graph->parameters[node->bias];
    const float *token = rt_parameter_values(t->parameters, node->weight);
    float *values = malloc(p->count * sizeof *values);
    if (values) {
        memcpy(values, rt_parameter_values(t->parameters, node->bias), p->count * sizeof *values);
        for (size_t c = 0; c < node->shape.channels; ++c)
            values[c] += token[c];
    }
    const rt_sizes sizes = rt_shape_sizes(&p->shape);
    return rt_program_own_floats(t->program, rt_labelled(node->name, "token_and_places").text, &sizes, values);
}

/* Zeros make room for the learnt token, whatever the batch. */
void rt_translate_tokens(rt_translator *t, int at)
{
    const rt_node *node = rt_translated(t, at);
    const int pads = rt_constant_integers(t, node->name, "pads", (int64_t[]){0, 1, 0, 0, 0, 0}, 6);
    const int x =
        rt_step_operator(t, at, "padded", RT_OPERATOR_PAD, (int[]){rt_as_tokens(t, node->sources[0]), pads}, 2);
    rt_token_operator(t, at, RT_OPERATOR_ADD, (int[]){x, places(t, node)}, 2);
}

/* A third of the channels, [batch, tokens, channels], as [batch, heads, tokens, each], or [batch, heads, each, tokens].
 */
static int part(rt_translator *t, int at, const char *suffix, int third, bool transposed)
{
    const rt_node *node = rt_translated(t, at);
    const rt_label name = rt_labelled(node->name, suffix);
    const int64_t channels = (int64_t)node->shape.channels, heads = (int64_t)node->heads, first = third * channels;
    const int inputs[] = {rt_as_tokens(t, node->sources[0]), rt_constant_integers(t, name.text, "starts", &first, 1),
                          rt_constant_integers(t, name.text, "ends", (int64_t[]){first + channels}, 1),
                          rt_constant_integers(t, name.text, "axes", (int64_t[]){2}, 1)};
    int x = rt_step_operator(t, at, rt_labelled(suffix, "channels").text, RT_OPERATOR_SLICE, inputs, 4);
    const int shape = rt_constant_integers(t, name.text, "shape", (int64_t[]){0, 0, heads, channels / heads}, 4);
    x = rt_step_operator(t, at, rt_labelled(suffix, "heads").text, RT_OPERATOR_RESHAPE, (int[]){x, shape}, 2);
    x = rt_step_operator(t, at, suffix, RT_OPERATOR_TRANSPOSE, &x, 1);
    rt_program_set(t->program, "perm", transposed ? (int64_t[]){0, 2, 3, 1} : (int64_t[]){0, 2, 1, 3}, 4);
    return x;
}

/* softmax(q k^T / sqrt(each)) v for each head. */
void rt_translate_attention(rt_translator *t, int at)
{
    const rt_node *node = rt_translated(t, at);
    const size_t each = node->shape.channels / node->heads;
    const int queries = part(t, at, "queries", 0, false), keys = part(t, at, "keys", 1, true);
    const int values = part(t, at, "values", 2, false);
    const int factor = rt_constant_real(t, node->name, "factor", (float)(1.0 / sqrt((double)each)));
    int x = rt_step_operator(t, at, "scaled", RT_OPERATOR_MUL, (int[]){queries, factor}, 2);
    x = rt_step_operator(t, at, "scores", RT_OPERATOR_MATMUL, (int[]){x, keys}, 2);
    x = rt_step_operator(t, at, "shares", RT_OPERATOR_SOFTMAX, &x, 1);
    rt_program_set_integer(t->program, "axis", -1);
    x = rt_step_operator(t, at, "sums", RT_OPERATOR_MATMUL, (int[]){x, values}, 2);
    x = rt_step_operator(t, at, "joined", RT_OPERATOR_TRANSPOSE, &x, 1);
    rt_program_set(t->program, "perm", (int64_t[]){0, 2, 1, 3}, 4);
    const int shape = rt_constant_integers(t, node->name, "shape", (int64_t[]){0, 0, (int64_t)node->shape.channels}, 3);
    rt_token_operator(t, at, RT_OPERATOR_RESHAPE, (int[]){x, shape}, 2);
}
