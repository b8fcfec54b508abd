/* Numbers too small for float32's full precision, which many CPUs compute with a hundred times slower. */
#ifndef RETORT_BASE_DENORMAL_H
#define RETORT_BASE_DENORMAL_H

#include <stddef.h>
#include <stdint.h>

/* How many of `count` values are denormal, told from their bits: no arithmetic, in which the CPU may take them for 0.
 */
uint64_t rt_denormal_count(const float *values, size_t count);

#endif
