#include "train/term.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/own.h"

enum { ALIGNMENT = 64, LETTERS = 128 };

struct text {
    char bytes[96];
};

/* "[64, 10]" */
static const char *shape_text(struct text *text, const rt_shape *shape)
{
    size_t used = (size_t)snprintf(text->bytes, sizeof text->bytes, "[");
    for (size_t i = 0; i < shape->count; ++i)
        used += (size_t)snprintf(text->bytes + used, sizeof text->bytes - used, i ? ", %zu" : "%zu", shape->dims[i]);
    snprintf(text->bytes + used, sizeof text->bytes - used, "]");
    return text->bytes;
}

/* Which port first gave a letter its size. */
struct letter {
    const char *port;
    size_t size;
};

static rt_status check_shape(const rt_loss *loss, const rt_port *port, const rt_shape *shape, struct letter *letters,
                             rt_error *err)
{
    struct text text;
    size_t dims = 0;
    for (const char *c = port->shape; *c; ++c)
        dims += *c != ' ';
    if (dims != shape->count)
        return rt_fail(err, RT_ERROR_SHAPE, "loss '%s': '%s' has shape %s; it must be [%s]", loss->name, port->name,
                       shape_text(&text, shape), port->shape);
    size_t i = 0;
    for (const char *c = port->shape; *c; ++c) {
        if (*c == ' ')
            continue;
        size_t size = shape->dims[i++];
        struct letter *letter = &letters[*c & (LETTERS - 1)];
        if (size == 0)
            return rt_fail(err, RT_ERROR_SHAPE, "loss '%s': '%s' has shape %s; every size must be at least 1",
                           loss->name, port->name, shape_text(&text, shape));
        if (!letter->port)
            *letter = (struct letter){port->name, size};
        if (letter->size != size)
            return rt_fail(err, RT_ERROR_SHAPE, "loss '%s': %c is %zu in '%s' and %zu in '%s'; they must be equal",
                           loss->name, *c, letter->size, letter->port, size, port->name);
    }
    return RT_OK;
}

static const rt_loss_array *find_array(const rt_loss_array *arrays, size_t count, const char *name)
{
    for (size_t i = 0; i < count; ++i)
        if (strcmp(arrays[i].name, name) == 0)
            return &arrays[i];
    return NULL;
}

/* The loss's own arrays are placed once: they are what lasts. */
static rt_status place_own(rt_loss_term *term, const rt_loss_plan *plan, rt_error *err)
{
    const rt_loss *loss = term->loss;
    const rt_loss_training *training = &term->training;
    RT_TRY(rt_own_check(loss, plan->own, plan->own_count, err));
    if (term->placed) {
        bool same = plan->own_count == term->own_count;
        for (size_t i = 0; i < plan->own_count && same; ++i)
            same = rt_shape_elements(&plan->own[i].shape) == rt_shape_elements(&term->own[i].shape);
        return same
                   ? RT_OK
                   : rt_fail(err, RT_ERROR_SHAPE, "loss '%s': its own arrays are others for another batch", loss->name);
    }
    if (training->own)
        memcpy(term->io.own, training->own, plan->own_count * sizeof *training->own);
    else if (plan->own_count > 0)
        RT_TRY(rt_own_new(loss, plan->own, plan->own_count, training->seed, training->term, term->io.own,
                          &term->own_block, err));
    memcpy(term->own, plan->own, sizeof term->own);
    term->own_count = plan->own_count;
    term->placed = true;
    return RT_OK;
}

static rt_status reserve_scratch(rt_loss_term *term, const rt_shape *shapes, rt_error *err)
{
    const rt_loss *loss = term->loss;
    rt_loss_plan plan = {.shapes = shapes, .samples = term->training.samples};
    if (loss->plan)
        RT_TRY(loss->plan(term->state, &plan, err));
    RT_TRY(place_own(term, &plan, err));
    if (plan.scratch_bytes <= term->scratch_bytes)
        return RT_OK;
    free(term->io.scratch);
    term->scratch_bytes = 0;
    size_t rounded = (plan.scratch_bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    term->io.scratch = rounded >= plan.scratch_bytes ? aligned_alloc(ALIGNMENT, rounded) : NULL;
    if (!term->io.scratch)
        return rt_fail(err, RT_ERROR_MEMORY, "loss '%s': no memory for %zu bytes of scratch", loss->name,
                       plan.scratch_bytes);
    term->scratch_bytes = rounded;
    return RT_OK;
}

rt_status rt_loss_term_bind(rt_loss_term *term, const rt_loss_array *arrays, size_t count, rt_error *err)
{
    const rt_loss *loss = term->loss;
    struct letter letters[LETTERS] = {{0}};
    rt_shape shapes[RT_LOSS_MAX_PORTS] = {{0}};
    for (size_t i = 0; i < loss->port_count; ++i) {
        const rt_port *port = &loss->ports[i];
        const rt_loss_array *array = find_array(arrays, count, port->name);
        term->io.ports[i] = (rt_port_data){0};
        if (!array && !(port->flags & RT_PORT_OPTIONAL))
            return rt_fail(err, RT_ERROR_USAGE, "loss '%s' needs '%s'", loss->name, port->name);
        if (!array)
            continue;
        bool wants_indices = (port->flags & RT_PORT_INDEX) != 0;
        if (wants_indices ? !array->data.indices : !array->data.values)
            return rt_fail(err, RT_ERROR_USAGE, "loss '%s': '%s' must hold %s", loss->name, port->name,
                           wants_indices ? "64-bit integers" : "floating-point numbers");
        RT_TRY(check_shape(loss, port, &array->data.shape, letters, err));
        shapes[i] = array->data.shape;
        term->io.ports[i] = array->data;
    }
    return reserve_scratch(term, shapes, err);
}

rt_status rt_loss_term_open(rt_loss_term *term, const rt_loss *loss, const void *settings, double weight,
                            const rt_loss_training *training, const rt_loss_array *arrays, size_t count, rt_error *err)
{
    *term = (rt_loss_term){0};
    if (loss->abi != RT_LOSS_ABI || loss->port_count > RT_LOSS_MAX_PORTS)
        return rt_fail(err, RT_ERROR_USAGE, "loss '%s': interface %u with %zu ports; it must be %d with at most %d",
                       loss->name, loss->abi, loss->port_count, RT_LOSS_ABI, RT_LOSS_MAX_PORTS);
    void *state = calloc(1, loss->state_size + 1);
    if (!state)
        return rt_fail(err, RT_ERROR_MEMORY, "loss '%s': no memory for its state", loss->name);
    if (loss->state_size > 0)
        memcpy(state, settings, loss->state_size);
    rt_status status = loss->init ? loss->init(state, err) : RT_OK;
    if (status != RT_OK) {
        free(state);
        return status;
    }
    *term = (rt_loss_term){.loss = loss, .state = state, .io = {.weight = weight}};
    if (training)
        term->training = *training;
    term->io.seed = term->training.seed;
    status = rt_loss_term_bind(term, arrays, count, err);
    if (status != RT_OK)
        rt_loss_term_close(term);
    return status;
}

/* The loss is not finite: says which input was to blame, or that none was. */
static rt_status blame(const rt_loss_term *term, double value, rt_error *err)
{
    const rt_loss *loss = term->loss;
    for (size_t i = 0; i < loss->port_count; ++i) {
        const rt_port_data *data = &term->io.ports[i];
        size_t elements = data->values ? rt_shape_elements(&data->shape) : 0;
        for (size_t e = 0; e < elements; ++e) {
            if (isfinite(data->values[e]))
                continue;
            size_t row = elements / data->shape.dims[0];
            return rt_fail(err, RT_ERROR_NUMERIC, "loss '%s': '%s' of sample %zu, %s %zu is %g; it must be finite",
                           loss->name, loss->ports[i].name, e / row, data->shape.count == 2 ? "class" : "element",
                           e % row, (double)data->values[e]);
        }
    }
    return rt_fail(err, RT_ERROR_NUMERIC, "loss '%s' is %g though all of its inputs are finite", loss->name, value);
}

rt_status rt_loss_term_run(rt_loss_term *term, int64_t step, double *loss, rt_error *err)
{
    double value = NAN;
    term->io.step = step;
    RT_TRY(term->loss->run(term->state, &term->io, &value, err));
    if (!isfinite(value))
        return blame(term, value, err);
    *loss = value;
    return RT_OK;
}

void rt_loss_term_close(rt_loss_term *term)
{
    if (term->loss && term->loss->done)
        term->loss->done(term->state);
    free(term->state);
    free(term->io.scratch);
    free(term->own_block);
    *term = (rt_loss_term){0};
}
