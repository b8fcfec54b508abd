/* Steps of 8 bits: from numbers, and back. */
#include "export/lowering.h"

static const rt_value *value(const rt_lowering *l, size_t place)
{
    return place < l->op->input_count ? &l->program->values[l->op->inputs[place]] : NULL;
}

/* One scale for all numbers, and a zero point, which says that steps are signed, of 0. */
void rt_lower_quantize(rt_lowering *l, retort_operator *to)
{
    const rt_value *zero = value(l, 2);
    if (!rt_lower_has(l, 0, 0, RETORT_DIMS) || !rt_lower_has(l, 1, 0, 0) ||
        !rt_lower_holds(l, zero && zero->narrow && zero->sizes.count == 0 && *(const int8_t *)zero->data == 0,
                        "its zero point is not an int8 of 0"))
        return;
    to->kind = RETORT_QUANTIZE;
    to->input_count = 2;
    rt_lower_output(l, rt_lower_input(l, 0));
}

/* Steps that are a constant, or that QuantizeLinear made, with one scale, or one for each place along an axis. */
void rt_lower_dequantize(rt_lowering *l, retort_operator *to)
{
    const rt_value *steps = value(l, 0);
    bool good = steps && (steps->narrow || rt_lower_has(l, 0, 0, RETORT_DIMS));
    if (!rt_lower_holds(l, good && l->op->input_count == 2, "it must have steps and a scale, and no zero point") ||
        !rt_lower_has(l, 1, 0, 1))
        return;
    const rt_sizes *x = rt_lower_input(l, 0), *scale = rt_lower_input(l, 1);
    int64_t axis = scale->count == 0 ? 0 : rt_lower_integer(l, "axis", 1);
    good = scale->count == 0 || (axis >= 0 && axis < (int64_t)x->count && scale->dims[0] == x->dims[axis]);
    if (!rt_lower_holds(l, good, "its scales do not fit its steps"))
        return;
    to->kind = RETORT_DEQUANTIZE;
    to->input_count = 2;
    to->numbers[0] = x->count == 0 ? 0 : (long)(RETORT_DIMS - (int64_t)x->count + axis);
    rt_lower_output(l, x);
}
