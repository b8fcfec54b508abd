#include "formats/tensors.h"

#include <stdlib.h>
#include <string.h>

#include "formats/mapping.h"
#include "formats/safetensors.h"
#include "formats/torch_state.h"

/* Asked in this order: a safetensors file can begin with the two bytes of a pickle, and a zip archive with what is the
 * length of a safetensors header. */
static const struct reader {
    const char *name;
    bool (*recognise)(const unsigned char *bytes, size_t size);
    rt_status (*open)(const char *path, rt_tensors *tensors, rt_error *err);
} readers[] = {
    {"PyTorch (zip)", rt_torch_zip_recognise, rt_torch_zip_open},
    {"safetensors", rt_safetensors_recognise, rt_safetensors_open},
    {"PyTorch (stream)", rt_torch_stream_recognise, rt_torch_stream_open},
};

rt_status rt_tensors_open(const char *path, rt_tensors *tensors, rt_error *err)
{
    *tensors = (rt_tensors){0};
    rt_mapping file;
    RT_TRY(rt_mapping_open(path, &file, err));
    const struct reader *reader = NULL;
    for (size_t i = 0; !reader && i < sizeof readers / sizeof *readers; ++i)
        if (readers[i].recognise(file.data, file.size))
            reader = &readers[i];
    size_t size = file.size;
    rt_mapping_close(&file);
    if (!reader)
        return rt_fail(err, RT_ERROR_FORMAT,
                       "cannot read '%s': %zu bytes in no known weights format; it must be safetensors or "
                       "PyTorch's",
                       path, size);
    RT_TRY(reader->open(path, tensors, err));
    tensors->format = reader->name;
    return RT_OK;
}

void rt_tensors_close(rt_tensors *tensors)
{
    free(tensors->items);
    free(tensors->metadata);
    if (tensors->release)
        tensors->release(tensors->owner);
    *tensors = (rt_tensors){0};
}

const rt_tensor *rt_tensors_find(const rt_tensors *tensors, const char *name)
{
    for (size_t i = 0; i < tensors->count; ++i)
        if (strcmp(tensors->items[i].name, name) == 0)
            return &tensors->items[i];
    return NULL;
}

const char *rt_tensors_metadata(const rt_tensors *tensors, const char *key)
{
    for (size_t i = 0; i < tensors->metadata_count; ++i)
        if (strcmp(tensors->metadata[i].key, key) == 0)
            return tensors->metadata[i].value;
    return NULL;
}

size_t rt_shape_elements(const rt_shape *shape)
{
    size_t elements = 1;
    for (size_t i = 0; i < shape->count; ++i)
        elements *= shape->dims[i];
    return elements;
}

bool rt_shape_bytes(const rt_shape *shape, size_t element_size, size_t *bytes)
{
    *bytes = element_size;
    for (size_t i = 0; i < shape->count; ++i)
        if (__builtin_mul_overflow(*bytes, shape->dims[i], bytes))
            return false;
    return true;
}
