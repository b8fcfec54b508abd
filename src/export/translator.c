#include "export/translator.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

rt_label rt_labelled(const char *name, const char *suffix)
{
    rt_label made;
    snprintf(made.text, sizeof made.text, "%.150s.%.150s", name, suffix);
    return made;
}

const rt_node *rt_translated(const rt_translator *t, int at)
{
    return &t->graph->nodes[at];
}

const rt_node *rt_translated_source(const rt_translator *t, int at, size_t s)
{
    return &t->graph->nodes[t->graph->nodes[at].sources[s]];
}

int rt_constant_integers(rt_translator *t, const char *name, const char *suffix, const int64_t *values, size_t count)
{
    return rt_program_integers(t->program, rt_labelled(name, suffix).text, values, count);
}

int rt_constant_real(rt_translator *t, const char *name, const char *suffix, float value)
{
    float *owned = malloc(sizeof *owned);
    if (owned)
        *owned = value;
    return rt_program_own_floats(t->program, rt_labelled(name, suffix).text, &(rt_sizes){0}, owned);
}

int rt_parameter_value(rt_translator *t, int number)
{
    const rt_parameter *p = &t->graph->parameters[number];
    for (size_t i = 0; i < t->program->value_count; ++i)
        if (strcmp(t->program->values[i].name, p->name) == 0)
            return (int)i;
    const rt_sizes sizes = rt_shape_sizes(&p->shape);
    return rt_program_floats(t->program, p->name, &sizes, rt_parameter_values(t->parameters, number));
}

int rt_step_operator(rt_translator *t, int at, const char *suffix, rt_operator_kind kind, const int *inputs,
                     size_t count)
{
    return rt_program_operator(t->program, kind, rt_labelled(rt_translated(t, at)->name, suffix).text, inputs, count);
}

int rt_map_operator(rt_translator *t, int at, rt_operator_kind kind, const int *inputs, size_t count)
{
    return t->forms[at].map = rt_program_operator(t->program, kind, rt_translated(t, at)->name, inputs, count);
}

int rt_token_operator(rt_translator *t, int at, rt_operator_kind kind, const int *inputs, size_t count)
{
    return t->forms[at].tokens = rt_program_operator(t->program, kind, rt_translated(t, at)->name, inputs, count);
}

static int reshaped(rt_translator *t, int at, const char *suffix, int value, const int64_t *shape, size_t count)
{
    const char *name = rt_translated(t, at)->name;
    const int constant = rt_constant_integers(t, name, rt_labelled(suffix, "shape").text, shape, count);
    return rt_step_operator(t, at, suffix, RT_OPERATOR_RESHAPE, (int[]){value, constant}, 2);
}

/* [batch, a, b] becomes [batch, b, a]. */
static int exchanged(rt_translator *t, int at, const char *suffix, int value)
{
    value = rt_step_operator(t, at, suffix, RT_OPERATOR_TRANSPOSE, &value, 1);
    rt_program_set(t->program, "perm", (int64_t[]){0, 2, 1}, 3);
    return value;
}

int rt_as_map(rt_translator *t, int at)
{
    rt_form *f = &t->forms[at];
    const rt_extent e = rt_translated(t, at)->shape;
    if (f->map < 0 && f->tokens >= 0)
        f->map = reshaped(t, at, "map", exchanged(t, at, "planes", f->tokens),
                          (int64_t[]){0, (int64_t)e.channels, (int64_t)e.height, (int64_t)e.width}, 4);
    else if (f->map < 0)
        f->map = reshaped(t, at, "map", f->rows, (int64_t[]){0, -1, 1, 1}, 4);
    return f->map;
}

int rt_as_tokens(rt_translator *t, int at)
{
    rt_form *f = &t->forms[at];
    if (f->tokens < 0) {
        const int64_t channels = (int64_t)rt_translated(t, at)->shape.channels;
        const int planes = reshaped(t, at, "planes", rt_as_map(t, at), (int64_t[]){0, channels, -1}, 3);
        f->tokens = exchanged(t, at, "tokens", planes);
    }
    return f->tokens;
}

int rt_as_rows(rt_translator *t, int at)
{
    rt_form *f = &t->forms[at];
    const rt_extent e = rt_translated(t, at)->shape;
    if (f->rows < 0) {
        /* The order within a row is that of a map; that of one token is the same. */
        const int source = f->map < 0 && e.height == 1 && e.width == 1 ? f->tokens : rt_as_map(t, at);
        f->rows = rt_step_operator(t, at, "rows", RT_OPERATOR_FLATTEN, &source, 1);
        rt_program_set_integer(t->program, "axis", 1);
    }
    return f->rows;
}

int rt_source_map(rt_translator *t, int at, size_t s)
{
    return rt_as_map(t, rt_translated(t, at)->sources[s]);
}

int rt_source_as_it_is(rt_translator *t, int at, int **result)
{
    const rt_form *source = &t->forms[rt_translated(t, at)->sources[0]];
    rt_form *own = &t->forms[at];
    *result = source->tokens >= 0 ? &own->tokens : source->map >= 0 ? &own->map : &own->rows;
    return source->tokens >= 0 ? source->tokens : source->map >= 0 ? source->map : source->rows;
}

void rt_pass_on(rt_translator *t, int at)
{
    t->forms[at] = t->forms[rt_translated(t, at)->sources[0]];
}

/* Padding behind a side: as before it, or as much more as the last window reaches over. */
static int64_t padding_behind(const rt_window *window, size_t from, size_t to)
{
    size_t end = (to - 1) * window->stride + window->dilation * (window->kernel - 1) + 1;
    size_t padded = from + 2 * window->padding;
    return (int64_t)(window->padding + (end > padded ? end - padded : 0));
}

void rt_set_window(rt_translator *t, int at)
{
    const rt_window *window = &rt_translated(t, at)->window;
    const rt_extent from = rt_translated_source(t, at, 0)->shape, to = rt_translated(t, at)->shape;
    const int64_t kernel = (int64_t)window->kernel, stride = (int64_t)window->stride, pad = (int64_t)window->padding;
    rt_program_set(t->program, "kernel_shape", (int64_t[]){kernel, kernel}, 2);
    rt_program_set(t->program, "strides", (int64_t[]){stride, stride}, 2);
    rt_program_set(t->program, "pads",
                   (int64_t[]){pad, pad, padding_behind(window, from.height, to.height),
                               padding_behind(window, from.width, to.width)},
                   4);
}

void rt_set_dilation(rt_translator *t, int at)
{
    const int64_t dilation = (int64_t)rt_translated(t, at)->window.dilation;
    rt_program_set(t->program, "dilations", (int64_t[]){dilation, dilation}, 2);
}
