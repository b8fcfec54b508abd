/* What takes numbers one by one, or those of two sources in pairs. */
#include "export/translator.h"

/* One operator on the source in whatever form it has, with constants behind it. */
static void unary(rt_translator *t, int at, rt_operator_kind kind, const int *constants, size_t count)
{
    int *result, inputs[RT_PROGRAM_INPUTS] = {rt_source_as_it_is(t, at, &result)};
    for (size_t i = 0; i < count; ++i)
        inputs[i + 1] = constants[i];
    *result = rt_program_operator(t->program, kind, rt_translated(t, at)->name, inputs, count + 1);
}

void rt_translate_relu(rt_translator *t, int at)
{
    unary(t, at, RT_OPERATOR_RELU, NULL, 0);
}

void rt_translate_relu6(rt_translator *t, int at)
{
    const char *name = rt_translated(t, at)->name;
    unary(t, at, RT_OPERATOR_CLIP,
          (int[]){rt_constant_real(t, name, "low", 0.0f), rt_constant_real(t, name, "high", 6.0f)}, 2);
}

void rt_translate_sigmoid(rt_translator *t, int at)
{
    unary(t, at, RT_OPERATOR_SIGMOID, NULL, 0);
}

void rt_translate_silu(rt_translator *t, int at)
{
    int *result, x = rt_source_as_it_is(t, at, &result);
    const int factor = rt_step_operator(t, at, "sigmoid", RT_OPERATOR_SIGMOID, &x, 1);
    *result = rt_program_operator(t->program, RT_OPERATOR_MUL, rt_translated(t, at)->name, (int[]){x, factor}, 2);
}

/* x (1 + erf(x / sqrt 2)) / 2, in the order in which onnxruntime knows it for GELU. */
void rt_translate_gelu(rt_translator *t, int at)
{
    const char *name = rt_translated(t, at)->name;
    int *result, x = rt_source_as_it_is(t, at, &result);
    const int root = rt_constant_real(t, name, "root", 1.41421356237309505f);
    const int one = rt_constant_real(t, name, "one", 1.0f), half = rt_constant_real(t, name, "half", 0.5f);
    int y = rt_step_operator(t, at, "scaled", RT_OPERATOR_DIV, (int[]){x, root}, 2);
    y = rt_step_operator(t, at, "erf", RT_OPERATOR_ERF, &y, 1);
    y = rt_step_operator(t, at, "twice_probability", RT_OPERATOR_ADD, (int[]){y, one}, 2);
    y = rt_step_operator(t, at, "twice", RT_OPERATOR_MUL, (int[]){x, y}, 2);
    *result = rt_program_operator(t->program, RT_OPERATOR_MUL, name, (int[]){y, half}, 2);
}

void rt_translate_hard_sigmoid(rt_translator *t, int at)
{
    unary(t, at, RT_OPERATOR_HARD_SIGMOID, NULL, 0);
    rt_program_set_real(t->program, "alpha", 1.0f / 6.0f);
    rt_program_set_real(t->program, "beta", 0.5f);
}

void rt_translate_hard_swish(rt_translator *t, int at)
{
    unary(t, at, RT_OPERATOR_HARD_SWISH, NULL, 0);
}

void rt_translate_add(rt_translator *t, int at)
{
    const int *sources = rt_translated(t, at)->sources;
    if (t->forms[sources[0]].tokens >= 0 && t->forms[sources[1]].tokens >= 0)
        rt_token_operator(t, at, RT_OPERATOR_ADD, (int[]){t->forms[sources[0]].tokens, t->forms[sources[1]].tokens}, 2);
    else
        rt_map_operator(t, at, RT_OPERATOR_ADD, (int[]){rt_source_map(t, at, 0), rt_source_map(t, at, 1)}, 2);
}

void rt_translate_scale(rt_translator *t, int at)
{
    rt_map_operator(t, at, RT_OPERATOR_MUL, (int[]){rt_source_map(t, at, 0), rt_source_map(t, at, 1)}, 2);
}

void rt_translate_dropout(rt_translator *t, int at)
{
    rt_pass_on(t, at);
}
