/* What value and gradient of a loss cost: for `retort gradcheck` and `retort bench --losses`. */
#ifndef RETORT_CHECK_TIMING_H
#define RETORT_CHECK_TIMING_H

#include "check/specimen.h"

/* The median seconds of a run on a made-up batch: of 15 turns, each of a millisecond or one run; of 5 where a run
 * takes a hundredth of a second, and of a single run where it takes a tenth. *numbers, unless NULL, gets how many
 * numbers the first array with a gradient has. RT_ERROR_SHAPE or RT_ERROR_USAGE where the loss refuses such sizes. */
rt_status rt_time_loss(const rt_check_subject *subject, const rt_sizes *sizes, double *median, size_t *numbers,
                       rt_error *err);

#endif
