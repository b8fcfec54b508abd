/* Winograd's transforms for the data gradient of stride 2 (winograd.h). A tile of eight pixels comes from five
 * gradients of outputs: its first, third and so on from the kernel's middle tap, the others from its outer taps, here
 * turned. */
#ifndef RETORT_ENGINE_WINOGRAD_TRANSPOSED_H
#define RETORT_ENGINE_WINOGRAD_TRANSPOSED_H

#include "engine/winograd.h"
#include "engine/winograd_two_taps.h"

/* winograd_unit.h says what they are. */
#define FORM RT_WINOGRAD_TRANSPOSED
enum { WINDOW = 5, STEP = 4, BEFORE = 0, OUTPUTS = 8 };

/* B^T d B of 5 x 5 vectors. */
RT_INLINE void transform_source(const float *pixels, float *cell)
{
    float half[5 * 9 * RT_LANES] __attribute__((aligned(64)));
    for (size_t i = 0; i < 5; ++i) {
        transform_outer(half + i * 9 * RT_LANES, 2, pixels + i * 5 * RT_LANES, 1);
        for (size_t j = 0; j < 4; ++j)
            rt_store(half + (i * 9 + 2 * j + 1) * RT_LANES, rt_load(pixels + (i * 5 + j) * RT_LANES));
    }
    RT_LOAD_AGAIN();
    for (size_t j = 0; j < 9; ++j) {
        transform_outer(cell + j * RT_LANES, 18, half + j * RT_LANES, 9);
        for (size_t i = 0; i < 4; ++i)
            rt_store(cell + ((2 * i + 1) * 9 + j) * RT_LANES, rt_load(half + (i * 9 + j) * RT_LANES));
    }
}

/* A^T m. */
RT_INLINE void transform_outputs(rt_vector *out, size_t stride, const rt_vector *m)
{
    rt_vector outer[4];
    transform_outer_outputs(outer, m);
    for (size_t i = 0; i < 4; ++i) {
        out[2 * i * stride] = m[2 * i + 1];
        out[(2 * i + 1) * stride] = outer[i];
    }
}

#endif
