/* Winograd's transforms for stride 1, F(4 x 4, 3 x 3), interpolated at 0, 1, -1, 2, -2 and infinity (winograd.h). */
#ifndef RETORT_ENGINE_WINOGRAD_UNIT_H
#define RETORT_ENGINE_WINOGRAD_UNIT_H

#include "engine/vectors.h"
#include "engine/winograd.h"

/* In one dimension. SIDE: frequencies. PLANE_SIDE: values of a kernel. BEFORE: pixels that a tile sees before its first
 * output's own. POINT_ONE: the frequency at which the interpolation point is 1. */
#define CORRELATES     /* has a weight gradient */
#define READS_IN_PLACE /* has transform_map() */
#define FORM RT_WINOGRAD_UNIT
enum { SIDE = 6, PLANE_SIDE = 6, WINDOW = 6, STEP = 4, BEFORE = 1, OUTPUTS = 4, POINT_ONE = 1 };

/* Each frequency has a weight of its own. */
RT_INLINE size_t plane_of(size_t frequency)
{
    return frequency;
}

/* B^T d of one column, to column j of a cell. */
RT_INLINE void transform_source_column(const rt_vector *d, float *cell)
{
    const rt_vector two = rt_broadcast(2.0f), four = rt_broadcast(4.0f), five = rt_broadcast(5.0f);
    const rt_vector a = rt_multiply_add(-four, d[2], d[4]), b = rt_multiply_add(-four, d[1], d[3]);
    const rt_vector c = d[4] - d[2], e = d[3] - d[1];
    rt_store(cell + 0 * 6 * RT_LANES, rt_multiply_add(four, d[0], rt_multiply_add(-five, d[2], d[4])));
    rt_store(cell + 1 * 6 * RT_LANES, a + b);
    rt_store(cell + 2 * 6 * RT_LANES, a - b);
    rt_store(cell + 3 * 6 * RT_LANES, rt_multiply_add(two, e, c));
    rt_store(cell + 4 * 6 * RT_LANES, rt_multiply_add(-two, e, c));
    rt_store(cell + 5 * 6 * RT_LANES, rt_multiply_add(four, d[1], rt_multiply_add(-five, d[3], d[5])));
}

/* B^T d B of 6 x 6 vectors where they lie, a column or two at a time: pixels of a row are `pixel` floats apart. The
 * first or last column may be out: zeros. */
RT_INLINE void transform_map(const float *const rows[6], size_t pixel, const bool left_out, const bool right_out,
                             float *cell)
{
    const rt_vector two = rt_broadcast(2.0f), four = rt_broadcast(4.0f), five = rt_broadcast(5.0f);
    rt_vector left[6], right[6];
#define PIXEL(j) (((j) == 0 && left_out) || ((j) == 5 && right_out) ? (rt_vector){0} : rt_load(rows[i] + (j)*pixel))
#pragma GCC unroll 6
    for (size_t i = 0; i < 6; ++i)
        left[i] = rt_multiply_add(four, PIXEL(0), rt_multiply_add(-five, PIXEL(2), PIXEL(4)));
    transform_source_column(left, cell);
    RT_LOAD_AGAIN();
#pragma GCC unroll 6
    for (size_t i = 0; i < 6; ++i) {
        const rt_vector a = rt_multiply_add(-four, PIXEL(2), PIXEL(4)), b = rt_multiply_add(-four, PIXEL(1), PIXEL(3));
        left[i] = a + b;
        right[i] = a - b;
    }
    transform_source_column(left, cell + RT_LANES);
    transform_source_column(right, cell + 2 * RT_LANES);
    RT_LOAD_AGAIN();
#pragma GCC unroll 6
    for (size_t i = 0; i < 6; ++i) {
        const rt_vector c = PIXEL(4) - PIXEL(2), e = PIXEL(3) - PIXEL(1);
        left[i] = rt_multiply_add(two, e, c);
        right[i] = rt_multiply_add(-two, e, c);
    }
    transform_source_column(left, cell + 3 * RT_LANES);
    transform_source_column(right, cell + 4 * RT_LANES);
    RT_LOAD_AGAIN();
#pragma GCC unroll 6
    for (size_t i = 0; i < 6; ++i)
        left[i] = rt_multiply_add(four, PIXEL(1), rt_multiply_add(-five, PIXEL(3), PIXEL(5)));
    transform_source_column(left, cell + 5 * RT_LANES);
#undef PIXEL
}

/* The same of a copy. */
RT_INLINE void transform_source(const float *pixels, float *cell)
{
    const float *rows[6];
    for (size_t i = 0; i < 6; ++i)
        rows[i] = pixels + i * 6 * RT_LANES;
    transform_map(rows, RT_LANES, false, false, cell);
}

/* A^T m. */
RT_INLINE void transform_outputs(rt_vector *out, size_t stride, const rt_vector *m)
{
    const rt_vector two = rt_broadcast(2.0f), four = rt_broadcast(4.0f), eight = rt_broadcast(8.0f);
    const rt_vector sum = m[1] + m[2], difference = m[1] - m[2], far_sum = m[3] + m[4], far_difference = m[3] - m[4];
    out[0 * stride] = m[0] + sum + far_sum;
    out[1 * stride] = rt_multiply_add(two, far_difference, difference);
    out[2 * stride] = rt_multiply_add(four, far_sum, sum);
    out[3 * stride] = rt_multiply_add(eight, far_difference, difference) + m[5];
}

/* A y: the transposed, for gradients of outputs. */
RT_INLINE void transform_gradient(rt_vector *out, size_t stride, const rt_vector *y)
{
    const rt_vector two = rt_broadcast(2.0f), four = rt_broadcast(4.0f), eight = rt_broadcast(8.0f);
    const rt_vector even = y[0] + y[2], odd = y[1] + y[3];
    const rt_vector far_even = rt_multiply_add(four, y[2], y[0]), far_odd = rt_multiply_add(eight, y[3], two * y[1]);
    out[0 * stride] = y[0];
    out[1 * stride] = even + odd;
    out[2 * stride] = even - odd;
    out[3 * stride] = far_even + far_odd;
    out[4 * stride] = far_even - far_odd;
    out[5 * stride] = y[3];
}

/* G g: three values to six. */
RT_INLINE void transform_kernel(rt_vector *out, size_t stride, const rt_vector *g)
{
    const rt_vector sixth = rt_broadcast(1.0f / 6.0f), outer = g[0] + g[2];
    const rt_vector far = rt_multiply_add(rt_broadcast(4.0f), g[2], g[0]);
    const rt_vector twenty_fourth = rt_broadcast(1.0f / 24.0f), twice = g[1] + g[1];
    out[0 * stride] = rt_broadcast(0.25f) * g[0];
    out[1 * stride] = -sixth * (outer + g[1]);
    out[2 * stride] = -sixth * (outer - g[1]);
    out[3 * stride] = twenty_fourth * (far + twice);
    out[4 * stride] = twenty_fourth * (far - twice);
    out[5 * stride] = g[2];
}

/* G^T u: six values to three. */
RT_INLINE void transform_back(rt_vector *out, size_t stride, const rt_vector *u)
{
    const rt_vector sixth = rt_broadcast(1.0f / 6.0f), twelfth = rt_broadcast(1.0f / 12.0f);
    const rt_vector twenty_fourth = rt_broadcast(1.0f / 24.0f);
    const rt_vector near = sixth * (u[1] + u[2]), far = u[3] + u[4];
    out[0 * stride] = rt_broadcast(0.25f) * u[0] - near + twenty_fourth * far;
    out[1 * stride] = sixth * (u[2] - u[1]) + twelfth * (u[3] - u[4]);
    out[2 * stride] = u[5] - near + sixth * far;
}

#endif
