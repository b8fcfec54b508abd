#include "check/timing.h"

#include <time.h>

#include "base/median.h"

enum { TURNS = 15, FEW_TURNS = 5, WARM_RUNS = 3 };
static const double turn_seconds = 1e-3, slow_seconds = 1e-2, long_seconds = 0.1;

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static rt_status run_often(rt_loss_term *term, size_t times, double *seconds, rt_error *err)
{
    double value, start = seconds_now();
    for (size_t i = 0; i < times; ++i)
        RT_TRY(rt_loss_term_run(term, 0, &value, err));
    *seconds = (seconds_now() - start) / (double)times;
    return RT_OK;
}

static rt_status time_term(rt_loss_term *term, double *median, rt_error *err)
{
    double turns[TURNS], once;
    RT_TRY(run_often(term, 1, &once, err));
    if (once > long_seconds)
        return run_often(term, 1, median, err);
    RT_TRY(run_often(term, WARM_RUNS, &once, err));
    const size_t count = once < slow_seconds ? TURNS : FEW_TURNS;
    for (size_t turn = 0; turn < count; ++turn)
        RT_TRY(run_often(term, 1 + (size_t)(turn_seconds / (once + 1e-7)), &turns[turn], err));
    *median = rt_median(turns, count);
    return RT_OK;
}

rt_status rt_time_loss(const rt_check_subject *subject, const rt_sizes *sizes, double *median, size_t *numbers,
                       rt_error *err)
{
    rt_specimen *specimen;
    rt_loss_term term;
    rt_slope slope;
    RT_TRY(rt_specimen_new(subject, sizes, subject->seed, &specimen, err));
    if (numbers)
        *numbers = rt_specimen_slope(specimen, 0, &slope) ? slope.elements : sizes->samples;
    rt_status status = rt_specimen_open(specimen, RT_WITH_GRADIENTS, &term, err);
    if (status == RT_OK) {
        status = time_term(&term, median, err);
        rt_loss_term_close(&term);
    }
    rt_specimen_free(specimen);
    return status;
}
