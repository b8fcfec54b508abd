#include "engine/narrow.h"

#include <math.h>
#include <string.h>

#include "base/vector.h"

enum { BUFFER = 4096 /* floats behind a norm */ };

bool rt_narrow_reads_norms(const rt_norm_rows *rows)
{
    return rows->lanes <= BUFFER;
}

/* What is made of a run of values. */
typedef struct narrowing {
    void (*run)(const struct narrowing *how, const float *x, size_t start, size_t count);
    void *to;
    float factor, least, most; /* of steps */
    rt_range *range;
} narrowing;

RT_WIDE static void round_to_bf16(const float *restrict x, uint16_t *restrict bf16, size_t count)
{
#pragma omp simd
    for (size_t i = 0; i < count; ++i) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        const uint32_t rounded = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
        const uint32_t nan = bits >> 16 | 0x40u; /* rounding could turn its mantissa into infinity's */
        bf16[i] = (uint16_t)((bits & 0x7fffffffu) > 0x7f800000u ? nan : rounded);
    }
}

/* Adding 1.5 * 2^23 rounds to a whole number, and leaves it in the low bits. */
RT_WIDE static void round_to_steps(const float *restrict x, float factor, float least, float most,
                                   uint8_t *restrict steps, size_t count)
{
#pragma omp simd
    for (size_t i = 0; i < count; ++i) {
        float value = x[i] * factor;
        value = value < least ? least : value;
        value = value > most ? most : value;
        value += 12582912.0f;
        uint32_t bits;
        memcpy(&bits, &value, sizeof bits);
        steps[i] = (uint8_t)bits;
    }
}

static void to_bf16(const narrowing *how, const float *x, size_t start, size_t count)
{
    round_to_bf16(x, (uint16_t *)how->to + start, count);
}

static void to_steps(const narrowing *how, const float *x, size_t start, size_t count)
{
    round_to_steps(x, how->factor, how->least, how->most, (uint8_t *)how->to + start, count);
}

static void widen(rt_range *range, float x)
{
    range->lowest = x < range->lowest || isnan(x) ? x : range->lowest;
    range->highest = x > range->highest || isnan(x) ? x : range->highest;
}

static void to_range(const narrowing *how, const float *x, size_t start, size_t count)
{
    (void)start;
    for (size_t i = 0; i < count; ++i)
        widen(how->range, x[i]);
}

/* A part through its norm, in pieces that stay in the first cache. */
static void narrow_part(rt_norm_part part, const rt_norm_link *norm, const float *x, const narrowing *how)
{
    float buffer[BUFFER];
    if (!norm) {
        how->run(how, x + part.start, part.start, part.steps * part.width);
        return;
    }
    const size_t steps = BUFFER / part.width;
    for (size_t left = part.steps; left > 0; left -= part.steps) {
        part.steps = left < steps ? left : steps;
        rt_norm_apply_part(&part, &norm->lanes, norm->relu, x + part.start, buffer);
        how->run(how, buffer, part.start, part.steps * part.width);
        part.start += part.steps * part.width;
    }
}

static void narrow(const rt_norm_rows *rows, const rt_norm_link *norm, const float *x, const narrowing *how)
{
#pragma omp parallel for schedule(static)
    for (size_t chunk = 0; chunk < rows->chunks; ++chunk) {
        rt_norm_part parts[2];
        const size_t count = rt_norm_parts(rows, chunk, parts);
        for (size_t p = 0; p < count; ++p)
            narrow_part(parts[p], norm, x, how);
    }
}

void rt_narrow_bf16(const rt_norm_rows *rows, const rt_norm_link *norm, const float *x, uint16_t *bf16)
{
    narrow(rows, norm, x, &(narrowing){.run = to_bf16, .to = bf16});
}

void rt_narrow_int8(const rt_norm_rows *rows, const rt_norm_link *norm, const float *x, float step, bool is_signed,
                    void *steps)
{
    narrow(rows, norm, x,
           &(narrowing){.run = to_steps,
                        .to = steps,
                        .factor = 1.0f / step,
                        .least = is_signed ? -127.0f : 0.0f,
                        .most = is_signed ? 127.0f : 255.0f});
}

/* Once for each calibration: one thread is enough. */
void rt_narrow_range(const rt_norm_rows *rows, const rt_norm_link *norm, const float *x, rt_range *range)
{
    const narrowing how = {.run = to_range, .range = range};
    for (size_t chunk = 0; chunk < rows->chunks; ++chunk) {
        rt_norm_part parts[2];
        const size_t count = rt_norm_parts(rows, chunk, parts);
        for (size_t p = 0; p < count; ++p)
            narrow_part(parts[p], norm, x, &how);
    }
}
