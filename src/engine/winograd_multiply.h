/* Matrix products for the frequencies of a Winograd block, on register tiles. For sources that are compiled for each
 * form and instruction sets. */
#ifndef RETORT_ENGINE_WINOGRAD_MULTIPLY_H
#define RETORT_ENGINE_WINOGRAD_MULTIPLY_H

#include "engine/vectors.h"

/* The register tile of the forward product: as many accumulators as leave room for the operands. That of the weight
 * gradient has rows that divide a vector, since its rows are channels of one cell. */
#if RT_LANES == 16
enum { ROWS = 12, CHANNEL_ROWS = 8, COLUMNS = 2 };
#define FOR_EACH_REST(do)                                                                                              \
    do                                                                                                                 \
    (1) do(2) do(3) do(4) do(5) do(6) do(7) do(8) do(9) do(10) do(11)
#define FOR_EACH_CHANNEL_REST(do)                                                                                      \
    do                                                                                                                 \
    (1) do(2) do(3) do(4) do(5) do(6) do(7)
#else
enum { ROWS = 6, CHANNEL_ROWS = 4, COLUMNS = 2 };
#define FOR_EACH_REST(do)                                                                                              \
    do                                                                                                                 \
    (1) do(2) do(3) do(4) do(5)
#define FOR_EACH_CHANNEL_REST(do)                                                                                      \
    do                                                                                                                 \
    (1) do(2) do(3)
#endif

/* Steps between the loading of the right side and its use, where it may come from far; floats of a line of a cache. */
enum { PREFETCH = 16, LINE = 16 };

/* sum[r][v] += a[r * row + k * step] b[k * b_stride + v] for k < depth. Rows are addressed from every third one: base,
 * base + row and base + 2 row are addresses that an instruction can hold. With `fetch`, b is asked for ahead. */
RT_INLINE void multiply_steps(const size_t rows, const size_t columns, rt_vector sum[][COLUMNS], const float *a,
                              size_t row, size_t step, const float *b, size_t b_stride, size_t depth, const bool fetch)
{
    const float *base[ROWS / 3 + 1];
#pragma GCC unroll 12
    for (size_t r = 0; r < rows; r += 3)
        base[r / 3] = a + r * row;
    for (size_t k = 0; k < depth; ++k) {
        rt_vector right[COLUMNS];
#pragma GCC unroll 2
        for (size_t v = 0; v < columns; ++v)
            right[v] = rt_load(b + v * RT_LANES);
#pragma GCC unroll 2
        for (size_t v = 0; fetch && v < columns; v += LINE / RT_LANES)
            __builtin_prefetch(b + PREFETCH * b_stride + v * RT_LANES);
#pragma GCC unroll 12
        for (size_t r = 0; r < rows; ++r) {
            const rt_vector left = rt_broadcast(base[r / 3][r % 3 * row]);
#pragma GCC unroll 2
            for (size_t v = 0; v < columns; ++v)
                sum[r][v] = rt_multiply_add(left, right[v], sum[r][v]);
        }
        b += b_stride;
#pragma GCC unroll 12
        for (size_t r = 0; r < rows; r += 3)
            base[r / 3] += step;
    }
}

RT_INLINE void load_tile(const size_t rows, const size_t columns, rt_vector sum[][COLUMNS], const float *c, size_t row)
{
#pragma GCC unroll 12
    for (size_t r = 0; r < rows; ++r)
#pragma GCC unroll 2
        for (size_t v = 0; v < columns; ++v)
            sum[r][v] = c ? rt_load(c + r * row + v * RT_LANES) : (rt_vector){0};
}

RT_INLINE void store_tile(const size_t rows, const size_t columns, rt_vector sum[][COLUMNS], float *c, size_t row,
                          size_t column)
{
#pragma GCC unroll 12
    for (size_t r = 0; r < rows; ++r)
#pragma GCC unroll 2
        for (size_t v = 0; v < columns; ++v)
            rt_store(c + r * row + v * column, sum[r][v]);
}

#endif
