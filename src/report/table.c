#include "report/table.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { GAP = 2 };

struct column {
    bool right;
    size_t width;
};

struct rt_table {
    char **cells; /* row by row; those of a rule are NULL */
    size_t count, capacity;
    bool out_of_memory;
    size_t column_count;
    struct column columns[];
};

rt_table *rt_table_new(const char *columns)
{
    size_t count = strlen(columns);
    rt_table *table = calloc(1, sizeof *table + count * sizeof *table->columns);
    if (!table)
        return NULL;
    table->column_count = count;
    for (size_t i = 0; i < count; ++i)
        table->columns[i].right = columns[i] == 'r';
    return table;
}

void rt_table_free(rt_table *table)
{
    if (!table)
        return;
    for (size_t i = 0; i < table->count; ++i)
        free(table->cells[i]);
    free(table->cells);
    free(table);
}

/* Characters, not bytes: the bytes that continue a UTF-8 character do not count. */
static size_t width_of(const char *text)
{
    size_t width = 0;
    for (; *text; ++text)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

static bool has_room(rt_table *table)
{
    if (table->count < table->capacity)
        return true;
    size_t capacity = table->capacity ? 2 * table->capacity : 64;
    char **cells = realloc(table->cells, capacity * sizeof *cells);
    if (!cells)
        return false;
    table->cells = cells;
    table->capacity = capacity;
    return true;
}

static void append(rt_table *table, char *cell)
{
    if (!has_room(table)) {
        free(cell);
        table->out_of_memory = true;
        return;
    }
    struct column *column = &table->columns[table->count % table->column_count];
    size_t width = cell ? width_of(cell) : 0;
    if (width > column->width)
        column->width = width;
    table->cells[table->count++] = cell;
}

static void disarm(char *text)
{
    for (; *text; ++text)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = '?';
}

void rt_table_cell(rt_table *table, const char *format, ...)
{
    if (!table)
        return;
    char *cell;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&cell, format, arguments);
    va_end(arguments);
    if (length < 0) {
        table->out_of_memory = true;
        return;
    }
    disarm(cell);
    append(table, cell);
}

void rt_table_rule(rt_table *table)
{
    if (!table)
        return;
    while (table->count % table->column_count != 0 && !table->out_of_memory)
        rt_table_cell(table, "%s", "");
    for (size_t i = 0; i < table->column_count; ++i)
        append(table, NULL);
}

static void repeat(char character, size_t times, FILE *file)
{
    while (times-- > 0)
        fputc(character, file);
}

/* Spaces are owed until something visible follows, so that no line ends in them. */
static void print_row(const rt_table *table, char *const *cells, size_t count, size_t indent, FILE *file)
{
    size_t owed = indent;
    for (size_t i = 0; i < count; ++i) {
        const struct column *column = &table->columns[i];
        size_t width = cells[i] ? width_of(cells[i]) : column->width;
        size_t padding = column->width - width;
        if (column->right)
            owed += padding;
        if (width > 0) {
            repeat(' ', owed, file);
            owed = 0;
        }
        if (cells[i])
            fputs(cells[i], file);
        else
            repeat('-', width, file);
        if (!column->right)
            owed += padding;
        owed += GAP;
    }
    fputc('\n', file);
}

rt_status rt_table_print(const rt_table *table, FILE *file, size_t indent, rt_error *err)
{
    if (!table || table->out_of_memory)
        return rt_fail(err, RT_ERROR_MEMORY, "print a table: out of memory");
    for (size_t first = 0; first < table->count; first += table->column_count) {
        size_t left = table->count - first;
        print_row(table, table->cells + first, left < table->column_count ? left : table->column_count, indent, file);
    }
    return RT_OK;
}
