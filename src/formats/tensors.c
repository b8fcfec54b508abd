#include "formats/tensors.h"

#include <stdlib.h>
#include <string.h>

#include "base/mapping.h"
#include "base/quote.h"
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
    free(tensors->names);
    if (tensors->release)
        tensors->release(tensors->owner);
    *tensors = (rt_tensors){0};
}

/* The number of the first rename that fits, or `count`. */
static size_t find_rename(const char *name, const rt_rename *renames, size_t count)
{
    size_t i = 0;
    while (i < count && strncmp(name, renames[i].from, strlen(renames[i].from)) != 0)
        ++i;
    return i;
}

static rt_status check_renames(const rt_tensors *tensors, const char *path, const rt_rename *renames, size_t count,
                               rt_error *err)
{
    rt_quote quote, prefix;
    for (size_t r = 0; r < count; ++r) {
        size_t i = 0;
        while (i < tensors->count && find_rename(tensors->items[i].name, renames, count) != r)
            ++i;
        if (i == tensors->count)
            return rt_fail(err, RT_ERROR_USAGE, "no tensor of '%s' begins with '%s', which is to be renamed",
                           rt_quote_text(&quote, path, strlen(path)),
                           rt_quote_text(&prefix, renames[r].from, strlen(renames[r].from)));
    }
    return RT_OK;
}

rt_status rt_tensors_rename(rt_tensors *tensors, const char *path, const rt_rename *renames, size_t count,
                            rt_error *err)
{
    size_t size = 1;
    RT_TRY(check_renames(tensors, path, renames, count, err));
    for (size_t i = 0; i < tensors->count; ++i) {
        size_t r = find_rename(tensors->items[i].name, renames, count);
        size += strlen(tensors->items[i].name) + (r < count ? strlen(renames[r].to) : 0) + 1;
    }
    char *next = malloc(size), *before = tensors->names;
    if (!next)
        return rt_fail(err, RT_ERROR_MEMORY, "cannot read '%s': no memory", path);
    tensors->names = next;
    for (size_t i = 0; i < tensors->count; ++i) {
        const char *name = tensors->items[i].name;
        size_t r = find_rename(name, renames, count);
        tensors->items[i].name = next;
        next = stpcpy(next, r < count ? renames[r].to : "");
        next = stpcpy(next, name + (r < count ? strlen(renames[r].from) : 0)) + 1;
    }
    free(before);
    return RT_OK;
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

bool rt_shape_bytes(const rt_shape *shape, size_t element_size, size_t *bytes)
{
    *bytes = element_size;
    for (size_t i = 0; i < shape->count; ++i)
        if (__builtin_mul_overflow(*bytes, shape->dims[i], bytes))
            return false;
    return true;
}
