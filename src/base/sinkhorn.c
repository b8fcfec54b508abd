#include <math.h>
#include <string.h>

#include "retort/exponential.h"
#include "retort/features.h"
#include "retort/transport.h"

/* result [rows] = softmin(cost, h). */
RT_WIDE_INLINE void softmin_rows(const double *cost, size_t rows, size_t columns, double epsilon, const double *h,
                                 double *result)
{
    for (size_t i = 0; i < rows; ++i) {
        const double *restrict row = cost + i * columns;
        double largest = -INFINITY, lanes[RT_LANES] = {0};
        for (size_t j = 0; j < columns; ++j)
            largest = !(h[j] - row[j] <= largest) ? h[j] - row[j] : largest; /* NaN stays */
        size_t j = 0;
        for (; j + RT_LANES <= columns; j += RT_LANES)
            for (size_t k = 0; k < RT_LANES; ++k)
                lanes[k] += rt_exp((h[j + k] - row[j + k] - largest) / epsilon);
        for (size_t k = 0; j + k < columns; ++k)
            lanes[k] += rt_exp((h[j + k] - row[j + k] - largest) / epsilon);
        result[i] = -largest - epsilon * log(rt_lanes_sum(lanes) / (double)columns);
    }
}

/* result [columns] = softmin(cost^T, h); `sums` is scratch [columns]. */
RT_WIDE_INLINE void softmin_columns(const double *cost, size_t rows, size_t columns, double epsilon, const double *h,
                                    double *restrict result, double *restrict sums)
{
    for (size_t j = 0; j < columns; ++j)
        result[j] = -INFINITY, sums[j] = 0.0;
    for (size_t i = 0; i < rows; ++i)
        for (size_t j = 0; j < columns; ++j) {
            double candidate = h[i] - cost[i * columns + j];
            result[j] = !(candidate <= result[j]) ? candidate : result[j];
        }
    for (size_t i = 0; i < rows; ++i)
        for (size_t j = 0; j < columns; ++j)
            sums[j] += rt_exp((h[i] - cost[i * columns + j] - result[j]) / epsilon);
    for (size_t j = 0; j < columns; ++j)
        result[j] = -result[j] - epsilon * log(sums[j] / (double)rows);
}

/* The history: potentials at first and after each epsilon, f by rows and g by columns; those of the last step; and two
 * rows of scratch. */
RT_WIDE double rt_sinkhorn(const double *cost, size_t rows, size_t columns, const double *epsilons, size_t count,
                           double *history)
{
    size_t both = rows + columns;
    double *sums = history + (count + 2) * both;
    memset(sums, 0, both * sizeof *sums);
    softmin_rows(cost, rows, columns, epsilons[0], sums, history);
    softmin_columns(cost, rows, columns, epsilons[0], sums, history + rows, sums + both);
    for (size_t t = 0; t <= count; ++t) {
        const double *f = history + t * both, *g = f + rows;
        double *restrict next = history + (t + 1) * both, epsilon = epsilons[t < count ? t : count - 1];
        softmin_rows(cost, rows, columns, epsilon, g, next);
        softmin_columns(cost, rows, columns, epsilon, f, next + rows, sums);
        for (size_t k = 0; k < both && t < count; ++k)
            next[k] = 0.5 * (f[k] + next[k]);
    }
    const double *last = history + (count + 1) * both;
    return rt_sum(last, rows) / (double)rows + rt_sum(last + rows, columns) / (double)columns;
}

/* Back through f' = softmin(cost, g) and g' = softmin(cost^T, f), which came out as f_new and g_new: to the slopes by
 * cost, and by f and g, which are overwritten. A softmin's gradient is its softmax, P_ij or Q_ij. */
RT_WIDE_INLINE void step_backward(const double *cost, size_t rows, size_t columns, double epsilon, const double *old,
                                  const double *restrict new, const double *restrict by_new, double *restrict by_old,
                                  double *restrict slopes)
{
    const double *f = old, *g = old + rows;
    for (size_t k = 0; k < rows + columns; ++k)
        by_old[k] = 0.0;
    for (size_t i = 0; i < rows; ++i)
        for (size_t j = 0; j < columns; ++j) {
            double c = cost[i * columns + j];
            double p = by_new[i] / (double)columns * rt_exp((new[i] + g[j] - c) / epsilon);
            double q = by_new[rows + j] / (double)rows * rt_exp((new[rows + j] + f[i] - c) / epsilon);
            slopes[i * columns + j] += p + q;
            by_old[rows + j] -= p;
            by_old[i] -= q;
        }
}

RT_WIDE void rt_sinkhorn_backward(const double *cost, size_t rows, size_t columns, const double *epsilons, size_t count,
                                  bool unrolled, double *history, double *slopes)
{
    size_t both = rows + columns;
    double *by_new = history + (count + 2) * both, *by_old = by_new + both;
    memset(slopes, 0, rows * columns * sizeof *slopes);
    for (size_t k = 0; k < both; ++k) /* one of the two plans is whole: through g as well it would count twice */
        by_new[k] = k < rows ? 1.0 / (double)rows : unrolled ? 1.0 / (double)columns : 0.0;
    step_backward(cost, rows, columns, epsilons[count - 1], history + count * both, history + (count + 1) * both,
                  by_new, by_old, slopes);
    for (size_t t = count; unrolled && t-- > 0;) {
        const double *old = history + t * both;
        double *restrict new = history + (t + 1) * both; /* turned back into what softmin gave */
        for (size_t k = 0; k < both; ++k) {
            new[k] = 2.0 * new[k] - old[k];
            by_new[k] = 0.5 * by_old[k];
        }
        step_backward(cost, rows, columns, epsilons[t], old, new, by_new, by_old, slopes);
        for (size_t k = 0; k < both; ++k)
            by_old[k] += by_new[k];
    }
    if (!unrolled)
        return;
    double *zeros = history + both;
    memset(zeros, 0, both * sizeof *zeros);
    memcpy(by_new, by_old, both * sizeof *by_new);
    step_backward(cost, rows, columns, epsilons[0], zeros, history, by_new, by_old, slopes);
}
