/* How many multiply-adds this machine does when nothing else holds it up: the ceiling that a step's speed is shown
 * against. Measured, not looked up: clock rates under load, shared cores and hypervisors are in no table. */
#ifndef RETORT_BASE_FMA_PEAK_H
#define RETORT_BASE_FMA_PEAK_H

typedef struct rt_fma_peak {
    double gflops;   /* float32, all compute threads together; a multiply-add counts 2 */
    const char *isa; /* of the loop that was run: "AVX-512", "AVX2" or "portable" */
} rt_fma_peak;

/* Runs a loop of independent multiply-adds in registers on all compute threads at once, about 0.1 s in several rounds,
 * and takes the best round. The loop is the widest that this CPU has. Call after rt_threads_start(). In a build without
 * optimisation the figure is too low. */
rt_fma_peak rt_fma_peak_measure(void);

#endif
