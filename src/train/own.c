#include "train/own.h"

#include <string.h>

#include "graph/parameters.h"
#include "retort/random.h"

enum { ALIGNED_FLOATS = 16, MOST_FLOATS = 1 << 30 };

void rt_own_fill(const rt_own *own, uint64_t seed, uint32_t term, uint32_t number, float *values)
{
    const rt_key key = {.seed = seed, .stream = RT_STREAM_LOSS_INIT, .epoch = term, .index = number};
    size_t elements = rt_shape_elements(&own->shape);
    uint32_t words[4];
    for (size_t i = 0; i < elements; ++i) {
        if (i % 4 == 0)
            rt_random_block(&key, (uint32_t)(i / 4), words);
        double unit = ((double)words[i % 4] + 0.5) * 0x1p-31 - 1.0; /* uniform in (-1, 1) */
        values[i] = (float)(own->center + own->spread * unit);
    }
}

static rt_status check_shape(const rt_loss *loss, const rt_own *own, rt_error *err)
{
    size_t left = MOST_FLOATS;
    if (own->shape.count < 1 || own->shape.count > RT_MAX_DIMS)
        return rt_fail(err, RT_ERROR_SHAPE, "loss '%s': its own array '%s' has %zu dimensions; it must have 1 to %d",
                       loss->name, own->name, own->shape.count, RT_MAX_DIMS);
    for (size_t d = 0; d < own->shape.count; ++d) {
        size_t size = own->shape.dims[d];
        if (size == 0 || size > left)
            return rt_fail(err, RT_ERROR_SHAPE, "loss '%s': size %zu of its own array '%s' is %zu; %s", loss->name, d,
                           own->name, size, size ? "that is beyond 2^30 elements" : "it must be at least 1");
        left /= size;
    }
    return RT_OK;
}

rt_status rt_own_check(const rt_loss *loss, const rt_own *own, size_t count, rt_error *err)
{
    if (count > RT_LOSS_MAX_OWN)
        return rt_fail(err, RT_ERROR_USAGE, "loss '%s' declares %zu arrays of its own; at most %d", loss->name, count,
                       RT_LOSS_MAX_OWN);
    for (size_t i = 0; i < count; ++i) {
        if (!own[i].name || !*own[i].name)
            return rt_fail(err, RT_ERROR_USAGE, "loss '%s': its own array %zu has no name", loss->name, i);
        RT_TRY(check_shape(loss, &own[i], err));
        for (size_t j = 0; j < i; ++j)
            if (strcmp(own[i].name, own[j].name) == 0)
                return rt_fail(err, RT_ERROR_USAGE, "loss '%s' declares two arrays '%s'", loss->name, own[i].name);
    }
    return RT_OK;
}

static size_t rounded_up(size_t elements)
{
    return (elements + ALIGNED_FLOATS - 1) / ALIGNED_FLOATS * ALIGNED_FLOATS;
}

rt_status rt_own_new(const rt_loss *loss, const rt_own *own, size_t count, uint64_t seed, uint32_t term,
                     rt_own_data *data, void **block, rt_error *err)
{
    size_t floats = 0;
    RT_TRY(rt_own_check(loss, own, count, err));
    for (size_t i = 0; i < count; ++i)
        floats += rounded_up(rt_shape_elements(&own[i].shape)) * (own[i].trained ? 2 : 1);
    float *next = rt_aligned_zeros(floats * sizeof *next + 1);
    if (!next)
        return rt_fail(err, RT_ERROR_MEMORY, "loss '%s': no memory for %zu numbers of its own", loss->name, floats);
    *block = next;
    for (size_t i = 0; i < count; ++i) {
        size_t elements = rounded_up(rt_shape_elements(&own[i].shape));
        data[i] = (rt_own_data){next, own[i].trained ? next + elements : NULL};
        next += elements * (own[i].trained ? 2 : 1);
        rt_own_fill(&own[i], seed, term, (uint32_t)i, data[i].values);
    }
    return RT_OK;
}
