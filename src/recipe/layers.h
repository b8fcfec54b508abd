/* Networks of one's own in a recipe, checked against the images that they are for. */
#ifndef RETORT_RECIPE_LAYERS_H
#define RETORT_RECIPE_LAYERS_H

#include "recipe/recipe.h"

/* Every layer of student and teachers that does not fit such images, each at its place in the recipe. */
void rt_recipe_check_layers(const rt_recipe *recipe, const rt_model_input *input, rt_diagnostics *diagnostics);

/* The same as one error, of as many lines as there are mistakes, or as there is room for. */
rt_status rt_recipe_refuse_layers(const rt_recipe *recipe, const rt_model_input *input, rt_error *err);

/* The classes that the student tells apart where it is a network of one's own; `otherwise` where it is another, which
 * makes as many logits as it is asked for. */
size_t rt_recipe_classes(const rt_recipe *recipe, size_t otherwise);

#endif
