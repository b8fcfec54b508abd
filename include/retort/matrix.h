/* Dense products and distances for losses that relate the samples of a batch to each other.
 *
 * What is read is float or double, everything is computed in double:
 *
 *     rt_matrix features = rt_matrix_floats(port->values, samples, size);
 *     rt_multiply(features, rt_transposed(features), gram);            // gram [samples, samples] = F F^T
 *     rt_multiply_add(weight, rt_matrix_doubles(slopes, samples, samples), features, port->gradient);
 *
 * Every element is summed over the inner dimension from first to last, one rounding after each multiplication and each
 * addition, so that bits depend neither on threads nor on the width of vectors. Nothing is allocated. */
#ifndef RETORT_MATRIX_H
#define RETORT_MATRIX_H

#include <stddef.h>

#include "retort/api.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A matrix to be read: element (i, j) is number i * row_stride + j * column_stride of `floats` or of `doubles`,
 * whichever is set. It borrows the memory, and is passed by value. */
typedef struct rt_matrix {
    const float *floats;
    const double *doubles;
    size_t rows, columns;
    size_t row_stride, column_stride;
} rt_matrix;

/* Of values [rows, columns], row-major. */
static inline rt_matrix rt_matrix_floats(const float *values, size_t rows, size_t columns)
{
    rt_matrix matrix = {values, NULL, rows, columns, columns, 1};
    return matrix;
}

static inline rt_matrix rt_matrix_doubles(const double *values, size_t rows, size_t columns)
{
    rt_matrix matrix = {NULL, values, rows, columns, columns, 1};
    return matrix;
}

static inline rt_matrix rt_transposed(rt_matrix matrix)
{
    rt_matrix transposed = {matrix.floats, matrix.doubles,       matrix.columns,
                            matrix.rows,   matrix.column_stride, matrix.row_stride};
    return transposed;
}

/* product [a.rows, b.columns] = a b; a.columns = b.rows. The product is overwritten and overlaps neither. */
RT_API void rt_multiply(rt_matrix a, rt_matrix b, double *product);

/* Adds scale * a b to sum [a.rows, b.columns], rounding each element of the product once. */
RT_API void rt_multiply_add(double scale, rt_matrix a, rt_matrix b, float *sum);

/* distances [a.rows, b.rows]: the squared Euclidean distances between the rows of a and those of b, from differences,
 * so that they are exact where rows are close, and 0 where they are equal. a.columns = b.columns. */
RT_API void rt_squared_distances(rt_matrix a, rt_matrix b, double *distances);

/* The gradient of a function of squared distances, slopes [a.rows, b.rows] its derivatives by them: row i of
 * pulls [a.rows, a.columns], overwritten, is sum_j 2 slopes(i, j) (a_i - b_j). For distances within one matrix, a and b
 * the same, slopes must be the sum of those of (i, j) and (j, i). */
RT_API void rt_squared_distances_pulls(const double *slopes, rt_matrix a, rt_matrix b, double *pulls);

/* The same times scale, added to gradient [a.rows, a.columns]; pulls [a.rows, a.columns] is scratch. */
RT_API void rt_squared_distances_backward(double scale, const double *slopes, rt_matrix a, rt_matrix b, double *pulls,
                                          float *gradient);

#ifdef __cplusplus
}
#endif
#endif
