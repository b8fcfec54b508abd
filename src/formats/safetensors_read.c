#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mapping.h"
#include "base/quote.h"
#include "formats/safetensors.h"

enum { LENGTH_BYTES = 8, HEADER_LIMIT = 100000000 };

struct owner {
    rt_mapping file;
    json_t *header;
};

/* The file being read, for messages. */
struct source {
    const char *path;
    rt_error *err;
};

/* A tensor and its bytes [begin, end) of the data section. */
struct placed {
    rt_tensor tensor;
    size_t begin, end;
};

static void release(void *pointer)
{
    struct owner *owner = pointer;
    json_decref(owner->header);
    rt_mapping_close(&owner->file);
    free(owner);
}

__attribute__((format(printf, 2, 3))) static rt_status refuse(const struct source *source, const char *format, ...)
{
    char reason[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    return rt_fail(source->err, RT_ERROR_FORMAT, "cannot read '%s': %s", source->path, reason);
}

static uint64_t header_length(const unsigned char *bytes)
{
    uint64_t length = 0;
    for (int i = LENGTH_BYTES - 1; i >= 0; --i)
        length = length << 8 | bytes[i];
    return length;
}

bool rt_safetensors_recognise(const unsigned char *bytes, size_t size)
{
    return size > LENGTH_BYTES && (bytes[LENGTH_BYTES] == '{' || header_length(bytes) <= HEADER_LIMIT);
}

static rt_status parse_header(const struct source *source, struct owner *owner, size_t *data_offset)
{
    const unsigned char *bytes = owner->file.data;
    size_t size = owner->file.size;
    if (size < LENGTH_BYTES)
        return refuse(source, "%zu bytes; a safetensors file has at least 8", size);
    uint64_t length = header_length(bytes);
    if (length > HEADER_LIMIT)
        return refuse(source, "header of %llu bytes; at most %d are allowed", (unsigned long long)length, HEADER_LIMIT);
    if (length > size - LENGTH_BYTES)
        return refuse(source, "header of %llu bytes in a file of %zu", (unsigned long long)length, size);
    const char *text = (const char *)bytes + LENGTH_BYTES;
    if (length == 0 || text[0] != '{')
        return refuse(source, "the header must begin with '{'");
    json_error_t problem;
    owner->header = json_loadb(text, (size_t)length, JSON_REJECT_DUPLICATES, &problem);
    if (!owner->header) {
        rt_quote quote;
        return refuse(source, "header at byte %d: %s", problem.position,
                      rt_quote_text(&quote, problem.text, strlen(problem.text)));
    }
    *data_offset = LENGTH_BYTES + (size_t)length;
    return RT_OK;
}

static rt_status read_metadata(const struct source *source, json_t *object, rt_tensors *tensors)
{
    if (!json_is_object(object))
        return refuse(source, "__metadata__ must be an object of strings");
    tensors->metadata = calloc(json_object_size(object) + 1, sizeof *tensors->metadata);
    if (!tensors->metadata)
        return rt_fail(source->err, RT_ERROR_MEMORY, "cannot read '%s': no memory", source->path);
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        rt_quote quote;
        if (!json_is_string(value))
            return refuse(source, "__metadata__ '%s' must be a string", rt_quote_text(&quote, key, strlen(key)));
        tensors->metadata[tensors->metadata_count++] = (rt_text_pair){key, json_string_value(value)};
    }
    return RT_OK;
}

/* An array of non-negative whole numbers, at most `capacity` of them. */
static bool read_sizes(json_t *array, size_t *values, size_t capacity)
{
    size_t count = json_array_size(array);
    if (!json_is_array(array) || count > capacity)
        return false;
    for (size_t i = 0; i < count; ++i) {
        json_t *item = json_array_get(array, i);
        if (!json_is_integer(item) || json_integer_value(item) < 0)
            return false;
        values[i] = (size_t)json_integer_value(item);
    }
    return true;
}

static rt_status read_tensor(const struct source *source, const char *name, json_t *entry, struct placed *placed)
{
    rt_quote name_quote, dtype_quote;
    const char *shown = rt_quote_text(&name_quote, name, strlen(name));
    for (const char *c = name; *c; ++c)
        if ((unsigned char)*c < 0x20 || *c == 0x7F)
            return refuse(source, "tensor name '%s' contains a control character", shown);
    rt_tensor *tensor = &placed->tensor;
    *tensor = (rt_tensor){.name = name};
    const char *dtype = json_string_value(json_object_get(entry, "dtype"));
    if (!dtype)
        return refuse(source, "tensor '%s' has no dtype", shown);
    if (!rt_dtype_parse(dtype, &tensor->dtype))
        return refuse(source, "tensor '%s': dtype '%s' is not read", shown,
                      rt_quote_text(&dtype_quote, dtype, strlen(dtype)));
    json_t *shape = json_object_get(entry, "shape");
    tensor->shape.count = json_array_size(shape);
    if (tensor->shape.count > RT_MAX_DIMS)
        return refuse(source, "tensor '%s': %zu dimensions; at most %d are allowed", shown, tensor->shape.count,
                      RT_MAX_DIMS);
    if (!read_sizes(shape, tensor->shape.dims, RT_MAX_DIMS))
        return refuse(source, "tensor '%s': shape must be a list of whole numbers", shown);
    size_t range[2], bytes;
    json_t *offsets = json_object_get(entry, "data_offsets");
    if (json_array_size(offsets) != 2 || !read_sizes(offsets, range, 2) || range[1] < range[0])
        return refuse(source, "tensor '%s': data_offsets must be two whole numbers, begin and end", shown);
    if (!rt_shape_bytes(&tensor->shape, rt_dtype_size(tensor->dtype), &bytes))
        return refuse(source, "tensor '%s': the shape is too large", shown);
    if (bytes != range[1] - range[0])
        return refuse(source, "tensor '%s': shape and dtype take %zu bytes; data_offsets hold %zu", shown, bytes,
                      range[1] - range[0]);
    placed->begin = range[0];
    placed->end = range[1];
    return RT_OK;
}

static int compare_places(const void *left, const void *right)
{
    const struct placed *a = left, *b = right;
    if (a->begin != b->begin)
        return a->begin < b->begin ? -1 : 1;
    if (a->end != b->end)
        return a->end < b->end ? -1 : 1;
    return strcmp(a->tensor.name, b->tensor.name);
}

/* Sorted by offset, tensors must follow each other without holes or overlaps from the first data byte to the last. */
static rt_status check_tiling(const struct source *source, const struct placed *placed, size_t count, size_t data_size)
{
    size_t end = 0;
    for (size_t i = 0; i < count; ++i) {
        rt_quote quote;
        const char *name = placed[i].tensor.name;
        if (placed[i].begin != end)
            return refuse(source, "tensor '%s' begins at data byte %zu; the one before ends at %zu",
                          rt_quote_text(&quote, name, strlen(name)), placed[i].begin, end);
        end = placed[i].end;
    }
    if (end != data_size)
        return refuse(source, "tensors take %zu bytes of data; the file holds %zu", end, data_size);
    return RT_OK;
}

static rt_status read_tensors(const struct source *source, struct owner *owner, size_t data_offset, rt_tensors *tensors)
{
    size_t entries = json_object_size(owner->header), count = 0;
    rt_status status = RT_OK;
    struct placed *placed = calloc(entries + 1, sizeof *placed);
    tensors->items = calloc(entries + 1, sizeof *tensors->items);
    if (!placed || !tensors->items) {
        status = rt_fail(source->err, RT_ERROR_MEMORY, "cannot read '%s': no memory", source->path);
        goto done;
    }
    const char *name;
    json_t *entry;
    json_object_foreach(owner->header, name, entry)
    {
        status = strcmp(name, "__metadata__") == 0 ? read_metadata(source, entry, tensors)
                                                   : read_tensor(source, name, entry, &placed[count++]);
        if (status != RT_OK)
            goto done;
    }
    qsort(placed, count, sizeof *placed, compare_places);
    status = check_tiling(source, placed, count, owner->file.size - data_offset);
    for (size_t i = 0; status == RT_OK && i < count; ++i) {
        tensors->items[i] = placed[i].tensor;
        tensors->items[i].data = owner->file.data + data_offset + placed[i].begin;
        tensors->count = i + 1;
    }
done:
    free(placed);
    return status;
}

rt_status rt_safetensors_open(const char *path, rt_tensors *tensors, rt_error *err)
{
    struct source source = {path, err};
    *tensors = (rt_tensors){0};
    struct owner *owner = calloc(1, sizeof *owner);
    if (!owner)
        return rt_fail(err, RT_ERROR_MEMORY, "cannot read '%s': no memory", path);
    tensors->owner = owner;
    tensors->release = release;
    size_t data_offset = 0;
    rt_status status = rt_mapping_open(path, &owner->file, err);
    if (status == RT_OK)
        status = parse_header(&source, owner, &data_offset);
    if (status == RT_OK)
        status = read_tensors(&source, owner, data_offset, tensors);
    if (status != RT_OK)
        rt_tensors_close(tensors);
    return status;
}
