/* Errors are values.
 *
 * A function that can fail returns an rt_status and takes an `rt_error *` as its last argument.
 * Whoever notices the failure writes the sentence with rt_fail(); everybody above passes it on:
 *
 *     RT_TRY(rt_file_read(path, &bytes, err));
 *
 * The sentence is one line, without a final period: operation, offending value, rule
 * ("conv 'layer2.0.conv1': stride 0; stride must be at least 1").
 * There is no global error state, and nothing below src/cli prints or exits. */
#ifndef RETORT_ERROR_H
#define RETORT_ERROR_H

#include "retort/api.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum rt_status {
    RT_OK = 0,
    RT_ERROR_MEMORY,     /* an allocation failed */
    RT_ERROR_USAGE,      /* a recipe, an argument or a parameter is wrong */
    RT_ERROR_SHAPE,      /* tensors do not fit together */
    RT_ERROR_FILE,       /* a file is missing, unreadable, unwritable, or already there */
    RT_ERROR_FORMAT,     /* a file's contents are not what they claim */
    RT_ERROR_NUMERIC,    /* NaN or infinity where a finite number is required */
    RT_ERROR_BACKEND,    /* oneDNN refused */
    RT_ERROR_INTERRUPTED /* the user asked to stop */
} rt_status;

/* Owned by the caller, usually on its stack; zero-initialise it. */
typedef struct rt_error {
    rt_status status;
    char message[1024];
} rt_error;

/* Writes the sentence into `err` (which may be NULL), in place of an earlier one and cut to what message[] holds, and
 * returns `status`, so that `return rt_fail(err, RT_ERROR_SHAPE, "...")` is the whole error path. */
RT_API rt_status rt_fail(rt_error *err, rt_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* "shape", "file", ...: the kind of failure in a word, for logs. Static storage. */
RT_API const char *rt_status_name(rt_status status);

/* Returns early with the status of `call` when it is not RT_OK. */
#define RT_TRY(call)                                                                                                   \
    do {                                                                                                               \
        rt_status rt_try_status_ = (call);                                                                             \
        if (rt_try_status_ != RT_OK)                                                                                   \
            return rt_try_status_;                                                                                     \
    } while (0)

#ifdef __cplusplus
}
#endif
#endif
