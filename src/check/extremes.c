/* Inputs at the edge: logits of +-1e4, ties, a teacher who is certain, features of zeros or all alike; and NaN and
 * infinity, which a loss must let through to its value, where whoever called it finds them. */
#include <math.h>
#include <string.h>

#include "check/checks.h"
#include "check/verdict.h"

enum { KINDS = 9 };

/* Element `i` of a row of `row` elements, for the student or the teacher. */
static float extreme(int kind, bool student, size_t i, size_t row)
{
    float alternating = i % 2 ? 1e4f : -1e4f, certain = i % row == 0 ? 1e4f : 0.0f;
    if (kind == 8)
        return 1e-20f * (float)(1 + i % 3);
    if (student)
        return kind & 1 ? alternating : kind & 4 ? certain : 0.0f;
    return kind & 2 ? -alternating : kind & 4 ? 1e4f - certain : 0.0f;
}

static void fill(rt_specimen *specimen, int kind)
{
    for (size_t p = 0; p < specimen->loss->port_count; ++p) {
        size_t elements = specimen->values[p].elements, last = specimen->shapes[p].count;
        if (rt_is_share(&specimen->loss->ports[p]))
            continue; /* a share has its range */
        bool student = strncmp(specimen->loss->ports[p].name, "student", 7) == 0;
        for (size_t i = 0; i < elements; ++i)
            specimen->values[p].values[i] = extreme(kind, student, i, specimen->shapes[p].dims[last - 1]);
    }
}

static rt_status look_at_extremes(rt_specimen *specimen, rt_check_result *result, rt_error *err)
{
    static const char *const words[KINDS] = {"zeros",
                                             "the student at +-1e4",
                                             "the teacher at +-1e4",
                                             "both at +-1e4, opposed",
                                             "both certain, and opposed",
                                             "the student at +-1e4, the teacher certain",
                                             "the teacher at +-1e4, the student certain",
                                             "both at +-1e4, opposed",
                                             "all within 3e-20 of zero"};
    for (int kind = 0; kind < KINDS && result->verdict != RT_CHECK_FAILED; ++kind) {
        rt_slope slope;
        rt_error why = {0};
        fill(specimen, kind);
        rt_status status = rt_specimen_run_afresh(specimen, &why);
        if (status == RT_ERROR_MEMORY)
            return rt_fail(err, status, "%s", why.message);
        if (status != RT_OK)
            rt_check_fail(result, specimen, NULL, NAN, NAN, "%s: %s", words[kind], why.message);
        for (size_t s = 0; result->verdict != RT_CHECK_FAILED && rt_specimen_slope(specimen, s, &slope); ++s)
            for (size_t i = 0; i < slope.elements; ++i, ++result->compared) {
                rt_place place = rt_place_of(slope.name, slope.shape, i);
                if (!isfinite(slope.gradient[i]))
                    rt_check_fail(result, specimen, &place, NAN, (double)slope.gradient[i],
                                  "%s: the gradient is %g; it must be finite", words[kind], (double)slope.gradient[i]);
            }
    }
    return RT_OK;
}

rt_status rt_check_finite(const rt_check_subject *subject, rt_check_result *result, rt_error *err)
{
    return rt_check_each(subject, result, look_at_extremes, err);
}

/* One number of a port made NaN or infinite: the value must not be finite, unless the loss does not read that number,
 * and then it keeps its bits. */
static rt_status spoil(rt_specimen *specimen, size_t port, size_t index, double expected, rt_check_result *result,
                       rt_error *err)
{
    const float bad[] = {NAN, INFINITY, -INFINITY};
    float *number = &specimen->values[port].values[index], kept = *number;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i) {
        rt_error why = {0};
        *number = bad[i];
        rt_status status = rt_specimen_run_afresh(specimen, &why);
        *number = kept;
        if (status == RT_ERROR_MEMORY)
            return rt_fail(err, status, "%s", why.message);
        ++result->compared;
        if (status != RT_OK || specimen->value == expected)
            continue;
        rt_place place = rt_place_of(specimen->loss->ports[port].name, &specimen->shapes[port], index);
        rt_check_fail(result, specimen, &place, (double)bad[i], specimen->value,
                      "%g here gives a value of %g, which hides it", (double)bad[i], specimen->value);
    }
    return RT_OK;
}

static rt_status look_at_spoilt(rt_specimen *specimen, rt_check_result *result, rt_error *err)
{
    RT_TRY(rt_check_ran(result, specimen, rt_specimen_run_afresh(specimen, err), err));
    double expected = specimen->value;
    for (size_t p = 0; p < specimen->loss->port_count; ++p) {
        size_t elements = specimen->values[p].elements;
        for (size_t i = 0; i < elements && result->verdict != RT_CHECK_FAILED; i += 1 + elements / 7)
            RT_TRY(spoil(specimen, p, i, expected, result, err));
    }
    return RT_OK;
}

rt_status rt_check_not_finite(const rt_check_subject *subject, rt_check_result *result, rt_error *err)
{
    return rt_check_each(subject, result, look_at_spoilt, err);
}
