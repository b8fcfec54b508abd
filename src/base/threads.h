/* The compute threads: one OpenMP team, started once.
 *
 * FTZ and DAZ are set on every thread of the team. Without them convolutions run 10x slower once gradients become
 * denormal; MXCSR belongs to a thread, so the main thread's setting is not enough. */
#ifndef RETORT_BASE_THREADS_H
#define RETORT_BASE_THREADS_H

/* Fixes the number of compute threads and sets FTZ/DAZ on each. `threads` 0 means one for each CPU that this
 * process may run on. Returns the number. Call before any plan is made: oneDNN fixes its split at creation. */
int rt_threads_start(int threads);

/* The number of compute threads. */
int rt_threads_count(void);

#endif
