/* What value and gradient cost. A figure, not a verdict: machines differ. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/median.h"
#include "check/checks.h"
#include "check/specimen.h"

enum { TURNS = 15 };

static const rt_sizes sizes = {
    .samples = 64, .classes = 100, .teachers = 2, .others = {8, 8, 64, 64}, .optional = true};

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static rt_status time_term(rt_loss_term *term, double *median, rt_error *err)
{
    double turns[TURNS], value, start = seconds();
    RT_TRY(rt_loss_term_run(term, 0, &value, err));
    double once = seconds() - start;
    size_t times = once < 1e-3 ? 1 + (size_t)(1e-3 / (once + 1e-7)) : 1;
    for (size_t turn = 0; turn < TURNS; ++turn) {
        start = seconds();
        for (size_t i = 0; i < times; ++i)
            RT_TRY(rt_loss_term_run(term, 0, &value, err));
        turns[turn] = (seconds() - start) / (double)times;
    }
    *median = rt_median(turns, TURNS);
    return RT_OK;
}

/* The median time of a run on a usual batch, and how many numbers its first differentiable port has. */
static rt_status measure(const rt_check_subject *subject, double *median, size_t *numbers, rt_error *err)
{
    rt_specimen *specimen;
    rt_loss_term term;
    rt_slope slope = {0};
    RT_TRY(rt_specimen_new(subject, &sizes, subject->seed, &specimen, err));
    rt_specimen_slope(specimen, 0, &slope);
    *numbers = slope.elements ? slope.elements : sizes.samples;
    rt_status status = rt_specimen_open(specimen, RT_WITH_GRADIENTS, &term, err);
    if (status == RT_OK) {
        status = time_term(&term, median, err);
        rt_loss_term_close(&term);
    }
    rt_specimen_free(specimen);
    return status;
}

static bool takes_logits(const rt_loss *loss)
{
    for (size_t p = 0; p < loss->port_count; ++p)
        if (strcmp(loss->ports[p].name, "student.logits") == 0)
            return true;
    return false;
}

rt_status rt_check_speed(const rt_check_subject *subject, rt_check_result *result, rt_error *err)
{
    double median = 0.0, other = 0.0;
    size_t numbers = 1;
    rt_error refusal = {0};
    rt_status status = measure(subject, &median, &numbers, &refusal);
    if (status == RT_ERROR_MEMORY)
        return rt_fail(err, status, "%s", refusal.message);
    result->cases = 1;
    result->seconds = median;
    bool logits = takes_logits(subject->loss);
    if (status != RT_OK) {
        result->verdict = RT_CHECK_DOES_NOT_APPLY;
        return RT_OK;
    }
    size_t used = (size_t)snprintf(result->note, sizeof result->note, "%.3g ns %s", 1e9 * median / (double)numbers,
                                   logits ? "a class" : "a feature");
    if (!subject->measure || !logits)
        return RT_OK;
    const void *settings = subject->measure_settings;
    const rt_check_subject measured = {.loss = subject->measure, .settings = settings, .seed = subject->seed};
    RT_TRY(measure(&measured, &other, &numbers, err));
    result->ratio = median / other;
    snprintf(result->note + used, sizeof result->note - used, ", %.3g times %s", result->ratio, subject->measure->name);
    return RT_OK;
}
