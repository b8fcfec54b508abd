/* UTF-8 text from outside: checked once when it comes in, made harmless when it is shown. */
#ifndef RETORT_RECIPE_TEXT_H
#define RETORT_RECIPE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decodes the character at `text`, of which `size` > 0 bytes are left. Returns its length in bytes, or 0 where the
 * bytes are not UTF-8 (overlong forms and surrogates included). */
size_t rt_text_decode(const char *text, size_t size, uint32_t *character);

/* Whether YAML lets the character stand in a file as it is. */
bool rt_text_is_printable(uint32_t character);

/* The number of characters in valid UTF-8. */
size_t rt_text_characters(const char *text, size_t size);

/* A word from a recipe for use in a message: on one line, in quotes, cut off where it is long. By value, so that
 * `rt_text_show(word).text` can be an argument of a printf-like function. */
typedef struct rt_shown {
    char text[80];
} rt_shown;

rt_shown rt_text_show(const char *text);

#endif
