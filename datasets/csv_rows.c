#include "datasets/csv_rows.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

rt_status rt_csv_fail(const char *name, rt_csv_place place, rt_error *err, const char *format, ...)
{
    char words[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    return rt_fail(err, RT_ERROR_FORMAT, "%.300s:%zu:%zu: %s", name, place.line, place.column, words);
}

void rt_csv_begin(rt_csv *csv, const char *name, char *bytes, size_t size)
{
    const size_t mark = size >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    *csv = (rt_csv){.name = name, .at = bytes + mark, .end = bytes + size, .place = {1, 1}};
}

/* Bytes that go on with a character of UTF-8 are no column of their own. */
static char take(rt_csv *csv)
{
    const char byte = *csv->at++;
    if (byte == '\n')
        csv->place = (rt_csv_place){csv->place.line + 1, 1};
    else if (((unsigned char)byte & 0xC0) != 0x80)
        ++csv->place.column;
    return byte;
}

static bool at_end_of_field(const rt_csv *csv)
{
    return csv->at == csv->end || *csv->at == ',' || *csv->at == '\n' ||
           (*csv->at == '\r' && csv->at + 1 < csv->end && csv->at[1] == '\n');
}

static rt_status check_character(const rt_csv *csv, rt_error *err)
{
    const unsigned char byte = (unsigned char)*csv->at;
    if (byte == '\r')
        return rt_csv_fail(csv->name, csv->place, err, "a carriage return without a line feed behind it");
    if (byte < 0x20 || byte == 0x7F)
        return rt_csv_fail(csv->name, csv->place, err, "the control character 0x%02x; no path or label has one", byte);
    return RT_OK;
}

static rt_status take_quoted(rt_csv *csv, rt_csv_field *field, rt_error *err)
{
    char *to = csv->at;
    field->text = to;
    take(csv);
    for (;;) {
        if (csv->at == csv->end || *csv->at == '\n' || *csv->at == '\r')
            return rt_csv_fail(csv->name, field->place, err, "a quote that is not closed in its line");
        if (*csv->at == '"') {
            take(csv);
            if (csv->at == csv->end || *csv->at != '"')
                break;
        } else {
            RT_TRY(check_character(csv, err));
        }
        *to++ = take(csv);
    }
    if (!at_end_of_field(csv))
        return rt_csv_fail(
            csv->name, csv->place, err,
            "behind a closing quote comes a comma or the line's end; a quote in a field is written twice");
    *to = '\0';
    return RT_OK;
}

static rt_status take_plain(rt_csv *csv, rt_csv_field *field, char **end, rt_error *err)
{
    field->text = csv->at;
    while (!at_end_of_field(csv)) {
        if (*csv->at == '"')
            return rt_csv_fail(
                csv->name, csv->place, err,
                "a quote within a field that does not begin with one; quote all of it, each quote twice");
        RT_TRY(check_character(csv, err));
        take(csv);
    }
    *end = csv->at;
    if (*end > field->text && (field->text[0] == ' ' || (*end)[-1] == ' '))
        return rt_csv_fail(csv->name, field->place, err,
                           "a space %s the field; take it away, or quote the field if it is meant",
                           field->text[0] == ' ' ? "before" : "behind");
    return RT_OK;
}

static bool take_line_end(rt_csv *csv)
{
    if (csv->at < csv->end && *csv->at == '\r' && csv->at + 1 < csv->end && csv->at[1] == '\n')
        take(csv);
    if (csv->at == csv->end || *csv->at != '\n')
        return false;
    take(csv);
    return true;
}

rt_status rt_csv_next(rt_csv *csv, rt_csv_field *fields, size_t most, size_t *count, rt_error *err)
{
    *count = 0;
    while (take_line_end(csv))
        ;
    if (csv->at == csv->end)
        return RT_OK;
    for (;;) {
        rt_csv_field field = {.place = csv->place};
        char *end = NULL;
        if (*count == most)
            return rt_csv_fail(csv->name, csv->place, err, "a row of more than %zu fields", most);
        if (csv->at < csv->end && *csv->at == '"')
            RT_TRY(take_quoted(csv, &field, err));
        else
            RT_TRY(take_plain(csv, &field, &end, err));
        fields[(*count)++] = field;
        /* Only what has been taken is written over. */
        const bool more = csv->at < csv->end && *csv->at == ',';
        if (more)
            take(csv);
        else
            take_line_end(csv);
        if (end)
            *end = '\0';
        if (!more)
            return RT_OK;
    }
}
