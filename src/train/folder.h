/* Run folders. */
#ifndef RETORT_TRAIN_FOLDER_H
#define RETORT_TRAIN_FOLDER_H

#include "recipe/recipe.h"

/* Makes the folder of a new run: `out` if it is given, which must not exist or be empty; otherwise the first free
 * one of runs/NAME, runs/NAME-2, ... where NAME is the recipe's file name without its ending. *folder is allocated. */
rt_status rt_run_folder_make(const char *out, const char *recipe_path, char **folder, rt_error *err);

/* Writes the resolved recipe into a run's folder, as recipe.yaml. */
rt_status rt_run_folder_recipe(const char *folder, const rt_recipe *recipe, rt_error *err);

#endif
