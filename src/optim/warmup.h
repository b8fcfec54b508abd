/* Linear warm-up, the same in every schedule. */
#ifndef RETORT_OPTIM_WARMUP_H
#define RETORT_OPTIM_WARMUP_H

#include "retort/param.h"

/* The parameter, for a settings struct T with a field `double warmup`. */
#define RT_WARMUP_PARAM(T) RT_FLOAT(T, warmup, 0.0, 0.0, 1e6, "epochs of linear warm-up from 1 % of the learning rate")

/* What warm-up multiplies the factor by at `epoch`: from 0.01 at the first step in a straight line to 1 at `warmup`
 * epochs, and 1 from there on. It begins at 0.01 (as torchvision's training recipes do), not at 0, because a step with
 * a learning rate of zero is a step lost. */
double rt_warmup_ramp(double warmup, double epoch);

#endif
