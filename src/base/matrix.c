/* Blocked products: a task makes a block of the result. It copies pieces of both matrices into panels of doubles, in
 * the order in which the innermost loop reads them, and multiplies panels in registers. */
#include "retort/matrix.h"

#include <stdbool.h>
#include <string.h>

#include "retort/logits.h"
#include "retort/vector.h"

/* A tile of TALL x LANES sums fits into the registers of AVX-512, half of one into those of AVX2; panels stay in the
 * second cache. */
enum { TALL = 8, LANES = 8, BLOCK_ROWS = 32, BLOCK_COLUMNS = 128, DEPTH = 256, ALONE = 1 << 18 };

typedef double lanes __attribute__((vector_size(LANES * sizeof(double))));
typedef double quad __attribute__((vector_size(4 * sizeof(double))));

struct task {
    rt_matrix a, b;
    bool distances; /* else the product */
    double *result; /* one of these is set */
    float *sum;
    double scale;
    size_t column_blocks;
};

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* panel [depth, width] = four rows of doubles, to its first four columns. A whole number of fours; returns how many. */
RT_WIDE_INLINE size_t pack_quads(const double *rows, size_t row_stride, size_t depth, double *panel, size_t width)
{
    size_t k = 0;
    for (; k + 4 <= depth; k += 4) {
        quad a, b, c, d;
        memcpy(&a, rows + k, sizeof a);
        memcpy(&b, rows + row_stride + k, sizeof b);
        memcpy(&c, rows + 2 * row_stride + k, sizeof c);
        memcpy(&d, rows + 3 * row_stride + k, sizeof d);
        const quad ab_even = __builtin_shufflevector(a, b, 0, 4, 2, 6),
                   ab_odd = __builtin_shufflevector(a, b, 1, 5, 3, 7);
        const quad cd_even = __builtin_shufflevector(c, d, 0, 4, 2, 6),
                   cd_odd = __builtin_shufflevector(c, d, 1, 5, 3, 7);
        const quad columns[4] = {
            __builtin_shufflevector(ab_even, cd_even, 0, 1, 4, 5), __builtin_shufflevector(ab_odd, cd_odd, 0, 1, 4, 5),
            __builtin_shufflevector(ab_even, cd_even, 2, 3, 6, 7), __builtin_shufflevector(ab_odd, cd_odd, 2, 3, 6, 7)};
        for (size_t i = 0; i < 4; ++i)
            memcpy(panel + (k + i) * width, &columns[i], sizeof columns[i]);
    }
    return k;
}

/* panel [depth, width] = rows first..first + width of `matrix` in columns start..start + depth, zeros beyond its rows.
 */
RT_WIDE_INLINE void pack(const rt_matrix *matrix, size_t first, size_t width, size_t start, size_t depth, double *panel)
{
    size_t rows = least(width, matrix->rows - first);
    /* Rows that lie side by side are read so. */
    if (rows == width && matrix->row_stride == 1) {
        for (size_t k = 0; k < depth; ++k) {
            size_t place = first + (start + k) * matrix->column_stride;
            for (size_t i = 0; i < width; ++i)
                panel[k * width + i] = matrix->floats ? (double)matrix->floats[place + i] : matrix->doubles[place + i];
        }
        return;
    }
    size_t packed = 0;
    if (rows == width && matrix->doubles && matrix->column_stride == 1)
        for (size_t i = 0; i < width; i += 4)
            packed = pack_quads(matrix->doubles + (first + i) * matrix->row_stride + start, matrix->row_stride, depth,
                                panel + i, width);
    for (size_t i = 0; i < width; ++i) {
        size_t place = (first + i) * matrix->row_stride + start * matrix->column_stride;
        if (i >= rows)
            for (size_t k = 0; k < depth; ++k)
                panel[k * width + i] = 0.0;
        else if (matrix->floats)
            for (size_t k = 0; k < depth; ++k)
                panel[k * width + i] = (double)matrix->floats[place + k * matrix->column_stride];
        else
            for (size_t k = packed; k < depth; ++k)
                panel[k * width + i] = matrix->doubles[place + k * matrix->column_stride];
    }
}

/* Adds to sums what the panels a [depth, TALL] and b [depth, LANES] give: for `height` rows of a. A vector is one
 * register: compilers keep arrays of wider ones in memory. */
#define MEET_PANELS(name, vector, height)                                                                              \
    RT_WIDE_INLINE void name(const bool distances, const double *a, const double *b, size_t depth, double *sums)       \
    {                                                                                                                  \
        enum { ACROSS = LANES * sizeof(double) / sizeof(vector), WIDTH = LANES / ACROSS };                             \
        vector tile[height][ACROSS], right[ACROSS];                                                                    \
        for (size_t i = 0; i < height; ++i)                                                                            \
            for (size_t v = 0; v < ACROSS; ++v)                                                                        \
                memcpy(&tile[i][v], sums + i * BLOCK_COLUMNS + v * WIDTH, sizeof(vector));                             \
        for (size_t k = 0; k < depth; ++k, a += TALL, b += LANES) {                                                    \
            for (size_t v = 0; v < ACROSS; ++v)                                                                        \
                memcpy(&right[v], b + v * WIDTH, sizeof(vector));                                                      \
            for (size_t i = 0; i < height; ++i)                                                                        \
                for (size_t v = 0; v < ACROSS; ++v) {                                                                  \
                    const vector difference = a[i] - right[v];                                                         \
                    tile[i][v] += distances ? difference * difference : a[i] * right[v];                               \
                }                                                                                                      \
        }                                                                                                              \
        for (size_t i = 0; i < height; ++i)                                                                            \
            for (size_t v = 0; v < ACROSS; ++v)                                                                        \
                memcpy(sums + i * BLOCK_COLUMNS + v * WIDTH, &tile[i][v], sizeof(vector));                             \
    }
MEET_PANELS(meet_panels, quad, TALL / 2)
#if defined(__x86_64__)
MEET_PANELS(meet_wide_panels, lanes, TALL)
#endif

RT_WIDE_INLINE void meet(bool distances, const double *a, const double *b, size_t depth, double *sums)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) {
        if (distances)
            meet_wide_panels(true, a, b, depth, sums);
        else
            meet_wide_panels(false, a, b, depth, sums);
        return;
    }
#endif
    for (size_t i = 0; i < TALL; i += TALL / 2) {
        if (distances)
            meet_panels(true, a + i, b, depth, sums + i * BLOCK_COLUMNS);
        else
            meet_panels(false, a + i, b, depth, sums + i * BLOCK_COLUMNS);
    }
}

/* b comes with its rows and columns exchanged: both matrices are packed along their rows. */
RT_WIDE static void block(void *context, size_t number)
{
    const struct task *task = context;
    const rt_matrix *a = &task->a, *b = &task->b;
    size_t top = number / task->column_blocks * BLOCK_ROWS, left = number % task->column_blocks * BLOCK_COLUMNS;
    size_t rows = least(BLOCK_ROWS, a->rows - top), columns = least(BLOCK_COLUMNS, b->rows - left);
    double sums[BLOCK_ROWS * BLOCK_COLUMNS] = {0}, left_panels[BLOCK_ROWS * DEPTH], right_panel[LANES * DEPTH];
    for (size_t start = 0; start < a->columns; start += DEPTH) {
        size_t depth = least(DEPTH, a->columns - start);
        for (size_t i = 0; i < rows; i += TALL)
            pack(a, top + i, TALL, start, depth, left_panels + i * DEPTH);
        for (size_t j = 0; j < columns; j += LANES) {
            pack(b, left + j, LANES, start, depth, right_panel);
            for (size_t i = 0; i < rows; i += TALL)
                meet(task->distances, left_panels + i * DEPTH, right_panel, depth, sums + i * BLOCK_COLUMNS + j);
        }
    }
    for (size_t i = 0; i < rows; ++i)
        for (size_t j = 0; j < columns; ++j) {
            size_t place = (top + i) * b->rows + left + j;
            if (task->result)
                task->result[place] = sums[i * BLOCK_COLUMNS + j];
            else
                task->sum[place] += (float)(task->scale * sums[i * BLOCK_COLUMNS + j]);
        }
}

/* By the calling thread alone where waking the others would take as long as the work. */
static void run(struct task *task)
{
    size_t row_blocks = (task->a.rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
    task->column_blocks = (task->b.rows + BLOCK_COLUMNS - 1) / BLOCK_COLUMNS;
    size_t blocks = row_blocks * task->column_blocks;
    if (blocks > 1 && task->a.rows * task->b.rows >= ALONE / (task->a.columns + 1)) {
        rt_parallel_rows(blocks, block, task);
        return;
    }
    for (size_t number = 0; number < blocks; ++number)
        block(task, number);
}

void rt_multiply(rt_matrix a, rt_matrix b, double *product)
{
    run(&(struct task){.a = a, .b = rt_transposed(b), .result = product});
}

void rt_multiply_add(double scale, rt_matrix a, rt_matrix b, float *sum)
{
    run(&(struct task){.a = a, .b = rt_transposed(b), .sum = sum, .scale = scale});
}

void rt_squared_distances(rt_matrix a, rt_matrix b, double *distances)
{
    run(&(struct task){.a = a, .b = b, .distances = true, .result = distances});
}

struct pull {
    const double *slopes;
    rt_matrix a;
    size_t others;
    double *pulls;
};

static void pull_row(void *context, size_t i)
{
    const struct pull *pull = context;
    const rt_matrix *a = &pull->a;
    double sum = 0.0;
    for (size_t j = 0; j < pull->others; ++j)
        sum += pull->slopes[i * pull->others + j];
    for (size_t k = 0; k < a->columns; ++k) {
        size_t place = i * a->row_stride + k * a->column_stride;
        double value = a->floats ? (double)a->floats[place] : a->doubles[place];
        pull->pulls[i * a->columns + k] = 2.0 * (value * sum - pull->pulls[i * a->columns + k]);
    }
}

void rt_squared_distances_pulls(const double *slopes, rt_matrix a, rt_matrix b, double *pulls)
{
    rt_multiply(rt_matrix_doubles(slopes, a.rows, b.rows), b, pulls);
    struct pull pull = {slopes, a, b.rows, pulls};
    rt_parallel_samples(a.rows, b.rows + a.columns, pull_row, &pull);
}

void rt_squared_distances_backward(double scale, const double *slopes, rt_matrix a, rt_matrix b, double *pulls,
                                   float *gradient)
{
    rt_squared_distances_pulls(slopes, a, b, pulls);
    for (size_t k = 0; k < a.rows * a.columns; ++k)
        gradient[k] += (float)(scale * pulls[k]);
}
