/* Products of matrices. */
#include "export/lowering.h"

void rt_lower_gemm(rt_lowering *l, retort_operator *to)
{
    if (!rt_lower_has(l, 0, 2, 2) || !rt_lower_has(l, 1, 2, 2))
        return;
    const rt_sizes *x = rt_lower_input(l, 0), *w = rt_lower_input(l, 1);
    bool fits = rt_lower_integer(l, "transB", 0) == 1 && x->dims[0] == 1 && x->dims[1] == w->dims[1];
    if (l->op->input_count > 2)
        fits = fits && rt_lower_has(l, 2, 1, 1) && rt_lower_input(l, 2)->dims[0] == w->dims[0];
    if (!rt_lower_holds(l, fits && l->op->input_count <= 3, "its weights are not transposed, or do not fit its input"))
        return;
    to->kind = RETORT_ROWS;
    to->input_count = (int)l->op->input_count;
    rt_lower_output(l, &(rt_sizes){2, {1, w->dims[0]}});
}

void rt_lower_matmul(rt_lowering *l, retort_operator *to)
{
    rt_sizes out;
    if (!rt_lower_has(l, 0, 2, RETORT_DIMS) || !rt_lower_has(l, 1, 2, RETORT_DIMS) || !rt_lower_broadcast(l, 2, &out))
        return;
    const rt_sizes *a = rt_lower_input(l, 0), *b = rt_lower_input(l, 1);
    if (!rt_lower_holds(l, a->dims[a->count - 1] == b->dims[b->count - 2], "its inputs do not fit together"))
        return;
    out.dims[out.count - 2] = a->dims[a->count - 2];
    out.dims[out.count - 1] = b->dims[b->count - 1];
    to->kind = RETORT_MATRIX;
    to->input_count = 2;
    rt_lower_output(l, &out);
}
