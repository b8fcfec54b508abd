/* The compute threads: one OpenMP team, started once.
 *
 * FTZ and DAZ are set on every thread of the team. Without them convolutions run 10x slower once gradients become
 * denormal; MXCSR belongs to a thread, so the main thread's setting is not enough. */
#ifndef RETORT_BASE_THREADS_H
#define RETORT_BASE_THREADS_H

#include <stdbool.h>

/* Fixes the number of compute threads and sets FTZ/DAZ on each. `threads` 0 means one for each CPU that this
 * process may run on. Returns the number. Call before any plan is made: oneDNN fixes its split at creation. */
int rt_threads_start(int threads);

/* The number of compute threads. */
int rt_threads_count(void);

/* Sets or clears FTZ and DAZ on every thread of the team: for counting what they hide (`retort bench`). */
void rt_threads_flush_denormals(bool flush);

/* How long a thread that waits for the others spins before it sleeps. libgomp's default is some 10 ms, during which a
 * core that another process needs does nothing; then steps take ten times as long. It reads its setting before main()
 * runs, so this starts the program anew, once, with a short spin, unless OMP_WAIT_POLICY or GOMP_SPINCOUNT says what
 * the user wants. Call first in main(); `argv` as main() got it. */
void rt_threads_spin_briefly(char **argv);

#endif
