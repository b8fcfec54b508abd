#include "check/verdict.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static size_t put_sizes(char *text, size_t size, const size_t *sizes, size_t count)
{
    size_t used = (size_t)snprintf(text, size, "[");
    for (size_t i = 0; i < count && used < size; ++i)
        used += (size_t)snprintf(text + used, size - used, i ? ", %zu" : "%zu", sizes[i]);
    if (used < size)
        used += (size_t)snprintf(text + used, size - used, "]");
    return used;
}

rt_place rt_place_of(const char *array, const rt_shape *shape, size_t index)
{
    rt_place place = {""};
    size_t places[RT_MAX_DIMS] = {0}, used = (size_t)snprintf(place.text, sizeof place.text, "'%.48s' ", array);
    for (size_t d = shape->count; d-- > 0; index /= shape->dims[d])
        places[d] = index % shape->dims[d];
    put_sizes(place.text + used, sizeof place.text - used, places, shape->count);
    return place;
}

static void put_shapes(const rt_specimen *specimen, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t p = 0; p < specimen->loss->port_count && used < size; ++p) {
        const rt_shape *shape = &specimen->shapes[p];
        if (shape->count == 0)
            continue;
        used += (size_t)snprintf(text + used, size - used, "%s%s ", used ? ", " : "", specimen->loss->ports[p].name);
        if (used < size)
            used += put_sizes(text + used, size - used, shape->dims, shape->count);
    }
}

void rt_check_fail(rt_check_result *result, const rt_specimen *specimen, const rt_place *place, double expected,
                   double got, const char *format, ...)
{
    rt_check_failure *failure = &result->failure;
    if (result->verdict == RT_CHECK_FAILED)
        return;
    result->verdict = RT_CHECK_FAILED;
    failure->expected = expected;
    failure->got = got;
    size_t used = 0;
    if (specimen) {
        failure->seed = specimen->seed;
        put_shapes(specimen, failure->shapes, sizeof failure->shapes);
        used = (size_t)snprintf(failure->words, sizeof failure->words, "%s, seed %" PRIu64 ": ", failure->shapes,
                                failure->seed);
    }
    if (place) {
        snprintf(failure->element, sizeof failure->element, "%s", place->text);
        used += (size_t)snprintf(failure->words + used, sizeof failure->words - used, "%s: ", place->text);
    }
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(failure->words + used, sizeof failure->words - used, format, arguments);
    va_end(arguments);
}

bool rt_check_within(rt_check_result *result, double expected, double got, double allowed)
{
    double error = fabs(got - expected);
    ++result->compared;
    if (error <= allowed && allowed > 0.0 && error / allowed > result->worst)
        result->worst = error / allowed;
    return error <= allowed;
}

rt_status rt_check_each(const rt_check_subject *subject, rt_check_result *result,
                        rt_status (*look)(rt_specimen *specimen, rt_check_result *result, rt_error *err), rt_error *err)
{
    enum { SEEDS = 2 };
    for (size_t i = 0; i < SEEDS * rt_small_size_count && result->verdict != RT_CHECK_FAILED; ++i) {
        rt_specimen *specimen;
        rt_error refusal = {0};
        rt_status status = rt_specimen_new(subject, &rt_small_sizes[i / SEEDS], subject->seed + i, &specimen, &refusal);
        if (status == RT_ERROR_SHAPE || status == RT_ERROR_USAGE)
            continue; /* that enough is accepted is a check of its own */
        if (status != RT_OK)
            return rt_fail(err, status, "%s", refusal.message);
        ++result->cases;
        status = look(specimen, result, err);
        rt_specimen_free(specimen);
        RT_TRY(status);
    }
    return RT_OK;
}

rt_status rt_check_ran(rt_check_result *result, const rt_specimen *specimen, rt_status status, rt_error *err)
{
    if (status == RT_OK || status == RT_ERROR_MEMORY)
        return status;
    rt_check_fail(result, specimen, NULL, NAN, NAN, "it did not run: %s", err->message);
    *err = (rt_error){0};
    return RT_OK;
}
