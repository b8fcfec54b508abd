/* What PyTorch's pickles are made of: tensors, and the storages that these are views of.
 *
 * A pickle says of a storage only its key, its type and how many elements it has; the numbers lie elsewhere in the
 * file. So reading takes three steps: the pickle, which leaves storages without data; the file's own step, which gives
 * each of them its data; and rt_torch_collect() of torch_state.h, which makes named tensors of it all. */
#ifndef RETORT_FORMATS_TORCH_OBJECTS_H
#define RETORT_FORMATS_TORCH_OBJECTS_H

#include "base/mapping.h"
#include "formats/pickle.h"
#include "formats/tensors.h"

typedef struct rt_torch_storage rt_torch_storage;
struct rt_torch_storage {
    rt_torch_storage *next; /* one for each mention: several may have the same key */
    const char *key;        /* not terminated */
    size_t key_length;
    rt_dtype dtype;
    size_t count;              /* elements */
    const unsigned char *data; /* NULL until the file's own step */
};

typedef struct rt_torch_tensor {
    const rt_torch_storage *storage;
    size_t offset; /* elements */
    rt_shape shape;
    size_t strides[RT_MAX_DIMS]; /* elements; all within the storage */
} rt_torch_tensor;

/* An open file of PyTorch's. */
typedef struct rt_torch_file {
    const char *path; /* borrowed, for messages */
    rt_mapping bytes;
    rt_pickle *pickle;
    rt_torch_storage *storages; /* the latest first */
    size_t storage_count;
    unsigned char *copies; /* of tensors that lie in pieces */
} rt_torch_file;

/* Maps the file and makes a pickle reader that knows tensors. On failure, too, the file is to be closed. */
rt_status rt_torch_file_open(const char *path, rt_torch_file *file, rt_error *err);
void rt_torch_file_close(rt_torch_file *file); /* accepts a zeroed struct */

/* "cannot read 'FILE': " and the formatted words. */
rt_status rt_torch_refuse(const rt_torch_file *file, rt_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A value of the pickle as a tensor, or NULL. */
const rt_torch_tensor *rt_torch_tensor_of(const rt_pickle_value *value);

#endif
