/* Lengths of time for people. */
#ifndef RETORT_REPORT_DURATION_H
#define RETORT_REPORT_DURATION_H

#include <stddef.h>

/* "0:07", "12:05", "3:02:10", "2d 03:02"; "?" where `seconds` is not finite, negative or beyond 99 days. The text is
 * cut to `size`; 16 bytes always do. */
void rt_duration_format(double seconds, char *text, size_t size);

#endif
