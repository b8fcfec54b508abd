#include "base/precision.h"

#include <stddef.h>

#define TRAINING [RT_PRECISION_FP32] = "fp32", [RT_PRECISION_BF16] = "bf16", [RT_PRECISION_AUTO] = "auto"

const char *const rt_precision_names[] = {TRAINING, [RT_PRECISION_INT8] = "int8", [RT_PRECISIONS] = NULL};
const char *const rt_training_precision_names[] = {TRAINING, NULL};
