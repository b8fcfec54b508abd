/* What the strided and the transposed form of Winograd's algorithm share (winograd.h): a kernel's outer taps as F(4,
 * 2), interpolated at 0, 1, -1, 2 and infinity, and its middle tap, which multiplies 4 values as they are. In one
 * dimension the frequencies of the outer taps are at 0, 2, 4, 6 and 8, the values of the middle tap at 1, 3, 5 and 7.
 */
#ifndef RETORT_ENGINE_WINOGRAD_TWO_TAPS_H
#define RETORT_ENGINE_WINOGRAD_TWO_TAPS_H

#include "engine/vectors.h"

enum { SIDE = 9, PLANE_SIDE = 6, POINT_ONE = 2 };

/* A kernel in one dimension: its outer taps' five frequencies and its middle tap. */
RT_INLINE size_t plane_of(size_t frequency)
{
    const size_t row = frequency / SIDE, column = frequency % SIDE;
    return (row % 2 ? 5 : row / 2) * PLANE_SIDE + (column % 2 ? 5 : column / 2);
}

/* B^T d of five values, to where frequencies are; `out` may be d. Strides are in vectors. */
RT_INLINE void transform_outer(float *out, size_t out_stride, const float *d, size_t stride)
{
    const rt_vector two = rt_broadcast(2.0f), three = rt_broadcast(3.0f);
    const rt_vector d0 = rt_load(d), d1 = rt_load(d + stride * RT_LANES), d2 = rt_load(d + 2 * stride * RT_LANES);
    const rt_vector d3 = rt_load(d + 3 * stride * RT_LANES), d4 = rt_load(d + 4 * stride * RT_LANES);
    const rt_vector a = d3 - d1;
    rt_store(out, rt_multiply_add(two, d0 - d2, a));
    rt_store(out + out_stride * RT_LANES, a - d1 - d2);
    rt_store(out + 2 * out_stride * RT_LANES, rt_multiply_add(three, d1 - d2, a));
    rt_store(out + 3 * out_stride * RT_LANES, a);
    rt_store(out + 4 * out_stride * RT_LANES, rt_multiply_add(-two, a, d4 - d2));
}

/* A^T m of the five frequencies. */
RT_INLINE void transform_outer_outputs(rt_vector out[4], const rt_vector m[SIDE])
{
    const rt_vector two = rt_broadcast(2.0f), four = rt_broadcast(4.0f), eight = rt_broadcast(8.0f);
    const rt_vector sum = m[2] + m[4], difference = m[2] - m[4];
    out[0] = m[0] + sum + m[6];
    out[1] = rt_multiply_add(two, m[6], difference);
    out[2] = rt_multiply_add(four, m[6], sum);
    out[3] = rt_multiply_add(eight, m[6], difference) + m[8];
}

/* A y: the transposed. */
RT_INLINE void transform_outer_gradient(rt_vector *out, size_t stride, const rt_vector y[4])
{
    const rt_vector two = rt_broadcast(2.0f), four = rt_broadcast(4.0f), eight = rt_broadcast(8.0f);
    const rt_vector even = y[0] + y[2], odd = y[1] + y[3];
    out[0] = y[0];
    out[2 * stride] = even + odd;
    out[4 * stride] = even - odd;
    out[6 * stride] = rt_multiply_add(four, y[2], y[0]) + rt_multiply_add(eight, y[3], two * y[1]);
    out[8 * stride] = y[3];
}

/* G g: three values to six. */
RT_INLINE void transform_kernel(rt_vector *out, size_t stride, const rt_vector *g)
{
    const rt_vector half = rt_broadcast(0.5f), sixth = rt_broadcast(1.0f / 6.0f);
    out[0] = half * g[0];
    out[1 * stride] = -half * (g[0] + g[2]);
    out[2 * stride] = sixth * (g[2] - g[0]);
    out[3 * stride] = sixth * (g[0] + g[2] + g[2]);
    out[4 * stride] = g[2];
    out[5 * stride] = g[1];
}

/* G^T u: six values to three. */
RT_INLINE void transform_back(rt_vector *out, size_t stride, const rt_vector *u)
{
    const rt_vector half = rt_broadcast(0.5f), sixth = rt_broadcast(1.0f / 6.0f), third = rt_broadcast(1.0f / 3.0f);
    out[0] = half * (u[0] - u[1]) + sixth * (u[3] - u[2]);
    out[1 * stride] = u[5];
    out[2 * stride] = sixth * u[2] - half * u[1] + third * u[3] + u[4];
}

#endif
