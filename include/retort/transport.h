/* Optimal transport between the samples of two batches, each sample of equal mass. */
#ifndef RETORT_TRANSPORT_H
#define RETORT_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "retort/api.h"

#ifdef __cplusplus
extern "C" {
#endif

/* IPOT, the inexact proximal point method (Xie et al. 2019, arXiv:1802.04307), with one inner step. cost [rows,
 * columns]:
 *
 *     A = e^(-cost / beta), P = 1, sigma = 1 / columns; then so often as iterations say
 *     Q = A P (element by element), delta = 1 / (rows Q sigma), sigma = 1 / (columns Q^T delta),
 *     P = diag(delta) Q diag(sigma)
 *
 * It converges to a plan without entropy, whatever beta. `history` is [iterations + 3, rows + columns], written here
 * and read by rt_ipot_backward(). The plan P [rows, columns] is overwritten; sum P cost is returned. */
RT_API double rt_ipot(const double *cost, size_t rows, size_t columns, double beta, size_t iterations, double *plan,
                      double *history);

/* The gradient of what rt_ipot() returned by its cost, through all iterations: slopes [rows, columns] is overwritten.
 * `history` is as rt_ipot() left it, `work` [2, rows, columns] is scratch, where `plan` may be the first half. */
RT_API void rt_ipot_backward(const double *cost, size_t rows, size_t columns, double beta, size_t iterations,
                             double *history, double *slopes, double *work);

/* Entropic transport by Sinkhorn's iterations on potentials f and g, in the logarithmic domain, both updated at once
 * and averaged with what they were, while epsilon takes the values of a schedule:
 *
 *     softmin(cost, h)_i = -epsilon log(mean_j e^((h_j - cost_ij) / epsilon))
 *     f, g = softmin(cost, 0), softmin(cost^T, 0) with the first epsilon; then for each epsilon
 *     f, g = (f + softmin(cost, g)) / 2, (g + softmin(cost^T, f)) / 2;  at last, with the last epsilon,
 *     f, g = softmin(cost, g), softmin(cost^T, f)
 *
 * Returns mean f + mean g, which in the limit is the transport's cost plus epsilon times its relative entropy.
 * `history` is [count + 4, rows + columns], written here and read by rt_sinkhorn_backward(). */
RT_API double rt_sinkhorn(const double *cost, size_t rows, size_t columns, const double *epsilons, size_t count,
                          double *history);

/* The gradient of that by the cost, epsilons constant: slopes [rows, columns] is overwritten. Unrolled, through all
 * iterations; else the plan by which f came out last, e^((f_i + g_j - cost_ij) / epsilon) / (rows columns), which is
 * what it comes to in the limit. */
RT_API void rt_sinkhorn_backward(const double *cost, size_t rows, size_t columns, const double *epsilons, size_t count,
                                 bool unrolled, double *history, double *slopes);

#ifdef __cplusplus
}
#endif
#endif
