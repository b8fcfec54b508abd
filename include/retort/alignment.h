/* How far two square matrices of relations between the same samples agree: CKA's and distance correlation's core. */
#ifndef RETORT_ALIGNMENT_H
#define RETORT_ALIGNMENT_H

#include "retort/features.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Takes the means of rows and of columns out of matrix [size, size], which is symmetric. `means` is scratch [size]. */
RT_WIDE_INLINE void rt_center(double *matrix, size_t size, double *means)
{
    for (size_t i = 0; i < size; ++i)
        means[i] = rt_sum(matrix + i * size, size) / (double)size;
    double mean = rt_sum(means, size) / (double)size;
    for (size_t i = 0; i < size; ++i)
        for (size_t j = 0; j < size; ++j)
            matrix[i * size + j] += mean - means[i] - means[j];
}

/* <a, b> / (|a| |b|) of centred matrices with `cells` elements, Frobenius norms; 1 where both are zero, 0 where one is.
 * slopes [cells], overwritten: its gradient by a, and so by a before it was centred. */
RT_WIDE_INLINE double rt_alignment(const double *a, const double *b, size_t cells, double *slopes)
{
    double aa = rt_dot(a, a, cells), bb = rt_dot(b, b, cells), ab = rt_dot(a, b, cells), tiny = 1e-200;
    if (aa <= tiny || bb <= tiny) {
        for (size_t k = 0; k < cells; ++k)
            slopes[k] = 0.0;
        return (aa <= tiny && bb <= tiny ? 1.0 : 0.0) + 0.0 * (aa + bb); /* what is not finite stays so */
    }
    double scale = 1.0 / (sqrt(aa) * sqrt(bb)), alignment = ab * scale;
    for (size_t k = 0; k < cells; ++k)
        slopes[k] = b[k] * scale - alignment * a[k] / aa;
    return alignment;
}

#ifdef __cplusplus
}
#endif
#endif
