/* YAML as text that grows. Without memory it stops growing and says so once, at the end. */
#ifndef RETORT_RECIPE_WRITER_H
#define RETORT_RECIPE_WRITER_H

#include "recipe/tree.h"

typedef struct rt_writer {
    char *text; /* allocated; NULL before the first piece */
    size_t length, capacity;
    bool is_short; /* memory ran out: the text is not whole */
} rt_writer;

void rt_writer_put(rt_writer *writer, const char *text, size_t length);

/* For short pieces: at most 255 bytes. */
void rt_writer_words(rt_writer *writer, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A string, in quotes where it could be taken for anything else. */
void rt_writer_string(rt_writer *writer, const char *text);

/* A whole value in one line: [cross_entropy, {kl: {temperature: 4}}]. */
void rt_writer_yaml(rt_writer *writer, const rt_yaml *node);

#endif
