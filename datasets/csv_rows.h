/* Rows of a CSV file, to RFC 4180: fields between commas; one that holds a comma or a quote stands in double quotes,
 * with each quote in it twice; lines end in LF or CRLF.
 *
 * Stricter than that: a quote within an unquoted field, a space before or behind one, a control character, a line end
 * within quotes, and a carriage return without its line feed are errors, for each is more often a mistake than meant.
 * Empty lines are passed over, as is a byte order mark at the start. Errors begin with FILE:LINE:COLUMN, in characters.
 */
#ifndef RETORT_DATASETS_CSV_ROWS_H
#define RETORT_DATASETS_CSV_ROWS_H

#include <stddef.h>

#include "retort/error.h"

typedef struct rt_csv_place {
    size_t line, column; /* from 1 */
} rt_csv_place;

typedef struct rt_csv_field {
    char *text; /* ends in a zero byte; in the file's memory */
    rt_csv_place place;
} rt_csv_field;

typedef struct rt_csv {
    const char *name; /* the file's, for errors; borrowed */
    char *at, *end;
    rt_csv_place place;
} rt_csv;

/* `bytes` are the file's, and are written over as fields are taken from them; bytes[size] is zero. */
void rt_csv_begin(rt_csv *csv, const char *name, char *bytes, size_t size);

/* The next row's fields; *count is 0 at the end of the file. More than `most` fields in a row are an error. */
rt_status rt_csv_next(rt_csv *csv, rt_csv_field *fields, size_t most, size_t *count, rt_error *err);

/* An error at a place of the file. */
rt_status rt_csv_fail(const char *name, rt_csv_place place, rt_error *err, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
