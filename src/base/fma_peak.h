/* How many multiply-adds this machine does when nothing else holds it up: the ceiling that a step's speed is shown
 * against. Measured, not looked up: clock rates under load, shared cores and hypervisors are in no table. */
#ifndef RETORT_BASE_FMA_PEAK_H
#define RETORT_BASE_FMA_PEAK_H

#include <stddef.h>

typedef struct rt_fma_peak {
    double gflops;   /* float32, all compute threads together; a multiply-add counts 2 */
    const char *isa; /* of the loop that was run: "AVX-512", "AVX2" or "portable" */
} rt_fma_peak;

/* Runs a loop of independent multiply-adds in registers on all compute threads at once, about 0.1 s in several rounds,
 * and takes the best round. The loop is the widest that this CPU has, of those whose vectors hold at most `lanes`
 * floats (16: AVX-512, 8: AVX2, fewer: portable): a ceiling that kernels are not allowed to reach is none of theirs.
 * Call after rt_threads_start(). In a build without optimisation the figure is too low. */
rt_fma_peak rt_fma_peak_measure(size_t lanes);

#endif
