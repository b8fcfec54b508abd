/* What a sweep came to: every run, and mean and spread over those that differ in the seed alone. */
#ifndef RETORT_TRAIN_SWEEP_SUMMARY_H
#define RETORT_TRAIN_SWEEP_SUMMARY_H

#include "train/sweep_runs.h"

/* Over some numbers; the spread is the standard deviation of a sample, NaN of fewer than two. */
typedef struct rt_spread {
    double mean, deviation;
} rt_spread;

/* Runs that differ in nothing but the seed. */
typedef struct rt_sweep_row {
    const rt_sweep_run *first; /* its values stand for all */
    size_t finished, failed;
    rt_spread best, last; /* test top-1 of those that finished, percent; NaN of none */
} rt_sweep_row;

/* The rows, in the order in which they appear: `rows` has room for as many as there are runs. Returns how many. */
size_t rt_sweep_summarise(const rt_sweep_runs *runs, rt_sweep_row *rows);

/* Writes summary.csv, a line a run, and summary.json, with the rows, into the sweep's folder. */
rt_status rt_sweep_summary_write(const rt_sweep_runs *runs, const rt_sweep_row *rows, size_t count, rt_error *err);

#endif
