#include <math.h>
#include <string.h>

#include "formats/half.h"
#include "formats/tensors.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensors in files are little-endian and used as they are");

static const struct {
    const char *name;
    size_t size;
} dtypes[] = {
    [RT_DTYPE_F32] = {"F32", 4},   [RT_DTYPE_F64] = {"F64", 8}, [RT_DTYPE_F16] = {"F16", 2},
    [RT_DTYPE_BF16] = {"BF16", 2}, [RT_DTYPE_I64] = {"I64", 8}, [RT_DTYPE_I32] = {"I32", 4},
    [RT_DTYPE_I16] = {"I16", 2},   [RT_DTYPE_I8] = {"I8", 1},   [RT_DTYPE_U8] = {"U8", 1},
    [RT_DTYPE_BOOL] = {"BOOL", 1},
};

size_t rt_dtype_size(rt_dtype dtype)
{
    return dtypes[dtype].size;
}

const char *rt_dtype_name(rt_dtype dtype)
{
    return dtypes[dtype].name;
}

bool rt_dtype_parse(const char *name, rt_dtype *dtype)
{
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; ++i) {
        if (strcmp(dtypes[i].name, name) == 0) {
            *dtype = (rt_dtype)i;
            return true;
        }
    }
    return false;
}

static rt_status narrow_doubles(const rt_tensor *tensor, size_t count, float *values, rt_error *err)
{
    const unsigned char *bytes = tensor->data;
    for (size_t i = 0; i < count; ++i) {
        double value;
        memcpy(&value, bytes + i * sizeof value, sizeof value);
        values[i] = (float)value;
        if (isinf(values[i]) && !isinf(value))
            return rt_fail(err, RT_ERROR_NUMERIC, "tensor '%s': element %zu is %g; too large for a 32-bit float",
                           tensor->name, i, value);
    }
    return RT_OK;
}

rt_status rt_tensor_floats(const rt_tensor *tensor, float *values, rt_error *err)
{
    const unsigned char *bytes = tensor->data;
    size_t count = rt_shape_elements(&tensor->shape);
    switch (tensor->dtype) {
    case RT_DTYPE_F32:
        if (count > 0)
            memcpy(values, bytes, count * sizeof *values);
        return RT_OK;
    case RT_DTYPE_F64:
        return narrow_doubles(tensor, count, values, err);
    case RT_DTYPE_F16:
    case RT_DTYPE_BF16:
        for (size_t i = 0; i < count; ++i) {
            uint16_t half;
            memcpy(&half, bytes + i * sizeof half, sizeof half);
            values[i] = tensor->dtype == RT_DTYPE_F16 ? rt_float_of_half(half) : rt_float_of_bits((uint32_t)half << 16);
        }
        return RT_OK;
    default:
        return rt_fail(err, RT_ERROR_FORMAT, "tensor '%s': dtype %s; it must be floating-point", tensor->name,
                       rt_dtype_name(tensor->dtype));
    }
}
