/* torch.save() before 1.6: a pickle each of a magic number, a protocol, facts of the system, the object, and the keys
 * of all storages; then the storages in that order, a count of 8 bytes and the elements each. */
#include <stdlib.h>
#include <string.h>

#include "base/quote.h"
#include "formats/torch_state.h"

bool rt_torch_stream_recognise(const unsigned char *bytes, size_t size)
{
    return size >= 2 && bytes[0] == 0x80 && bytes[1] >= 2 && bytes[1] <= 5;
}

/* One pickle, from *at on. */
static rt_status read_pickle(const rt_torch_file *file, size_t *at, rt_pickle_value **value, rt_error *err)
{
    rt_error inner = {0};
    size_t used;
    if (rt_pickle_read(file->pickle, file->bytes.data + *at, file->bytes.size - *at, &used, value, &inner) != RT_OK)
        return rt_torch_refuse(file, err, "%s", inner.message);
    *at += used;
    return RT_OK;
}

static rt_status read_head(const rt_torch_file *file, size_t *at, rt_error *err)
{
    static const unsigned char magic[] = {0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19};
    rt_pickle_value *number, *protocol, *system;
    RT_TRY(read_pickle(file, at, &number, err));
    if (number->kind != RT_PICKLE_LONG || number->length != sizeof magic ||
        memcmp(number->text, magic, sizeof magic) != 0)
        return rt_torch_refuse(file, err, "a pickle, but not one of torch.save()");
    RT_TRY(read_pickle(file, at, &protocol, err));
    if (protocol->kind != RT_PICKLE_INTEGER || protocol->integer != 1001)
        return rt_torch_refuse(file, err, "a PyTorch file of an unknown protocol; 1001 is read");
    RT_TRY(read_pickle(file, at, &system, err));
    const rt_pickle_value *little = rt_pickle_find(system, "little_endian");
    if (!little || little->kind != RT_PICKLE_BOOL || !little->integer)
        return rt_torch_refuse(file, err, "its numbers are big-endian, which is not read");
    return RT_OK;
}

static int compare_texts(const char *left, size_t left_length, const char *right, size_t right_length)
{
    int order = memcmp(left, right, left_length < right_length ? left_length : right_length);
    return order != 0 ? order : (left_length > right_length) - (left_length < right_length);
}

static int compare_storages(const void *left, const void *right)
{
    const rt_torch_storage *a = *(rt_torch_storage *const *)left, *b = *(rt_torch_storage *const *)right;
    return compare_texts(a->key, a->key_length, b->key, b->key_length);
}

/* The first of the sorted storages that have this key, or `count`. */
static size_t find_first(rt_torch_storage *const *sorted, size_t count, const rt_pickle_value *key)
{
    size_t from = 0, to = count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (compare_texts(sorted[middle]->key, sorted[middle]->key_length, key->text, key->length) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static bool has_key(const rt_torch_storage *storage, const rt_pickle_value *key)
{
    return storage->key_length == key->length && memcmp(storage->key, key->text, key->length) == 0;
}

/* The elements of one key, from *at on, go to every mention of it. */
static rt_status fill_key(const rt_torch_file *file, rt_torch_storage *const *sorted, const rt_pickle_value *key,
                          size_t *at, rt_error *err)
{
    rt_quote quote;
    const char *shown = key->kind == RT_PICKLE_TEXT ? rt_quote_text(&quote, key->text, key->length) : "";
    size_t count = file->storage_count, i = key->kind == RT_PICKLE_TEXT ? find_first(sorted, count, key) : count;
    if (i == count || !has_key(sorted[i], key))
        return rt_torch_refuse(file, err, "storage '%s' is of no tensor", shown);
    const rt_torch_storage *first = sorted[i];
    uint64_t elements = 0;
    if (first->data)
        return rt_torch_refuse(file, err, "storage '%s' is there twice", shown);
    if (file->bytes.size - *at < sizeof elements)
        return rt_torch_refuse(file, err, "the file ends before storage '%s'", shown);
    memcpy(&elements, file->bytes.data + *at, sizeof elements);
    *at += sizeof elements;
    size_t size = rt_dtype_size(first->dtype);
    if (elements > (file->bytes.size - *at) / size)
        return rt_torch_refuse(file, err, "the file ends within storage '%s'", shown);
    for (; i < count && has_key(sorted[i], key); ++i) {
        if (sorted[i]->count > elements || sorted[i]->dtype != first->dtype)
            return rt_torch_refuse(file, err, "storage '%s' has %llu elements of %s; %zu of %s are expected", shown,
                                   (unsigned long long)elements, rt_dtype_name(first->dtype), sorted[i]->count,
                                   rt_dtype_name(sorted[i]->dtype));
        sorted[i]->data = file->bytes.data + *at;
    }
    *at += (size_t)elements * size;
    return RT_OK;
}

static rt_status fill(const rt_torch_file *file, size_t at, rt_error *err)
{
    rt_pickle_value *keys;
    RT_TRY(read_pickle(file, &at, &keys, err));
    if (keys->kind != RT_PICKLE_LIST)
        return rt_torch_refuse(file, err, "the list of storages is no list");
    rt_torch_storage **sorted = calloc(file->storage_count + 1, sizeof *sorted);
    if (!sorted)
        return rt_fail(err, RT_ERROR_MEMORY, "cannot read '%s': no memory", file->path);
    rt_quote quote;
    size_t count = 0;
    for (rt_torch_storage *storage = file->storages; storage; storage = storage->next)
        sorted[count++] = storage;
    qsort(sorted, count, sizeof *sorted, compare_storages);
    rt_status status = RT_OK;
    for (size_t i = 0; status == RT_OK && i < keys->count; ++i)
        status = fill_key(file, sorted, keys->items[i], &at, err);
    for (size_t i = 0; status == RT_OK && i < count; ++i)
        if (!sorted[i]->data)
            status = rt_torch_refuse(file, err, "storage '%s' is not in the file",
                                     rt_quote_text(&quote, sorted[i]->key, sorted[i]->key_length));
    free(sorted);
    return status;
}

rt_status rt_torch_stream_open(const char *path, rt_tensors *tensors, rt_error *err)
{
    size_t at = 0;
    rt_pickle_value *root;
    *tensors = (rt_tensors){0};
    rt_torch_file *file = calloc(1, sizeof *file);
    if (!file)
        return rt_fail(err, RT_ERROR_MEMORY, "cannot read '%s': no memory", path);
    rt_status status = rt_torch_file_open(path, file, err);
    if (status == RT_OK)
        status = read_head(file, &at, err);
    if (status == RT_OK)
        status = read_pickle(file, &at, &root, err);
    if (status == RT_OK)
        status = fill(file, at, err);
    if (status == RT_OK)
        status = rt_torch_collect(file, root, tensors, err);
    if (status != RT_OK) {
        rt_torch_file_close(file);
        free(file);
    }
    return status;
}
