/* NumPy .npy arrays, format versions 1.0 to 3.0
 * (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html). */
#ifndef RETORT_FORMATS_NPY_H
#define RETORT_FORMATS_NPY_H

#include "formats/tensors.h"

/* An array in memory, row-major whatever order the file had. Free with rt_array_free(). */
typedef struct rt_array {
    rt_dtype dtype; /* F32, F64 or I64 (other integer types are widened) */
    rt_shape shape;
    void *data; /* 64-byte aligned */
} rt_array;

rt_status rt_npy_read(const char *path, rt_array *array, rt_error *err);
void rt_array_free(rt_array *array); /* accepts a zeroed struct */

/* Writes F32, F64 or I64, atomically. */
rt_status rt_npy_write(const char *path, rt_dtype dtype, const rt_shape *shape, const void *data, rt_error *err);

#endif
