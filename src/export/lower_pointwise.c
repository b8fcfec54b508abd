/* Operators on numbers one by one, on pairs of them, and what brings numbers to a common scale. */
#include "export/lowering.h"

void rt_lower_curve(rt_lowering *l, retort_operator *to)
{
    if (!rt_lower_has(l, 0, 0, RETORT_DIMS))
        return;
    to->kind = l->op->kind == RT_OPERATOR_RELU      ? RETORT_RELU
               : l->op->kind == RT_OPERATOR_SIGMOID ? RETORT_SIGMOID
               : l->op->kind == RT_OPERATOR_ERF     ? RETORT_ERF
                                                    : RETORT_HARD_SWISH;
    to->input_count = 1;
    rt_lower_output(l, rt_lower_input(l, 0));
}

void rt_lower_hard_sigmoid(rt_lowering *l, retort_operator *to)
{
    if (!rt_lower_has(l, 0, 0, RETORT_DIMS))
        return;
    to->kind = RETORT_HARD_SIGMOID;
    to->input_count = 1;
    to->reals[0] = rt_lower_real(l, "alpha", 0.2f);
    to->reals[1] = rt_lower_real(l, "beta", 0.5f);
    rt_lower_output(l, rt_lower_input(l, 0));
}

void rt_lower_clip(rt_lowering *l, retort_operator *to)
{
    if (!rt_lower_has(l, 0, 0, RETORT_DIMS) || !rt_lower_has(l, 1, 0, 0) || !rt_lower_has(l, 2, 0, 0))
        return;
    to->kind = RETORT_CLIP;
    to->input_count = 3;
    rt_lower_output(l, rt_lower_input(l, 0));
}

void rt_lower_elementwise(rt_lowering *l, retort_operator *to)
{
    rt_sizes out;
    if (!rt_lower_has(l, 0, 0, RETORT_DIMS) || !rt_lower_has(l, 1, 0, RETORT_DIMS) || !rt_lower_broadcast(l, 0, &out))
        return;
    to->kind = l->op->kind == RT_OPERATOR_ADD   ? RETORT_ADD
               : l->op->kind == RT_OPERATOR_SUB ? RETORT_SUBTRACT
               : l->op->kind == RT_OPERATOR_MUL ? RETORT_MULTIPLY
                                                : RETORT_DIVIDE;
    to->input_count = 2;
    rt_lower_output(l, &out);
}

void rt_lower_batch_norm(rt_lowering *l, retort_operator *to)
{
    if (!rt_lower_has(l, 0, 2, 4))
        return;
    for (size_t i = 1; i < 5; ++i)
        if (!rt_lower_has(l, i, 1, 1) ||
            !rt_lower_holds(l, rt_lower_input(l, i)->dims[0] == rt_lower_input(l, 0)->dims[1],
                            "its numbers do not fit its input"))
            return;
    to->kind = RETORT_BATCH_NORM;
    to->input_count = 5;
    to->numbers[0] = RETORT_DIMS - (long)rt_lower_input(l, 0)->count + 1;
    to->reals[0] = rt_lower_real(l, "epsilon", 1e-5f);
    rt_lower_output(l, rt_lower_input(l, 0));
}

/* The last dimension is the one whose numbers have to do with each other, as a negative number or as it is. */
static bool is_along_last(rt_lowering *l)
{
    const int64_t count = (int64_t)rt_lower_input(l, 0)->count, axis = rt_lower_integer(l, "axis", -1);
    return rt_lower_holds(l, axis == -1 || axis == count - 1, "it must be along the last dimension");
}

void rt_lower_softmax(rt_lowering *l, retort_operator *to)
{
    if (!rt_lower_has(l, 0, 1, RETORT_DIMS) || !is_along_last(l))
        return;
    to->kind = RETORT_SOFTMAX;
    to->input_count = 1;
    rt_lower_output(l, rt_lower_input(l, 0));
}

void rt_lower_layer_norm(rt_lowering *l, retort_operator *to)
{
    if (!rt_lower_has(l, 0, 1, RETORT_DIMS) || !is_along_last(l) || !rt_lower_has(l, 1, 1, 1) ||
        !rt_lower_has(l, 2, 1, 1))
        return;
    const int64_t length = rt_lower_input(l, 0)->dims[rt_lower_input(l, 0)->count - 1];
    if (!rt_lower_holds(l, rt_lower_input(l, 1)->dims[0] == length && rt_lower_input(l, 2)->dims[0] == length,
                        "its numbers do not fit its input"))
        return;
    to->kind = RETORT_LAYER_NORM;
    to->input_count = 3;
    to->reals[0] = rt_lower_real(l, "epsilon", 1e-5f);
    rt_lower_output(l, rt_lower_input(l, 0));
}
