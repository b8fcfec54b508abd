/* A frozen convolution computes the batch norm behind it with its own weights and bias:
 *     y = gamma (W x + b - mean) / sqrt(var + eps) + beta  =  (s W) x + (s (b - mean) + beta),
 *     s = gamma / sqrt(var + eps) */
#ifndef RETORT_ENGINE_FOLDING_H
#define RETORT_ENGINE_FOLDING_H

#include "engine/kernel.h"

/* Whether the convolution carries a batch norm (frozen plans alone make such nodes, see graph/passes.h). */
bool rt_folds_norm(const rt_kernel *kernel);

/* Fills `weights` [O, I / groups, k, k] with s W and `bias` [O] with s (b - mean) + beta, from the present parameters,
 * in double before the one rounding. Only where rt_folds_norm(); the convolution's own bias b may be absent. */
void rt_fold_norm(const rt_kernel *kernel, float *weights, float *bias);

#endif
