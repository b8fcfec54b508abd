#include "engine/batch_norm_sums.h"

#include <string.h>

#include "base/vector.h"

enum {
    LANES = 128, /* enough independent sums to keep two vector units busy */
    STEPS = 32,  /* rows of lanes in a chunk, which is 16 KB and stays in the first cache */
    GROUP = 8,   /* rows whose products are added up in float32 */
    BLOCKS = 32  /* what threads share out */
};

rt_norm_rows rt_norm_rows_of(size_t count, size_t channels)
{
    rt_norm_rows rows = {.count = count, .channels = channels};
    rows.lanes = channels < LANES ? LANES / channels * channels : channels;
    /* The last chunk may be short, and a row of lanes may be left over that is not whole. */
    size_t chunk = STEPS * (rows.lanes / channels);
    rows.chunks = (count + chunk - 1) / chunk;
    rows.blocks = rows.chunks < BLOCKS ? rows.chunks : BLOCKS;
    return rows;
}

/* Per block: two sums for each lane in float64, and in float32. */
static size_t block_bytes(const rt_norm_rows *rows)
{
    return (2 * rows->lanes * (sizeof(double) + sizeof(float)) + 63) / 64 * 64;
}

size_t rt_norm_scratch_bytes(const rt_norm_rows *rows)
{
    return rows->blocks * block_bytes(rows);
}

static double *block_sums(const rt_norm_rows *rows, void *scratch, size_t block)
{
    return (double *)(void *)((char *)scratch + block * block_bytes(rows));
}

static float *block_lanes(const rt_norm_rows *rows, void *scratch, size_t block)
{
    return (float *)(void *)(block_sums(rows, scratch, block) + 2 * rows->lanes);
}

size_t rt_norm_parts(const rt_norm_rows *rows, size_t chunk, rt_norm_part parts[2])
{
    size_t total = rows->count * rows->channels;
    size_t start = chunk * STEPS * rows->lanes, rest = total - start;
    size_t steps = rest / rows->lanes < STEPS ? rest / rows->lanes : STEPS;
    size_t found = 0;
    if (steps > 0)
        parts[found++] = (rt_norm_part){start, steps, rows->lanes};
    size_t after = start + steps * rows->lanes;
    if (steps < STEPS && after < total)
        parts[found++] = (rt_norm_part){after, 1, total - after};
    return found;
}

size_t rt_norm_first_chunk(const rt_norm_rows *rows, size_t block)
{
    return block * rows->chunks / rows->blocks;
}

RT_WIDE static void sum_lanes(const float *restrict x, size_t steps, size_t width, float *restrict sum)
{
    memset(sum, 0, width * sizeof *sum);
    for (size_t s = 0; s < steps; ++s, x += width)
#pragma omp simd
        for (size_t i = 0; i < width; ++i)
            sum[i] += x[i];
}

RT_WIDE static void sum_squares(const float *restrict x, size_t steps, size_t width, const float *restrict mean,
                                float *restrict sum)
{
    memset(sum, 0, width * sizeof *sum);
    for (size_t s = 0; s < steps; ++s, x += width)
#pragma omp simd
        for (size_t i = 0; i < width; ++i)
            sum[i] += (x[i] - mean[i]) * (x[i] - mean[i]);
}

/* Joins sets of samples, one a channel, into `total` samples of which they are then the share `share`: Chan, Golub and
 * LeVeque 1979, equation 2.1. A spread is the sum of squared distances from the mean. */
static inline void join(double *restrict total_mean, double *restrict total_spread, double total, double mean,
                        double spread, double share)
{
    double distance = mean - *total_mean;
    *total_mean += distance * share;
    *total_spread += spread + distance * distance * total * share;
}

static double moments_of_block(const rt_norm_rows *rows, const float *x, size_t block, void *scratch)
{
    double *mean = block_sums(rows, scratch, block), *spread = mean + rows->channels, total = 0.0;
    float *lane_mean = block_lanes(rows, scratch, block), *lane_spread = lane_mean + rows->lanes;
    memset(mean, 0, 2 * rows->channels * sizeof *mean);
    for (size_t chunk = rt_norm_first_chunk(rows, block); chunk < rt_norm_first_chunk(rows, block + 1); ++chunk) {
        rt_norm_part parts[2];
        size_t count = rt_norm_parts(rows, chunk, parts);
        for (size_t p = 0; p < count; ++p) {
            const size_t width = parts[p].width, steps = parts[p].steps;
            sum_lanes(x + parts[p].start, steps, width, lane_mean);
            for (size_t i = 0; i < width; ++i)
                lane_mean[i] /= (float)steps;
            sum_squares(x + parts[p].start, steps, width, lane_mean, lane_spread);
            for (size_t i = 0; i < width; i += rows->channels, total += (double)steps) {
                const double share = (double)steps / (total + (double)steps);
                for (size_t c = 0; c < rows->channels; ++c)
                    join(&mean[c], &spread[c], total, (double)lane_mean[i + c], (double)lane_spread[i + c], share);
            }
        }
    }
    return total;
}

void rt_norm_moments(const rt_norm_rows *rows, const float *x, double *mean, double *variance, void *scratch)
{
    double counts[BLOCKS];
#pragma omp parallel for schedule(static)
    for (size_t block = 0; block < rows->blocks; ++block)
        counts[block] = moments_of_block(rows, x, block, scratch);
    memset(mean, 0, rows->channels * sizeof *mean);
    memset(variance, 0, rows->channels * sizeof *variance);
    double total = 0.0;
    for (size_t block = 0; block < rows->blocks; total += counts[block++]) {
        const double *part = block_sums(rows, scratch, block), share = counts[block] / (total + counts[block]);
        for (size_t c = 0; c < rows->channels; ++c)
            join(&mean[c], &variance[c], total, part[c], part[rows->channels + c], share);
    }
    for (size_t c = 0; c < rows->channels; ++c)
        variance[c] /= total;
}

/* The gradient behind the ReLU. The comparison is with exactly what rt_norm_apply() computed. */
#define BEHIND_RELU(i) ((x[i] - mean[i]) * scale[i] + shift[i] > 0.0f ? g[i] : 0.0f)

/* Adds what a part comes to, lane by lane. `sum` and `dot` are for its own use. */
RT_WIDE static void sum_products(const rt_norm_lanes *lanes, bool rectified, const float *restrict x,
                                 const float *restrict g, size_t steps, size_t width, float *restrict sum,
                                 float *restrict dot, double *restrict sums, double *restrict dots)
{
    const float *restrict mean = lanes->mean, *restrict scale = lanes->scale, *restrict shift = lanes->shift;
    for (size_t first = 0; first < steps; first += GROUP) {
        memset(sum, 0, width * sizeof *sum);
        memset(dot, 0, width * sizeof *dot);
        for (size_t s = first; s < steps && s < first + GROUP; ++s, x += width, g += width) {
            if (rectified) {
#pragma omp simd
                for (size_t i = 0; i < width; ++i) {
                    float passed = BEHIND_RELU(i);
                    sum[i] += passed;
                    dot[i] += passed * (x[i] - mean[i]);
                }
            } else {
#pragma omp simd
                for (size_t i = 0; i < width; ++i) {
                    sum[i] += g[i];
                    dot[i] += g[i] * (x[i] - mean[i]);
                }
            }
        }
#pragma omp simd
        for (size_t i = 0; i < width; ++i) {
            sums[i] += (double)sum[i];
            dots[i] += (double)dot[i];
        }
    }
}

void rt_norm_begin_products(const rt_norm_rows *rows, size_t block, void *scratch)
{
    memset(block_sums(rows, scratch, block), 0, 2 * rows->lanes * sizeof(double));
}

void rt_norm_add_products(const rt_norm_rows *rows, const rt_norm_lanes *lanes, bool rectified,
                          const rt_norm_part *part, const float *x, const float *g, size_t block, void *scratch)
{
    double *sums = block_sums(rows, scratch, block), *dots = sums + rows->lanes;
    float *lane_sum = block_lanes(rows, scratch, block), *lane_dot = lane_sum + rows->lanes;
    sum_products(lanes, rectified, x, g, part->steps, part->width, lane_sum, lane_dot, sums, dots);
}

void rt_norm_join_products(const rt_norm_rows *rows, double *sum, double *dot, const void *scratch)
{
    memset(sum, 0, rows->channels * sizeof *sum);
    memset(dot, 0, rows->channels * sizeof *dot);
    for (size_t block = 0; block < rows->blocks; ++block) {
        const double *sums = (const double *)(const void *)((const char *)scratch + block * block_bytes(rows));
        const double *dots = sums + rows->lanes;
        for (size_t first = 0; first < rows->lanes; first += rows->channels)
            for (size_t c = 0; c < rows->channels; ++c) {
                sum[c] += sums[first + c];
                dot[c] += dots[first + c];
            }
    }
}

void rt_norm_products(const rt_norm_rows *rows, const rt_norm_lanes *lanes, bool rectified, const float *x,
                      const float *g, double *sum, double *dot, void *scratch)
{
#pragma omp parallel for schedule(static)
    for (size_t block = 0; block < rows->blocks; ++block) {
        rt_norm_begin_products(rows, block, scratch);
        for (size_t chunk = rt_norm_first_chunk(rows, block); chunk < rt_norm_first_chunk(rows, block + 1); ++chunk) {
            rt_norm_part parts[2];
            size_t count = rt_norm_parts(rows, chunk, parts);
            for (size_t p = 0; p < count; ++p)
                rt_norm_add_products(rows, lanes, rectified, &parts[p], x + parts[p].start, g + parts[p].start, block,
                                     scratch);
        }
    }
    rt_norm_join_products(rows, sum, dot, scratch);
}

RT_WIDE static void apply(const rt_norm_lanes *lanes, bool rectify, const float *restrict x, float *restrict y,
                          size_t steps, size_t width)
{
    const float *restrict mean = lanes->mean, *restrict scale = lanes->scale, *restrict shift = lanes->shift;
    for (size_t s = 0; s < steps; ++s, x += width, y += width) {
        if (rectify) {
#pragma omp simd
            for (size_t i = 0; i < width; ++i) {
                float value = (x[i] - mean[i]) * scale[i] + shift[i];
                /* This way round a NaN comes through, as in PyTorch. */
                y[i] = value < 0.0f ? 0.0f : value;
            }
        } else {
#pragma omp simd
            for (size_t i = 0; i < width; ++i)
                y[i] = (x[i] - mean[i]) * scale[i] + shift[i];
        }
    }
}

void rt_norm_apply_part(const rt_norm_part *part, const rt_norm_lanes *lanes, bool rectify, const float *x, float *y)
{
    apply(lanes, rectify, x, y, part->steps, part->width);
}

void rt_norm_apply(const rt_norm_rows *rows, const rt_norm_lanes *lanes, bool rectify, const float *x, float *y)
{
#pragma omp parallel for schedule(static)
    for (size_t chunk = 0; chunk < rows->chunks; ++chunk) {
        rt_norm_part parts[2];
        size_t count = rt_norm_parts(rows, chunk, parts);
        for (size_t p = 0; p < count; ++p)
            apply(lanes, rectify, x + parts[p].start, y + parts[p].start, parts[p].steps, parts[p].width);
    }
}

RT_WIDE static void apply_backward(const rt_norm_lanes *lanes, bool rectified, const float *restrict x,
                                   const float *restrict g, float *restrict diff_x, size_t steps, size_t width)
{
    const float *restrict mean = lanes->mean, *restrict scale = lanes->scale, *restrict shift = lanes->shift;
    const float *restrict common = lanes->common, *restrict slope = lanes->slope;
    for (size_t s = 0; s < steps; ++s, x += width, g += width, diff_x += width) {
        if (rectified) {
#pragma omp simd
            for (size_t i = 0; i < width; ++i)
                diff_x[i] = scale[i] * (BEHIND_RELU(i) - common[i] - slope[i] * (x[i] - mean[i]));
        } else {
#pragma omp simd
            for (size_t i = 0; i < width; ++i)
                diff_x[i] = scale[i] * (g[i] - common[i] - slope[i] * (x[i] - mean[i]));
        }
    }
}

void rt_norm_apply_backward(const rt_norm_rows *rows, const rt_norm_lanes *lanes, bool rectified, const float *x,
                            const float *g, float *diff_x)
{
#pragma omp parallel for schedule(static)
    for (size_t chunk = 0; chunk < rows->chunks; ++chunk) {
        rt_norm_part parts[2];
        size_t count = rt_norm_parts(rows, chunk, parts);
        for (size_t p = 0; p < count; ++p)
            apply_backward(lanes, rectified, x + parts[p].start, g + parts[p].start, diff_x + parts[p].start,
                           parts[p].steps, parts[p].width);
    }
}
