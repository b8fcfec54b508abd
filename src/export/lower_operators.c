/* What each ONNX operator becomes in retort_infer.h. */
#include <string.h>

#include "export/lowering.h"

enum { LARGEST_WINDOW = 65536 };

/* Reports and returns false where the rule does not hold. */
static bool holds(rt_lowering *l, bool rule, const char *words)
{
    if (!rule && l->error.status == RT_OK)
        rt_fail(&l->error, RT_ERROR_FORMAT, "%s '%s': %s", rt_operator_name(l->op->kind), l->op->name, words);
    return rule && l->error.status == RT_OK;
}

static const rt_sizes *in(const rt_lowering *l, size_t place)
{
    return &l->sizes[l->op->inputs[place]];
}

static void set_output(rt_lowering *l, const rt_sizes *sizes)
{
    l->sizes[l->op->output] = *sizes;
}

/* Whether the input is there and has floats of so many dimensions. */
static bool has(rt_lowering *l, size_t place, size_t least, size_t most)
{
    return holds(l,
                 place < l->op->input_count && !l->program->values[l->op->inputs[place]].integer &&
                     in(l, place)->count >= least && in(l, place)->count <= most,
                 "an input is missing or has another number of dimensions");
}

/* The integers of a constant input; NULL, and reported, where there are not so many. */
static const int64_t *constant(rt_lowering *l, size_t place, size_t count)
{
    const rt_value *value = place < l->op->input_count ? &l->program->values[l->op->inputs[place]] : NULL;
    bool good = value && value->integer && value->data && value->sizes.dims[0] == (int64_t)count;
    return holds(l, good, "an input is not a constant with as many integers as it must have") ? value->data : NULL;
}

static size_t constant_length(const rt_lowering *l, size_t place)
{
    const rt_value *value = place < l->op->input_count ? &l->program->values[l->op->inputs[place]] : NULL;
    return value && value->integer ? (size_t)value->sizes.dims[0] : 0;
}

static int64_t integer(const rt_lowering *l, const char *name, int64_t absent)
{
    const rt_attribute *attribute = rt_operator_attribute(l->op, name);
    return attribute && !attribute->real && !attribute->list ? attribute->integers[0] : absent;
}

/* A list's numbers, or `absent` for each. */
static bool list(rt_lowering *l, const char *name, size_t count, int64_t absent, int64_t least, int64_t *values)
{
    const rt_attribute *attribute = rt_operator_attribute(l->op, name);
    for (size_t i = 0; i < count; ++i)
        values[i] = attribute && i < attribute->count ? attribute->integers[i] : absent;
    bool good = !attribute || (attribute->list && attribute->count == count);
    for (size_t i = 0; i < count; ++i)
        good = good && values[i] >= least && values[i] <= LARGEST_WINDOW;
    return holds(l, good, "an attribute has another length, or a number out of range");
}

/* Window attributes to numbers 0 .. 7, and the output's height and width. */
static bool window(rt_lowering *l, retort_operator *to, int64_t *height, int64_t *width)
{
    int64_t kernel[2], strides[2], pads[4], dilations[2], out[2];
    if (!list(l, "kernel_shape", 2, 0, 1, kernel) || !list(l, "strides", 2, 1, 1, strides) ||
        !list(l, "pads", 4, 0, 0, pads) || !list(l, "dilations", 2, 1, 1, dilations))
        return false;
    for (size_t i = 0; i < 2; ++i) {
        int64_t padded = in(l, 0)->dims[2 + i] + pads[i] + pads[i + 2], reach = dilations[i] * (kernel[i] - 1) + 1;
        out[i] = padded < reach ? 0 : (padded - reach) / strides[i] + 1;
        to->numbers[i] = kernel[i];
        to->numbers[i + 2] = strides[i];
        to->numbers[i + 4] = pads[i];
        to->numbers[i + 6] = dilations[i];
    }
    *height = out[0];
    *width = out[1];
    return holds(l, out[0] > 0 && out[1] > 0, "its window is larger than its input");
}

static void convolution(rt_lowering *l, retort_operator *to)
{
    int64_t height, width, group = integer(l, "group", 1);
    if (!has(l, 0, 4, 4) || !has(l, 1, 4, 4) || !window(l, to, &height, &width))
        return;
    const rt_sizes *x = in(l, 0), *w = in(l, 1);
    bool fits = group >= 1 && group <= w->dims[0] && w->dims[0] % group == 0 && w->dims[1] <= x->dims[1] &&
                x->dims[1] % group == 0 && w->dims[1] == x->dims[1] / group && w->dims[2] == to->numbers[0] &&
                w->dims[3] == to->numbers[1];
    if (l->op->input_count > 2)
        fits = fits && has(l, 2, 1, 1) && in(l, 2)->dims[0] == w->dims[0];
    if (!holds(l, fits && l->op->input_count <= 3, "its weights do not fit its input"))
        return;
    to->kind = RETORT_CONVOLUTION;
    to->numbers[8] = group;
    to->input_count = (int)l->op->input_count;
    set_output(l, &(rt_sizes){4, {1, w->dims[0], height, width}});
}

static void batch_norm(rt_lowering *l, retort_operator *to)
{
    if (!has(l, 0, 2, 4))
        return;
    for (size_t i = 1; i < 5; ++i)
        if (!has(l, i, 1, 1) || !holds(l, in(l, i)->dims[0] == in(l, 0)->dims[1], "its numbers do not fit its input"))
            return;
    const rt_attribute *epsilon = rt_operator_attribute(l->op, "epsilon");
    to->kind = RETORT_BATCH_NORM;
    to->input_count = 5;
    to->numbers[0] = RETORT_DIMS - (long)in(l, 0)->count + 1;
    to->real = epsilon && epsilon->real ? epsilon->value : 1e-5f;
    set_output(l, in(l, 0));
}

static void relu(rt_lowering *l, retort_operator *to)
{
    if (!has(l, 0, 0, RETORT_DIMS))
        return;
    to->kind = RETORT_RELU;
    to->input_count = 1;
    set_output(l, in(l, 0));
}

static void clip(rt_lowering *l, retort_operator *to)
{
    if (!has(l, 0, 0, RETORT_DIMS) || !has(l, 1, 0, 0) || !has(l, 2, 0, 0))
        return;
    to->kind = RETORT_CLIP;
    to->input_count = 3;
    set_output(l, in(l, 0));
}

/* Sizes from the right: equal, or 1 on one side. The last `own` dimensions are the operator's own business. */
static bool broadcast(rt_lowering *l, size_t own, rt_sizes *out)
{
    const rt_sizes *a = in(l, 0), *b = in(l, 1);
    *out = a->count >= b->count ? *a : *b;
    for (size_t i = own; i < a->count && i < b->count; ++i) {
        int64_t x = a->dims[a->count - 1 - i], y = b->dims[b->count - 1 - i];
        if (!holds(l, x == y || x == 1 || y == 1, "its inputs have different sizes"))
            return false;
        out->dims[out->count - 1 - i] = x == 1 ? y : x;
    }
    return true;
}

static void elementwise(rt_lowering *l, retort_operator *to)
{
    rt_sizes out;
    if (!has(l, 0, 0, RETORT_DIMS) || !has(l, 1, 0, RETORT_DIMS) || !broadcast(l, 0, &out))
        return;
    to->kind = l->op->kind == RT_OPERATOR_ADD   ? RETORT_ADD
               : l->op->kind == RT_OPERATOR_SUB ? RETORT_SUBTRACT
               : l->op->kind == RT_OPERATOR_MUL ? RETORT_MULTIPLY
                                                : RETORT_DIVIDE;
    to->input_count = 2;
    set_output(l, &out);
}

static void pool(rt_lowering *l, retort_operator *to)
{
    int64_t height, width;
    bool maximum = l->op->kind == RT_OPERATOR_MAX_POOL;
    if (!has(l, 0, 4, 4) || !window(l, to, &height, &width))
        return;
    if (!holds(l, maximum || integer(l, "count_include_pad", 0) == 1, "padding must count as zeros in an average"))
        return;
    to->kind = maximum ? RETORT_MAX_POOL : RETORT_AVERAGE_POOL;
    to->input_count = 1;
    set_output(l, &(rt_sizes){4, {1, in(l, 0)->dims[1], height, width}});
}

static void global_average_pool(rt_lowering *l, retort_operator *to)
{
    if (!has(l, 0, 4, 4))
        return;
    to->kind = RETORT_GLOBAL_AVERAGE_POOL;
    to->input_count = 1;
    set_output(l, &(rt_sizes){4, {1, in(l, 0)->dims[1], 1, 1}});
}

static void gemm(rt_lowering *l, retort_operator *to)
{
    if (!has(l, 0, 2, 2) || !has(l, 1, 2, 2))
        return;
    const rt_sizes *x = in(l, 0), *w = in(l, 1);
    bool fits = integer(l, "transB", 0) == 1 && x->dims[0] == 1 && x->dims[1] == w->dims[1];
    if (l->op->input_count > 2)
        fits = fits && has(l, 2, 1, 1) && in(l, 2)->dims[0] == w->dims[0];
    if (!holds(l, fits && l->op->input_count <= 3, "its weights are not transposed, or do not fit its input"))
        return;
    to->kind = RETORT_ROWS;
    to->input_count = (int)l->op->input_count;
    set_output(l, &(rt_sizes){2, {1, w->dims[0]}});
}

static void matmul(rt_lowering *l, retort_operator *to)
{
    rt_sizes out;
    if (!has(l, 0, 2, RETORT_DIMS) || !has(l, 1, 2, RETORT_DIMS) || !broadcast(l, 2, &out))
        return;
    const rt_sizes *a = in(l, 0), *b = in(l, 1);
    if (!holds(l, a->dims[a->count - 1] == b->dims[b->count - 2], "its inputs do not fit together"))
        return;
    out.dims[out.count - 2] = a->dims[a->count - 2];
    out.dims[out.count - 1] = b->dims[b->count - 1];
    to->kind = RETORT_MATRIX;
    to->input_count = 2;
    set_output(l, &out);
}

static void concat(rt_lowering *l, retort_operator *to)
{
    if (!has(l, 0, 1, RETORT_DIMS))
        return;
    rt_sizes out = *in(l, 0);
    int64_t axis = integer(l, "axis", -1);
    if (!holds(l, axis >= 0 && axis < (int64_t)out.count, "its axis is out of range"))
        return;
    for (size_t i = 1; i < l->op->input_count; ++i) {
        if (!has(l, i, out.count, out.count))
            return;
        for (size_t d = 0; d < out.count; ++d)
            if (!holds(l, (int64_t)d == axis || in(l, i)->dims[d] == out.dims[d], "its inputs have different sizes"))
                return;
        out.dims[axis] += in(l, i)->dims[axis];
    }
    to->kind = RETORT_CONCATENATE;
    to->input_count = (int)l->op->input_count;
    to->numbers[0] = RETORT_DIMS - (long)out.count + axis;
    set_output(l, &out);
}

static void slice(rt_lowering *l, retort_operator *to)
{
    size_t count = constant_length(l, 1);
    if (!has(l, 0, 1, RETORT_DIMS))
        return;
    const int64_t *starts = constant(l, 1, count), *ends = constant(l, 2, count), *axes = constant(l, 3, count);
    const int64_t *steps = l->op->input_count > 4 ? constant(l, 4, count) : NULL;
    if (l->error.status != RT_OK)
        return;
    rt_sizes out = *in(l, 0);
    long first = RETORT_DIMS - (long)out.count;
    for (int d = 0; d < RETORT_DIMS; ++d)
        to->numbers[RETORT_DIMS + d] = 1;
    for (size_t i = 0; i < count; ++i) {
        int64_t step = steps ? steps[i] : 1;
        if (!holds(l,
                   axes[i] >= 0 && axes[i] < (int64_t)out.count && starts[i] >= 0 && starts[i] < ends[i] &&
                       ends[i] <= in(l, 0)->dims[axes[i]] && step >= 1 && step <= LARGEST_WINDOW,
                   "it reaches beyond its input"))
            return;
        out.dims[axes[i]] = (ends[i] - starts[i] + step - 1) / step;
        to->numbers[first + axes[i]] = starts[i];
        to->numbers[RETORT_DIMS + first + axes[i]] = step;
    }
    to->kind = RETORT_SLICE;
    to->input_count = 1;
    set_output(l, &out);
}

static void pad(rt_lowering *l, retort_operator *to)
{
    if (!has(l, 0, 1, RETORT_DIMS))
        return;
    rt_sizes out = *in(l, 0);
    const int64_t *pads = constant(l, 1, 2 * out.count);
    for (size_t d = 0; pads && d < out.count; ++d) {
        int64_t before = pads[d], after = pads[out.count + d];
        if (!holds(l, before >= 0 && before <= LARGEST_WINDOW && after >= 0 && after <= LARGEST_WINDOW,
                   "its padding is out of range"))
            return;
        out.dims[d] += before + after;
        to->numbers[RETORT_DIMS - out.count + d] = before;
    }
    if (!holds(l, l->op->input_count == 2, "it must pad with zeros"))
        return;
    to->kind = RETORT_PAD;
    to->input_count = 1;
    set_output(l, &out);
}

static void transpose(rt_lowering *l, retort_operator *to)
{
    int64_t perm[RETORT_DIMS];
    bool taken[RETORT_DIMS] = {false};
    if (!has(l, 0, 1, RETORT_DIMS) || !list(l, "perm", in(l, 0)->count, -1, 0, perm))
        return;
    rt_sizes out = *in(l, 0);
    long first = RETORT_DIMS - (long)out.count;
    for (long d = 0; d < first; ++d)
        to->numbers[d] = d;
    for (size_t d = 0; d < out.count; ++d) {
        if (!holds(l, perm[d] < (int64_t)out.count && !taken[perm[d]], "its perm is not a permutation"))
            return;
        taken[perm[d]] = true;
        out.dims[d] = in(l, 0)->dims[perm[d]];
        to->numbers[first + (long)d] = first + perm[d];
    }
    to->kind = RETORT_TRANSPOSE;
    to->input_count = 1;
    set_output(l, &out);
}

static void reshape(rt_lowering *l, retort_operator *to)
{
    size_t count = constant_length(l, 1), all, known, open = RETORT_DIMS;
    if (!has(l, 0, 0, RETORT_DIMS) || !holds(l, count >= 1 && count <= RETORT_DIMS, "it needs one to five sizes"))
        return;
    const int64_t *shape = constant(l, 1, count);
    rt_sizes out = {.count = count};
    for (size_t d = 0; shape && d < count; ++d) {
        out.dims[d] = shape[d] == 0 && d < in(l, 0)->count ? in(l, 0)->dims[d] : shape[d];
        if (shape[d] == -1) {
            open = open == RETORT_DIMS ? d : RETORT_DIMS + 1;
            out.dims[d] = 1;
        }
    }
    bool good = shape && open <= RETORT_DIMS && rt_sizes_count(in(l, 0), &all) && rt_sizes_count(&out, &known) && known;
    if (good && open < RETORT_DIMS)
        out.dims[open] = (int64_t)(all / known);
    if (!holds(l, good && rt_sizes_count(&out, &known) && known == all, "its sizes do not have as many numbers"))
        return;
    to->kind = RETORT_RESHAPE;
    to->input_count = 1;
    set_output(l, &out);
}

static void flatten(rt_lowering *l, retort_operator *to)
{
    size_t count = 0;
    if (!has(l, 0, 1, RETORT_DIMS) ||
        !holds(l, integer(l, "axis", 1) == 1 && in(l, 0)->dims[0] == 1 && rt_sizes_count(in(l, 0), &count),
               "its axis must be 1"))
        return;
    to->kind = RETORT_RESHAPE;
    to->input_count = 1;
    set_output(l, &(rt_sizes){2, {1, (int64_t)count}});
}

void rt_lower_operator(rt_lowering *l, const rt_operator *op, retort_operator *to)
{
    static void (*const lower[RT_OPERATOR_KINDS])(rt_lowering *, retort_operator *) = {
        [RT_OPERATOR_CONV] = convolution,
        [RT_OPERATOR_BATCH_NORMALIZATION] = batch_norm,
        [RT_OPERATOR_RELU] = relu,
        [RT_OPERATOR_CLIP] = clip,
        [RT_OPERATOR_ADD] = elementwise,
        [RT_OPERATOR_SUB] = elementwise,
        [RT_OPERATOR_MUL] = elementwise,
        [RT_OPERATOR_DIV] = elementwise,
        [RT_OPERATOR_MAX_POOL] = pool,
        [RT_OPERATOR_AVERAGE_POOL] = pool,
        [RT_OPERATOR_GLOBAL_AVERAGE_POOL] = global_average_pool,
        [RT_OPERATOR_GEMM] = gemm,
        [RT_OPERATOR_MATMUL] = matmul,
        [RT_OPERATOR_CONCAT] = concat,
        [RT_OPERATOR_SLICE] = slice,
        [RT_OPERATOR_PAD] = pad,
        [RT_OPERATOR_TRANSPOSE] = transpose,
        [RT_OPERATOR_RESHAPE] = reshape,
        [RT_OPERATOR_FLATTEN] = flatten,
    };
    l->op = op;
    *to = (retort_operator){.output = op->output};
    lower[op->kind](l, to);
    size_t count;
    holds(l, l->error.status != RT_OK || (rt_sizes_count(&l->sizes[op->output], &count) && count > 0),
          "its output is empty or too large");
}
