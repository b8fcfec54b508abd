#include "base/precision.h"

#include <stddef.h>

const char *const rt_precision_names[] = {
    [RT_PRECISION_FP32] = "fp32", [RT_PRECISION_BF16] = "bf16", [RT_PRECISION_AUTO] = "auto", [RT_PRECISIONS] = NULL};
