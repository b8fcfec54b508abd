#include "base/npy_header.h"

#include <string.h>

#include "base/quote.h"

static const struct {
    const char *descr, *name;
    size_t size;
} types[] = {
    [RT_NPY_F4] = {"<f4", "float32", 4}, [RT_NPY_F8] = {"<f8", "float64", 8}, [RT_NPY_I8] = {"<i8", "int64", 8},
    [RT_NPY_I4] = {"<i4", "int32", 4},   [RT_NPY_I2] = {"<i2", "int16", 2},   [RT_NPY_I1] = {"|i1", "int8", 1},
    [RT_NPY_U8] = {"<u8", "uint64", 8},  [RT_NPY_U4] = {"<u4", "uint32", 4},  [RT_NPY_U2] = {"<u2", "uint16", 2},
    [RT_NPY_U1] = {"|u1", "uint8", 1},   [RT_NPY_BOOL] = {"|b1", "bool", 1},
};

static const char magic[] = "\x93NUMPY";

enum { MAGIC_BYTES = 6 };

size_t rt_npy_type_size(rt_npy_type type)
{
    return types[type].size;
}

const char *rt_npy_type_name(rt_npy_type type)
{
    return types[type].name;
}

/* What is left of the text. Each function below takes something off its front, or takes nothing and returns false. */
struct cursor {
    const char *at, *end;
};

static void skip_space(struct cursor *cursor)
{
    while (cursor->at < cursor->end && memchr(" \t\r\n", *cursor->at, 4))
        ++cursor->at;
}

static bool take(struct cursor *cursor, char wanted)
{
    skip_space(cursor);
    if (cursor->at == cursor->end || *cursor->at != wanted)
        return false;
    ++cursor->at;
    return true;
}

static bool take_word(struct cursor *cursor, const char *word)
{
    skip_space(cursor);
    size_t length = strlen(word);
    if ((size_t)(cursor->end - cursor->at) < length || memcmp(cursor->at, word, length) != 0)
        return false;
    cursor->at += length;
    return true;
}

/* A quoted string without escapes. */
static bool take_string(struct cursor *cursor, const char **text, size_t *length)
{
    struct cursor start = *cursor;
    char quote = take(cursor, '\'') ? '\'' : take(cursor, '"') ? '"' : '\0';
    const char *close = quote ? memchr(cursor->at, quote, (size_t)(cursor->end - cursor->at)) : NULL;
    if (!close || memchr(cursor->at, '\\', (size_t)(close - cursor->at))) {
        *cursor = start;
        return false;
    }
    *text = cursor->at;
    *length = (size_t)(close - cursor->at);
    cursor->at = close + 1;
    return true;
}

static bool take_size(struct cursor *cursor, size_t *size)
{
    skip_space(cursor);
    const char *first = cursor->at;
    for (*size = 0; cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9'; ++cursor->at)
        if (__builtin_mul_overflow(*size, 10, size) || __builtin_add_overflow(*size, (size_t)(*cursor->at - '0'), size))
            return false;
    return cursor->at > first;
}

static rt_status broken(const char *path, const struct cursor *cursor, const char *text, rt_error *err)
{
    return rt_fail(err, RT_ERROR_FORMAT,
                   "cannot read '%s': the header is not a dictionary as numpy writes it, from its byte %zu", path,
                   (size_t)(cursor->at - text));
}

static rt_status parse_descr(const char *path, struct cursor *cursor, const char *text, rt_npy_type *type,
                             rt_error *err)
{
    const char *descr;
    size_t length;
    rt_quote quote;
    if (!take_string(cursor, &descr, &length)) {
        if (take(cursor, '['))
            return rt_fail(err, RT_ERROR_FORMAT, "cannot read '%s': structured arrays are not read", path);
        return broken(path, cursor, text, err);
    }
    for (size_t i = 0; i < sizeof types / sizeof *types; ++i) {
        if (strlen(types[i].descr) == length && memcmp(types[i].descr, descr, length) == 0) {
            *type = (rt_npy_type)i;
            return RT_OK;
        }
    }
    if (length > 0 && descr[0] == '>')
        return rt_fail(err, RT_ERROR_FORMAT, "cannot read '%s': dtype '%s' is big-endian; it must be little-endian",
                       path, rt_quote_text(&quote, descr, length));
    return rt_fail(err, RT_ERROR_FORMAT,
                   "cannot read '%s': dtype '%s'; it must be float32, float64, int64 or a narrower integer", path,
                   rt_quote_text(&quote, descr, length));
}

/* A tuple: (), (3,), (3, 4) or (3, 4,), but not (3). */
static rt_status parse_shape(const char *path, struct cursor *cursor, const char *text, rt_shape *shape, rt_error *err)
{
    *shape = (rt_shape){0};
    if (!take(cursor, '('))
        return broken(path, cursor, text, err);
    bool comma = true;
    while (!take(cursor, ')')) {
        if (shape->count == RT_MAX_DIMS)
            return rt_fail(err, RT_ERROR_FORMAT, "cannot read '%s': more than %d dimensions", path, RT_MAX_DIMS);
        if (!comma || !take_size(cursor, &shape->dims[shape->count]))
            return broken(path, cursor, text, err);
        ++shape->count;
        comma = take(cursor, ',');
    }
    if (shape->count == 1 && !comma)
        return broken(path, cursor, text, err);
    return RT_OK;
}

rt_status rt_npy_header_parse(const char *path, const char *text, size_t length, rt_npy_header *header, rt_error *err)
{
    enum { DESCR = 1, ORDER = 2, SHAPE = 4, ALL = 7 };
    struct cursor cursor = {text, text + length};
    unsigned seen = 0;
    *header = (rt_npy_header){0};
    if (!take(&cursor, '{'))
        return broken(path, &cursor, text, err);
    bool comma = true;
    while (!take(&cursor, '}')) {
        const struct cursor start = cursor;
        const char *key;
        size_t key_length;
        if (!comma || !take_string(&cursor, &key, &key_length) || !take(&cursor, ':'))
            return broken(path, &cursor, text, err);
        unsigned found = 0;
        if (key_length == 5 && memcmp(key, "descr", 5) == 0) {
            found = DESCR;
            RT_TRY(parse_descr(path, &cursor, text, &header->type, err));
        } else if (key_length == 13 && memcmp(key, "fortran_order", 13) == 0) {
            found = ORDER;
            header->fortran_order = take_word(&cursor, "True");
            if (!header->fortran_order && !take_word(&cursor, "False"))
                return broken(path, &cursor, text, err);
        } else if (key_length == 5 && memcmp(key, "shape", 5) == 0) {
            found = SHAPE;
            RT_TRY(parse_shape(path, &cursor, text, &header->shape, err));
        }
        if (found == 0 || (seen & found))
            return broken(path, &start, text, err);
        seen |= found;
        comma = take(&cursor, ',');
    }
    skip_space(&cursor);
    if (seen != ALL || cursor.at != cursor.end)
        return broken(path, &cursor, text, err);
    return RT_OK;
}

/* The header's text lies behind the magic, two version bytes, and its length in 2 (version 1) or 4 bytes. */
static rt_status locate_header(const char *path, const unsigned char *file, size_t size, size_t *begin, size_t *end,
                               rt_error *err)
{
    if (size < MAGIC_BYTES + 4 || memcmp(file, magic, MAGIC_BYTES) != 0)
        return rt_fail(err, RT_ERROR_FORMAT, "cannot read '%s': not a .npy file", path);
    unsigned version = file[MAGIC_BYTES];
    if (version < 1 || version > 3 || file[MAGIC_BYTES + 1] != 0)
        return rt_fail(err, RT_ERROR_FORMAT, "cannot read '%s': .npy version %u.%u; it must be 1.0, 2.0 or 3.0", path,
                       version, file[MAGIC_BYTES + 1]);
    size_t length_bytes = version == 1 ? 2 : 4, length = 0;
    *begin = MAGIC_BYTES + 2 + length_bytes;
    for (size_t i = 0; i < length_bytes && MAGIC_BYTES + 2 + i < size; ++i)
        length |= (size_t)file[MAGIC_BYTES + 2 + i] << (8 * i);
    if (*begin > size || length > size - *begin)
        return rt_fail(err, RT_ERROR_FORMAT, "cannot read '%s': header of %zu bytes in a file of %zu", path, length,
                       size);
    *end = *begin + length;
    return RT_OK;
}

rt_status rt_npy_header_read(const char *path, const unsigned char *file, size_t size, rt_npy_header *header,
                             size_t *data, rt_error *err)
{
    size_t begin = 0;
    RT_TRY(locate_header(path, file, size, &begin, data, err));
    return rt_npy_header_parse(path, (const char *)file + begin, *data - begin, header, err);
}

rt_status rt_npy_header_check(const char *path, const rt_npy_header *header, size_t size, rt_error *err)
{
    size_t bytes = rt_npy_type_size(header->type);
    for (size_t i = 0; i < header->shape.count; ++i)
        if (__builtin_mul_overflow(bytes, header->shape.dims[i], &bytes))
            return rt_fail(err, RT_ERROR_FORMAT, "cannot read '%s': the shape is too large", path);
    if (bytes != size)
        return rt_fail(err, RT_ERROR_FORMAT, "cannot read '%s': shape and dtype take %zu bytes; the file holds %zu",
                       path, bytes, size);
    return RT_OK;
}

int64_t rt_npy_integer(const unsigned char *bytes, rt_npy_type type)
{
    uint64_t wide;
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
    case RT_NPY_I8:
    case RT_NPY_U8:
        memcpy(&wide, bytes, sizeof wide);
        return type == RT_NPY_U8 && wide > INT64_MAX ? INT64_MAX : (int64_t)wide;
    default:
        break;
    }
    uint32_t word;
    memcpy(&word, bytes, sizeof word);
    return type == RT_NPY_U4 ? (int64_t)word : (int64_t)(int32_t)word;
}
