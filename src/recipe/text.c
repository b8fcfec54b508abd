#include "recipe/text.h"

#include <stdio.h>
#include <string.h>

size_t rt_text_decode(const char *text, size_t size, uint32_t *character)
{
    const unsigned char *bytes = (const unsigned char *)text;
    if (bytes[0] < 0x80) {
        *character = bytes[0];
        return 1;
    }
    size_t length = bytes[0] >= 0xf0 ? 4 : bytes[0] >= 0xe0 ? 3 : 2;
    if (bytes[0] < 0xc2 || bytes[0] > 0xf4 || length > size)
        return 0;
    uint32_t code = bytes[0] & (0xffu >> (length + 1));
    for (size_t i = 1; i < length; ++i) {
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (bytes[i] & 0x3f);
    }
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (code < least[length] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return 0;
    *character = code;
    return length;
}

bool rt_text_is_printable(uint32_t c)
{
    return c == '\t' || c == '\n' || c == '\r' || (c >= 0x20 && c <= 0x7e) || c == 0x85 || (c >= 0xa0 && c <= 0xd7ff) ||
           (c >= 0xe000 && c <= 0xfffd && c != 0xfeff) || (c >= 0x10000 && c <= 0x10ffff);
}

size_t rt_text_characters(const char *text, size_t size)
{
    size_t count = 0;
    for (size_t i = 0; i < size; ++i)
        count += ((unsigned char)text[i] & 0xc0) != 0x80;
    return count;
}

rt_shown rt_text_show(const char *text)
{
    enum { ROOM = sizeof(rt_shown) - 24 }; /* one escaped character, "...", the closing quote and a zero fit behind */
    rt_shown shown = {"'"};
    size_t used = 1, left = strlen(text);
    while (left > 0 && used < ROOM) {
        uint32_t character;
        size_t length = rt_text_decode(text, left, &character);
        bool line_end = character == '\n' || character == '\r' || character == '\t' || character == 0x85 ||
                        character == 0x2028 || character == 0x2029;
        if (length > 0 && rt_text_is_printable(character) && !line_end) {
            memcpy(shown.text + used, text, length);
            used += length;
        } else {
            length = length ? length : 1;
            for (size_t i = 0; i < length; ++i)
                used +=
                    (size_t)snprintf(shown.text + used, sizeof shown.text - used, "\\x%02x", (unsigned char)text[i]);
        }
        text += length;
        left -= length;
    }
    snprintf(shown.text + used, sizeof shown.text - used, left > 0 ? "...'" : "'");
    return shown;
}
