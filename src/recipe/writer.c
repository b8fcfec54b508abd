#include "recipe/writer.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "recipe/text.h"

void rt_writer_put(rt_writer *writer, const char *text, size_t length)
{
    if (writer->capacity - writer->length <= length && !writer->is_short) {
        size_t capacity = 2 * (writer->length + length) + 1024;
        char *grown = realloc(writer->text, capacity);
        writer->is_short = !grown;
        writer->text = grown ? grown : writer->text;
        writer->capacity = grown ? capacity : writer->capacity;
    }
    if (writer->is_short)
        return;
    memcpy(writer->text + writer->length, text, length);
    writer->length += length;
    writer->text[writer->length] = '\0';
}

void rt_writer_words(rt_writer *writer, const char *format, ...)
{
    char words[256];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    rt_writer_put(writer, words, (size_t)length < sizeof words ? (size_t)length : sizeof words - 1);
}

/* Whether no YAML reader could take the word for anything but itself. */
static bool is_plain(const char *text)
{
    static const char *const words[] = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"};
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    for (size_t i = 0; i < sizeof words / sizeof *words; ++i)
        if (strcasecmp(text, words[i]) == 0)
            return false;
    /* Numbers, dates, times and the rest begin with a digit, a sign or a point that no letter or slash follows. */
    const char *start = text + strspn(text, "./");
    return strspn(start, letters) > 0 && strcasecmp(start, "nan") != 0 && strcasecmp(start, "inf") != 0 &&
           text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-")] == '\0';
}

void rt_writer_string(rt_writer *writer, const char *text)
{
    if (is_plain(text)) {
        rt_writer_put(writer, text, strlen(text));
        return;
    }
    rt_writer_put(writer, "\"", 1);
    size_t left = strlen(text);
    while (left > 0) {
        uint32_t character = (unsigned char)*text;
        size_t length = rt_text_decode(text, left, &character);
        bool special = character < 0x20 || character == 0x85 || character == 0x2028 || character == 0x2029;
        if (character == '"' || character == '\\')
            rt_writer_words(writer, "\\%c", (char)character);
        else if (special || !rt_text_is_printable(character))
            rt_writer_words(writer, "\\u%04x", (unsigned)character);
        else
            rt_writer_put(writer, text, length);
        length = length ? length : 1;
        text += length;
        left -= length;
    }
    rt_writer_put(writer, "\"", 1);
}

void rt_writer_yaml(rt_writer *writer, const rt_yaml *node)
{
    const bool map = node->kind == RT_YAML_MAP;
    if (node->kind == RT_YAML_INVALID)
        return;
    if (node->kind == RT_YAML_SCALAR) {
        /* A plain word that is all letters and digits means in a line what it means on its own. */
        bool safe =
            !node->quoted && node->text[0] &&
            node->text[strspn(node->text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./+-")] ==
                '\0';
        if (safe)
            rt_writer_put(writer, node->text, strlen(node->text));
        else if (rt_yaml_is_empty(node))
            rt_writer_put(writer, "null", 4);
        else
            rt_writer_string(writer, node->text);
        return;
    }
    rt_writer_put(writer, map ? "{" : "[", 1);
    for (size_t i = 0; i < node->count; ++i) {
        if (i > 0)
            rt_writer_put(writer, ", ", 2);
        if (map) {
            rt_writer_string(writer, node->entries[i].key);
            rt_writer_put(writer, ": ", 2);
        }
        rt_writer_yaml(writer, node->entries[i].value);
    }
    rt_writer_put(writer, map ? "}" : "]", 1);
}
