#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "formats/safetensors.h"

enum { LENGTH_BYTES = 8 };

/* The reference writer's order of dtypes: wide ones first, so that every tensor is aligned in the file. */
static const int rank[] = {
    [RT_DTYPE_I64] = 0, [RT_DTYPE_F64] = 1, [RT_DTYPE_F32] = 2, [RT_DTYPE_I32] = 3, [RT_DTYPE_BF16] = 4,
    [RT_DTYPE_F16] = 5, [RT_DTYPE_I16] = 6, [RT_DTYPE_I8] = 7,  [RT_DTYPE_U8] = 8,  [RT_DTYPE_BOOL] = 9,
};

static int compare_tensors(const void *left, const void *right)
{
    const rt_tensor *a = left, *b = right;
    if (a->dtype != b->dtype)
        return rank[a->dtype] - rank[b->dtype];
    return strcmp(a->name, b->name);
}

/* NULL where memory is short or a text is not UTF-8. */
static json_t *metadata_object(const rt_text_pair *metadata, size_t count)
{
    json_t *object = json_object();
    int failed = !object;
    for (size_t i = 0; i < count; ++i)
        failed |= json_object_set_new(object, metadata[i].key, json_string(metadata[i].value));
    if (!json_object_get(object, "format"))
        failed |= json_object_set_new(object, "format", json_string("pt"));
    if (!failed)
        return object;
    json_decref(object);
    return NULL;
}

static json_t *entry_of(const rt_tensor *tensor, size_t begin, size_t end)
{
    json_t *shape = json_array();
    int failed = !shape;
    for (size_t i = 0; i < tensor->shape.count; ++i)
        failed |= json_array_append_new(shape, json_integer((json_int_t)tensor->shape.dims[i]));
    if (failed) {
        json_decref(shape);
        return NULL;
    }
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", rt_dtype_name(tensor->dtype), "shape", shape, "data_offsets",
                     (json_int_t)begin, (json_int_t)end);
}

/* The header's JSON, its length in front and spaces behind up to a multiple of 8. `pieces` get the tensors' data. */
static rt_status build_header(const char *path, const rt_tensor *tensors, size_t count, json_t *root, rt_bytes *header,
                              rt_piece *pieces, rt_error *err)
{
    size_t end = 0;
    for (size_t i = 0; i < count; ++i) {
        const rt_tensor *tensor = &tensors[i];
        size_t bytes, begin = end;
        if (json_object_get(root, tensor->name)) /* "__metadata__" is in there, too */
            return rt_fail(err, RT_ERROR_USAGE, "cannot write '%s': tensor name '%s' is already taken", path,
                           tensor->name);
        if (!rt_shape_bytes(&tensor->shape, rt_dtype_size(tensor->dtype), &bytes) ||
            __builtin_add_overflow(begin, bytes, &end) || end > INT64_MAX)
            return rt_fail(err, RT_ERROR_SHAPE, "cannot write '%s': tensor '%s' is too large", path, tensor->name);
        json_t *entry = entry_of(tensor, begin, end);
        if (!entry)
            return rt_fail(err, RT_ERROR_MEMORY, "cannot write '%s': no memory", path);
        if (json_object_set_new(root, tensor->name, entry) != 0)
            return rt_fail(err, RT_ERROR_USAGE, "cannot write '%s': tensor name '%s' is not UTF-8", path, tensor->name);
        pieces[i] = (rt_piece){tensor->data, bytes};
    }
    size_t length = json_dumpb(root, NULL, 0, JSON_COMPACT);
    size_t padded = (length + 7) / 8 * 8;
    header->data = malloc(LENGTH_BYTES + padded);
    if (length == 0 || !header->data)
        return rt_fail(err, RT_ERROR_MEMORY, "cannot write '%s': no memory", path);
    header->size = LENGTH_BYTES + padded;
    for (int i = 0; i < LENGTH_BYTES; ++i)
        header->data[i] = (unsigned char)((uint64_t)padded >> (8 * i));
    char *text = (char *)header->data + LENGTH_BYTES;
    memset(text, ' ', padded);
    json_dumpb(root, text, length, JSON_COMPACT);
    return RT_OK;
}

rt_status rt_safetensors_write(const char *path, const rt_tensor *tensors, size_t count, const rt_text_pair *metadata,
                               size_t metadata_count, rt_error *err)
{
    rt_status status = RT_OK;
    rt_bytes header = {0};
    json_t *root = json_object();
    rt_tensor *sorted = calloc(count + 1, sizeof *sorted);
    rt_piece *pieces = calloc(count + 1, sizeof *pieces);
    if (!root || !sorted || !pieces) {
        status = rt_fail(err, RT_ERROR_MEMORY, "cannot write '%s': no memory", path);
        goto done;
    }
    if (json_object_set_new(root, "__metadata__", metadata_object(metadata, metadata_count)) != 0) {
        status = rt_fail(err, RT_ERROR_USAGE, "cannot write '%s': the metadata is not UTF-8", path);
        goto done;
    }
    if (count > 0)
        memcpy(sorted, tensors, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, compare_tensors);
    status = build_header(path, sorted, count, root, &header, pieces + 1, err);
    if (status != RT_OK)
        goto done;
    pieces[0] = (rt_piece){header.data, header.size};
    status = rt_file_write(path, pieces, count + 1, err);
done:
    rt_bytes_free(&header);
    json_decref(root);
    free(sorted);
    free(pieces);
    return status;
}
