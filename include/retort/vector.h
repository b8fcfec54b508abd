/* Loops for many machines from one source, for our own code and for plugins. */
#ifndef RETORT_VECTOR_H
#define RETORT_VECTOR_H

#include <stdint.h> /* any header of the C library says whether it is glibc */

/* Marks a function that is compiled for several instruction sets; the loader picks the best that the CPU has. The loops
 * inside keep their bits, since -ffp-contract=off rounds every operation alone, as long as they sum in a written order.
 */
#if defined(__x86_64__) && defined(__GLIBC__) && !defined(__clang__)
#define RT_WIDE __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define RT_WIDE
#endif

/* A helper of such functions: it takes on the instruction set of the one that it is compiled into. */
#if defined(__GNUC__)
#define RT_WIDE_INLINE static inline __attribute__((always_inline))
#else
#define RT_WIDE_INLINE static inline
#endif

#endif
