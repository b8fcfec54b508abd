/* torch.save() since 1.6: a zip archive whose folder, of any name, holds data.pkl, the pickle; data/KEY, a storage
 * each; and byteorder, "little" or "big", which older versions left out. */
#include <stdlib.h>
#include <string.h>

#include "base/quote.h"
#include "formats/torch_state.h"
#include "formats/zip.h"

/* A safetensors file begins with the length of a header, and its ninth byte is the '{' of that. */
bool rt_torch_zip_recognise(const unsigned char *bytes, size_t size)
{
    return size > 8 && memcmp(bytes, "PK\3\4", 4) == 0 && bytes[8] != '{';
}

static const char pickle_name[] = "/data.pkl";

/* "archive" of "archive/data.pkl": the folder's name and its length. */
static const char *find_folder(const rt_zip *zip, size_t *length)
{
    const size_t tail = strlen(pickle_name);
    for (size_t i = 0; i < zip->count; ++i) {
        const rt_zip_entry *entry = &zip->entries[i];
        if (entry->name_length <= tail || memchr(entry->name, '/', entry->name_length - tail) ||
            memcmp(entry->name + entry->name_length - tail, pickle_name, tail) != 0)
            continue;
        *length = entry->name_length - tail;
        return entry->name;
    }
    return NULL;
}

static const rt_zip_entry *find(const rt_zip *zip, const char *folder, size_t length, const char *name)
{
    return rt_zip_find(zip, folder, length, name, strlen(name));
}

static rt_status check_kind(const rt_torch_file *file, const rt_zip *zip, const char *folder, size_t length,
                            rt_error *err)
{
    const rt_zip_entry *order = find(zip, folder, length, "/byteorder");
    if (find(zip, folder, length, "/constants.pkl"))
        return rt_torch_refuse(file, err, "a TorchScript archive; save the network's state_dict() with torch.save()");
    if (order && (order->size != strlen("little") || memcmp(order->data, "little", order->size) != 0))
        return rt_torch_refuse(file, err, "its numbers are big-endian, which is not read");
    return RT_OK;
}

/* Finds every storage's data. */
static rt_status fill(const rt_torch_file *file, const rt_zip *zip, const char *folder, size_t length, rt_error *err)
{
    static const char middle[] = "/data/";
    char prefix[300];
    rt_quote quote;
    if (length + sizeof middle > sizeof prefix)
        return rt_torch_refuse(file, err, "the name of its folder has %zu bytes", length);
    memcpy(prefix, folder, length);
    memcpy(prefix + length, middle, sizeof middle);
    for (rt_torch_storage *storage = file->storages; storage; storage = storage->next) {
        const rt_zip_entry *entry = rt_zip_find(zip, prefix, strlen(prefix), storage->key, storage->key_length);
        if (!entry)
            return rt_torch_refuse(file, err, "storage '%s' is not in the archive",
                                   rt_quote_text(&quote, storage->key, storage->key_length));
        if (entry->size < storage->count * rt_dtype_size(storage->dtype))
            return rt_torch_refuse(file, err, "storage '%s' has %zu bytes; %zu elements need more",
                                   rt_quote_text(&quote, storage->key, storage->key_length), entry->size,
                                   storage->count);
        storage->data = entry->data;
    }
    return RT_OK;
}

static rt_status read_file(rt_torch_file *file, rt_zip *zip, rt_tensors *tensors, rt_error *err)
{
    rt_error inner = {0};
    rt_pickle_value *root;
    size_t length = 0, used;
    if (rt_zip_open(file->bytes.data, file->bytes.size, zip, &inner) != RT_OK)
        return rt_torch_refuse(file, err, "%s", inner.message);
    const char *folder = find_folder(zip, &length);
    if (!folder)
        return rt_torch_refuse(file, err, "a zip archive, but not one of torch.save(): no FOLDER/data.pkl is in it");
    RT_TRY(check_kind(file, zip, folder, length, err));
    for (size_t i = 0; i < zip->count; ++i)
        if (rt_zip_verify(&zip->entries[i], &inner) != RT_OK)
            return rt_torch_refuse(file, err, "%s", inner.message);
    const rt_zip_entry *pickle = find(zip, folder, length, pickle_name);
    if (rt_pickle_read(file->pickle, pickle->data, pickle->size, &used, &root, &inner) != RT_OK)
        return rt_torch_refuse(file, err, "%s", inner.message);
    RT_TRY(fill(file, zip, folder, length, err));
    return rt_torch_collect(file, root, tensors, err);
}

rt_status rt_torch_zip_open(const char *path, rt_tensors *tensors, rt_error *err)
{
    rt_zip zip = {0};
    *tensors = (rt_tensors){0};
    rt_torch_file *file = calloc(1, sizeof *file);
    if (!file)
        return rt_fail(err, RT_ERROR_MEMORY, "cannot read '%s': no memory", path);
    rt_status status = rt_torch_file_open(path, file, err);
    if (status == RT_OK)
        status = read_file(file, &zip, tensors, err);
    rt_zip_close(&zip);
    if (status != RT_OK) {
        rt_torch_file_close(file);
        free(file);
    }
    return status;
}
