/* What losses on features have in common: unit vectors, and maps of two sizes brought to one. For losses/ and for
 * plugins. Products and distances are in retort/matrix.h. */
#ifndef RETORT_FEATURES_H
#define RETORT_FEATURES_H

#include <math.h>
#include <stddef.h>

#include "retort/logits.h"

#ifdef __cplusplus
extern "C" {
#endif

/* <a, b> over [count], summed by lanes like rt_sum(). */
RT_WIDE_INLINE double rt_dot(const double *a, const double *b, size_t count)
{
    double lanes[RT_LANES] = {0};
    size_t k = 0;
    for (; k + RT_LANES <= count; k += RT_LANES)
        for (size_t j = 0; j < RT_LANES; ++j)
            lanes[j] += a[k + j] * b[k + j];
    for (size_t j = 0; k + j < count; ++j)
        lanes[j] += a[k + j] * b[k + j];
    return rt_lanes_sum(lanes);
}

/* The same with floats. */
RT_WIDE_INLINE double rt_dot_floats(const float *a, const double *b, size_t count)
{
    double lanes[RT_LANES] = {0};
    size_t k = 0;
    for (; k + RT_LANES <= count; k += RT_LANES)
        for (size_t j = 0; j < RT_LANES; ++j)
            lanes[j] += (double)a[k + j] * b[k + j];
    for (size_t j = 0; k + j < count; ++j)
        lanes[j] += (double)a[k + j] * b[k + j];
    return rt_lanes_sum(lanes);
}

/* Divides vector [count] by its Euclidean norm and returns that. A vector of zeros has no direction: it stays as it is,
 * and 0 is returned. */
RT_WIDE_INLINE double rt_normalize(double *vector, size_t count)
{
    double norm = sqrt(rt_dot(vector, vector, count));
    if (norm < 1e-12) {
        for (size_t k = 0; k < count; ++k)
            vector[k] *= 0.0; /* NaN stays NaN */
        return 0.0;
    }
    for (size_t k = 0; k < count; ++k)
        vector[k] /= norm;
    return norm;
}

/* Turns the gradient [count] by a unit vector into that by the vector it was made from; zeros where `norm`, as
 * rt_normalize() gave it, is 0. */
RT_WIDE_INLINE void rt_normalize_backward(const double *unit, double norm, size_t count, double *gradient)
{
    double along = rt_dot(unit, gradient, count), scale = norm > 0.0 ? 1.0 / norm : 0.0;
    for (size_t k = 0; k < count; ++k)
        gradient[k] = (gradient[k] - along * unit[k]) * scale;
}

/* A sample's map [height, width, channels], seen as `rows` times `columns` pixels, at most as many: the mean over
 * window floor(y height / rows) .. ceil((y + 1) height / rows), likewise across, as PyTorch's adaptive average pooling.
 */
typedef struct rt_pool {
    size_t height, width, channels;
    size_t rows, columns;
} rt_pool;

/* The first and the last but one of those of `size` pixels that pixel `place` of `count` stands for. */
static inline void rt_pool_window(size_t size, size_t count, size_t place, size_t *first, size_t *end)
{
    *first = place * size / count;
    *end = ((place + 1) * size + count - 1) / count;
}

/* pixel [channels] = what stands at (y, x), from values, the map. */
RT_WIDE_INLINE void rt_pool_pixel(const rt_pool *pool, const float *values, size_t y, size_t x, double *pixel)
{
    size_t top, bottom, left, right, channels = pool->channels;
    rt_pool_window(pool->height, pool->rows, y, &top, &bottom);
    rt_pool_window(pool->width, pool->columns, x, &left, &right);
    for (size_t c = 0; c < channels; ++c)
        pixel[c] = 0.0;
    for (size_t i = top; i < bottom; ++i)
        for (size_t j = left; j < right; ++j)
            for (size_t c = 0; c < channels; ++c)
                pixel[c] += (double)values[(i * pool->width + j) * channels + c];
    double share = 1.0 / (double)((bottom - top) * (right - left));
    for (size_t c = 0; c < channels; ++c)
        pixel[c] *= share;
}

/* Adds scale * slopes [channels], the gradient by that pixel, to the gradient of the map. */
RT_WIDE_INLINE void rt_pool_pixel_backward(const rt_pool *pool, const double *slopes, double scale, size_t y, size_t x,
                                           float *gradient)
{
    size_t top, bottom, left, right, channels = pool->channels;
    rt_pool_window(pool->height, pool->rows, y, &top, &bottom);
    rt_pool_window(pool->width, pool->columns, x, &left, &right);
    double share = scale / (double)((bottom - top) * (right - left));
    for (size_t i = top; i < bottom; ++i)
        for (size_t j = left; j < right; ++j)
            for (size_t c = 0; c < channels; ++c)
                gradient[(i * pool->width + j) * channels + c] += (float)(share * slopes[c]);
}

/* How maps of the student and of the teacher, [N, height, width, channels], are brought to one size: in each direction
 * the larger is pooled to the smaller. */
static inline void rt_pool_both(const rt_shape *student, const rt_shape *teacher, rt_pool *of_student,
                                rt_pool *of_teacher)
{
    size_t rows = student->dims[1] < teacher->dims[1] ? student->dims[1] : teacher->dims[1];
    size_t columns = student->dims[2] < teacher->dims[2] ? student->dims[2] : teacher->dims[2];
    rt_pool pools[2] = {{student->dims[1], student->dims[2], student->dims[3], rows, columns},
                        {teacher->dims[1], teacher->dims[2], teacher->dims[3], rows, columns}};
    *of_student = pools[0];
    *of_teacher = pools[1];
}

#ifdef __cplusplus
}
#endif
#endif
