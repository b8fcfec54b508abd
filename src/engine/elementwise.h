/* What ReLU and addition share. */
#ifndef RETORT_ENGINE_ELEMENTWISE_H
#define RETORT_ENGINE_ELEMENTWISE_H

#include "engine/kernel.h"

/* diff_src[i] = sum of the contributions io->diff_dst[...][i] where 0 < dst[i] < ceiling, else 0, for start <= i < end.
 */
void rt_mask_span(const rt_kernel_io *io, float *diff_src, const float *dst, float ceiling, size_t start, size_t end);

#endif
