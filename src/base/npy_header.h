/* The header of a .npy file: a Python dictionary literal,
 *
 *     {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
 *
 * of which exactly these three keys are taken, each once, in any order. */
#ifndef RETORT_BASE_NPY_HEADER_H
#define RETORT_BASE_NPY_HEADER_H

#include <stdbool.h>
#include <stddef.h>

#include "retort/error.h"
#include "retort/loss.h" /* rt_shape */

/* Element types that are read, all little-endian. */
typedef enum rt_npy_type {
    RT_NPY_F4,
    RT_NPY_F8,
    RT_NPY_I8,
    RT_NPY_I4,
    RT_NPY_I2,
    RT_NPY_I1,
    RT_NPY_U4,
    RT_NPY_U2,
    RT_NPY_U1,
    RT_NPY_BOOL
} rt_npy_type;

size_t rt_npy_type_size(rt_npy_type type); /* bytes an element in the file */

typedef struct rt_npy_header {
    rt_npy_type type;
    bool fortran_order;
    rt_shape shape;
} rt_npy_header;

/* `path` is for messages. */
rt_status rt_npy_header_parse(const char *path, const char *text, size_t length, rt_npy_header *header, rt_error *err);

#endif
