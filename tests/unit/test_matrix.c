/* Products and distances against three plain loops, at sizes around those of tiles and blocks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/threads.h"
#include "retort/matrix.h"

static const struct size {
    size_t rows, inner, columns;
} sizes[] = {{1, 1, 1},     {3, 5, 2},     {8, 8, 8},    {9, 257, 17},
             {32, 256, 64}, {33, 300, 65}, {70, 3, 130}, {260, 129, 150}};
enum { SIZES = sizeof sizes / sizeof *sizes, MOST = 40000 };

static float a_floats[MOST], b_floats[MOST];
static double a_doubles[MOST], b_doubles[MOST];

static void fill(void)
{
    uint32_t word = 1;
    for (size_t i = 0; i < MOST; ++i) {
        word = word * 1664525u + 1013904223u;
        a_floats[i] = (float)(word >> 8) / (float)(1 << 22) - 2.0f;
        word = word * 1664525u + 1013904223u;
        b_floats[i] = (float)(word >> 8) / (float)(1 << 22) - 2.0f;
        a_doubles[i] = (double)a_floats[i], b_doubles[i] = (double)b_floats[i];
    }
}

/* In the order that is promised, so that the bits are those of the blocks. */
static double element(const struct size *size, const double *others, size_t i, size_t j, bool distance)
{
    double sum = 0.0;
    for (size_t k = 0; k < size->inner; ++k) {
        double a = a_doubles[i * size->inner + k], b = others[j * size->inner + k];
        sum += distance ? (a - b) * (a - b) : a * b;
    }
    return sum;
}

/* `others` are b's numbers. */
static void check(const struct size *size, rt_matrix a, rt_matrix b, const double *others)
{
    size_t count = size->rows * size->columns;
    double *product = malloc(count * sizeof *product), *distances = malloc(count * sizeof *distances);
    float *sum = malloc(count * sizeof *sum);
    assert_true(product && distances && sum);
    for (size_t i = 0; i < count; ++i)
        sum[i] = 3.0f;
    rt_multiply(a, rt_transposed(b), product);
    rt_multiply_add(0.5, a, rt_transposed(b), sum);
    rt_squared_distances(a, b, distances);
    for (size_t i = 0; i < size->rows; ++i)
        for (size_t j = 0; j < size->columns; ++j) {
            size_t place = i * size->columns + j;
            assert_true(product[place] == element(size, others, i, j, false));
            assert_true(sum[place] == 3.0f + (float)(0.5 * element(size, others, i, j, false)));
            assert_true(distances[place] == element(size, others, i, j, true));
        }
    free(product), free(distances), free(sum);
}

static void products_are_those_of_plain_loops(void **state)
{
    (void)state;
    for (size_t s = 0; s < SIZES; ++s)
        for (int threads = 1; threads <= 3; ++threads) {
            const struct size *size = &sizes[s];
            rt_threads_start(threads);
            check(size, rt_matrix_floats(a_floats, size->rows, size->inner),
                  rt_matrix_doubles(b_doubles, size->columns, size->inner), b_doubles);
            check(size, rt_matrix_doubles(a_doubles, size->rows, size->inner),
                  rt_matrix_floats(b_floats, size->columns, size->inner), b_doubles);
        }
}

/* Only one half is computed then. */
static void a_matrix_meets_itself(void **state)
{
    (void)state;
    static const size_t rows[] = {1, 7, 32, 33, 129, 200, 270};
    for (size_t r = 0; r < sizeof rows / sizeof *rows; ++r)
        for (int threads = 1; threads <= 3; ++threads) {
            const struct size size = {rows[r], 140, rows[r]};
            const rt_matrix floats = rt_matrix_floats(a_floats, size.rows, size.inner);
            const rt_matrix doubles = rt_matrix_doubles(a_doubles, size.rows, size.inner);
            rt_threads_start(threads);
            check(&size, floats, floats, a_doubles);
            check(&size, doubles, doubles, a_doubles);
        }
}

static void a_transposed_matrix_is_read_across(void **state)
{
    (void)state;
    const double values[] = {1, 2, 3, 4, 5, 6};
    const rt_matrix matrix = rt_matrix_doubles(values, 2, 3);
    double product[9];
    rt_multiply(rt_transposed(matrix), matrix, product);
    const double expected[9] = {17, 22, 27, 22, 29, 36, 27, 36, 45};
    assert_memory_equal(product, expected, sizeof expected);
}

/* L = sum_ij c_ij |x_i - y_j|^2: dL/dx by differences. */
static void gradients_of_distances_agree_with_differences(void **state)
{
    (void)state;
    enum { ROWS = 4, OTHERS = 3, INNER = 5 };
    double slopes[ROWS * OTHERS], products[ROWS * INNER], distances[ROWS * OTHERS];
    float gradient[ROWS * INNER], x[ROWS * INNER];
    const rt_matrix a = rt_matrix_floats(x, ROWS, INNER), b = rt_matrix_doubles(b_doubles, OTHERS, INNER);
    for (size_t i = 0; i < ROWS * OTHERS; ++i)
        slopes[i] = a_doubles[100 + i];
    for (size_t i = 0; i < ROWS * INNER; ++i)
        x[i] = a_floats[i], gradient[i] = 1.0f;
    rt_squared_distances_backward(2.0, slopes, a, b, products, gradient);
    for (size_t i = 0; i < ROWS * INNER; ++i) {
        double values[2] = {0};
        for (int side = 0; side < 2; ++side) {
            float kept = x[i];
            x[i] += side ? 0x1p-8f : -0x1p-8f;
            rt_squared_distances(a, b, distances);
            for (size_t k = 0; k < ROWS * OTHERS; ++k)
                values[side] += slopes[k] * distances[k];
            x[i] = kept;
        }
        assert_true(fabs((double)gradient[i] - 1.0 - 2.0 * (values[1] - values[0]) * 0x1p7) < 1e-5);
    }
}

int main(void)
{
    fill();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_are_those_of_plain_loops),
        cmocka_unit_test(a_matrix_meets_itself),
        cmocka_unit_test(a_transposed_matrix_is_read_across),
        cmocka_unit_test(gradients_of_distances_agree_with_differences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
