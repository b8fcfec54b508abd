/* Whether a teacher from elsewhere does what the recipe expects: `expect: {top1: 66.4}`. */
#ifndef RETORT_TRAIN_EXPECTATION_H
#define RETORT_TRAIN_EXPECTATION_H

#include "recipe/recipe.h"
#include "train/data.h"

/* How far top-1 of `images` of the test images, spread evenly over them, may be off by chance: three standard
 * deviations of what was drawn without putting back, in points. 0 for all of them. */
double rt_expectation_chance(const rt_expect_recipe *expect, size_t images, size_t test_images);

/* Fails where `top1`, in percent and measured on so many images of the test set, is further from the expected one than
 * its tolerance and chance. The message says what usually is the cause, the likeliest first. */
rt_status rt_expectation_check(const rt_network_recipe *teacher, const rt_data_recipe *recipe, const rt_run_data *data,
                               double top1, size_t images, rt_error *err);

#endif
