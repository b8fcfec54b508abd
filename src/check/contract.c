/* What run() does with its gradients, its weight and its inputs. */
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "check/checks.h"
#include "check/verdict.h"

/* The gradients of a run at some weight, in the order of slopes, behind each other. */
static rt_status run_at(rt_specimen *specimen, double weight, float *gradients, rt_error *err)
{
    rt_slope slope;
    specimen->weight = weight;
    rt_status status = rt_specimen_run_afresh(specimen, err);
    specimen->weight = 1.0;
    for (size_t s = 0; status == RT_OK && rt_specimen_slope(specimen, s, &slope); ++s) {
        memcpy(gradients, slope.gradient, slope.elements * sizeof *gradients);
        gradients += slope.elements;
    }
    return status;
}

/* Memory for two sets of gradients; NULL without. */
static float *room_for_gradients(rt_specimen *specimen, size_t *elements)
{
    rt_slope slope;
    *elements = 0;
    for (size_t s = 0; rt_specimen_slope(specimen, s, &slope); ++s)
        *elements += slope.elements;
    return calloc(2 * *elements + 1, sizeof(float));
}

/* Runs once on gradients of zero and once on some that are there; the second minus the first must be those. */
static rt_status add(rt_specimen *specimen, float *once, rt_check_result *result, rt_error *err)
{
    rt_slope slope;
    RT_TRY(run_at(specimen, 1.0, once, err));
    for (size_t s = 0; rt_specimen_slope(specimen, s, &slope); ++s)
        for (size_t i = 0; i < slope.elements; ++i)
            slope.gradient[i] = (float)(1 + i % 5) * 0.25f;
    RT_TRY(rt_specimen_run(specimen, RT_WITH_GRADIENTS, err));
    double size = 0.0;
    for (size_t s = 0; rt_specimen_slope(specimen, s, &slope); once += slope.elements, ++s)
        for (size_t i = 0; i < slope.elements; ++i) {
            double there = (double)(1 + i % 5) * 0.25, expected = there + (double)once[i];
            size += fabs((double)once[i]);
            /* Each addition rounds to a float, and there may be several. */
            if (rt_check_within(result, expected, (double)slope.gradient[i], 1e-5 * (there + fabs((double)once[i]))))
                continue;
            rt_place place = rt_place_of(slope.name, slope.shape, i);
            rt_check_fail(result, specimen, &place, expected, (double)slope.gradient[i],
                          "the gradient becomes %g where %g was and %g is to be added", (double)slope.gradient[i],
                          there, (double)once[i]);
        }
    if (!(size > 0.0) && specimen->shapes[0].dims[0] > 1)
        rt_check_fail(result, specimen, NULL, NAN, 0.0, "all gradients are 0");
    return RT_OK;
}

static rt_status look_at_additions(rt_specimen *specimen, rt_check_result *result, rt_error *err)
{
    size_t elements;
    float *once = room_for_gradients(specimen, &elements);
    if (!once)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for gradients");
    rt_status status = rt_check_ran(result, specimen, add(specimen, once, result, err), err);
    free(once);
    return status;
}

rt_status rt_check_added(const rt_check_subject *subject, rt_check_result *result, rt_error *err)
{
    return rt_check_each(subject, result, look_at_additions, err);
}

/* Weight 4 against weight 1: that is exact in any arithmetic of base two. */
static rt_status weigh(rt_specimen *specimen, float *once, size_t elements, rt_check_result *result, rt_error *err)
{
    rt_slope slope;
    float *fourfold = once + elements;
    RT_TRY(run_at(specimen, 1.0, once, err));
    double value = specimen->value;
    RT_TRY(run_at(specimen, 4.0, fourfold, err));
    if (specimen->value != value)
        rt_check_fail(result, specimen, NULL, value, specimen->value,
                      "the value is %.17g at weight 1 and %.17g at weight 4; it must be the same", value,
                      specimen->value);
    for (size_t s = 0, at = 0; rt_specimen_slope(specimen, s, &slope); at += slope.elements, ++s)
        for (size_t i = 0; i < slope.elements; ++i) {
            double expected = 4.0 * (double)once[at + i], got = (double)fourfold[at + i];
            rt_place place = rt_place_of(slope.name, slope.shape, i);
            if (!rt_check_within(result, expected, got, 1e-6 * fabs(expected) + 1e-37))
                rt_check_fail(result, specimen, &place, expected, got,
                              "the gradient is %g at weight 1 and %g at weight 4", (double)once[at + i], got);
        }
    RT_TRY(rt_specimen_run(specimen, RT_WITHOUT_GRADIENTS, err));
    if (specimen->value != value)
        rt_check_fail(result, specimen, NULL, value, specimen->value,
                      "the value is %.17g with gradients and %.17g where none are wanted; it must be the same", value,
                      specimen->value);
    return RT_OK;
}

static rt_status look_at_weights(rt_specimen *specimen, rt_check_result *result, rt_error *err)
{
    size_t elements;
    float *once = room_for_gradients(specimen, &elements);
    if (!once)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for gradients");
    rt_status status = rt_check_ran(result, specimen, weigh(specimen, once, elements, result, err), err);
    free(once);
    return status;
}

rt_status rt_check_weighted(const rt_check_subject *subject, rt_check_result *result, rt_error *err)
{
    return rt_check_each(subject, result, look_at_weights, err);
}

/* Runs, and says whether `size` bytes at `array` are as they were. */
static rt_status run_and_compare(rt_specimen *specimen, const void *array, size_t size, bool *same, rt_error *err)
{
    void *before = malloc(size + 1);
    if (!before)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for a copy of an input");
    memcpy(before, array, size);
    rt_status status = rt_specimen_run_afresh(specimen, err);
    *same = memcmp(before, array, size) == 0;
    free(before);
    return status;
}

static rt_status look_at_inputs(rt_specimen *specimen, rt_check_result *result, rt_error *err)
{
    const rt_loss *loss = specimen->loss;
    for (size_t p = 0; p < loss->port_count; ++p) {
        const rt_shape *shape = &specimen->shapes[p];
        const void *array = specimen->indices[p] ? (const void *)specimen->indices[p] : specimen->values[p].values;
        size_t bytes =
            specimen->indices[p] ? shape->dims[0] * sizeof(int64_t) : specimen->values[p].elements * sizeof(float);
        bool same = true;
        if (shape->count == 0)
            continue;
        RT_TRY(rt_check_ran(result, specimen, run_and_compare(specimen, array, bytes, &same, err), err));
        ++result->compared;
        if (!same)
            rt_check_fail(result, specimen, NULL, NAN, NAN, "it writes into '%s', which is to be read",
                          loss->ports[p].name);
    }
    for (size_t i = 0; i < specimen->own_count; ++i)
        if (specimen->own[i].trained && ++result->compared &&
            memcmp(specimen->own_values[i].values, specimen->own_start[i].values,
                   specimen->own_start[i].elements * sizeof(float)) != 0)
            rt_check_fail(result, specimen, NULL, NAN, NAN, "it writes into its array '%s', which the optimizer trains",
                          specimen->own[i].name);
    return RT_OK;
}

rt_status rt_check_unchanged_inputs(const rt_check_subject *subject, rt_check_result *result, rt_error *err)
{
    return rt_check_each(subject, result, look_at_inputs, err);
}
