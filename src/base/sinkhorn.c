#include <math.h>
#include <string.h>

#include "retort/exponential.h"
#include "retort/features.h"
#include "retort/transport.h"

/* Columns that a task takes at once, from row to row. */
enum { TOGETHER = 32 };

/* One update of both potentials; old and new are f [rows] and g [columns] behind it. */
struct step {
    const double *cost;
    size_t rows, columns;
    double epsilon;
    const double *old;
    double *new;
    const double *by_new; /* backward alone: slopes by new, by old and by cost */
    double *by_old, *slopes;
};

static size_t columns_together(const struct step *step, size_t first)
{
    return step->columns - first < TOGETHER ? step->columns - first : TOGETHER;
}

/* new f_i = softmin(cost, g)_i. */
RT_WIDE static void softmin_row(void *context, size_t i)
{
    const struct step *step = context;
    const size_t columns = step->columns;
    const double *restrict row = step->cost + i * columns, *restrict g = step->old + step->rows;
    const double rate = 1.0 / step->epsilon;
    double largests[RT_LANES], largest = g[0] - row[0], lanes[RT_LANES] = {0};
    for (size_t k = 0; k < RT_LANES; ++k)
        largests[k] = largest;
    size_t j = 0;
    for (; j + RT_LANES <= columns; j += RT_LANES)
        for (size_t k = 0; k < RT_LANES; ++k)
            largests[k] = g[j + k] - row[j + k] > largests[k] ? g[j + k] - row[j + k] : largests[k];
    for (size_t k = 0; j + k < columns; ++k)
        largests[k] = g[j + k] - row[j + k] > largests[k] ? g[j + k] - row[j + k] : largests[k];
    for (size_t k = 0; k < RT_LANES; ++k)
        largest = largests[k] > largest ? largests[k] : largest;
    for (j = 0; j + RT_LANES <= columns; j += RT_LANES)
        for (size_t k = 0; k < RT_LANES; ++k)
            lanes[k] += rt_exp((g[j + k] - row[j + k] - largest) * rate);
    for (size_t k = 0; j + k < columns; ++k)
        lanes[k] += rt_exp((g[j + k] - row[j + k] - largest) * rate);
    step->new[i] = -largest - step->epsilon *log(rt_lanes_sum(lanes) / (double)columns);
}

/* new g_j = softmin(cost^T, f)_j. */
RT_WIDE static void softmin_columns(void *context, size_t number)
{
    const struct step *step = context;
    const size_t first = number * TOGETHER, count = columns_together(step, first);
    const double *restrict f = step->old, *restrict cost = step->cost + first;
    const double rate = 1.0 / step->epsilon;
    double largests[TOGETHER], sums[TOGETHER] = {0};
    for (size_t k = 0; k < count; ++k)
        largests[k] = f[0] - cost[k];
    for (size_t i = 1; i < step->rows; ++i)
        for (size_t k = 0; k < count; ++k) {
            double candidate = f[i] - cost[i * step->columns + k];
            largests[k] = candidate > largests[k] ? candidate : largests[k];
        }
    for (size_t i = 0; i < step->rows; ++i)
        for (size_t k = 0; k < count; ++k)
            sums[k] += rt_exp((f[i] - cost[i * step->columns + k] - largests[k]) * rate);
    for (size_t k = 0; k < count; ++k)
        step->new[step->rows + first + k] = -largests[k] - step->epsilon *log(sums[k] / (double)step->rows);
}

static void over_rows(struct step *step, void (*body)(void *context, size_t row))
{
    rt_parallel_samples(step->rows, step->columns, body, step);
}

static void over_columns(struct step *step, void (*body)(void *context, size_t number))
{
    rt_parallel_samples((step->columns + TOGETHER - 1) / TOGETHER, TOGETHER * step->rows, body, step);
}

/* The history: potentials at first and after each epsilon, f by rows and g by columns; those of the last step; and two
 * rows of scratch. */
RT_WIDE double rt_sinkhorn(const double *cost, size_t rows, size_t columns, const double *epsilons, size_t count,
                           double *history)
{
    size_t both = rows + columns;
    double *zeros = history + (count + 2) * both;
    struct step step = {.cost = cost, .rows = rows, .columns = columns, .epsilon = epsilons[0]};
    memset(zeros, 0, both * sizeof *zeros);
    step.old = zeros, step.new = history;
    over_rows(&step, softmin_row);
    over_columns(&step, softmin_columns);
    for (size_t t = 0; t <= count; ++t) {
        step.epsilon = epsilons[t < count ? t : count - 1];
        step.old = history + t * both, step.new = history + (t + 1) * both;
        over_rows(&step, softmin_row);
        over_columns(&step, softmin_columns);
        for (size_t k = 0; k < both && t < count; ++k)
            step.new[k] = 0.5 * (step.old[k] + step.new[k]);
    }
    const double *last = history + (count + 1) * both;
    return rt_sum(last, rows) / (double)rows + rt_sum(last + rows, columns) / (double)columns;
}

/* Back through new g = softmin(cost^T, f), whose gradient is its softmax Q_ij: to row i of the slopes, and to f_i. */
RT_WIDE static void backward_row(void *context, size_t i)
{
    const struct step *step = context;
    const size_t columns = step->columns;
    const double *restrict row = step->cost + i * columns, *restrict g_new = step->new + step->rows;
    const double *restrict by_g = step->by_new + step->rows, f = step->old[i];
    const double rate = 1.0 / step->epsilon, share = 1.0 / (double)step->rows;
    double *restrict slopes = step->slopes + i * columns, lanes[RT_LANES] = {0};
    size_t j = 0;
    for (; j + RT_LANES <= columns; j += RT_LANES)
        for (size_t k = 0; k < RT_LANES; ++k) {
            double q = by_g[j + k] * share * rt_exp((g_new[j + k] + f - row[j + k]) * rate);
            slopes[j + k] += q;
            lanes[k] += q;
        }
    for (size_t k = 0; j + k < columns; ++k) {
        double q = by_g[j + k] * share * rt_exp((g_new[j + k] + f - row[j + k]) * rate);
        slopes[j + k] += q;
        lanes[k] += q;
    }
    step->by_old[i] = -rt_lanes_sum(lanes);
}

/* Back through new f = softmin(cost, g) with its softmax P_ij: to some columns of the slopes, and to their g_j. */
RT_WIDE static void backward_columns(void *context, size_t number)
{
    const struct step *step = context;
    const size_t first = number * TOGETHER, count = columns_together(step, first);
    const double *restrict g = step->old + step->rows + first;
    const double rate = 1.0 / step->epsilon, share = 1.0 / (double)step->columns;
    double sums[TOGETHER] = {0};
    for (size_t i = 0; i < step->rows; ++i) {
        const double *restrict row = step->cost + i * step->columns + first;
        double *restrict slopes = step->slopes + i * step->columns + first;
        const double by_f = step->by_new[i] * share, f_new = step->new[i];
        for (size_t k = 0; k < count; ++k) {
            double p = by_f * rt_exp((f_new + g[k] - row[k]) * rate);
            slopes[k] += p;
            sums[k] += p;
        }
    }
    for (size_t k = 0; k < count; ++k)
        step->by_old[step->rows + first + k] = -sums[k];
}

static void step_backward(struct step *step)
{
    over_rows(step, backward_row);
    over_columns(step, backward_columns);
}

void rt_sinkhorn_backward(const double *cost, size_t rows, size_t columns, const double *epsilons, size_t count,
                          bool unrolled, double *history, double *slopes)
{
    size_t both = rows + columns;
    double *by_new = history + (count + 2) * both, *by_old = by_new + both;
    struct step step = {
        cost,   rows,   columns, epsilons[count - 1], history + count * both, history + (count + 1) * both,
        by_new, by_old, slopes};
    memset(slopes, 0, rows * columns * sizeof *slopes);
    for (size_t k = 0; k < both; ++k) /* one of the two plans is whole: through g as well it would count twice */
        by_new[k] = k < rows ? 1.0 / (double)rows : unrolled ? 1.0 / (double)columns : 0.0;
    step_backward(&step);
    for (size_t t = count; unrolled && t-- > 0;) {
        step.epsilon = epsilons[t], step.old = history + t * both, step.new = history + (t + 1) * both;
        for (size_t k = 0; k < both; ++k) {
            step.new[k] = 2.0 * step.new[k] - step.old[k]; /* turned back into what softmin gave */
            by_new[k] = 0.5 * by_old[k];
        }
        step_backward(&step);
        for (size_t k = 0; k < both; ++k)
            by_old[k] += by_new[k];
    }
    if (!unrolled)
        return;
    double *zeros = history + both;
    memset(zeros, 0, both * sizeof *zeros);
    memcpy(by_new, by_old, both * sizeof *by_new);
    step.epsilon = epsilons[0], step.old = zeros, step.new = history;
    step_backward(&step);
}
