/* Vectors of RT_LANES floats, for sources that are compiled once for each instruction set (meson.build): 16 lanes for
 * AVX-512, 8 for AVX2 with FMA, 4 for any machine. Only fused multiplication and rectification name an instruction;
 * everything else is the compiler's vector arithmetic. */
#ifndef RETORT_ENGINE_VECTORS_H
#define RETORT_ENGINE_VECTORS_H

#include <stddef.h>
#include <string.h>

#if RT_LANES == 16 || RT_LANES == 8
#include <immintrin.h>
#endif

#define RT_INLINE static inline __attribute__((always_inline))

#define RT_JOIN_AGAIN(a, b) a##b
#define RT_JOIN(a, b) RT_JOIN_AGAIN(a, b)
/* The name of a function or table of this instruction set: RT_OF_LANES(rt_winograd_convolve_). */
#define RT_OF_LANES(name) RT_JOIN(name, RT_LANES)

typedef float rt_vector __attribute__((vector_size(RT_LANES * sizeof(float))));
typedef int rt_vector_mask __attribute__((vector_size(RT_LANES * sizeof(float))));
typedef float rt_unaligned_vector __attribute__((vector_size(RT_LANES * sizeof(float)), aligned(4), may_alias));

RT_INLINE rt_vector rt_load(const float *values)
{
    return *(const rt_unaligned_vector *)values;
}

RT_INLINE void rt_store(float *values, rt_vector vector)
{
    *(rt_unaligned_vector *)values = vector;
}

/* The first `count` lanes; zeros in the others. */
RT_INLINE rt_vector rt_load_part(const float *values, size_t count)
{
    rt_vector vector = {0};
    memcpy(&vector, values, count * sizeof(float));
    return vector;
}

RT_INLINE void rt_store_part(float *values, rt_vector vector, size_t count)
{
    memcpy(values, &vector, count * sizeof(float));
}

RT_INLINE rt_vector rt_broadcast(float value)
{
    return value - (rt_vector){0};
}

/* Between the steps of a transform: what was loaded before is loaded again rather than kept, where there are more values
 * than registers, and spilling them costs more. */
#define RT_LOAD_AGAIN() __asm__ volatile("" ::: "memory")

/* Writes an array of vectors to memory now, rather than keep more of it than there are registers. */
#define RT_STORED(array) __asm__ volatile("" : : "r"(array) : "memory")

/* a b + c, rounded once where the instruction set can. */
RT_INLINE rt_vector rt_multiply_add(rt_vector a, rt_vector b, rt_vector c)
{
#if RT_LANES == 16
    return (rt_vector)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif RT_LANES == 8
    return (rt_vector)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
    return a * b + c;
#endif
}

/* 0 where x < 0; a NaN comes through. */
RT_INLINE rt_vector rt_rectify(rt_vector x)
{
#if RT_LANES == 16
    return (rt_vector)_mm512_max_ps(_mm512_setzero_ps(), (__m512)x);
#elif RT_LANES == 8
    return (rt_vector)_mm256_max_ps(_mm256_setzero_ps(), (__m256)x);
#else
    return (rt_vector)((rt_vector_mask)x & ~(rt_vector_mask)(x < (rt_vector){0}));
#endif
}

/* The ceiling where x > ceiling; a NaN comes through. */
RT_INLINE rt_vector rt_at_most(rt_vector x, rt_vector ceiling)
{
    const rt_vector_mask above = x > ceiling;
    return (rt_vector)(((rt_vector_mask)ceiling & above) | ((rt_vector_mask)x & ~above));
}

/* x where y > 0, 0 elsewhere. */
RT_INLINE rt_vector rt_where_positive(rt_vector x, rt_vector y)
{
#if RT_LANES == 16
    return (rt_vector)_mm512_maskz_mov_ps(_mm512_cmp_ps_mask((__m512)y, _mm512_setzero_ps(), _CMP_GT_OQ), (__m512)x);
#else
    return (rt_vector)((rt_vector_mask)x & (rt_vector_mask)(y > (rt_vector){0}));
#endif
}

#endif
