/* Named tensors in files: what weight files of every format come in and go out as. */
#ifndef RETORT_FORMATS_TENSORS_H
#define RETORT_FORMATS_TENSORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "retort/error.h"
#include "retort/loss.h" /* rt_shape, RT_MAX_DIMS */

typedef enum rt_dtype {
    RT_DTYPE_F32,
    RT_DTYPE_F64,
    RT_DTYPE_F16,
    RT_DTYPE_BF16,
    RT_DTYPE_I64,
    RT_DTYPE_I32,
    RT_DTYPE_I16,
    RT_DTYPE_I8,
    RT_DTYPE_U8,
    RT_DTYPE_BOOL
} rt_dtype;

size_t rt_dtype_size(rt_dtype dtype);                   /* bytes an element */
const char *rt_dtype_name(rt_dtype dtype);              /* "F32", as safetensors spells it */
bool rt_dtype_parse(const char *name, rt_dtype *dtype); /* false where no dtype has that name */

typedef struct rt_tensor {
    const char *name;
    rt_dtype dtype;
    rt_shape shape;   /* row-major; count 0 is a scalar */
    const void *data; /* little-endian, packed, any alignment */
} rt_tensor;

typedef struct rt_text_pair {
    const char *key, *value;
} rt_text_pair;

/* Names that begin with `from` begin with `to` instead. */
typedef struct rt_rename {
    const char *from, *to;
} rt_rename;

/* An open file. Everything in it belongs to it and dies with rt_tensors_close(). */
typedef struct rt_tensors {
    rt_tensor *items;
    size_t count;
    rt_text_pair *metadata;
    size_t metadata_count;
    const char *format; /* "safetensors", "PyTorch (zip)", "PyTorch (stream)" */
    const char *within; /* the part of a PyTorch file that `items` are: "state_dict"; NULL for all of it */
    char *names;        /* of items that were renamed, one after the other; or NULL */
    void *owner;        /* the reader's: what `items` and `metadata` point into */
    void (*release)(void *owner);
} rt_tensors;

/* Opens a weights file, whichever known format it holds (by content, not by name).
 * The whole structure is verified before anything is handed out; errors name the file and what is wrong with it.
 * Of PyTorch's files no code is run (formats/pickle.h), and what is no tensor is in `metadata`, in words. */
rt_status rt_tensors_open(const char *path, rt_tensors *tensors, rt_error *err);
void rt_tensors_close(rt_tensors *tensors); /* accepts a zeroed struct */

/* Changes the names of all items, each by the first rename that fits it. One that fits none is an error: a slip. */
rt_status rt_tensors_rename(rt_tensors *tensors, const char *path, const rt_rename *renames, size_t count,
                            rt_error *err);

/* NULL when there is none of that name. */
const rt_tensor *rt_tensors_find(const rt_tensors *tensors, const char *name);
const char *rt_tensors_metadata(const rt_tensors *tensors, const char *key);

/* Elements times `element_size`; false where that exceeds size_t. For shapes that nobody has checked yet. */
bool rt_shape_bytes(const rt_shape *shape, size_t element_size, size_t *bytes);

/* Copies a floating-point tensor into `values` (rt_shape_elements() of them), converting F64, F16 and BF16.
 * Integer tensors are refused, and so are finite F64 numbers beyond what a float can hold. */
rt_status rt_tensor_floats(const rt_tensor *tensor, float *values, rt_error *err);

#endif
