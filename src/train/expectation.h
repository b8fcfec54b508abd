/* Whether a teacher from elsewhere does what the recipe expects: `expect: {top1: 66.4}`. */
#ifndef RETORT_TRAIN_EXPECTATION_H
#define RETORT_TRAIN_EXPECTATION_H

#include "recipe/recipe.h"
#include "train/data.h"

/* Fails where `top1`, in percent and measured on the test set, is further from the expected one than its tolerance.
 * The message says what usually is the cause, the likeliest first. */
rt_status rt_expectation_check(const rt_network_recipe *teacher, const rt_data_recipe *recipe, const rt_run_data *data,
                               double top1, rt_error *err);

#endif
