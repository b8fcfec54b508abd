#include <math.h>
#include <string.h>

#include "retort/exponential.h"
#include "retort/features.h"
#include "retort/transport.h"

/* Row t of the history holds the logarithms of what P has been multiplied by in t iterations, f by rows and g by
 * columns, so that P_t = e^(f_i + g_j - t cost / beta) need not be kept. Row 0 is zero; two rows after the last are
 * scratch. */
RT_WIDE double rt_ipot(const double *cost, size_t rows, size_t columns, double beta, size_t iterations, double *plan,
                       double *history)
{
    size_t both = rows + columns;
    double *restrict sigma = history + (iterations + 1) * both;
    memset(history, 0, both * sizeof *history);
    for (size_t k = 0; k < rows * columns; ++k)
        plan[k] = 1.0;
    for (size_t j = 0; j < columns; ++j)
        sigma[j] = 1.0 / (double)columns;
    for (size_t t = 1; t <= iterations; ++t) {
        const double *before = history + (t - 1) * both;
        double *restrict f = history + t * both, *restrict g = f + rows; /* g is the sums of columns at first */
        memset(g, 0, columns * sizeof *g);
        for (size_t i = 0; i < rows; ++i) {
            double *restrict row = plan + i * columns;
            for (size_t j = 0; j < columns; ++j)
                row[j] *= rt_exp(-cost[i * columns + j] / beta);
            double delta = 1.0 / ((double)rows * rt_dot(row, sigma, columns));
            f[i] = before[i] + log(delta);
            for (size_t j = 0; j < columns; ++j) {
                row[j] *= delta;
                g[j] += row[j];
            }
        }
        for (size_t j = 0; j < columns; ++j) {
            sigma[j] = 1.0 / ((double)columns * g[j]);
            g[j] = before[rows + j] + log(sigma[j]);
        }
        for (size_t i = 0; i < rows; ++i)
            for (size_t j = 0; j < columns; ++j)
                plan[i * columns + j] *= sigma[j];
    }
    return rt_dot(plan, cost, rows * columns);
}

/* log sigma of iteration t, from the history. */
static double log_sigma(const double *history, size_t rows, size_t columns, size_t t, size_t j)
{
    size_t both = rows + columns;
    return t > 0 ? history[t * both + rows + j] - history[(t - 1) * both + rows + j] : -log((double)columns);
}

/* Followed backwards is X, the gradient by log P. An iteration is log P = log delta + log Q + log sigma, where
 * dlog sigma_j / dlog Q_ij = dlog sigma_j / dlog delta_i = -columns P_ij, and, with sigma' from the iteration before,
 * dlog delta_i / dlog Q_ij = dlog delta_i / dlog sigma'_j = -rows P_ij sigma'_j / sigma_j; log Q = log P' - cost /
 * beta. */
RT_WIDE void rt_ipot_backward(const double *cost, size_t rows, size_t columns, double beta, size_t iterations,
                              double *history, double *slopes, double *work)
{
    size_t both = rows + columns, cells = rows * columns;
    double *restrict plan = work, *restrict x = work + cells;
    double *restrict by_sigma = history + (iterations + 1) * both, *restrict ratios = by_sigma + both;
    memset(by_sigma, 0, columns * sizeof *by_sigma);
    for (size_t t = iterations; t > 0; --t) {
        const double *f = history + t * both, *g = f + rows;
        for (size_t i = 0; i < rows; ++i)
            for (size_t j = 0; j < columns; ++j)
                plan[i * columns + j] = rt_exp(f[i] + g[j] - (double)t * cost[i * columns + j] / beta);
        for (size_t k = 0; k < cells && t == iterations; ++k) {
            slopes[k] = plan[k];
            x[k] = plan[k] * cost[k];
        }
        for (size_t i = 0; i < rows; ++i)
            for (size_t j = 0; j < columns; ++j)
                by_sigma[j] += x[i * columns + j];
        for (size_t j = 0; j < columns; ++j) {
            ratios[j] = rt_exp(log_sigma(history, rows, columns, t - 1, j) - log_sigma(history, rows, columns, t, j));
            by_sigma[j] *= (double)columns;
        }
        for (size_t i = 0; i < rows; ++i) {
            double *restrict row = x + i * columns, *restrict p = plan + i * columns;
            double by_delta = (double)rows * (rt_sum(row, columns) - rt_dot(p, by_sigma, columns));
            for (size_t j = 0; j < columns; ++j) {
                row[j] -= p[j] * by_sigma[j];
                p[j] *= by_delta * ratios[j];
                row[j] -= p[j];
                slopes[i * columns + j] -= row[j] / beta;
            }
        }
        memset(by_sigma, 0, columns * sizeof *by_sigma);
        for (size_t i = 0; i < rows; ++i)
            for (size_t j = 0; j < columns; ++j)
                by_sigma[j] -= plan[i * columns + j];
    }
}
