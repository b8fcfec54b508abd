#include "formats/npy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mapping.h"
#include "base/npy_header.h"

static const char magic[] = "\x93NUMPY";

enum { MAGIC_BYTES = 6, ALIGNMENT = 64 };

static void copy_element(const unsigned char *source, rt_npy_type type, void *data, size_t element)
{
    if (type == RT_NPY_F4)
        memcpy((float *)data + element, source, sizeof(float));
    else if (type == RT_NPY_F8 || type == RT_NPY_I8)
        memcpy((int64_t *)data + element, source, sizeof(int64_t));
    else
        ((int64_t *)data)[element] = rt_npy_integer(source, type);
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
    size_t begin = 0, room;
    rt_npy_header header;
    RT_TRY(rt_npy_header_read(path, file->data, file->size, &header, &begin, err));
    if (header.type == RT_NPY_U8)
        return rt_fail(err, RT_ERROR_FORMAT,
                       "cannot read '%s': dtype '<u8'; it must be float32, float64, int64 or a narrower integer", path);
    *array = (rt_array){.dtype = header.type == RT_NPY_F4   ? RT_DTYPE_F32
                                 : header.type == RT_NPY_F8 ? RT_DTYPE_F64
                                                            : RT_DTYPE_I64,
                        .shape = header.shape};
    if (!rt_shape_bytes(&header.shape, rt_dtype_size(array->dtype), &room) || room > SIZE_MAX - ALIGNMENT)
        return rt_fail(err, RT_ERROR_FORMAT, "cannot read '%s': the shape is too large", path);
    RT_TRY(rt_npy_header_check(path, &header, file->size - begin, err));
    array->data = aligned_alloc(ALIGNMENT, (room + ALIGNMENT) / ALIGNMENT * ALIGNMENT);
    if (!array->data)
        return rt_fail(err, RT_ERROR_MEMORY, "cannot read '%s': no memory for %zu bytes", path, room);
    copy_elements(file->data + begin, &header, array->data);
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
