#include "retort/suggest.h"

#include <string.h>

enum { LONGEST = 64 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Optimal string alignment: insertion, deletion, substitution and transposition of neighbours cost 1 each. */
static size_t distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    size_t rows[3][LONGEST + 1];
    size_t *before = rows[0], *previous = rows[1], *current = rows[2];
    for (size_t j = 0; j <= b_length; ++j)
        previous[j] = j;
    for (size_t i = 1; i <= a_length; ++i) {
        current[0] = i;
        for (size_t j = 1; j <= b_length; ++j) {
            size_t substituted = previous[j - 1] + (a[i - 1] != b[j - 1]);
            current[j] = least(least(previous[j] + 1, current[j - 1] + 1), substituted);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                current[j] = least(current[j], before[j - 2] + 1);
        }
        size_t *free_row = before;
        before = previous;
        previous = current;
        current = free_row;
    }
    return previous[b_length];
}

const char *rt_suggest(const char *word, const char *const *candidates, size_t count)
{
    size_t length = strlen(word);
    if (length > LONGEST)
        return NULL;
    const char *nearest = NULL;
    size_t best = 3;
    for (size_t i = 0; i < count; ++i) {
        size_t candidate_length = strlen(candidates[i]);
        if (candidate_length > LONGEST)
            continue;
        size_t edits = distance(word, length, candidates[i], candidate_length);
        if (edits < best && 2 * edits < length) {
            best = edits;
            nearest = candidates[i];
        }
    }
    return nearest;
}
