/* The precisions that a recipe asks for, on this CPU. */
#ifndef RETORT_TRAIN_PRECISIONS_H
#define RETORT_TRAIN_PRECISIONS_H

#include "recipe/recipe.h"

/* RT_ERROR_USAGE for the first that the CPU could only emulate. */
rt_status rt_recipe_check_precisions(const rt_recipe *recipe, rt_error *err);

#endif
