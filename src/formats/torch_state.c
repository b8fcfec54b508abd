#include "formats/torch_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/quote.h"

static void release(void *owner)
{
    rt_torch_file_close(owner);
    free(owner);
}

/* Whether the value is a dictionary with a tensor in it that has a name. */
static bool is_state(const rt_pickle_value *value)
{
    if (value->kind != RT_PICKLE_DICT)
        return false;
    for (size_t i = 0; i < value->count; i += 2)
        if (value->items[i]->kind == RT_PICKLE_TEXT && rt_torch_tensor_of(value->items[i + 1]))
            return true;
    return false;
}

enum { SHOWN = 6 };

/* "'epoch', 'args', ...": the keys, or those alone that hold tensors. */
static void list_keys(const rt_pickle_value *root, bool states_alone, char *text, size_t size)
{
    size_t shown = 0, used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < root->count && shown <= SHOWN; i += 2) {
        const rt_pickle_value *key = root->items[i];
        rt_quote quote;
        if (key->kind != RT_PICKLE_TEXT || (states_alone && !is_state(root->items[i + 1])))
            continue;
        if (++shown > SHOWN)
            snprintf(text + used, size - used, ", ...");
        else
            used += (size_t)snprintf(text + used, size - used, "%s'%s'", used ? ", " : "",
                                     rt_quote_text(&quote, key->text, key->length));
    }
}

/* The dictionary of the network's tensors, and the key that it has in `root`; NULL where it is `root` itself. */
static rt_status choose(const rt_torch_file *file, const rt_pickle_value *root, const rt_pickle_value **state,
                        const rt_pickle_value **key, rt_error *err)
{
    static const char *const usual[] = {"state_dict", "model_state_dict", "model", "net",
                                        "network",    "weights",          "params"};
    char keys[SHOWN * sizeof(rt_quote) + 64];
    size_t states = 0;
    *state = root;
    *key = NULL;
    if (root->kind != RT_PICKLE_DICT)
        return rt_torch_refuse(file, err, "it holds no dictionary; a network's state_dict() is one");
    if (is_state(root))
        return RT_OK;
    for (size_t name = 0; !*key && name < sizeof usual / sizeof *usual; ++name)
        for (size_t i = 0; !*key && i < root->count; i += 2)
            if (rt_pickle_is_text(root->items[i], usual[name]) && is_state(root->items[i + 1]))
                *key = root->items[i], *state = root->items[i + 1];
    if (*key)
        return RT_OK;
    for (size_t i = 0; i < root->count; i += 2)
        if (root->items[i]->kind == RT_PICKLE_TEXT && is_state(root->items[i + 1]) && ++states == 1)
            *key = root->items[i], *state = root->items[i + 1];
    if (states == 1)
        return RT_OK;
    list_keys(root, states > 1, keys, sizeof keys);
    if (states > 1)
        return rt_torch_refuse(file, err, "which of its dictionaries of tensors is the network? They are %s", keys);
    return rt_torch_refuse(file, err, "no tensors are in it, nor in a dictionary of it; its keys are %s",
                           keys[0] ? keys : "no text");
}

static char *copy_text(rt_pickle *pickle, const char *text, size_t length)
{
    char *copy = rt_pickle_take(pickle, length + 1);
    if (copy && length > 0)
        memcpy(copy, text, length);
    return copy;
}

/* What is no tensor, in words. */
static char *describe(rt_pickle *pickle, const rt_pickle_value *value)
{
    char words[64];
    switch (value->kind) {
    case RT_PICKLE_TEXT:
        return copy_text(pickle, value->text, value->length);
    case RT_PICKLE_BOOL:
        snprintf(words, sizeof words, "%s", value->integer ? "true" : "false");
        break;
    case RT_PICKLE_INTEGER:
        snprintf(words, sizeof words, "%lld", (long long)value->integer);
        break;
    case RT_PICKLE_FLOAT:
        snprintf(words, sizeof words, "%.10g", value->number);
        break;
    case RT_PICKLE_TUPLE:
    case RT_PICKLE_LIST:
        snprintf(words, sizeof words, "a list of %zu", value->count);
        break;
    case RT_PICKLE_DICT:
        snprintf(words, sizeof words, "a dictionary of %zu", value->count / 2);
        break;
    case RT_PICKLE_NONE:
        snprintf(words, sizeof words, "none");
        break;
    default:
        snprintf(words, sizeof words, "%s", rt_torch_tensor_of(value) ? "a tensor" : "other data");
    }
    return copy_text(pickle, words, strlen(words));
}

/* Everything of a dictionary but `passed_over` becomes a tensor of the file, or metadata. */
static rt_status add_entries(rt_torch_file *file, const rt_pickle_value *dictionary, const rt_pickle_value *passed_over,
                             bool tensors_too, rt_tensors *tensors, rt_error *err)
{
    for (size_t i = 0; i < dictionary->count; i += 2) {
        const rt_pickle_value *key = dictionary->items[i], *value = dictionary->items[i + 1];
        const rt_torch_tensor *tensor = tensors_too ? rt_torch_tensor_of(value) : NULL;
        rt_quote quote;
        if (key->kind != RT_PICKLE_TEXT || key == passed_over)
            continue;
        for (size_t c = 0; c < key->length; ++c)
            if ((unsigned char)key->text[c] < 0x20 || key->text[c] == 0x7F)
                return rt_torch_refuse(file, err, "the name '%s' contains a control character",
                                       rt_quote_text(&quote, key->text, key->length));
        char *name = copy_text(file->pickle, key->text, key->length), *words = NULL;
        if (name && !tensor)
            words = describe(file->pickle, value);
        if (!name || (!tensor && !words))
            return rt_fail(err, RT_ERROR_MEMORY, "cannot read '%s': no memory", file->path);
        if (tensor)
            tensors->items[tensors->count++] = (rt_tensor){name, tensor->storage->dtype, tensor->shape, tensor};
        else
            tensors->metadata[tensors->metadata_count++] = (rt_text_pair){name, words};
    }
    return RT_OK;
}

/* Whether the elements follow each other in the storage, in order. */
static bool is_packed(const rt_torch_tensor *tensor)
{
    size_t expected = 1;
    if (rt_shape_elements(&tensor->shape) == 0)
        return true;
    for (size_t i = tensor->shape.count; i-- > 0;) {
        if (tensor->shape.dims[i] != 1 && tensor->strides[i] != expected)
            return false;
        expected *= tensor->shape.dims[i]; /* is at most the storage's elements, as all before it agreed */
    }
    return true;
}

static const unsigned char *first_element(const rt_torch_tensor *tensor)
{
    return tensor->storage->data + tensor->offset * rt_dtype_size(tensor->storage->dtype);
}

/* Elements in their order, from wherever the strides say. */
static void pack(const rt_torch_tensor *tensor, unsigned char *target)
{
    size_t size = rt_dtype_size(tensor->storage->dtype), dims[RT_MAX_DIMS] = {1, 1, 1, 1}, strides[RT_MAX_DIMS] = {0};
    size_t first = RT_MAX_DIMS - tensor->shape.count;
    memcpy(dims + first, tensor->shape.dims, tensor->shape.count * sizeof *dims);
    memcpy(strides + first, tensor->strides, tensor->shape.count * sizeof *strides);
    for (size_t a = 0; a < dims[0]; ++a)
        for (size_t b = 0; b < dims[1]; ++b)
            for (size_t c = 0; c < dims[2]; ++c)
                for (size_t d = 0; d < dims[3]; ++d, target += size)
                    memcpy(target,
                           first_element(tensor) +
                               size * (a * strides[0] + b * strides[1] + c * strides[2] + d * strides[3]),
                           size);
}

/* Bytes of all tensors that must be copied; false where these are more than the file has, which no network needs. */
static bool count_copies(const rt_torch_file *file, const rt_tensors *tensors, size_t *total)
{
    *total = 0;
    for (size_t i = 0; i < tensors->count; ++i) {
        size_t bytes;
        if (is_packed(tensors->items[i].data))
            continue;
        if (!rt_shape_bytes(&tensors->items[i].shape, rt_dtype_size(tensors->items[i].dtype), &bytes) ||
            bytes > file->bytes.size - *total)
            return false;
        *total += bytes;
    }
    return true;
}

/* From the pickle's tensors, which `data` points to until now, to their elements. */
static rt_status place(rt_torch_file *file, rt_tensors *tensors, rt_error *err)
{
    size_t total;
    if (!count_copies(file, tensors, &total))
        return rt_torch_refuse(file, err, "its tensors repeat elements, and have more of them than the file");
    unsigned char *copy = file->copies = malloc(total + 1);
    if (!copy)
        return rt_fail(err, RT_ERROR_MEMORY, "cannot read '%s': no memory", file->path);
    for (size_t i = 0; i < tensors->count; ++i) {
        rt_tensor *item = &tensors->items[i];
        const rt_torch_tensor *tensor = item->data;
        if (is_packed(tensor)) {
            item->data = first_element(tensor);
        } else {
            pack(tensor, copy);
            item->data = copy;
            copy += rt_shape_elements(&item->shape) * rt_dtype_size(item->dtype);
        }
    }
    return RT_OK;
}

rt_status rt_torch_collect(rt_torch_file *file, const rt_pickle_value *root, rt_tensors *tensors, rt_error *err)
{
    const rt_pickle_value *state, *key;
    *tensors = (rt_tensors){0};
    RT_TRY(choose(file, root, &state, &key, err));
    tensors->items = calloc(state->count / 2 + 1, sizeof *tensors->items);
    tensors->metadata = calloc(state->count / 2 + root->count / 2 + 1, sizeof *tensors->metadata);
    rt_status status = RT_OK;
    if (!tensors->items || !tensors->metadata)
        status = rt_fail(err, RT_ERROR_MEMORY, "cannot read '%s': no memory", file->path);
    if (status == RT_OK && key)
        status = add_entries(file, root, key, false, tensors, err);
    if (status == RT_OK)
        status = add_entries(file, state, NULL, true, tensors, err);
    if (status == RT_OK)
        status = place(file, tensors, err);
    if (status == RT_OK && key && !(tensors->within = copy_text(file->pickle, key->text, key->length)))
        status = rt_fail(err, RT_ERROR_MEMORY, "cannot read '%s': no memory", file->path);
    if (status != RT_OK) {
        rt_tensors_close(tensors);
        return status;
    }
    tensors->owner = file;
    tensors->release = release;
    return RT_OK;
}
