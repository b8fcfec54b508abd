/* Blocked products: a task makes a block of the result. It copies pieces of both matrices into panels of doubles, in
 * the order in which the innermost loop reads them, and multiplies panels in registers. */
#include "retort/matrix.h"

#include <stdbool.h>
#include <string.h>

#include "retort/logits.h"
#include "retort/vector.h"

/* A tile of TALL x LANES sums fits into the registers of AVX-512, half of one into those of AVX2; two panels stay in
 * the first cache, a block's in the second. */
enum { TALL = 8, LANES = 8, BLOCK_ROWS = 64, BLOCK_COLUMNS = 128, DEPTH = 128, ENOUGH_BLOCKS = 8, ALONE = 1 << 18 };

typedef double lanes __attribute__((vector_size(LANES * sizeof(double))));
typedef double quad __attribute__((vector_size(4 * sizeof(double))));

struct task {
    rt_matrix a, b;
    bool distances; /* else the product */
    bool symmetric; /* of a matrix with itself: a block makes what lies left of it and on the diagonal, and copies it */
    double *result; /* one of these is set */
    float *sum;
    double scale;
    size_t block_rows, row_blocks, column_blocks;
};

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

typedef float four __attribute__((vector_size(4 * sizeof(float))));

/* panel [depth, width] = four rows of floats or doubles, to its first four columns. A whole number of fours; returns
 * how many. */
#define PACK_QUADS(name, type, vector)                                                                                 \
    RT_WIDE_INLINE size_t name(const type *rows, size_t row_stride, size_t depth, double *panel, size_t width)         \
    {                                                                                                                  \
        size_t k = 0;                                                                                                  \
        for (; k + 4 <= depth; k += 4) {                                                                               \
            vector read[4];                                                                                            \
            for (size_t i = 0; i < 4; ++i)                                                                             \
                memcpy(&read[i], rows + i * row_stride + k, sizeof read[i]);                                           \
            const quad a = __builtin_convertvector(read[0], quad), b = __builtin_convertvector(read[1], quad);         \
            const quad c = __builtin_convertvector(read[2], quad), d = __builtin_convertvector(read[3], quad);         \
            const quad ab_even = __builtin_shufflevector(a, b, 0, 4, 2, 6);                                            \
            const quad ab_odd = __builtin_shufflevector(a, b, 1, 5, 3, 7);                                             \
            const quad cd_even = __builtin_shufflevector(c, d, 0, 4, 2, 6);                                            \
            const quad cd_odd = __builtin_shufflevector(c, d, 1, 5, 3, 7);                                             \
            const quad columns[4] = {__builtin_shufflevector(ab_even, cd_even, 0, 1, 4, 5),                            \
                                     __builtin_shufflevector(ab_odd, cd_odd, 0, 1, 4, 5),                              \
                                     __builtin_shufflevector(ab_even, cd_even, 2, 3, 6, 7),                            \
                                     __builtin_shufflevector(ab_odd, cd_odd, 2, 3, 6, 7)};                             \
            for (size_t i = 0; i < 4; ++i)                                                                             \
                memcpy(panel + (k + i) * width, &columns[i], sizeof columns[i]);                                       \
        }                                                                                                              \
        return k;                                                                                                      \
    }
PACK_QUADS(pack_doubles, double, quad)
PACK_QUADS(pack_floats, float, four)

/* panel [depth, width] = rows first..first + width of `matrix` in columns start..start + depth, zeros beyond its rows.
 */
RT_WIDE_INLINE void pack(const rt_matrix *matrix, size_t first, size_t width, size_t start, size_t depth, double *panel)
{
    size_t rows = least(width, matrix->rows - first), packed = 0;
    size_t place = first * matrix->row_stride + start * matrix->column_stride;
    /* Rows that lie side by side are read so. */
    if (rows == width && matrix->row_stride == 1) {
        for (size_t k = 0; k < depth; ++k, place += matrix->column_stride, panel += width)
            if (matrix->floats)
                for (size_t i = 0; i < width; ++i)
                    panel[i] = (double)matrix->floats[place + i];
            else
                memcpy(panel, matrix->doubles + place, width * sizeof *panel);
        return;
    }
    if (rows == width && matrix->column_stride == 1)
        for (size_t i = 0; i < width; i += 4) {
            size_t corner = place + i * matrix->row_stride;
            packed = matrix->floats
                         ? pack_floats(matrix->floats + corner, matrix->row_stride, depth, panel + i, width)
                         : pack_doubles(matrix->doubles + corner, matrix->row_stride, depth, panel + i, width);
        }
    for (size_t i = 0; i < width; ++i, place += matrix->row_stride)
        if (i >= rows)
            for (size_t k = 0; k < depth; ++k)
                panel[k * width + i] = 0.0;
        else if (matrix->floats)
            for (size_t k = packed; k < depth; ++k)
                panel[k * width + i] = (double)matrix->floats[place + k * matrix->column_stride];
        else
            for (size_t k = packed; k < depth; ++k)
                panel[k * width + i] = matrix->doubles[place + k * matrix->column_stride];
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

RT_WIDE_INLINE void write(const struct task *task, size_t row, size_t left, size_t columns, const double *sums)
{
    double *restrict result = task->result + row * task->b.rows + left;
    float *restrict sum = task->sum + row * task->b.rows + left;
    for (size_t j = 0; task->result && j < columns; ++j)
        result[j] = sums[j];
    for (size_t j = 0; !task->result && j < columns; ++j)
        sum[j] += (float)(task->scale * sums[j]);
}

/* A symmetric product's cells above the diagonal are those below it to the bit: factors change places, the order of
 * sums stays. b comes with its rows and columns exchanged: both matrices are packed along their rows. */
RT_WIDE static void block(void *context, size_t number)
{
    const struct task *task = context;
    const rt_matrix *a = &task->a, *b = &task->b;
    size_t row_block = number / task->column_blocks, left = number % task->column_blocks * BLOCK_COLUMNS;
    if (task->symmetric) /* the short ones, above, and the long ones take turns */
        row_block = row_block % 2 ? task->row_blocks - 1 - row_block / 2 : row_block / 2;
    size_t top = row_block * task->block_rows;
    size_t rows = least(task->block_rows, a->rows - top), columns = least(BLOCK_COLUMNS, b->rows - left);
    if (task->symmetric)
        columns = left < top + rows ? least(columns, top + rows - left) : 0;
    if (columns == 0)
        return;
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
        write(task, top + i, left, columns, sums + i * BLOCK_COLUMNS);
    for (size_t j = 0; task->symmetric && j < columns && left + j < top; ++j)
        for (size_t i = 0; i < rows; ++i)
            task->result[(left + j) * b->rows + top + i] = sums[i * BLOCK_COLUMNS + j];
}

static bool same(const rt_matrix *a, const rt_matrix *b)
{
    return a->floats == b->floats && a->doubles == b->doubles && a->rows == b->rows && a->columns == b->columns &&
           a->row_stride == b->row_stride && a->column_stride == b->column_stride;
}

/* By the calling thread alone where waking the others would take as long as the work. Blocks are large where there are
 * enough of them. */
static void run(struct task *task)
{
    task->symmetric = task->result && same(&task->a, &task->b);
    task->column_blocks = (task->b.rows + BLOCK_COLUMNS - 1) / BLOCK_COLUMNS;
    task->block_rows = task->a.rows / BLOCK_ROWS * task->column_blocks >= ENOUGH_BLOCKS ? BLOCK_ROWS : BLOCK_ROWS / 2;
    task->row_blocks = (task->a.rows + task->block_rows - 1) / task->block_rows;
    size_t blocks = task->row_blocks * task->column_blocks;
    if (blocks > 1 && task->a.rows * task->b.rows >= ALONE / (task->a.columns + 1))
        rt_parallel_rows(blocks, block, task);
    else
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
