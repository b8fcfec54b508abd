/* Operators that only move numbers. */
#include "export/lowering.h"

void rt_lower_concat(rt_lowering *l, retort_operator *to)
{
    if (!rt_lower_has(l, 0, 1, RETORT_DIMS))
        return;
    rt_sizes out = *rt_lower_input(l, 0);
    int64_t axis = rt_lower_integer(l, "axis", -1);
    if (!rt_lower_holds(l, axis >= 0 && axis < (int64_t)out.count, "its axis is out of range"))
        return;
    for (size_t i = 1; i < l->op->input_count; ++i) {
        if (!rt_lower_has(l, i, out.count, out.count))
            return;
        for (size_t d = 0; d < out.count; ++d)
            if (!rt_lower_holds(l, (int64_t)d == axis || rt_lower_input(l, i)->dims[d] == out.dims[d],
                                "its inputs have different sizes"))
                return;
        out.dims[axis] += rt_lower_input(l, i)->dims[axis];
    }
    to->kind = RETORT_CONCATENATE;
    to->input_count = (int)l->op->input_count;
    to->numbers[0] = RETORT_DIMS - (long)out.count + axis;
    rt_lower_output(l, &out);
}

void rt_lower_slice(rt_lowering *l, retort_operator *to)
{
    size_t count = rt_lower_constant_length(l, 1);
    if (!rt_lower_has(l, 0, 1, RETORT_DIMS))
        return;
    const int64_t *starts = rt_lower_constant(l, 1, count), *ends = rt_lower_constant(l, 2, count),
                  *axes = rt_lower_constant(l, 3, count);
    const int64_t *steps = l->op->input_count > 4 ? rt_lower_constant(l, 4, count) : NULL;
    if (l->error.status != RT_OK)
        return;
    rt_sizes out = *rt_lower_input(l, 0);
    long first = RETORT_DIMS - (long)out.count;
    for (int d = 0; d < RETORT_DIMS; ++d)
        to->numbers[RETORT_DIMS + d] = 1;
    for (size_t i = 0; i < count; ++i) {
        int64_t step = steps ? steps[i] : 1;
        if (!rt_lower_holds(l,
                            axes[i] >= 0 && axes[i] < (int64_t)out.count && starts[i] >= 0 && starts[i] < ends[i] &&
                                ends[i] <= rt_lower_input(l, 0)->dims[axes[i]] && step >= 1 &&
                                step <= RT_LARGEST_WINDOW,
                            "it reaches beyond its input"))
            return;
        out.dims[axes[i]] = (ends[i] - starts[i] + step - 1) / step;
        to->numbers[first + axes[i]] = starts[i];
        to->numbers[RETORT_DIMS + first + axes[i]] = step;
    }
    to->kind = RETORT_SLICE;
    to->input_count = 1;
    rt_lower_output(l, &out);
}

void rt_lower_pad(rt_lowering *l, retort_operator *to)
{
    if (!rt_lower_has(l, 0, 1, RETORT_DIMS))
        return;
    rt_sizes out = *rt_lower_input(l, 0);
    const int64_t *pads = rt_lower_constant(l, 1, 2 * out.count);
    for (size_t d = 0; pads && d < out.count; ++d) {
        int64_t before = pads[d], after = pads[out.count + d];
        if (!rt_lower_holds(l, before >= 0 && before <= RT_LARGEST_WINDOW && after >= 0 && after <= RT_LARGEST_WINDOW,
                            "its padding is out of range"))
            return;
        out.dims[d] += before + after;
        to->numbers[RETORT_DIMS - out.count + d] = before;
    }
    if (!rt_lower_holds(l, l->op->input_count == 2, "it must pad with zeros"))
        return;
    to->kind = RETORT_PAD;
    to->input_count = 1;
    rt_lower_output(l, &out);
}

void rt_lower_transpose(rt_lowering *l, retort_operator *to)
{
    int64_t perm[RETORT_DIMS];
    bool taken[RETORT_DIMS] = {false};
    if (!rt_lower_has(l, 0, 1, RETORT_DIMS) || !rt_lower_list(l, "perm", rt_lower_input(l, 0)->count, -1, 0, perm))
        return;
    rt_sizes out = *rt_lower_input(l, 0);
    long first = RETORT_DIMS - (long)out.count;
    for (long d = 0; d < first; ++d)
        to->numbers[d] = d;
    for (size_t d = 0; d < out.count; ++d) {
        if (!rt_lower_holds(l, perm[d] < (int64_t)out.count && !taken[perm[d]], "its perm is not a permutation"))
            return;
        taken[perm[d]] = true;
        out.dims[d] = rt_lower_input(l, 0)->dims[perm[d]];
        to->numbers[first + (long)d] = first + perm[d];
    }
    to->kind = RETORT_TRANSPOSE;
    to->input_count = 1;
    rt_lower_output(l, &out);
}

void rt_lower_reshape(rt_lowering *l, retort_operator *to)
{
    size_t count = rt_lower_constant_length(l, 1), all, known, open = RETORT_DIMS;
    if (!rt_lower_has(l, 0, 0, RETORT_DIMS) ||
        !rt_lower_holds(l, count >= 1 && count <= RETORT_DIMS, "it needs one to five sizes"))
        return;
    const int64_t *shape = rt_lower_constant(l, 1, count);
    rt_sizes out = {.count = count};
    for (size_t d = 0; shape && d < count; ++d) {
        out.dims[d] = shape[d] == 0 && d < rt_lower_input(l, 0)->count ? rt_lower_input(l, 0)->dims[d] : shape[d];
        if (shape[d] == -1) {
            open = open == RETORT_DIMS ? d : RETORT_DIMS + 1;
            out.dims[d] = 1;
        }
    }
    bool good = shape && open <= RETORT_DIMS && rt_sizes_count(rt_lower_input(l, 0), &all) &&
                rt_sizes_count(&out, &known) && known;
    if (good && open < RETORT_DIMS)
        out.dims[open] = (int64_t)(all / known);
    if (!rt_lower_holds(l, good && rt_sizes_count(&out, &known) && known == all,
                        "its sizes do not have as many numbers"))
        return;
    to->kind = RETORT_RESHAPE;
    to->input_count = 1;
    rt_lower_output(l, &out);
}

void rt_lower_flatten(rt_lowering *l, retort_operator *to)
{
    size_t count = 0;
    if (!rt_lower_has(l, 0, 1, RETORT_DIMS) ||
        !rt_lower_holds(l,
                        rt_lower_integer(l, "axis", 1) == 1 && rt_lower_input(l, 0)->dims[0] == 1 &&
                            rt_sizes_count(rt_lower_input(l, 0), &count),
                        "its axis must be 1"))
        return;
    to->kind = RETORT_RESHAPE;
    to->input_count = 1;
    rt_lower_output(l, &(rt_sizes){2, {1, (int64_t)count}});
}
