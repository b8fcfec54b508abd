/* What this machine is, in words for records and reports. */
#ifndef RETORT_BASE_CPU_H
#define RETORT_BASE_CPU_H

#include <stdbool.h>
#include <stddef.h>

/* The CPU's own name ("AMD EPYC 7B13"), or "unknown CPU". */
void rt_cpu_model(char *name, size_t size);

/* The number of CPUs that this process may run on. */
int rt_cpu_count(void);

/* Peak resident memory of this process so far, in bytes. */
size_t rt_peak_memory(void);

/* Memory that a program may take without pushing others out, in bytes, as the kernel judges; SIZE_MAX where it does not
 * tell. */
size_t rt_available_memory(void);

/* Whether so many bytes can be touched: what is too much is not refused where it is allocated, but killed when it is
 * first touched. One GB and less are not asked about. *available gets rt_available_memory() where there is no room. */
bool rt_memory_has_room(size_t bytes, size_t *available);

/* Seconds on a clock that never goes back. */
double rt_seconds(void);

/* Seconds since this process was started, to 1/100 s: the kernel's own record, so that what ran before main() counts,
 * and a program that started itself anew is as old as its first start. Negative where the kernel does not tell. */
double rt_process_age(void);

#endif
