/* The natural logarithm in double, for loops over classes that the compiler turns into vector code: rt_exp()'s sister,
 * and like it without branches and tables, each step one IEEE operation, so that its bits are the same at any width of
 * the vectors.
 *
 *     RT_WIDE static void information(const double *restrict p, size_t count, double *restrict bits)
 *     {
 *         for (size_t k = 0; k < count; ++k)
 *             bits[k] = -rt_log(p[k]);
 *     }
 */
#ifndef RETORT_LOGARITHM_H
#define RETORT_LOGARITHM_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "retort/vector.h"

#ifdef __cplusplus
extern "C" {
#endif

/* log x within 1 unit in the last place. rt_log(1) = 0, rt_log(INFINITY) = INFINITY, NaN stays NaN and x < 0 gives it.
 * Below 2^-1022, where numbers are subnormal, it is -INFINITY as for 0, whether or not the thread flushes them.
 *
 * With x = 2^n m, sqrt(1/2) <= m < sqrt(2), f = m - 1 and s = f / (2 + f): log x = n ln 2 + log((1 + s) / (1 - s)), and
 * the latter is 2 s + s R with R = s^2 P(s^2). P, of degree 6, is the Chebyshev fit; it leaves an error of 0.05 ulp.
 * 2 s is taken as f - s f, since f is exact and s is not. */
RT_WIDE_INLINE double rt_log(double x)
{
    const uint64_t root = 0x3fe6a09e667f3bcd, bias = 1023, integer = 0x4330000000000000; /* sqrt(1/2); 2^52 */
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint64_t biased = (bits - root + (bias << 52)) >> 52; /* n + 1023 */
    uint64_t mantissa = bits - ((biased - bias) << 52), shifted = integer | biased;
    double m, n;
    memcpy(&m, &mantissa, sizeof m);
    memcpy(&n, &shifted, sizeof n);
    n -= 0x1p52 + 1023; /* exact, as no conversion of 64-bit integers is that AVX2 has */

    double f = m - 1.0, half = 0.5 * f * f;
    double s = f / (2.0 + f), z = s * s, square = z * z;
    double even = 0x1.2b5900de53b32p-3, odd = 0x1.39fe51a7c18f9p-3;
    even = even * square + 0x1.7462b51cb66b1p-3, odd = odd * square + 0x1.c71c62e3f11e6p-3;
    even = even * square + 0x1.2492492df281ap-2, odd = odd * square + 0x1.99999999952d7p-2;
    even = even * square + 0x1.5555555555558p-1;
    double rest = z * (even + z * odd);
    double log = n * 0x1.62e42fefa38p-1 - ((half - (s * (half + rest) + n * 0x1.ef35793c7673p-45)) - f);

    log = x < 0x1p-1022 ? -(double)INFINITY : log;
    log = x < 0.0 ? (double)NAN : log;
    return x < (double)INFINITY ? log : x; /* NaN is not less than anything */
}

#ifdef __cplusplus
}
#endif
#endif
