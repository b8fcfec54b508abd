/* The header of a .npy file: a Python dictionary literal,
 *
 *     {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
 *
 * of which exactly these three keys are taken, each once, in any order. */
#ifndef RETORT_BASE_NPY_HEADER_H
#define RETORT_BASE_NPY_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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
    RT_NPY_U8,
    RT_NPY_U4,
    RT_NPY_U2,
    RT_NPY_U1,
    RT_NPY_BOOL
} rt_npy_type;

size_t rt_npy_type_size(rt_npy_type type);      /* bytes an element in the file */
const char *rt_npy_type_name(rt_npy_type type); /* as numpy says it: "float32" */

typedef struct rt_npy_header {
    rt_npy_type type;
    bool fortran_order;
    rt_shape shape;
} rt_npy_header;

/* Reads the header of a whole file in memory, of format version 1.0 to 3.0, whose elements are from byte *data on.
 * `path` is for messages. */
rt_status rt_npy_header_read(const char *path, const unsigned char *file, size_t size, rt_npy_header *header,
                             size_t *data, rt_error *err);

/* Whether type and shape take exactly the `size` bytes that follow the header. */
rt_status rt_npy_header_check(const char *path, const rt_npy_header *header, size_t size, rt_error *err);

/* The header's text alone, behind magic, version and length. */
rt_status rt_npy_header_parse(const char *path, const char *text, size_t length, rt_npy_header *header, rt_error *err);

/* The element at `bytes`, of an integer type or bool; unsigned ones beyond INT64_MAX become INT64_MAX. */
int64_t rt_npy_integer(const unsigned char *bytes, rt_npy_type type);

#endif
