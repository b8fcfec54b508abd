/* Recipes for tests of what runs them. */
#ifndef RETORT_TESTS_UNIT_RECIPE_TEXT_H
#define RETORT_TESTS_UNIT_RECIPE_TEXT_H

#include <stdio.h>
#include <string.h>

#include "recipe/recipe.h"

/* The recipe of a YAML text that must be right; free with rt_recipe_free(). */
static inline rt_recipe *recipe_of(const char *text)
{
    rt_recipe *recipe = NULL;
    rt_diagnostics diagnostics = {0};
    if (rt_recipe_parse("test.yaml", text, strlen(text), NULL, 0, RT_RECIPE_TRAIN, NULL, &recipe, &diagnostics) !=
        RT_OK)
        rt_diagnostics_print(&diagnostics, stderr);
    rt_diagnostics_free(&diagnostics);
    assert_non_null(recipe);
    return recipe;
}

#endif
