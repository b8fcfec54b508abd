#include "train/memo_header.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers in memos are little-endian and used as they are");

enum { CHECKSUM_AT = 8, TEXT_AT = 16, TEXT_ROOM = RT_MEMO_PAGE - TEXT_AT };

static const char magic[] = "RTMEMO1\n";

rt_status rt_memo_header_write(const rt_memo_key *key, unsigned char page[RT_MEMO_PAGE], rt_error *err)
{
    json_t *ingredients = json_object();
    for (int i = 0; i < RT_MEMO_INGREDIENTS; ++i)
        json_object_set_new(ingredients, rt_memo_ingredient_name((rt_memo_ingredient)i), json_string(key->values[i]));
    json_t *header = json_pack("{s:I, s:I, s:I, s:s, s:o}", "samples", (json_int_t)key->samples, "variants",
                               (json_int_t)key->variants, "classes", (json_int_t)key->classes, "precision",
                               rt_memo_precision_name(key->precision), "ingredients", ingredients);
    char *text = header ? json_dumps(header, JSON_INDENT(1)) : NULL;
    size_t length = text ? strlen(text) : 0;
    memset(page, 0, RT_MEMO_PAGE);
    if (text && length < TEXT_ROOM) {
        memcpy(page, magic, CHECKSUM_AT);
        memcpy(page + TEXT_AT, text, length);
        XXH64_hash_t checksum = XXH3_64bits(page + TEXT_AT, TEXT_ROOM);
        memcpy(page + CHECKSUM_AT, &checksum, sizeof checksum);
    }
    bool fits = length < TEXT_ROOM;
    json_decref(header);
    free(text);
    if (!fits)
        return rt_fail(err, RT_ERROR_USAGE, "a memo's header of %zu bytes; at most %d are possible", length,
                       TEXT_ROOM - 1);
    return length > 0 ? RT_OK : rt_fail(err, RT_ERROR_MEMORY, "no memory for a memo's header");
}

static rt_status refuse(const char *path, const char *reason, rt_error *err)
{
    return rt_fail(err, RT_ERROR_FORMAT, "'%s' is not a memo of teacher logits: %s", path, reason);
}

static bool read_values(json_t *header, rt_memo_key *key)
{
    json_int_t samples, variants, classes;
    const char *precision;
    json_t *ingredients;
    if (json_unpack(header, "{s:I, s:I, s:I, s:s, s:o}", "samples", &samples, "variants", &variants, "classes",
                    &classes, "precision", &precision, "ingredients", &ingredients) != 0)
        return false;
    bool fp16 = strcmp(precision, rt_memo_precision_name(RT_MEMO_FP16)) == 0;
    if (samples < 1 || variants < 1 || classes < 1 ||
        (!fp16 && strcmp(precision, rt_memo_precision_name(RT_MEMO_FP32)) != 0))
        return false;
    *key = (rt_memo_key){.samples = (uint64_t)samples,
                         .variants = (uint64_t)variants,
                         .classes = (uint64_t)classes,
                         .precision = fp16 ? RT_MEMO_FP16 : RT_MEMO_FP32};
    for (int i = 0; i < RT_MEMO_INGREDIENTS; ++i) {
        const char *value =
            json_string_value(json_object_get(ingredients, rt_memo_ingredient_name((rt_memo_ingredient)i)));
        if (!value || strlen(value) >= RT_MEMO_VALUE_CAPACITY)
            return false;
        strcpy(key->values[i], value);
    }
    return true;
}

rt_status rt_memo_header_read(const unsigned char page[RT_MEMO_PAGE], const char *path, rt_memo_key *key, rt_error *err)
{
    if (memcmp(page, magic, CHECKSUM_AT) != 0)
        return refuse(path, "it does not begin as one", err);
    XXH64_hash_t checksum;
    memcpy(&checksum, page + CHECKSUM_AT, sizeof checksum);
    if (checksum != XXH3_64bits(page + TEXT_AT, TEXT_ROOM))
        return refuse(path, "its header is damaged", err);
    json_t *header = json_loadb((const char *)page + TEXT_AT, strnlen((const char *)page + TEXT_AT, TEXT_ROOM),
                                JSON_REJECT_DUPLICATES, NULL);
    bool good = header && read_values(header, key);
    json_decref(header);
    return good ? RT_OK : refuse(path, "its header does not say what it holds", err);
}
