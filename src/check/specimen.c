#include "check/specimen.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "retort/random.h"
#include "train/own.h"

enum { GUARD = 64, LETTERS = 128 };

const rt_sizes rt_small_sizes[] = {
    {.samples = 1, .classes = 2, .teachers = 1, .others = {2, 2, 2, 2}, .optional = true},
    {.samples = 4, .classes = 2, .teachers = 2, .others = {2, 3, 4, 5}, .optional = false},
    {.samples = 1, .classes = 9, .teachers = 3, .others = {1, 1, 5, 3}, .optional = true},
    {.samples = 5, .classes = 10, .teachers = 1, .others = {3, 2, 4, 6}, .optional = true},
    {.samples = 3, .classes = 4, .teachers = 2, .others = {4, 4, 4, 4}, .optional = true},
};
const size_t rt_small_size_count = sizeof rt_small_sizes / sizeof *rt_small_sizes;
const rt_sizes rt_large_sizes = {
    .samples = 140, .classes = 1000, .teachers = 2, .others = {6, 6, 32, 32}, .optional = true};

static const float guard_value = -0x1.234568p+77f;

bool rt_guarded_new(rt_guarded *array, size_t elements)
{
    float *block = calloc(elements + 2 * GUARD, sizeof *block);
    if (!block)
        return false;
    for (size_t i = 0; i < GUARD; ++i)
        block[i] = block[GUARD + elements + i] = guard_value;
    *array = (rt_guarded){block + GUARD, elements};
    return true;
}

bool rt_guarded_holds(const rt_guarded *array)
{
    for (size_t i = 0; array->values && i < GUARD; ++i)
        if (memcmp(array->values - GUARD + i, &guard_value, sizeof guard_value) != 0 ||
            memcmp(array->values + array->elements + i, &guard_value, sizeof guard_value) != 0)
            return false;
    return true;
}

void rt_guarded_free(rt_guarded *array)
{
    if (array->values)
        free(array->values - GUARD);
    *array = (rt_guarded){0};
}

bool rt_has_port(const rt_loss *loss, const char *name)
{
    for (size_t p = 0; p < loss->port_count; ++p)
        if (strcmp(loss->ports[p].name, name) == 0)
            return true;
    return false;
}

bool rt_is_share(const rt_port *port)
{
    return strcmp(port->name, "mixed.shares") == 0;
}

static bool is_logits(const rt_port *port)
{
    return strchr(port->shape, 'C') != NULL;
}

/* Sizes for all letters of the loss, by the order of its ports. */
static void size_letters(const rt_loss *loss, const rt_sizes *sizes, size_t letters[LETTERS])
{
    size_t others = 0;
    letters['N'] = sizes->samples, letters['C'] = sizes->classes, letters['M'] = sizes->teachers;
    for (size_t p = 0; p < loss->port_count; ++p)
        for (const char *c = loss->ports[p].shape; *c; ++c) {
            size_t letter = (size_t)*c & (LETTERS - 1);
            if (*c == ' ' || letters[letter])
                continue;
            letters[letter] = sizes->others[others];
            others += others + 1 < RT_OTHER_SIZES && sizes->others[others + 1] > 0;
        }
}

rt_sizes rt_batch_sizes(const rt_loss *loss, size_t samples, size_t classes, size_t channels, size_t side)
{
    rt_sizes sizes = {.samples = samples, .classes = classes, .teachers = 2};
    char letters[RT_OTHER_SIZES + 1] = "";
    size_t others = 0;
    for (size_t p = 0; p < loss->port_count; ++p)
        for (const char *c = loss->ports[p].shape; *c && others < RT_OTHER_SIZES; ++c) {
            if (strchr(" NCM", *c) || strchr(letters, *c))
                continue;
            letters[others] = *c;
            sizes.others[others++] = c[1] ? side : channels; /* channels are a map's last dimension */
        }
    return sizes;
}

/* On a grid, so that steps of finite differences are exact: logits within 8 and features within 2 of zero. */
static void fill_numbers(float *values, size_t elements, bool logits, uint64_t seed, uint32_t port)
{
    const rt_key key = {.seed = seed, .stream = RT_STREAM_SYNTHETIC, .epoch = port};
    const float grid = logits ? 0x1p-16f : 0x1p-18f;
    for (size_t i = 0; i < elements; ++i)
        values[i] = ((float)(rt_random_word(&key, i) >> 12) - 0x1p19f) * grid;
}

static bool fill_port(rt_specimen *s, size_t p, const rt_sizes *sizes)
{
    const rt_port *port = &s->loss->ports[p];
    size_t elements = rt_shape_elements(&s->shapes[p]);
    if (port->flags & RT_PORT_INDEX) {
        bool labels = strcmp(port->name, "labels") == 0, mixed = strcmp(port->name, "mixed.labels") == 0;
        s->indices[p] = calloc(elements, sizeof **s->indices);
        for (size_t i = 0; s->indices[p] && i < elements; ++i)
            s->indices[p][i] = (int64_t)(labels  ? (7 * i + 1) % sizes->classes
                                         : mixed ? 5 * i % sizes->classes
                                                 : (i + 2) % s->training_samples);
        return s->indices[p] != NULL;
    }
    if (!rt_guarded_new(&s->values[p], elements))
        return false;
    fill_numbers(s->values[p].values, elements, is_logits(port), s->seed, (uint32_t)p);
    for (size_t i = 0; rt_is_share(port) && i < elements; ++i)
        s->values[p].values[i] = 0.25f * fabsf(s->values[p].values[i]);
    return !(port->flags & RT_PORT_DIFF) || rt_guarded_new(&s->gradients[p], elements);
}

static bool fill_ports(rt_specimen *s, const rt_sizes *sizes)
{
    size_t letters[LETTERS] = {0};
    size_letters(s->loss, sizes, letters);
    for (size_t p = 0; p < s->loss->port_count; ++p) {
        const rt_port *port = &s->loss->ports[p];
        if ((port->flags & RT_PORT_OPTIONAL) && !sizes->optional)
            continue;
        for (const char *c = port->shape; *c && s->shapes[p].count < RT_MAX_DIMS; ++c)
            if (*c != ' ')
                s->shapes[p].dims[s->shapes[p].count++] = letters[(size_t)*c & (LETTERS - 1)];
        if (!fill_port(s, p, sizes))
            return false;
    }
    return true;
}

size_t rt_specimen_arrays(const rt_specimen *s, int gradients, rt_loss_array arrays[RT_LOSS_MAX_PORTS])
{
    size_t count = 0;
    for (size_t p = 0; p < s->loss->port_count; ++p)
        if (s->shapes[p].count > 0)
            arrays[count++] = (rt_loss_array){s->loss->ports[p].name,
                                              {.shape = s->shapes[p],
                                               .values = s->values[p].values,
                                               .indices = s->indices[p],
                                               .gradient = gradients ? s->gradients[p].values : NULL}};
    return count;
}

/* What the loss keeps of its own: places for it, and what it begins with. */
static rt_status find_own(rt_specimen *s, rt_error *err)
{
    rt_loss_array arrays[RT_LOSS_MAX_PORTS];
    const rt_loss_training training = {.samples = s->training_samples, .seed = s->seed};
    rt_loss_term term;
    RT_TRY(rt_loss_term_open(&term, s->loss, s->subject->settings, 1.0, &training, arrays,
                             rt_specimen_arrays(s, RT_WITHOUT_GRADIENTS, arrays), err));
    bool enough = true;
    for (size_t i = 0; i < term.own_count && enough; ++i) {
        size_t elements = rt_shape_elements(&term.own[i].shape);
        s->own[i] = term.own[i];
        enough = rt_guarded_new(&s->own_start[i], elements) && rt_guarded_new(&s->own_values[i], elements) &&
                 (!term.own[i].trained || rt_guarded_new(&s->own_gradients[i], elements));
        for (size_t k = 0; enough && k < elements; ++k) /* on a grid, as ports are */
            s->own_start[i].values[k] = rintf(term.io.own[i].values[k] * 0x1p20f) * 0x1p-20f;
    }
    s->own_count = term.own_count;
    rt_loss_term_close(&term);
    return enough ? RT_OK : rt_fail(err, RT_ERROR_MEMORY, "loss '%s': no memory for its own arrays", s->loss->name);
}

rt_status rt_specimen_new(const rt_check_subject *subject, const rt_sizes *sizes, uint64_t seed, rt_specimen **specimen,
                          rt_error *err)
{
    rt_specimen *s = calloc(1, sizeof *s);
    *specimen = s;
    if (!s)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for a trial of loss '%s'", subject->loss->name);
    s->subject = subject, s->loss = subject->loss, s->seed = seed;
    s->weight = 1.0, s->garbage = 0xff, s->sizes = *sizes;
    s->training_samples = sizes->training_samples ? sizes->training_samples : 4 * sizes->samples;
    rt_status status = fill_ports(s, sizes) ? find_own(s, err)
                                            : rt_fail(err, RT_ERROR_MEMORY, "no memory for arrays to try loss '%s' on",
                                                      subject->loss->name);
    if (status != RT_OK) {
        rt_specimen_free(s);
        *specimen = NULL;
    }
    return status;
}

void rt_specimen_free(rt_specimen *s)
{
    if (!s)
        return;
    for (size_t p = 0; p < RT_LOSS_MAX_PORTS; ++p) {
        rt_guarded_free(&s->values[p]);
        rt_guarded_free(&s->gradients[p]);
        free(s->indices[p]);
    }
    for (size_t i = 0; i < RT_LOSS_MAX_OWN; ++i) {
        rt_guarded_free(&s->own_start[i]);
        rt_guarded_free(&s->own_values[i]);
        rt_guarded_free(&s->own_gradients[i]);
    }
    free(s);
}

rt_status rt_specimen_open(rt_specimen *s, int gradients, rt_loss_term *term, rt_error *err)
{
    rt_loss_array arrays[RT_LOSS_MAX_PORTS];
    rt_own_data own[RT_LOSS_MAX_OWN] = {{0}};
    for (size_t i = 0; i < s->own_count; ++i) {
        memcpy(s->own_values[i].values, s->own_start[i].values, s->own_values[i].elements * sizeof(float));
        own[i] = (rt_own_data){s->own_values[i].values, gradients ? s->own_gradients[i].values : NULL};
    }
    const rt_loss_training training = {.samples = s->training_samples, .seed = s->seed, .own = own};
    RT_TRY(rt_loss_term_open(term, s->loss, s->subject->settings, s->weight, &training, arrays,
                             rt_specimen_arrays(s, gradients, arrays), err));
    if (term->io.scratch)
        memset(term->io.scratch, s->garbage, term->scratch_bytes);
    return RT_OK;
}

rt_status rt_specimen_run(rt_specimen *s, int gradients, rt_error *err)
{
    rt_loss_term term;
    RT_TRY(rt_specimen_open(s, gradients, &term, err));
    rt_status status = rt_loss_term_run(&term, 0, &s->value, err);
    rt_loss_term_close(&term);
    return status;
}

rt_status rt_specimen_run_afresh(rt_specimen *s, rt_error *err)
{
    rt_slope slope;
    for (size_t i = 0; rt_specimen_slope(s, i, &slope); ++i)
        memset(slope.gradient, 0, slope.elements * sizeof(float));
    return rt_specimen_run(s, RT_WITH_GRADIENTS, err);
}

bool rt_specimen_slope(rt_specimen *s, size_t number, rt_slope *slope)
{
    for (size_t p = 0; p < s->loss->port_count; ++p)
        if (s->gradients[p].values && number-- == 0) {
            *slope = (rt_slope){s->loss->ports[p].name, &s->shapes[p], s->values[p].values, s->gradients[p].values,
                                s->values[p].elements};
            return true;
        }
    for (size_t i = 0; i < s->own_count; ++i)
        if (s->own_gradients[i].values && number-- == 0) {
            *slope = (rt_slope){s->own[i].name, &s->own[i].shape, s->own_start[i].values, s->own_gradients[i].values,
                                s->own_start[i].elements};
            return true;
        }
    return false;
}
