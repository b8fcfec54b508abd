#include "base/quote.h"

#include <string.h>

const char *rt_quote_text(rt_quote *quote, const char *text, size_t length)
{
    const char *cut = "...";
    size_t room = sizeof quote->text - strlen(cut) - 1;
    size_t kept = length;
    if (length > room) {
        kept = room;
        while (kept > 0 && ((unsigned char)text[kept] & 0xC0) == 0x80) /* not inside a UTF-8 sequence */
            --kept;
    }
    for (size_t i = 0; i < kept; ++i) {
        unsigned char c = (unsigned char)text[i];
        quote->text[i] = c < 0x20 || c == 0x7F ? '?' : text[i];
    }
    strcpy(quote->text + kept, kept < length ? cut : "");
    return quote->text;
}
