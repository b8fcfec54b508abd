/* In which numbers a plan multiplies, and which of them this CPU has instructions for.
 *
 * A CPU without them could emulate them, which is slower than fp32 and helps nobody: whoever asks for a precision by
 * name is refused by rt_precision_check(), and RT_PRECISION_AUTO becomes fp32. */
#ifndef RETORT_ENGINE_ARITHMETIC_H
#define RETORT_ENGINE_ARITHMETIC_H

#include <stdbool.h>

#include "engine/calibration.h"

/* What a plan is made for. NULL in place of a pointer to it means fp32. */
typedef struct rt_arithmetic {
    rt_precision precision;
    const rt_calibration *calibration; /* of the same graph, for INT8; NULL for others. Borrowed while a plan is made */
} rt_arithmetic;

/* Whether the CPU multiplies so itself. ONEDNN_MAX_CPU_ISA, which makes a CPU look lesser, counts. */
bool rt_precision_native(rt_precision precision);

/* RT_ERROR_USAGE, with the instructions that are missing, where it does not. `what` asked: "train.precision". */
rt_status rt_precision_check(rt_precision precision, const char *what, rt_error *err);

/* AUTO where the CPU has what it takes, else FP32; others as they are. */
rt_precision rt_precision_resolve(rt_precision precision);

#endif
