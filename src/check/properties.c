/* What a loss declares of itself (rt_loss_property). What it does not declare is not asked. */
#include <math.h>
#include <string.h>

#include "check/checks.h"
#include "check/verdict.h"

static bool declares(const rt_check_subject *subject, rt_check_result *result, unsigned property)
{
    if (subject->loss->properties & property)
        return true;
    result->verdict = RT_CHECK_DOES_NOT_APPLY;
    return false;
}

static rt_status look_at_sign(rt_specimen *specimen, rt_check_result *result, rt_error *err)
{
    RT_TRY(rt_check_ran(result, specimen, rt_specimen_run(specimen, RT_WITHOUT_GRADIENTS, err), err));
    ++result->compared;
    if (result->verdict != RT_CHECK_FAILED && !(specimen->value >= -1e-12)) /* what rounding may leave of 0 */
        rt_check_fail(result, specimen, NULL, 0.0, specimen->value, "the value is %g", specimen->value);
    return RT_OK;
}

/* "student.logits" and "teacher.logits" or "teachers.logits", which holds several behind each other: copies the one to
 * the other. False where there is no such pair, or sizes differ. */
static bool make_equal(rt_specimen *specimen)
{
    const rt_loss *loss = specimen->loss;
    bool found = false;
    for (size_t p = 0; p < loss->port_count; ++p) {
        const char *what = loss->ports[p].name;
        if (strncmp(what, "student.", 8) != 0 || !specimen->values[p].values)
            continue;
        for (size_t t = 0; t < loss->port_count; ++t) {
            const char *dot = strchr(loss->ports[t].name, '.');
            if (strncmp(loss->ports[t].name, "teacher", 7) != 0 || !dot || strcmp(dot + 1, what + 8) != 0 ||
                !specimen->values[t].values)
                continue;
            const rt_shape *student = &specimen->shapes[p], *teacher = &specimen->shapes[t];
            size_t more = teacher->count - student->count, elements = specimen->values[p].elements;
            if (more > 1 || memcmp(student->dims, teacher->dims + more, student->count * sizeof *student->dims) != 0)
                return false;
            for (size_t i = 0; i < specimen->values[t].elements; ++i)
                specimen->values[t].values[i] = specimen->values[p].values[i % elements];
            found = true;
        }
    }
    return found;
}

static rt_status compare_with_zero(rt_specimen *specimen, rt_check_result *result, rt_error *err)
{
    rt_slope slope;
    double usual_value, usual_gradient = 0.0;
    RT_TRY(rt_specimen_run_afresh(specimen, err));
    usual_value = fabs(specimen->value);
    for (size_t s = 0; rt_specimen_slope(specimen, s, &slope); ++s)
        for (size_t i = 0; i < slope.elements; ++i)
            usual_gradient = fmax(usual_gradient, fabs((double)slope.gradient[i]));
    if (!make_equal(specimen)) {
        --result->cases;
        return RT_OK;
    }
    RT_TRY(rt_specimen_run_afresh(specimen, err));
    if (!rt_check_within(result, 0.0, specimen->value, 1e-12 + 1e-10 * usual_value))
        rt_check_fail(result, specimen, NULL, 0.0, specimen->value,
                      "the value is %g where student and teacher are equal", specimen->value);
    for (size_t s = 0; rt_specimen_slope(specimen, s, &slope); ++s)
        for (size_t i = 0; i < slope.elements; ++i) {
            rt_place place = rt_place_of(slope.name, slope.shape, i);
            if (!rt_check_within(result, 0.0, (double)slope.gradient[i], 1e-9 + 1e-7 * usual_gradient))
                rt_check_fail(result, specimen, &place, 0.0, (double)slope.gradient[i],
                              "the gradient is %g where student and teacher are equal", (double)slope.gradient[i]);
        }
    return RT_OK;
}

static rt_status look_at_equality(rt_specimen *specimen, rt_check_result *result, rt_error *err)
{
    return rt_check_ran(result, specimen, compare_with_zero(specimen, result, err), err);
}

/* At random inputs, and at equality, where rounding shows. */
static rt_status look_at_sign_and_equality(rt_specimen *specimen, rt_check_result *result, rt_error *err)
{
    RT_TRY(look_at_sign(specimen, result, err));
    return make_equal(specimen) ? look_at_sign(specimen, result, err) : RT_OK;
}

rt_status rt_check_non_negative(const rt_check_subject *subject, rt_check_result *result, rt_error *err)
{
    if (!declares(subject, result, RT_LOSS_NON_NEGATIVE))
        return RT_OK;
    return rt_check_each(subject, result, look_at_sign_and_equality, err);
}

rt_status rt_check_zero_at_equality(const rt_check_subject *subject, rt_check_result *result, rt_error *err)
{
    if (!declares(subject, result, RT_LOSS_ZERO_AT_EQUALITY))
        return RT_OK;
    RT_TRY(rt_check_each(subject, result, look_at_equality, err));
    if (result->cases == 0)
        rt_check_fail(result, NULL, NULL, NAN, NAN, "no shapes make student and teacher equal");
    return RT_OK;
}

/* Shifts the logits of the last sample; then looks at the sums of gradients. */
static rt_status shift(rt_specimen *specimen, size_t port, rt_check_result *result, rt_error *err)
{
    size_t samples = specimen->shapes[port].dims[0], classes = specimen->shapes[port].dims[1];
    float *last = specimen->values[port].values + (samples - 1) * classes;
    RT_TRY(rt_specimen_run_afresh(specimen, err));
    double value = specimen->value;
    for (size_t n = 0; n < samples && specimen->gradients[port].values; ++n) {
        const float *gradient = specimen->gradients[port].values + n * classes;
        double sum = 0.0, size = 0.0;
        for (size_t k = 0; k < classes; ++k) {
            sum += (double)gradient[k];
            size += fabs((double)gradient[k]);
        }
        /* Rounding to float leaves 6e-8 of each. */
        if (!rt_check_within(result, 0.0, sum, 1e-7 * size + 1e-30))
            rt_check_fail(result, specimen, NULL, 0.0, sum, "the gradient of sample %zu sums to %g", n, sum);
    }
    for (size_t k = 0; k < classes; ++k)
        last[k] += 3.0f;
    RT_TRY(rt_specimen_run(specimen, RT_WITHOUT_GRADIENTS, err));
    for (size_t k = 0; k < classes; ++k)
        last[k] -= 3.0f;
    if (!rt_check_within(result, value, specimen->value, 1e-12 + 1e-11 * fabs(value)))
        rt_check_fail(result, specimen, NULL, value, specimen->value,
                      "the value is %.17g, and %.17g with 3 added to the logits of sample %zu in '%s'", value,
                      specimen->value, samples - 1, specimen->loss->ports[port].name);
    return RT_OK;
}

static rt_status look_at_shifts(rt_specimen *specimen, rt_check_result *result, rt_error *err)
{
    for (size_t p = 0; p < specimen->loss->port_count && result->verdict != RT_CHECK_FAILED; ++p)
        if (strcmp(specimen->loss->ports[p].name, "student.logits") == 0 && specimen->shapes[p].count == 2)
            RT_TRY(rt_check_ran(result, specimen, shift(specimen, p, result, err), err));
    return RT_OK;
}

rt_status rt_check_shift_invariant(const rt_check_subject *subject, rt_check_result *result, rt_error *err)
{
    if (!declares(subject, result, RT_LOSS_SHIFT_INVARIANT))
        return RT_OK;
    return rt_check_each(subject, result, look_at_shifts, err);
}
