/* Gradients against finite differences of the value, which is double.
 *
 * A step h gives the central difference, and two steps Richardson's extrapolation of it, off by h^4 of the fifth
 * derivative. The first step is large, which keeps the rounding of the value out; where gradient and estimate differ,
 * the step is halved, up to 2^-7 of the first, until they agree: strongly curved losses need that. A wrong gradient
 * never agrees, whatever the step.
 *
 * Where no step agrees, there may be a kink at the point or within the last steps of it. Its sides tell: the slopes to
 * the right and to the left differ by what no curvature makes of so small a step, at once or a little further out.
 * There the gradient must lie between the two slopes; such points are counted, and more than a twentieth of all is a
 * failure, so that a wrong gradient cannot hide behind kinks. */
#include "check/checks.h"

#include <math.h>

#include "check/verdict.h"

enum { STEPS = 8, MOST_ELEMENTS = 160 };

/* One element of one array of gradients. */
struct point {
    rt_specimen *specimen;
    rt_slope slope;
    size_t index;
    double largest; /* of the array's gradients: what rounding to float is relative to */
    double middle;  /* the value where nothing is shifted */
};

static rt_status value_at(const struct point *point, double shift, double *value, rt_error *err)
{
    float *number = &point->slope.values[point->index], kept = *number;
    *number = kept + (float)shift; /* exact: both lie on a grid */
    rt_status status = rt_specimen_run(point->specimen, RT_WITHOUT_GRADIENTS, err);
    *number = kept;
    *value = point->specimen->value;
    return status;
}

/* The slope by Richardson's extrapolation, and how far the value's rounding can have moved it. */
static rt_status estimate(const struct point *point, double step, double *slope, double *noise, rt_error *err)
{
    double values[4];
    static const double places[4] = {1.0, -1.0, 2.0, -2.0};
    for (size_t i = 0; i < 4; ++i)
        RT_TRY(value_at(point, places[i] * step, &values[i], err));
    *slope = (8.0 * (values[0] - values[1]) - (values[2] - values[3])) / (12.0 * step);
    *noise = 0x1p-49 * (fabs(values[0]) + fabs(values[2])) / step;
    return RT_OK;
}

/* The slopes to the right and to the left, by the nearest value on each side. */
static rt_status sides(const struct point *point, double step, double *right, double *left, rt_error *err)
{
    double after, before;
    RT_TRY(value_at(point, step, &after, err));
    RT_TRY(value_at(point, -step, &before, err));
    *right = (after - point->middle) / step;
    *left = (point->middle - before) / step;
    return RT_OK;
}

static rt_status look_at_sides(const struct point *point, double step, bool *kink, bool *between, rt_error *err)
{
    double right, left, far_right, far_left;
    double gradient = (double)point->slope.gradient[point->index];
    RT_TRY(sides(point, step, &right, &left, err));
    RT_TRY(sides(point, 4.0 * step, &far_right, &far_left, err));
    double gap = fabs(right - left), slack = 1e-3 * (fabs(right) + fabs(left)) + 1e-6 * point->largest;
    *kink = fmax(gap, fabs(far_right - far_left)) > slack;
    *between = gradient >= fmin(right, left) - slack && gradient <= fmax(right, left) + slack;
    return RT_OK;
}

static rt_status check_point(const struct point *point, rt_check_result *result, rt_error *err)
{
    const double first = 0x1p-8;
    double gradient = (double)point->slope.gradient[point->index], slope = NAN, noise = 0.0;
    for (size_t i = 0; i < STEPS; ++i) {
        RT_TRY(estimate(point, first / (double)(1 << i), &slope, &noise, err));
        /* 1e-6 is the contract's; a float holds 6e-8, and sums in floats lose as much of the array's largest. */
        if (rt_check_within(result, slope, gradient, 1e-6 * fabs(slope) + 3e-8 * point->largest + noise + 1e-12))
            return RT_OK;
        --result->compared;
    }
    ++result->compared;
    bool kink, between;
    RT_TRY(look_at_sides(point, first / (1 << (STEPS - 1)), &kink, &between, err));
    rt_place place = rt_place_of(point->slope.name, point->slope.shape, point->index);
    if (kink && between)
        ++result->kinks;
    else if (kink)
        rt_check_fail(result, point->specimen, &place, slope, gradient,
                      "the loss has a kink here, and the gradient, %.9g, is neither side's slope nor between them",
                      gradient);
    else
        rt_check_fail(result, point->specimen, &place, slope, gradient,
                      "the gradient is %.9g, finite differences give %.9g", gradient, slope);
    return RT_OK;
}

static rt_status check_array(rt_specimen *specimen, const rt_slope *slope, double middle, rt_check_result *result,
                             rt_error *err)
{
    struct point point = {specimen, *slope, 0, 0.0, middle};
    for (size_t i = 0; i < slope->elements; ++i)
        point.largest = fmax(point.largest, fabs((double)slope->gradient[i]));
    /* Of large arrays every so many elements, by a stride that meets all rows and columns. */
    size_t stride = slope->elements <= MOST_ELEMENTS ? 1 : slope->elements / MOST_ELEMENTS | 1;
    for (; point.index < slope->elements && result->verdict != RT_CHECK_FAILED; point.index += stride)
        RT_TRY(check_point(&point, result, err));
    return RT_OK;
}

static rt_status look(rt_specimen *specimen, rt_check_result *result, rt_error *err)
{
    rt_slope slope;
    RT_TRY(rt_check_ran(result, specimen, rt_specimen_run_afresh(specimen, err), err));
    double middle = specimen->value;
    for (size_t i = 0; result->verdict != RT_CHECK_FAILED && rt_specimen_slope(specimen, i, &slope); ++i)
        RT_TRY(rt_check_ran(result, specimen, check_array(specimen, &slope, middle, result, err), err));
    return RT_OK;
}

rt_status rt_check_differences(const rt_check_subject *subject, rt_check_result *result, rt_error *err)
{
    RT_TRY(rt_check_each(subject, result, look, err));
    if (20 * result->kinks > result->compared)
        rt_check_fail(result, NULL, NULL, NAN, NAN,
                      "%zu of %zu points are kinks; where more than a twentieth is, differences prove nothing",
                      result->kinks, result->compared);
    return RT_OK;
}
