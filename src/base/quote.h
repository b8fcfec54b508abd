/* Text from files made fit for an error message, which is one short printable line. */
#ifndef RETORT_BASE_QUOTE_H
#define RETORT_BASE_QUOTE_H

#include <stddef.h>

typedef struct rt_quote {
    char text[100];
} rt_quote;

/* The text with control characters as '?', cut with "..." where it is long. It lives as long as `quote`. */
const char *rt_quote_text(rt_quote *quote, const char *text, size_t length);

#endif
