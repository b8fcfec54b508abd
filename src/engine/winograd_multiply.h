/* Matrix products for the frequencies of a Winograd block, on register tiles of ROWS by up to two vectors. For sources
 * that are compiled for several instruction sets. */
#ifndef RETORT_ENGINE_WINOGRAD_MULTIPLY_H
#define RETORT_ENGINE_WINOGRAD_MULTIPLY_H

#include "engine/vectors.h"

/* The register tile: as many accumulators as leave room for the operands. */
#if RT_LANES == 16
enum { ROWS = 12, COLUMNS = 2 };
#define FOR_EACH_ROW_COUNT(do)                                                                                         \
    do                                                                                                                 \
    (1) do(2) do(3) do(4) do(5) do(6) do(7) do(8) do(9) do(10) do(11)
#else
enum { ROWS = 6, COLUMNS = 2 };
#define FOR_EACH_ROW_COUNT(do)                                                                                         \
    do                                                                                                                 \
    (1) do(2) do(3) do(4) do(5) do(6)
#endif

/* c[r][v] (+)= sum over k of a[r * row + k * step] b[k][v], for constant numbers of rows and of vectors. Rows are
 * addressed from every third one: base, base + row, base + 2 row are addresses that an instruction can hold. */
RT_INLINE void multiply_tile(const size_t rows, const size_t columns, bool add, const float *a, size_t row, size_t step,
                             const float *b, size_t b_stride, size_t depth, float *c, size_t c_stride)
{
    rt_vector sum[ROWS][COLUMNS];
    const float *base[ROWS / 3];
#pragma GCC unroll 12
    for (size_t r = 0; r < ROWS / 3; ++r)
        base[r] = a + 3 * r * row;
#pragma GCC unroll 12
    for (size_t r = 0; r < rows; ++r)
#pragma GCC unroll 2
        for (size_t v = 0; v < columns; ++v)
            sum[r][v] = add ? rt_load(c + r * c_stride + v * RT_LANES) : (rt_vector){0};
    for (size_t k = 0; k < depth; ++k) {
        rt_vector right[COLUMNS];
#pragma GCC unroll 2
        for (size_t v = 0; v < columns; ++v)
            right[v] = rt_load(b + v * RT_LANES);
#pragma GCC unroll 12
        for (size_t r = 0; r < rows; ++r) {
            const rt_vector left = rt_broadcast(base[r / 3][r % 3 * row]);
#pragma GCC unroll 2
            for (size_t v = 0; v < columns; ++v)
                sum[r][v] = rt_multiply_add(left, right[v], sum[r][v]);
        }
        b += b_stride;
#pragma GCC unroll 12
        for (size_t r = 0; r < ROWS / 3; ++r)
            base[r] += step;
    }
#pragma GCC unroll 12
    for (size_t r = 0; r < rows; ++r)
#pragma GCC unroll 2
        for (size_t v = 0; v < columns; ++v)
            rt_store(c + r * c_stride + v * RT_LANES, sum[r][v]);
}

#endif
