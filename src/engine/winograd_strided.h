/* Winograd's transforms for stride 2 (winograd.h). Of the nine pixels that a tile sees in one dimension, the first,
 * third and so on are under the kernel's outer taps, the second, fourth and so on under its middle one. */
#ifndef RETORT_ENGINE_WINOGRAD_STRIDED_H
#define RETORT_ENGINE_WINOGRAD_STRIDED_H

#include "engine/winograd.h"
#include "engine/winograd_two_taps.h"

/* winograd_unit.h says what they are. */
#define CORRELATES /* has a weight gradient */
#define FORM RT_WINOGRAD_STRIDED
enum { WINDOW = 9, STEP = 8, BEFORE = 1, OUTPUTS = 4 };

/* B^T d B of 9 x 9 vectors, which are overwritten. */
RT_INLINE void transform_source(float *pixels, float *cell)
{
    for (size_t i = 0; i < 9; ++i)
        transform_outer(pixels + i * 9 * RT_LANES, 2, pixels + i * 9 * RT_LANES, 2);
    RT_LOAD_AGAIN();
    for (size_t j = 0; j < 9; ++j) {
        transform_outer(cell + j * RT_LANES, 18, pixels + j * RT_LANES, 18);
        for (size_t i = 1; i < 9; i += 2)
            rt_store(cell + (i * 9 + j) * RT_LANES, rt_load(pixels + (i * 9 + j) * RT_LANES));
    }
}

/* A^T m. */
RT_INLINE void transform_outputs(rt_vector *out, size_t stride, const rt_vector *m)
{
    rt_vector outer[4];
    transform_outer_outputs(outer, m);
    for (size_t i = 0; i < 4; ++i)
        out[i * stride] = outer[i] + m[2 * i + 1];
}

/* A y: the transposed, for gradients of outputs. */
RT_INLINE void transform_gradient(rt_vector *out, size_t stride, const rt_vector *y)
{
    transform_outer_gradient(out, stride, y);
    for (size_t i = 0; i < 4; ++i)
        out[(2 * i + 1) * stride] = y[i];
}

#endif
