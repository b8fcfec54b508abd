/* Activations and their gradients rounded to shorter numbers, right before a kernel multiplies them. A batch norm that
 * was left to the kernel (norm_link.h) is applied on the way, in the same pass over memory. `norm` is NULL for x as it
 * is. */
#ifndef RETORT_ENGINE_NARROW_H
#define RETORT_ENGINE_NARROW_H

#include <stdint.h>

#include "engine/norm_link.h"

/* From the smallest to the largest; a NaN is both. */
typedef struct rt_range {
    float lowest, highest;
} rt_range;

/* Whether a batch norm with so many channels can be applied on the way. */
bool rt_narrow_reads_norms(const rt_norm_rows *rows);

/* bf16[i] = the bfloat16 nearest to x[i], ties to even; NaN stays NaN. */
void rt_narrow_bf16(const rt_norm_rows *rows, const rt_norm_link *norm, const float *x, uint16_t *bf16);

/* steps[i] = x[i] / step, to the nearest whole number, ties to even, of 0 to 255 or if signed of -127 to 127. */
void rt_narrow_int8(const rt_norm_rows *rows, const rt_norm_link *norm, const float *x, float step, bool is_signed,
                    void *steps);

/* Widens `range` to what x holds. */
void rt_narrow_range(const rt_norm_rows *rows, const rt_norm_link *norm, const float *x, rt_range *range);

#endif
