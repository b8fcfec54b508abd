/* 16-bit floats (IEEE 754 binary16): a sign, 5 bits of exponent, 10 of mantissa; largest 65504, smallest 2^-24. */
#ifndef RETORT_FORMATS_HALF_H
#define RETORT_FORMATS_HALF_H

#include <math.h>
#include <stdint.h>
#include <string.h>

static inline float rt_float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Exact. */
static inline float rt_float_of_half(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16, exponent = (half >> 10) & 0x1Fu, mantissa = half & 0x3FFu;
    if (exponent == 0) /* zero or subnormal: mantissa * 2^-24, exact and normal in a float */
        return copysignf((float)mantissa * 0x1p-24f, rt_float_of_bits(sign | 0x3F800000u));
    if (exponent == 31) /* infinity or NaN */
        return rt_float_of_bits(sign | 0x7F800000u | mantissa << 13);
    return rt_float_of_bits(sign | (exponent + 127 - 15) << 23 | mantissa << 13);
}

/* The nearest half, ties to even: off by at most 2^-11 of the value, or 2^-25 where the half is subnormal. Too large
 * values become infinities. On integers alone, so that it does not matter whether denormals are flushed. */
static inline uint16_t rt_half_of_float(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint16_t sign = (uint16_t)(bits >> 16 & 0x8000u);
    uint32_t size = bits & 0x7FFFFFFFu;
    if (size > 0x7F800000u)
        return (uint16_t)(sign | 0x7E00u);
    if (size >= 0x477FF000u) /* 65520 and above round up to 65536, which there is not */
        return (uint16_t)(sign | 0x7C00u);
    if (size < 0x33000000u) /* below 2^-25 */
        return sign;
    uint32_t exponent = size >> 23, mantissa = (size & 0x7FFFFFu) | 0x800000u;
    /* Normal: 13 bits of mantissa go. Subnormal: as many more as the exponent is below that of 2^-14. */
    uint32_t gone = exponent >= 113 ? 13 : 126 - exponent;
    uint32_t kept = mantissa >> gone, half_way = (uint32_t)1 << (gone - 1), rest = mantissa & (2 * half_way - 1);
    kept += rest > half_way || (rest == half_way && (kept & 1));
    /* A carry out of the mantissa counts the exponent up by itself. */
    return (uint16_t)(sign | (exponent >= 113 ? ((exponent - 113) << 10) + kept : kept));
}

#endif
