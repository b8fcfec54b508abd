/* The weight of a loss term over a training's epochs: from which to which it counts, its warm-up and its schedule. */
#ifndef RETORT_TRAIN_TERM_WEIGHT_H
#define RETORT_TRAIN_TERM_WEIGHT_H

#include "recipe/recipe.h"

/* Whether the term counts in an epoch, from 1: from `start` to `stop`, both included. */
bool rt_term_counts(const rt_loss_recipe *term, int64_t epoch);

/* Its weight in such an epoch of a training of `epochs`; 0 in any other. Between its first and its last epoch it goes
 * from `weight` to `final_weight` as the schedule says, times min(1, n / warmup) in its n-th one, from 1. */
double rt_term_weight(const rt_loss_recipe *term, int64_t epoch, int64_t epochs);

#endif
