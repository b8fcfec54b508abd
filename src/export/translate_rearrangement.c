/* What only moves numbers. */
#include "export/translator.h"

void rt_translate_flatten(rt_translator *t, int at)
{
    t->forms[at].rows = rt_as_rows(t, rt_translated(t, at)->sources[0]);
}

void rt_translate_concat(rt_translator *t, int at)
{
    const rt_node *node = rt_translated(t, at);
    int inputs[RT_MAX_SOURCES];
    for (size_t s = 0; s < node->source_count; ++s)
        inputs[s] = rt_source_map(t, at, s);
    rt_map_operator(t, at, RT_OPERATOR_CONCAT, inputs, node->source_count);
    rt_program_set_integer(t->program, "axis", 1);
}

void rt_translate_channel_slice(rt_translator *t, int at)
{
    const rt_node *node = rt_translated(t, at);
    const int64_t first = (int64_t)node->first_channel, count = (int64_t)node->shape.channels;
    const int inputs[] = {rt_source_map(t, at, 0), rt_constant_integers(t, node->name, "starts", &first, 1),
                          rt_constant_integers(t, node->name, "ends", (int64_t[]){first + count}, 1),
                          rt_constant_integers(t, node->name, "axes", (int64_t[]){1}, 1)};
    rt_map_operator(t, at, RT_OPERATOR_SLICE, inputs, 4);
}

void rt_translate_channel_shuffle(rt_translator *t, int at)
{
    const rt_node *node = rt_translated(t, at);
    const int64_t height = (int64_t)node->shape.height, width = (int64_t)node->shape.width;
    const int64_t all = (int64_t)node->shape.channels, groups = (int64_t)node->shuffle_groups;
    int apart = rt_constant_integers(t, node->name, "apart", (int64_t[]){0, groups, all / groups, height, width}, 5);
    int together = rt_constant_integers(t, node->name, "together", (int64_t[]){0, all, height, width}, 4);
    int x = rt_step_operator(t, at, "groups", RT_OPERATOR_RESHAPE, (int[]){rt_source_map(t, at, 0), apart}, 2);
    x = rt_step_operator(t, at, "exchanged", RT_OPERATOR_TRANSPOSE, &x, 1);
    rt_program_set(t->program, "perm", (int64_t[]){0, 2, 1, 3, 4}, 5);
    rt_map_operator(t, at, RT_OPERATOR_RESHAPE, (int[]){x, together}, 2);
}

/* The first of the tokens. */
static void first_token(rt_translator *t, int at)
{
    const rt_node *node = rt_translated(t, at);
    const int inputs[] = {t->forms[node->sources[0]].tokens,
                          rt_constant_integers(t, node->name, "starts", (int64_t[]){0}, 1),
                          rt_constant_integers(t, node->name, "ends", (int64_t[]){1}, 1),
                          rt_constant_integers(t, node->name, "axes", (int64_t[]){1}, 1)};
    rt_token_operator(t, at, RT_OPERATOR_SLICE, inputs, 4);
}

void rt_translate_subsample(rt_translator *t, int at)
{
    const rt_node *node = rt_translated(t, at);
    const rt_extent from = rt_translated_source(t, at, 0)->shape;
    const int64_t stride = (int64_t)node->window.stride, grown = (int64_t)(node->shape.channels - from.channels) / 2;
    if (t->forms[node->sources[0]].tokens >= 0 && node->shape.height * node->shape.width == 1 && grown == 0) {
        first_token(t, at);
        return;
    }
    const int inputs[] = {
        rt_source_map(t, at, 0), rt_constant_integers(t, node->name, "starts", (int64_t[]){0, 0}, 2),
        rt_constant_integers(t, node->name, "ends", (int64_t[]){(int64_t)from.height, (int64_t)from.width}, 2),
        rt_constant_integers(t, node->name, "axes", (int64_t[]){2, 3}, 2),
        rt_constant_integers(t, node->name, "steps", (int64_t[]){stride, stride}, 2)};
    int x = rt_step_operator(t, at, "pixels", RT_OPERATOR_SLICE, inputs, 5);
    int pads = rt_constant_integers(t, node->name, "pads", (int64_t[]){0, grown, 0, 0, 0, grown, 0, 0}, 8);
    rt_map_operator(t, at, RT_OPERATOR_PAD, (int[]){x, pads}, 2);
}
