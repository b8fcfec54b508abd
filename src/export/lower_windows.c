/* Operators that slide a window over maps. */
#include "export/lowering.h"

/* Window attributes to numbers 0 .. 7, and the output's height and width. */
static bool window(rt_lowering *l, retort_operator *to, int64_t *height, int64_t *width)
{
    int64_t kernel[2], strides[2], pads[4], dilations[2], out[2];
    if (!rt_lower_list(l, "kernel_shape", 2, 0, 1, kernel) || !rt_lower_list(l, "strides", 2, 1, 1, strides) ||
        !rt_lower_list(l, "pads", 4, 0, 0, pads) || !rt_lower_list(l, "dilations", 2, 1, 1, dilations))
        return false;
    for (size_t i = 0; i < 2; ++i) {
        int64_t padded = rt_lower_input(l, 0)->dims[2 + i] + pads[i] + pads[i + 2],
                reach = dilations[i] * (kernel[i] - 1) + 1;
        out[i] = padded < reach ? 0 : (padded - reach) / strides[i] + 1;
        to->numbers[i] = kernel[i];
        to->numbers[i + 2] = strides[i];
        to->numbers[i + 4] = pads[i];
        to->numbers[i + 6] = dilations[i];
    }
    *height = out[0];
    *width = out[1];
    return rt_lower_holds(l, out[0] > 0 && out[1] > 0, "its window is larger than its input");
}

void rt_lower_convolution(rt_lowering *l, retort_operator *to)
{
    int64_t height, width, group = rt_lower_integer(l, "group", 1);
    if (!rt_lower_has(l, 0, 4, 4) || !rt_lower_has(l, 1, 4, 4) || !window(l, to, &height, &width))
        return;
    const rt_sizes *x = rt_lower_input(l, 0), *w = rt_lower_input(l, 1);
    bool fits = group >= 1 && group <= w->dims[0] && w->dims[0] % group == 0 && w->dims[1] <= x->dims[1] &&
                x->dims[1] % group == 0 && w->dims[1] == x->dims[1] / group && w->dims[2] == to->numbers[0] &&
                w->dims[3] == to->numbers[1];
    if (l->op->input_count > 2)
        fits = fits && rt_lower_has(l, 2, 1, 1) && rt_lower_input(l, 2)->dims[0] == w->dims[0];
    if (!rt_lower_holds(l, fits && l->op->input_count <= 3, "its weights do not fit its input"))
        return;
    to->kind = RETORT_CONVOLUTION;
    to->numbers[8] = group;
    to->input_count = (int)l->op->input_count;
    rt_lower_output(l, &(rt_sizes){4, {1, w->dims[0], height, width}});
}

void rt_lower_pool(rt_lowering *l, retort_operator *to)
{
    int64_t height, width;
    bool maximum = l->op->kind == RT_OPERATOR_MAX_POOL;
    if (!rt_lower_has(l, 0, 4, 4) || !window(l, to, &height, &width))
        return;
    if (!rt_lower_holds(l, maximum || rt_lower_integer(l, "count_include_pad", 0) == 1,
                        "padding must count as zeros in an average"))
        return;
    to->kind = maximum ? RETORT_MAX_POOL : RETORT_AVERAGE_POOL;
    to->input_count = 1;
    rt_lower_output(l, &(rt_sizes){4, {1, rt_lower_input(l, 0)->dims[1], height, width}});
}

void rt_lower_global_average_pool(rt_lowering *l, retort_operator *to)
{
    if (!rt_lower_has(l, 0, 4, 4))
        return;
    to->kind = RETORT_GLOBAL_AVERAGE_POOL;
    to->input_count = 1;
    rt_lower_output(l, &(rt_sizes){4, {1, rt_lower_input(l, 0)->dims[1], 1, 1}});
}
