/* Maps of another height and width. */
#include <stdlib.h>

#include "export/translator.h"

void rt_translate_max_pool(rt_translator *t, int at)
{
    rt_map_operator(t, at, RT_OPERATOR_MAX_POOL, (int[]){rt_source_map(t, at, 0)}, 1);
    rt_set_window(t, at);
    rt_set_dilation(t, at);
}

void rt_translate_average_pool(rt_translator *t, int at)
{
    const rt_node *node = rt_translated(t, at);
    if (node->window.dilation != 1 && t->program->error.status == RT_OK)
        rt_fail(&t->program->error, RT_ERROR_SHAPE,
                "average pool '%s' has dilation %zu, which ONNX's opset 17 does not know", node->name,
                node->window.dilation);
    rt_map_operator(t, at, RT_OPERATOR_AVERAGE_POOL, (int[]){rt_source_map(t, at, 0)}, 1);
    rt_set_window(t, at);
    rt_program_set_integer(t->program, "count_include_pad", 1);
}

void rt_translate_global_average_pool(rt_translator *t, int at)
{
    rt_map_operator(t, at, RT_OPERATOR_GLOBAL_AVERAGE_POOL, (int[]){rt_source_map(t, at, 0)}, 1);
}

/* The matrix that brings `from` pixels of a line to `to`: a pixel is the mean of those it overlaps. [to, from], or the
 * other way round. */
static float *resizing(size_t from, size_t to, bool transposed)
{
    float *matrix = calloc(from * to, sizeof *matrix);
    for (size_t i = 0; matrix && i < to; ++i) {
        size_t first = i * from / to, end = ((i + 1) * from + to - 1) / to;
        for (size_t j = first; j < end; ++j)
            matrix[transposed ? j * to + i : i * from + j] = 1.0f / (float)(end - first);
    }
    return matrix;
}

void rt_translate_resize(rt_translator *t, int at)
{
    const rt_node *node = rt_translated(t, at);
    const rt_extent from = rt_translated_source(t, at, 0)->shape, to = node->shape;
    if (from.height == to.height && from.width == to.width) {
        rt_pass_on(t, at);
        return;
    }
    int down = rt_program_own_floats(t->program, rt_labelled(node->name, "down").text,
                                     &(rt_sizes){2, {(int64_t)to.height, (int64_t)from.height}},
                                     resizing(from.height, to.height, false));
    int right = rt_program_own_floats(t->program, rt_labelled(node->name, "right").text,
                                      &(rt_sizes){2, {(int64_t)from.width, (int64_t)to.width}},
                                      resizing(from.width, to.width, true));
    int rows = rt_step_operator(t, at, "rows_resized", RT_OPERATOR_MATMUL, (int[]){down, rt_source_map(t, at, 0)}, 2);
    rt_map_operator(t, at, RT_OPERATOR_MATMUL, (int[]){rows, right}, 2);
}
