/* Between lower.c and lower_operators.c: a program on its way to retort_infer.h. */
#ifndef RETORT_EXPORT_LOWERING_H
#define RETORT_EXPORT_LOWERING_H

#include "export/lowered.h"

typedef struct rt_lowering {
    const rt_program *program;
    const rt_operator *op; /* the one at work */
    rt_sizes *sizes;       /* of each value, for one image; filled in the order of the operators */
    rt_error error;
} rt_lowering;

/* Finds the output's sizes and the lowered operator's kind, numbers, and how many of the inputs it reads (the first
 * ones; integers behind them have become numbers). What does not fit is an error that names the operator. */
void rt_lower_operator(rt_lowering *l, const rt_operator *op, retort_operator *to);

#endif
