/* What value and gradient cost. A figure, not a verdict: machines differ. */
#include <stdio.h>

#include "check/checks.h"
#include "check/timing.h"

/* On a usual batch: 64 images of 100 classes, maps of 8 x 8 with 64 channels. */
static rt_status measure(const rt_check_subject *subject, double *median, size_t *numbers, rt_error *err)
{
    const rt_sizes sizes = rt_batch_sizes(subject->loss, 64, 100, 64, 8);
    return rt_time_loss(subject, &sizes, median, numbers, err);
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
    bool logits = rt_has_port(subject->loss, "student.logits");
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
