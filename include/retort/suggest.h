/* "did you mean": the nearest right spelling of a wrong word. */
#ifndef RETORT_SUGGEST_H
#define RETORT_SUGGEST_H

#include <stddef.h>

#include "retort/api.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The candidate nearest to `word` by Damerau-Levenshtein distance (optimal string alignment), or NULL where none is
 * near enough to be a likely slip: at most 2 edits, and fewer than half of the word's length. Ties go to the first. */
RT_API const char *rt_suggest(const char *word, const char *const *candidates, size_t count);

#ifdef __cplusplus
}
#endif
#endif
