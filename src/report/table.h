/* Tables for people: aligned columns of plain text.
 *
 *     rt_table *table = rt_table_new("lrr");
 *     rt_table_cell(table, "model"), rt_table_cell(table, "parameters"), rt_table_cell(table, "top-1");
 *     rt_table_rule(table);
 *     rt_table_cell(table, "%s", name), rt_table_cell(table, "%zu", parameters), rt_table_cell(table, "%.2f %%", top1);
 *     rt_status status = rt_table_print(table, stdout, 0, err);
 *     rt_table_free(table);
 *
 *     model     parameters    top-1
 *     --------  ----------  -------
 *     resnet20      269722  54.10 %
 */
#ifndef RETORT_REPORT_TABLE_H
#define RETORT_REPORT_TABLE_H

#include <stdio.h>

#include "retort/error.h"

typedef struct rt_table rt_table;

/* An empty table; `columns` has a letter for each of its one or more columns: 'l' aligned left, 'r' aligned right. NULL
 * without memory; every function below accepts that, and rt_table_print() reports it. */
rt_table *rt_table_new(const char *columns);
void rt_table_free(rt_table *table);

/* The next cell, rows from the left, then down; a row is full after as many cells as there are columns. Control
 * characters become '?', so that what comes from a file cannot steer the terminal. */
void rt_table_cell(rt_table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A line of dashes below the rows so far; a row that is not full is left as it is. */
void rt_table_rule(rt_table *table);

/* Prints the table, each line behind `indent` spaces and without trailing ones; a row that is not full ends early.
 * Fails when memory ran short on the way; a failed write is left to the stream's error flag. */
rt_status rt_table_print(const rt_table *table, FILE *file, size_t indent, rt_error *err);

#endif
