/* Reads Python pickles without running anything: a small machine for numbers, text, tuples, lists and dictionaries.
 *
 * A pickle is a program: it may name any function of Python's and have it called. Here a name means nothing unless the
 * host knows it, and a call is the host's own C code:
 *
 *     rt_pickle *pickle = rt_pickle_new(&host);
 *     rt_pickle_read(pickle, bytes, size, &used, &value, err);     // as often as there are pickles
 *     const rt_pickle_value *epoch = rt_pickle_find(value, "epoch");
 *     rt_pickle_free(pickle);                                      // and all values with it
 *
 * Protocols 2 to 5, as PyTorch writes them. Values share parts and may even contain themselves: whoever walks through
 * them must bound the depth. Memory is bounded, too, by MEMORY_LIMIT of pickle.c. */
#ifndef RETORT_FORMATS_PICKLE_H
#define RETORT_FORMATS_PICKLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "retort/error.h"

typedef enum rt_pickle_kind {
    RT_PICKLE_NONE,
    RT_PICKLE_BOOL,
    RT_PICKLE_INTEGER, /* fits 64 bits */
    RT_PICKLE_LONG,    /* does not: its bytes, two's complement, little-endian */
    RT_PICKLE_FLOAT,
    RT_PICKLE_TEXT,
    RT_PICKLE_BYTES,
    RT_PICKLE_TUPLE,
    RT_PICKLE_LIST,
    RT_PICKLE_DICT,
    RT_PICKLE_NAME,  /* one of the host's names */
    RT_PICKLE_OBJECT /* the host's */
} rt_pickle_kind;

typedef struct rt_pickle_value rt_pickle_value;
struct rt_pickle_value {
    rt_pickle_kind kind;
    union {
        int64_t integer; /* BOOL, INTEGER; NAME: the host's number for it */
        double number;
        struct {
            const char *text; /* TEXT (not verified to be UTF-8), BYTES, LONG: within the pickle's bytes */
            size_t length;    /* there is no zero byte behind */
        };
        struct {
            rt_pickle_value **items; /* TUPLE, LIST; DICT: key, value, key, value ... */
            size_t count, capacity;
        };
        struct {
            void *object;
            int object_type; /* the host's own */
        };
    };
};

typedef struct rt_pickle rt_pickle;

typedef struct rt_pickle_host {
    void *context;
    /* The number, from 0, of a name that a pickle may use, or -1. */
    int (*find)(const char *module, const char *name);
    /* What NAME(arguments...) is; `arguments` is a tuple. */
    rt_status (*call)(void *context, rt_pickle *pickle, int name, const rt_pickle_value *arguments,
                      rt_pickle_value *result, rt_error *err);
    /* What is kept outside of the pickle under this identity. */
    rt_status (*recall)(void *context, rt_pickle *pickle, const rt_pickle_value *identity, rt_pickle_value *result,
                        rt_error *err);
} rt_pickle_host;

rt_pickle *rt_pickle_new(const rt_pickle_host *host); /* NULL without memory; the host is copied */
void rt_pickle_free(rt_pickle *pickle);               /* accepts NULL */

/* Reads one pickle from the beginning of `bytes`, which must stay, and says how many it `used`. Messages tell the place
 * in the pickle; the caller adds the file. */
rt_status rt_pickle_read(rt_pickle *pickle, const unsigned char *bytes, size_t size, size_t *used,
                         rt_pickle_value **value, rt_error *err);

/* Zeroed memory that lives as long as the pickle; NULL where there is no more. */
void *rt_pickle_take(rt_pickle *pickle, size_t size);

bool rt_pickle_is_text(const rt_pickle_value *value, const char *text);

/* The value of a key that is text, the last of several as in Python; NULL for none, or no dictionary. */
rt_pickle_value *rt_pickle_find(const rt_pickle_value *dictionary, const char *key);

#endif
