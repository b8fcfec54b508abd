#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "recipe/recipe.h"

const char rt_command_line_source[] = "command line";

/* The file comes first, then the command line; within each, top to bottom and left to right. */
static int compare(const rt_mark *a, const rt_mark *b)
{
    bool a_is_argument = a->source && strcmp(a->source, rt_command_line_source) == 0;
    bool b_is_argument = b->source && strcmp(b->source, rt_command_line_source) == 0;
    if (a_is_argument != b_is_argument)
        return a_is_argument ? 1 : -1;
    if (a->line != b->line)
        return a->line < b->line ? -1 : 1;
    return (a->column > b->column) - (a->column < b->column);
}

static bool grow(rt_diagnostics *diagnostics)
{
    size_t capacity = diagnostics->capacity ? 2 * diagnostics->capacity : 8;
    rt_diagnostic *items = realloc(diagnostics->items, capacity * sizeof *items);
    if (!items)
        return false;
    diagnostics->items = items;
    diagnostics->capacity = capacity;
    return true;
}

void rt_diagnostics_add(rt_diagnostics *diagnostics, rt_mark mark, const char *format, ...)
{
    ++diagnostics->mistakes;
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    size_t length = (size_t)vsnprintf(NULL, 0, format, arguments);
    size_t source_length = mark.source ? strlen(mark.source) : 0;
    char *message = malloc(length + 1 + source_length + 1);
    if (!message || (diagnostics->count == diagnostics->capacity && !grow(diagnostics))) {
        diagnostics->is_short = true;
        goto done;
    }
    vsnprintf(message, length + 1, format, again);
    if (mark.source) /* the message outlives whatever the source's name was kept in */
        mark.source = memcpy(message + length + 1, mark.source, source_length + 1);

    size_t place = diagnostics->count;
    while (place > 0 && compare(&diagnostics->items[place - 1].mark, &mark) > 0)
        --place;
    /* What stands behind an anchor is checked at each of its uses, and told once. */
    for (size_t i = place; i > 0 && compare(&diagnostics->items[i - 1].mark, &mark) == 0; --i)
        if (strcmp(diagnostics->items[i - 1].message, message) == 0)
            goto done;
    memmove(diagnostics->items + place + 1, diagnostics->items + place,
            (diagnostics->count - place) * sizeof *diagnostics->items);
    diagnostics->items[place] = (rt_diagnostic){mark, message};
    ++diagnostics->count;
    message = NULL;
done:
    free(message);
    va_end(again);
    va_end(arguments);
}

void rt_diagnostics_print(const rt_diagnostics *diagnostics, FILE *file)
{
    for (size_t i = 0; i < diagnostics->count; ++i) {
        const rt_diagnostic *item = &diagnostics->items[i];
        if (item->mark.source && item->mark.line > 0)
            fprintf(file, "%s:%d:%d: ", item->mark.source, item->mark.line, item->mark.column);
        else if (item->mark.source)
            fprintf(file, "%s: ", item->mark.source);
        fprintf(file, "%s\n", item->message);
    }
    if (diagnostics->is_short)
        fputs("no memory for further messages\n", file);
}

void rt_diagnostics_free(rt_diagnostics *diagnostics)
{
    for (size_t i = 0; i < diagnostics->count; ++i)
        free(diagnostics->items[i].message);
    free(diagnostics->items);
    *diagnostics = (rt_diagnostics){0};
}
