#ifndef RETORT_BASE_MEDIAN_H
#define RETORT_BASE_MEDIAN_H

#include <stddef.h>

/* The median of count >= 1 values, which it sorts; the mean of the middle two where count is even. */
double rt_median(double *values, size_t count);

#endif
