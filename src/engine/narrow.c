#include "engine/narrow.h"

#include <string.h>

#include "base/vector.h"

enum { BUFFER = 4096 /* floats behind a norm */ };

bool rt_narrow_reads_norms(const rt_norm_rows *rows)
{
    return rows->lanes <= BUFFER;
}

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

/* A part through its norm, in pieces that stay in the first cache. */
static void narrow_part(rt_norm_part part, const rt_norm_link *norm, const float *x, uint16_t *bf16)
{
    float buffer[BUFFER];
    if (!norm) {
        round_to_bf16(x + part.start, bf16 + part.start, part.steps * part.width);
        return;
    }
    const size_t steps = BUFFER / part.width;
    for (size_t left = part.steps; left > 0; left -= part.steps) {
        part.steps = left < steps ? left : steps;
        rt_norm_apply_part(&part, &norm->lanes, norm->relu, x + part.start, buffer);
        round_to_bf16(buffer, bf16 + part.start, part.steps * part.width);
        part.start += part.steps * part.width;
    }
}

void rt_narrow_bf16(const rt_norm_rows *rows, const rt_norm_link *norm, const float *x, uint16_t *bf16)
{
#pragma omp parallel for schedule(static)
    for (size_t chunk = 0; chunk < rows->chunks; ++chunk) {
        rt_norm_part parts[2];
        const size_t count = rt_norm_parts(rows, chunk, parts);
        for (size_t p = 0; p < count; ++p)
            narrow_part(parts[p], norm, x, bf16);
    }
}
