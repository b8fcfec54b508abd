#include "export/lowering.h"

#define LOWERING_OF_KIND(kind, name) [RT_OPERATOR_##kind] = rt_lower_##name,

bool rt_lower_holds(rt_lowering *l, bool rule, const char *words)
{
    if (!rule && l->error.status == RT_OK)
        rt_fail(&l->error, RT_ERROR_FORMAT, "%s '%s': %s", rt_operator_name(l->op->kind), l->op->name, words);
    return rule && l->error.status == RT_OK;
}

const rt_sizes *rt_lower_input(const rt_lowering *l, size_t place)
{
    return &l->sizes[l->op->inputs[place]];
}

void rt_lower_output(rt_lowering *l, const rt_sizes *sizes)
{
    l->sizes[l->op->output] = *sizes;
}

bool rt_lower_has(rt_lowering *l, size_t place, size_t least, size_t most)
{
    return rt_lower_holds(l,
                          place < l->op->input_count && !l->program->values[l->op->inputs[place]].integer &&
                              !l->program->values[l->op->inputs[place]].narrow &&
                              rt_lower_input(l, place)->count >= least && rt_lower_input(l, place)->count <= most,
                          "an input is missing or has another number of dimensions");
}

const int64_t *rt_lower_constant(rt_lowering *l, size_t place, size_t count)
{
    const rt_value *value = place < l->op->input_count ? &l->program->values[l->op->inputs[place]] : NULL;
    bool good = value && value->integer && value->data && value->sizes.dims[0] == (int64_t)count;
    return rt_lower_holds(l, good, "an input is not a constant with as many integers as it must have") ? value->data
                                                                                                       : NULL;
}

size_t rt_lower_constant_length(const rt_lowering *l, size_t place)
{
    const rt_value *value = place < l->op->input_count ? &l->program->values[l->op->inputs[place]] : NULL;
    return value && value->integer ? (size_t)value->sizes.dims[0] : 0;
}

int64_t rt_lower_integer(const rt_lowering *l, const char *name, int64_t absent)
{
    const rt_attribute *attribute = rt_operator_attribute(l->op, name);
    return attribute && !attribute->real && !attribute->list ? attribute->integers[0] : absent;
}

float rt_lower_real(const rt_lowering *l, const char *name, float absent)
{
    const rt_attribute *attribute = rt_operator_attribute(l->op, name);
    return attribute && attribute->real ? attribute->value : absent;
}

bool rt_lower_list(rt_lowering *l, const char *name, size_t count, int64_t absent, int64_t least, int64_t *values)
{
    const rt_attribute *attribute = rt_operator_attribute(l->op, name);
    for (size_t i = 0; i < count; ++i)
        values[i] = attribute && i < attribute->count ? attribute->integers[i] : absent;
    bool good = !attribute || (attribute->list && attribute->count == count);
    for (size_t i = 0; i < count; ++i)
        good = good && values[i] >= least && values[i] <= RT_LARGEST_WINDOW;
    return rt_lower_holds(l, good, "an attribute has another length, or a number out of range");
}

bool rt_lower_broadcast(rt_lowering *l, size_t own, rt_sizes *out)
{
    const rt_sizes *a = rt_lower_input(l, 0), *b = rt_lower_input(l, 1);
    *out = a->count >= b->count ? *a : *b;
    for (size_t i = own; i < a->count && i < b->count; ++i) {
        int64_t x = a->dims[a->count - 1 - i], y = b->dims[b->count - 1 - i];
        if (!rt_lower_holds(l, x == y || x == 1 || y == 1, "its inputs have different sizes"))
            return false;
        out->dims[out->count - 1 - i] = x == 1 ? y : x;
    }
    return true;
}

void rt_lower_operator(rt_lowering *l, const rt_operator *op, retort_operator *to)
{
    static void (*const lower[RT_OPERATOR_KINDS])(rt_lowering *, retort_operator *) = {RT_LOWERINGS(LOWERING_OF_KIND)};
    l->op = op;
    *to = (retort_operator){.output = op->output};
    lower[op->kind](l, to);
    size_t count;
    rt_lower_holds(l, l->error.status != RT_OK || (rt_sizes_count(&l->sizes[op->output], &count) && count > 0),
                   "its output is empty or too large");
}
