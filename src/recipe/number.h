/* Numbers as recipes write them: decimal, strictly, whatever the locale. */
#ifndef RETORT_RECIPE_NUMBER_H
#define RETORT_RECIPE_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "retort/param.h"

typedef enum rt_number_kind {
    RT_NUMBER_NONE,      /* not a number: "1_000", "0x10", "+1", "01", "12 GB" */
    RT_NUMBER_INTEGER,   /* digits alone, within int64_t */
    RT_NUMBER_REAL,      /* with a point or an exponent, finite */
    RT_NUMBER_HUGE,      /* too large for int64_t or double */
    RT_NUMBER_NOT_FINITE /* nan or inf in one of its spellings */
} rt_number_kind;

/* Reads the whole of `text`. *integer is set for INTEGER, *real for INTEGER, REAL and HUGE (infinite where it is too
 * large for a double as well). */
rt_number_kind rt_number_read(const char *text, int64_t *integer, double *real);

/* The shortest decimal that reads back as `value`, in a form that every YAML reader takes for a number. */
typedef struct rt_number_text {
    char text[40];
} rt_number_text;

rt_number_text rt_number_show(double value);

/* "from 1 to 100000", "at least 0", "at most 5", or "" where the parameter has no bounds. */
typedef struct rt_range_text {
    char text[100];
} rt_range_text;

rt_range_text rt_range_show(const rt_param *param);

#endif
