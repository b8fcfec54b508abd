#include "formats/npy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mapping.h"
#include "base/npy_header.h"

static const char magic[] = "\x93NUMPY";

enum { MAGIC_BYTES = 6, ALIGNMENT = 64 };

/* The header's text lies behind the magic, two version bytes, and its length in 2 (version 1) or 4 bytes. */
static rt_status locate_header(const char *path, const rt_mapping *file, size_t *begin, size_t *end, rt_error *err)
{
    if (file->size < MAGIC_BYTES + 4 || memcmp(file->data, magic, MAGIC_BYTES) != 0)
        return rt_fail(err, RT_ERROR_FORMAT, "cannot read '%s': not a .npy file", path);
    unsigned version = file->data[MAGIC_BYTES];
    if (version < 1 || version > 3 || file->data[MAGIC_BYTES + 1] != 0)
        return rt_fail(err, RT_ERROR_FORMAT, "cannot read '%s': .npy version %u.%u; it must be 1.0, 2.0 or 3.0", path,
                       version, file->data[MAGIC_BYTES + 1]);
    size_t length_bytes = version == 1 ? 2 : 4, length = 0;
    *begin = MAGIC_BYTES + 2 + length_bytes;
    for (size_t i = 0; i < length_bytes && MAGIC_BYTES + 2 + i < file->size; ++i)
        length |= (size_t)file->data[MAGIC_BYTES + 2 + i] << (8 * i);
    if (*begin > file->size || length > file->size - *begin)
        return rt_fail(err, RT_ERROR_FORMAT, "cannot read '%s': header of %zu bytes in a file of %zu", path, length,
                       file->size);
    *end = *begin + length;
    return RT_OK;
}

static int64_t integer_at(const unsigned char *bytes, rt_npy_type type)
{
    switch (type) {
    case RT_NPY_I1:
        return (int8_t)bytes[0];
    case RT_NPY_U1:
        return bytes[0];
    case RT_NPY_BOOL:
        return bytes[0] != 0;
    case RT_NPY_I2:
        return (int16_t)(uint16_t)(bytes[0] | bytes[1] << 8);
    case RT_NPY_U2:
        return bytes[0] | bytes[1] << 8;
    default:
        break;
    }
    uint32_t word;
    memcpy(&word, bytes, sizeof word);
    return type == RT_NPY_U4 ? (int64_t)word : (int64_t)(int32_t)word;
}

static void copy_element(const unsigned char *source, rt_npy_type type, void *data, size_t element)
{
    if (type == RT_NPY_F4)
        memcpy((float *)data + element, source, sizeof(float));
    else if (type == RT_NPY_F8 || type == RT_NPY_I8)
        memcpy((int64_t *)data + element, source, sizeof(int64_t));
    else
        ((int64_t *)data)[element] = integer_at(source, type);
}

/* Walks the array row-major; `place` is the element's index in a file of either order. */
static void copy_elements(const unsigned char *source, const rt_npy_header *header, void *data)
{
    const rt_shape *shape = &header->shape;
    size_t elements = rt_shape_elements(shape), size = rt_npy_type_size(header->type);
    bool widened = header->type != RT_NPY_F4 && header->type != RT_NPY_F8 && header->type != RT_NPY_I8;
    if (!header->fortran_order && !widened) {
        memcpy(data, source, elements * size);
        return;
    }
    size_t index[RT_MAX_DIMS] = {0};
    for (size_t element = 0; element < elements; ++element) {
        size_t place = 0;
        for (size_t i = shape->count; header->fortran_order && i-- > 0;)
            place = place * shape->dims[i] + index[i];
        copy_element(source + (header->fortran_order ? place : element) * size, header->type, data, element);
        for (size_t i = shape->count; i-- > 0 && ++index[i] == shape->dims[i];)
            index[i] = 0;
    }
}

static rt_status read_array(const char *path, const rt_mapping *file, rt_array *array, rt_error *err)
{
    size_t begin = 0, end = 0, bytes, room;
    rt_npy_header header;
    RT_TRY(locate_header(path, file, &begin, &end, err));
    RT_TRY(rt_npy_header_parse(path, (const char *)file->data + begin, end - begin, &header, err));
    *array = (rt_array){.dtype = header.type == RT_NPY_F4   ? RT_DTYPE_F32
                                 : header.type == RT_NPY_F8 ? RT_DTYPE_F64
                                                            : RT_DTYPE_I64,
                        .shape = header.shape};
    if (!rt_shape_bytes(&header.shape, rt_npy_type_size(header.type), &bytes) ||
        !rt_shape_bytes(&header.shape, rt_dtype_size(array->dtype), &room) || room > SIZE_MAX - ALIGNMENT)
        return rt_fail(err, RT_ERROR_FORMAT, "cannot read '%s': the shape is too large", path);
    if (bytes != file->size - end)
        return rt_fail(err, RT_ERROR_FORMAT, "cannot read '%s': shape and dtype take %zu bytes; the file holds %zu",
                       path, bytes, file->size - end);
    array->data = aligned_alloc(ALIGNMENT, (room + ALIGNMENT) / ALIGNMENT * ALIGNMENT);
    if (!array->data)
        return rt_fail(err, RT_ERROR_MEMORY, "cannot read '%s': no memory for %zu bytes", path, room);
    copy_elements(file->data + end, &header, array->data);
    return RT_OK;
}

rt_status rt_npy_read(const char *path, rt_array *array, rt_error *err)
{
    rt_mapping file;
    *array = (rt_array){0};
    RT_TRY(rt_mapping_open(path, &file, err));
    rt_status status = read_array(path, &file, array, err);
    rt_mapping_close(&file);
    if (status != RT_OK)
        rt_array_free(array);
    return status;
}

void rt_array_free(rt_array *array)
{
    free(array->data);
    *array = (rt_array){0};
}

rt_status rt_npy_write(const char *path, rt_dtype dtype, const rt_shape *shape, const void *data, rt_error *err)
{
    const char *descr = dtype == RT_DTYPE_F32   ? "<f4"
                        : dtype == RT_DTYPE_F64 ? "<f8"
                        : dtype == RT_DTYPE_I64 ? "<i8"
                                                : NULL;
    if (!descr)
        return rt_fail(err, RT_ERROR_USAGE, "cannot write '%s': dtype %s; it must be F32, F64 or I64", path,
                       rt_dtype_name(dtype));
    size_t bytes;
    if (shape->count > RT_MAX_DIMS || !rt_shape_bytes(shape, rt_dtype_size(dtype), &bytes))
        return rt_fail(err, RT_ERROR_SHAPE, "cannot write '%s': the shape is too large", path);
    char sizes[128] = "", header[256];
    size_t used = 0;
    for (size_t i = 0; i < shape->count; ++i)
        used += (size_t)snprintf(sizes + used, sizeof sizes - used,
                                 i == 0   ? "%zu,"
                                 : i == 1 ? " %zu"
                                          : ", %zu",
                                 shape->dims[i]);
    int length =
        snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", descr, sizes);
    /* Spaces and a newline end the header so that the data begins at a multiple of 64 bytes. */
    size_t prefix = MAGIC_BYTES + 4, total = (prefix + (size_t)length + 1 + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    unsigned char start[512];
    memset(start, ' ', total);
    memcpy(start, magic, MAGIC_BYTES);
    start[MAGIC_BYTES] = 1;
    start[MAGIC_BYTES + 1] = 0;
    start[MAGIC_BYTES + 2] = (unsigned char)((total - prefix) & 0xFF);
    start[MAGIC_BYTES + 3] = (unsigned char)((total - prefix) >> 8);
    memcpy(start + prefix, header, (size_t)length);
    start[total - 1] = '\n';
    return rt_file_write(path, (rt_piece[]){{start, total}, {data, bytes}}, 2, err);
}
