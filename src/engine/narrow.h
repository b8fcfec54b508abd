/* Activations and their gradients rounded to shorter numbers, right before a kernel multiplies them. A batch norm that
 * was left to the kernel (norm_link.h) is applied on the way, in the same pass over memory. */
#ifndef RETORT_ENGINE_NARROW_H
#define RETORT_ENGINE_NARROW_H

#include <stdint.h>

#include "engine/norm_link.h"

/* Whether a batch norm with so many channels can be applied on the way. */
bool rt_narrow_reads_norms(const rt_norm_rows *rows);

/* bf16[i] = the bfloat16 nearest to x[i], ties to even; NaN stays NaN. `norm` is NULL for x as it is. */
void rt_narrow_bf16(const rt_norm_rows *rows, const rt_norm_link *norm, const float *x, uint16_t *bf16);

#endif
