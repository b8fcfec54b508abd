/* A short text that names a run: the same resolved recipe gives the same text. */
#ifndef RETORT_TRAIN_FINGERPRINT_H
#define RETORT_TRAIN_FINGERPRINT_H

#include "recipe/recipe.h"

enum { RT_FINGERPRINT_CAPACITY = 40 };

/* XXH3-128 of the resolved recipe, in hexadecimal. */
rt_status rt_fingerprint(const rt_recipe *recipe, char text[RT_FINGERPRINT_CAPACITY], rt_error *err);

#endif
