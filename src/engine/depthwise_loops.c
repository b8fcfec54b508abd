#include "engine/depthwise_loops.h"

#include <math.h>

#include "base/vector.h"

enum { LANES = RT_DEPTHWISE_LANES };

/* One vector, whatever the instruction set: the compiler splits it into as many registers as it takes. `loose` is the
 * same in memory, where channels need not begin at a multiple of anything. */
typedef float lanes __attribute__((vector_size(LANES * sizeof(float))));
typedef float loose __attribute__((vector_size(LANES * sizeof(float)), aligned(sizeof(float)), may_alias));
typedef int choice __attribute__((vector_size(LANES * sizeof(int))));

/* Inlined with constants for the numbers of taps, which unrolls the loops over taps and keeps weights and sums in
 * registers. Vectors go by address: how they are passed by value depends on the instruction set. */
#define INLINE static inline __attribute__((always_inline))

INLINE void load(lanes *to, const float *from)
{
    *to = *(const loose *)(const void *)from;
}

/* The same column one line below. The address is kept from the optimiser, which would else compute the offsets of all
 * nine taps once, run out of registers for them, and fetch each back for every tap. */
INLINE const float *below(const float *above, size_t line)
{
    above += line;
    __asm__("" : "+r"(above));
    return above;
}

/* Comparisons this way round let a NaN through. */
INLINE void clamp(lanes *value, float low, float high)
{
    const lanes floor = low - (lanes){0}, ceiling = high - (lanes){0};
    choice cut = *value < floor;
    *value = (lanes)(((choice)floor & cut) | ((choice)*value & ~cut));
    cut = *value > ceiling;
    *value = (lanes)(((choice)ceiling & cut) | ((choice)*value & ~cut));
}

INLINE size_t tap(const rt_depthwise_region *r, size_t i, size_t j)
{
    return r->weight + i * r->weight_row + j * r->weight_column;
}

/* The strides of a region are read once: a store of floats might change them, as far as the compiler can tell. */
INLINE void convolve(const rt_depthwise_tile *tile, const rt_depthwise_region *r, const rt_depthwise_operands *operands,
                     size_t channel, const float *weights, const float *bias, const float *residual, size_t row_taps,
                     size_t column_taps)
{
    const size_t pixel = tile->pixel, line = tile->line;
    const size_t count = r->count[2], from_step = r->read_step[2], to_step = r->written_step[2];
    const float low = operands->low, high = operands->high;
    const bool clamps = low > -INFINITY || high < INFINITY;
    lanes w[RT_DEPTHWISE_TAPS], start;
    load(&start, bias);
    for (size_t i = 0; i < row_taps; ++i)
        for (size_t j = 0; j < column_taps; ++j)
            load(&w[i * column_taps + j], weights + tap(r, i, j) * LANES);
    for (size_t outer = 0; outer < r->count[0]; ++outer)
        for (size_t middle = 0; middle < r->count[1]; ++middle) {
            const size_t read = r->read + outer * r->read_step[0] + middle * r->read_step[1];
            const size_t written = r->written + outer * r->written_step[0] + middle * r->written_step[1];
            const float *from = operands->read + channel + read;
            float *to = operands->written + channel + written;
            for (size_t inner = 0; inner < count; ++inner, from += from_step, to += to_step) {
                lanes sum = start, x;
                const float *above = from;
                for (size_t i = 0; i < row_taps; ++i, above = below(above, line))
                    for (size_t j = 0; j < column_taps; ++j) {
                        load(&x, above + j * pixel);
                        sum += w[i * column_taps + j] * x;
                    }
                if (residual) {
                    load(&x, residual + (to - operands->written));
                    sum += x;
                }
                if (clamps)
                    clamp(&sum, low, high);
                *(loose *)(void *)to = sum;
            }
        }
}

INLINE void gradient(const rt_depthwise_tile *tile, const rt_depthwise_region *r, const float *src,
                     const float *diff_dst, size_t channel, lanes *sums, size_t row_taps, size_t column_taps)
{
    const size_t pixel = tile->pixel, line = tile->line;
    const size_t count = r->count[2], from_step = r->read_step[2], diff_step = r->written_step[2];
    lanes part[RT_DEPTHWISE_TAPS];
    for (size_t k = 0; k < row_taps * column_taps; ++k)
        part[k] = (lanes){0};
    for (size_t outer = 0; outer < r->count[0]; ++outer)
        for (size_t middle = 0; middle < r->count[1]; ++middle) {
            const size_t read = r->read + outer * r->read_step[0] + middle * r->read_step[1];
            const size_t written = r->written + outer * r->written_step[0] + middle * r->written_step[1];
            const float *from = src + channel + read, *diff = diff_dst + channel + written;
            for (size_t inner = 0; inner < count; ++inner, from += from_step, diff += diff_step) {
                lanes d, x;
                const float *above = from;
                load(&d, diff);
                for (size_t i = 0; i < row_taps; ++i, above = below(above, line))
                    for (size_t j = 0; j < column_taps; ++j) {
                        load(&x, above + j * pixel);
                        part[i * column_taps + j] += d * x;
                    }
            }
        }
    for (size_t i = 0; i < row_taps; ++i)
        for (size_t j = 0; j < column_taps; ++j)
            sums[tap(r, i, j)] += part[i * column_taps + j];
}

INLINE void bias_gradient(const rt_depthwise_region *r, const float *diff_dst, size_t channel, lanes *sum)
{
    lanes part = {0}, d;
    for (size_t outer = 0; outer < r->count[0]; ++outer)
        for (size_t middle = 0; middle < r->count[1]; ++middle) {
            const size_t written = r->written + outer * r->written_step[0] + middle * r->written_step[1];
            const float *diff = diff_dst + channel + written;
            for (size_t inner = 0; inner < r->count[2]; ++inner, diff += r->written_step[2]) {
                load(&d, diff);
                part += d;
            }
        }
    *sum += part;
}

/* The cases of a switch over the numbers of taps, each with its own as constants. */
#define CASE(WITH, row_taps, column_taps)                                                                              \
    case 4 * (row_taps) + (column_taps):                                                                               \
        WITH(row_taps, column_taps);                                                                                   \
        break;
/* clang-format off */
#define CASES(WITH)                                    \
    CASE(WITH, 1, 1) CASE(WITH, 1, 2) CASE(WITH, 1, 3) \
    CASE(WITH, 2, 1) CASE(WITH, 2, 2) CASE(WITH, 2, 3) \
    CASE(WITH, 3, 1) CASE(WITH, 3, 2) CASE(WITH, 3, 3)
/* clang-format on */

/* Residuals of depthwise convolutions are rare: they go the slow way and leave the registers to the others. */
RT_WIDE void rt_depthwise_convolve(const rt_depthwise_tile *tile, const rt_depthwise_operands *operands, size_t channel,
                                   const float *weights, const float *bias)
{
#define CONVOLVE(row_taps, column_taps) convolve(tile, r, operands, channel, weights, bias, NULL, row_taps, column_taps)
    for (const rt_depthwise_region *r = tile->regions; r < tile->regions + tile->region_count; ++r)
        switch (!operands->residual ? 4 * r->row_taps + r->column_taps : 0) {
            CASES(CONVOLVE)
        default:
            convolve(tile, r, operands, channel, weights, bias, operands->residual, r->row_taps, r->column_taps);
        }
}

RT_WIDE void rt_depthwise_gradient(const rt_depthwise_tile *tile, const float *src, const float *diff_dst,
                                   size_t channel, bool with_bias, double *sums)
{
    lanes tile_sums[RT_DEPTHWISE_SUMS];
    for (size_t k = 0; k < RT_DEPTHWISE_SUMS; ++k)
        tile_sums[k] = (lanes){0};
#define GRADIENT(row_taps, column_taps) gradient(tile, r, src, diff_dst, channel, tile_sums, row_taps, column_taps)
    for (const rt_depthwise_region *r = tile->regions; r < tile->regions + tile->region_count; ++r) {
        switch (4 * r->row_taps + r->column_taps) {
            CASES(GRADIENT)
        }
        if (with_bias)
            bias_gradient(r, diff_dst, channel, &tile_sums[RT_DEPTHWISE_TAPS]);
    }
    for (size_t k = 0; k < RT_DEPTHWISE_SUMS; ++k)
        for (size_t i = 0; i < LANES; ++i)
            sums[k * LANES + i] += (double)tile_sums[k][i];
}
