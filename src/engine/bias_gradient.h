/* The gradient of a bias: the sum of diff_dst over all pixels, of each output, in double. oneDNN's own is summed in
 * float32 over the whole batch, which left it up to 35 times as far from float64 as PyTorch's. */
#ifndef RETORT_ENGINE_BIAS_GRADIENT_H
#define RETORT_ENGINE_BIAS_GRADIENT_H

#include "engine/batch_norm_sums.h"
#include "engine/kernel.h"

/* Zero-initialise; done with rt_bias_gradient_done(). */
typedef struct rt_bias_gradient {
    rt_norm_rows rows;
    double *moments; /* [2, outputs] */
} rt_bias_gradient;

/* Does nothing for a node without a bias; else raises kernel->scratch_bytes. */
rt_status rt_bias_gradient_plan(rt_kernel *kernel, rt_bias_gradient *bias, rt_error *err);

/* Overwrites the gradient of the node's bias, if it has one. diff_dst [batch, height, width, outputs]. */
void rt_bias_gradient_sum(const rt_kernel *kernel, const rt_bias_gradient *bias, const float *diff_dst, void *scratch);

void rt_bias_gradient_done(rt_bias_gradient *bias);

#endif
