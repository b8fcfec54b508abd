#include "formats/torch_objects.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/quote.h"

enum { STORAGE_OBJECT, TENSOR_OBJECT, INERT_OBJECT };

/* What a name does when it is called. */
enum deed { NOTHING, MAKE_DICTIONARY, MAKE_TENSOR, MAKE_PARAMETER, MAKE_SIZE, MAKE_DEVICE, MAKE_NAMESPACE, STORAGE };

/* All names that a pickle may use. Storages were of "torch.cuda" while their tensors were on a GPU. */
static const struct name {
    const char *module, *name;
    enum deed deed;
    rt_dtype dtype; /* of a storage */
} names[] = {
    {"collections", "OrderedDict", MAKE_DICTIONARY, 0},
    {"collections", "Counter", MAKE_DICTIONARY, 0},
    {"torch._utils", "_rebuild_tensor", MAKE_TENSOR, 0},
    {"torch._utils", "_rebuild_tensor_v2", MAKE_TENSOR, 0},
    {"torch._utils", "_rebuild_parameter", MAKE_PARAMETER, 0},
    {"torch", "Size", MAKE_SIZE, 0},
    {"torch", "device", MAKE_DEVICE, 0},
    {"argparse", "Namespace", MAKE_NAMESPACE, 0}, /* the command line of who trained */
    {"torch", "float32", NOTHING, 0},
    {"torch", "float64", NOTHING, 0},
    {"torch", "float16", NOTHING, 0},
    {"torch", "bfloat16", NOTHING, 0},
    {"torch", "int64", NOTHING, 0},
    {"torch", "FloatStorage", STORAGE, RT_DTYPE_F32},
    {"torch", "DoubleStorage", STORAGE, RT_DTYPE_F64},
    {"torch", "HalfStorage", STORAGE, RT_DTYPE_F16},
    {"torch", "BFloat16Storage", STORAGE, RT_DTYPE_BF16},
    {"torch", "LongStorage", STORAGE, RT_DTYPE_I64},
    {"torch", "IntStorage", STORAGE, RT_DTYPE_I32},
    {"torch", "ShortStorage", STORAGE, RT_DTYPE_I16},
    {"torch", "CharStorage", STORAGE, RT_DTYPE_I8},
    {"torch", "ByteStorage", STORAGE, RT_DTYPE_U8},
    {"torch", "BoolStorage", STORAGE, RT_DTYPE_BOOL},
};

static int find(const char *module, const char *name)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; ++i)
        if (strcmp(names[i].name, name) == 0 &&
            (strcmp(names[i].module, module) == 0 || (names[i].deed == STORAGE && strcmp(module, "torch.cuda") == 0)))
            return (int)i;
    return -1;
}

static rt_status fail(rt_error *err, const char *words)
{
    return rt_fail(err, RT_ERROR_FORMAT, "%s", words);
}

/* Nothing, a dictionary, or, of Python 2, a list of keys and values. */
static rt_status make_dictionary(rt_pickle *pickle, const rt_pickle_value *arguments, rt_pickle_value *result,
                                 rt_error *err)
{
    static const char words[] = "a dictionary of what is not keys and values";
    const rt_pickle_value *content = arguments->count > 0 ? arguments->items[0] : NULL;
    *result = (rt_pickle_value){.kind = RT_PICKLE_DICT};
    if (arguments->count > 1)
        return fail(err, words);
    if (!content)
        return RT_OK;
    if (content->kind == RT_PICKLE_DICT) {
        *result = *content;
        return RT_OK;
    }
    if (content->kind != RT_PICKLE_LIST)
        return fail(err, words);
    result->items = rt_pickle_take(pickle, 2 * content->count * sizeof *result->items);
    if (!result->items)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for a dictionary of %zu", content->count);
    for (size_t i = 0; i < content->count; ++i) {
        const rt_pickle_value *pair = content->items[i];
        if ((pair->kind != RT_PICKLE_LIST && pair->kind != RT_PICKLE_TUPLE) || pair->count != 2)
            return fail(err, words);
        memcpy(result->items + 2 * i, pair->items, 2 * sizeof *pair->items);
    }
    result->count = result->capacity = 2 * content->count;
    return RT_OK;
}

/* A tuple of numbers that are at least 0. */
static bool read_sizes(const rt_pickle_value *tuple, size_t *values, size_t capacity)
{
    if (tuple->kind != RT_PICKLE_TUPLE || tuple->count > capacity)
        return false;
    for (size_t i = 0; i < tuple->count; ++i) {
        if (tuple->items[i]->kind != RT_PICKLE_INTEGER || tuple->items[i]->integer < 0)
            return false;
        values[i] = (size_t)tuple->items[i]->integer;
    }
    return true;
}

/* Whether the last element lies within the storage; all others then do. */
static bool lies_within(const rt_torch_tensor *tensor)
{
    size_t last = tensor->offset, reach;
    for (size_t i = 0; i < tensor->shape.count; ++i)
        if (tensor->shape.dims[i] == 0)
            return tensor->offset <= tensor->storage->count;
    for (size_t i = 0; i < tensor->shape.count; ++i)
        if (__builtin_mul_overflow(tensor->shape.dims[i] - 1, tensor->strides[i], &reach) ||
            __builtin_add_overflow(last, reach, &last))
            return false;
    return last < tensor->storage->count;
}

/* (storage, offset, shape, strides ...); what follows is of training alone. */
static rt_status make_tensor(rt_pickle *pickle, const rt_pickle_value *arguments, rt_pickle_value *result,
                             rt_error *err)
{
    rt_pickle_value *const *items = arguments->items;
    if (arguments->count < 4 || items[0]->kind != RT_PICKLE_OBJECT || items[0]->object_type != STORAGE_OBJECT)
        return fail(err, "a tensor without a storage, an offset, a shape and strides");
    rt_torch_tensor *tensor = rt_pickle_take(pickle, sizeof *tensor);
    if (!tensor)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for a tensor");
    tensor->storage = items[0]->object;
    if (items[2]->kind == RT_PICKLE_TUPLE && items[2]->count > RT_MAX_DIMS)
        return rt_fail(err, RT_ERROR_FORMAT, "a tensor of %zu dimensions; at most %d are allowed", items[2]->count,
                       RT_MAX_DIMS);
    if (items[1]->kind != RT_PICKLE_INTEGER || items[1]->integer < 0 ||
        !read_sizes(items[2], tensor->shape.dims, RT_MAX_DIMS) || !read_sizes(items[3], tensor->strides, RT_MAX_DIMS) ||
        items[2]->count != items[3]->count)
        return fail(err, "a tensor whose offset, shape or strides are not numbers from 0, as many of each");
    tensor->offset = (size_t)items[1]->integer;
    tensor->shape.count = items[2]->count;
    size_t bytes;
    if (!rt_shape_bytes(&tensor->shape, rt_dtype_size(tensor->storage->dtype), &bytes) || !lies_within(tensor))
        return rt_fail(err, RT_ERROR_FORMAT, "a tensor reaches beyond its storage of %zu elements",
                       tensor->storage->count);
    *result = (rt_pickle_value){.kind = RT_PICKLE_OBJECT, .object = tensor, .object_type = TENSOR_OBJECT};
    return RT_OK;
}

static rt_status call(void *context, rt_pickle *pickle, int number, const rt_pickle_value *arguments,
                      rt_pickle_value *result, rt_error *err)
{
    (void)context;
    const rt_pickle_value *first = arguments->count > 0 ? arguments->items[0] : NULL;
    switch (names[number].deed) {
    case MAKE_DICTIONARY:
        return make_dictionary(pickle, arguments, result, err);
    case MAKE_TENSOR:
        return make_tensor(pickle, arguments, result, err);
    case MAKE_PARAMETER:
        if (!first || !rt_torch_tensor_of(first))
            return fail(err, "a parameter that is no tensor");
        *result = *first;
        return RT_OK;
    case MAKE_SIZE:
        if (!first || first->kind != RT_PICKLE_TUPLE)
            return fail(err, "a size that is no tuple");
        *result = *first;
        return RT_OK;
    case MAKE_DEVICE:
        return RT_OK; /* None: nobody asks where a tensor was */
    case MAKE_NAMESPACE:
        if (first)
            return fail(err, "a namespace made of something");
        *result = (rt_pickle_value){.kind = RT_PICKLE_OBJECT, .object_type = INERT_OBJECT};
        return RT_OK;
    default:
        return rt_fail(err, RT_ERROR_FORMAT, "'%s.%s' cannot be called", names[number].module, names[number].name);
    }
}

/* ("storage", type, key, place, elements), and in older files a view, which nobody used: None. */
static rt_status recall(void *context, rt_pickle *pickle, const rt_pickle_value *identity, rt_pickle_value *result,
                        rt_error *err)
{
    rt_torch_file *file = context;
    rt_pickle_value *const *items = identity->items;
    if (identity->kind != RT_PICKLE_TUPLE || identity->count < 5 || identity->count > 6 ||
        !rt_pickle_is_text(items[0], "storage") || items[1]->kind != RT_PICKLE_NAME ||
        names[items[1]->integer].deed != STORAGE || items[2]->kind != RT_PICKLE_TEXT ||
        items[3]->kind != RT_PICKLE_TEXT || items[4]->kind != RT_PICKLE_INTEGER || items[4]->integer < 0)
        return fail(err, "what is kept outside is not a storage: type, key, place, elements");
    if (identity->count == 6 && items[5]->kind != RT_PICKLE_NONE)
        return fail(err, "storages that are views of others are not read");
    rt_torch_storage *storage = rt_pickle_take(pickle, sizeof *storage);
    if (!storage)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for a storage");
    *storage = (rt_torch_storage){.next = file->storages,
                                  .key = items[2]->text,
                                  .key_length = items[2]->length,
                                  .dtype = names[items[1]->integer].dtype,
                                  .count = (size_t)items[4]->integer};
    if (storage->count > file->bytes.size / rt_dtype_size(storage->dtype))
        return rt_fail(err, RT_ERROR_FORMAT, "a storage of %zu elements in a file of %zu bytes", storage->count,
                       file->bytes.size);
    file->storages = storage;
    ++file->storage_count;
    *result = (rt_pickle_value){.kind = RT_PICKLE_OBJECT, .object = storage, .object_type = STORAGE_OBJECT};
    return RT_OK;
}

const rt_torch_tensor *rt_torch_tensor_of(const rt_pickle_value *value)
{
    return value->kind == RT_PICKLE_OBJECT && value->object_type == TENSOR_OBJECT ? value->object : NULL;
}

rt_status rt_torch_file_open(const char *path, rt_torch_file *file, rt_error *err)
{
    *file = (rt_torch_file){.path = path};
    RT_TRY(rt_mapping_open(path, &file->bytes, err));
    file->pickle = rt_pickle_new(&(rt_pickle_host){.context = file, .find = find, .call = call, .recall = recall});
    return file->pickle ? RT_OK : rt_fail(err, RT_ERROR_MEMORY, "cannot read '%s': no memory", path);
}

void rt_torch_file_close(rt_torch_file *file)
{
    rt_pickle_free(file->pickle);
    rt_mapping_close(&file->bytes);
    free(file->copies);
    *file = (rt_torch_file){0};
}

rt_status rt_torch_refuse(const rt_torch_file *file, rt_error *err, const char *format, ...)
{
    char reason[800];
    rt_quote quote;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    return rt_fail(err, RT_ERROR_FORMAT, "cannot read '%s': %s", rt_quote_text(&quote, file->path, strlen(file->path)),
                   reason);
}
