/* Parameter tables: one table is the parser, the validator, the help text and the documentation.
 *
 * A loss, a dataset reader, a model family, an optimizer, a schedule and each section of a recipe
 * describe their settings with an array of rt_param that ends in RT_PARAM_END:
 *
 *     struct kl { double temperature; bool temperature_squared; };
 *
 *     static const rt_param params[] = {
 *         RT_FLOAT(struct kl, temperature, 4.0, 0.05, 1000.0, "softens both distributions"),
 *         RT_BOOL(struct kl, temperature_squared, true, "multiply by temperature^2"),
 *         RT_PARAM_END
 *     };
 *
 * The recipe key is the field's name. Values are checked against the range before the owner
 * sees them; keys that are absent get the default. */
#ifndef RETORT_PARAM_H
#define RETORT_PARAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "retort/api.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum rt_param_type {
    RT_PARAM_INT,       /* int64_t; ranges and defaults are doubles, so keep them within 2^53 */
    RT_PARAM_FLOAT,     /* double, finite */
    RT_PARAM_BOOL,      /* bool; true and false are the only spellings */
    RT_PARAM_ENUM,      /* int: index into `choices` */
    RT_PARAM_STRING,    /* const char *, owned by the recipe; NULL when absent and default_string is NULL */
    RT_PARAM_INT_LIST,  /* rt_int_list: up to RT_LIST_CAPACITY items, each within [minimum, maximum] */
    RT_PARAM_FLOAT_LIST /* rt_float_list: likewise */
} rt_param_type;

enum { RT_LIST_CAPACITY = 32 };

typedef struct rt_int_list {
    size_t count;
    int64_t values[RT_LIST_CAPACITY];
} rt_int_list;

typedef struct rt_float_list {
    size_t count;
    double values[RT_LIST_CAPACITY];
} rt_float_list;

typedef struct rt_param {
    const char *name; /* the recipe key; whole words, lower_case */
    const char *help; /* one lower-case phrase without a period, with the unit */
    rt_param_type type;
    size_t offset;              /* of the field in the owner's struct */
    double default_number;      /* INT, FLOAT, BOOL, ENUM; unused for lists (they default to empty) */
    double minimum, maximum;    /* inclusive; numbers and list items */
    const char *default_string; /* STRING only */
    const char *const *choices; /* ENUM only: NULL-terminated */
    bool required;              /* no default: absence is an error */
} rt_param;

/* T is the owner's struct, f the field and with it the key, def the default, lo and hi the range, text the help. */
#define RT_INT(T, f, def, lo, hi, text)                                                                                \
    {                                                                                                                  \
#f, text, RT_PARAM_INT, offsetof(T, f), (double)(def), (double)(lo), (double)(hi), NULL, NULL, false           \
    }
#define RT_FLOAT(T, f, def, lo, hi, text)                                                                              \
    {                                                                                                                  \
#f, text, RT_PARAM_FLOAT, offsetof(T, f), (def), (lo), (hi), NULL, NULL, false                                 \
    }
#define RT_BOOL(T, f, def, text)                                                                                       \
    {                                                                                                                  \
#f, text, RT_PARAM_BOOL, offsetof(T, f), (def) ? 1.0 : 0.0, 0.0, 1.0, NULL, NULL, false                        \
    }
#define RT_ENUM(T, f, def, names, text)                                                                                \
    {                                                                                                                  \
#f, text, RT_PARAM_ENUM, offsetof(T, f), (double)(def), 0.0, 0.0, NULL, names, false                           \
    }
#define RT_STRING(T, f, def, text)                                                                                     \
    {                                                                                                                  \
#f, text, RT_PARAM_STRING, offsetof(T, f), 0.0, 0.0, 0.0, def, NULL, false                                     \
    }
#define RT_REQUIRED_STRING(T, f, text)                                                                                 \
    {                                                                                                                  \
#f, text, RT_PARAM_STRING, offsetof(T, f), 0.0, 0.0, 0.0, NULL, NULL, true                                     \
    }
#define RT_INT_LIST(T, f, lo, hi, text)                                                                                \
    {                                                                                                                  \
#f, text, RT_PARAM_INT_LIST, offsetof(T, f), 0.0, (double)(lo), (double)(hi), NULL, NULL, false                \
    }
#define RT_FLOAT_LIST(T, f, lo, hi, text)                                                                              \
    {                                                                                                                  \
#f, text, RT_PARAM_FLOAT_LIST, offsetof(T, f), 0.0, (lo), (hi), NULL, NULL, false                              \
    }
#define RT_PARAM_END                                                                                                   \
    {                                                                                                                  \
        NULL, NULL, RT_PARAM_INT, 0, 0.0, 0.0, 0.0, NULL, NULL, false                                                  \
    }

/* Writes every default of `params` into `target`. `params` may be NULL. */
RT_API void rt_param_defaults(const rt_param *params, void *target);

/* The parameter of that name, or NULL. `params` may be NULL. */
RT_API const rt_param *rt_param_find(const rt_param *params, const char *name);

#ifdef __cplusplus
}
#endif
#endif
