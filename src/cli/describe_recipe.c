/* Every key of a recipe, from the same tables that read it. */
#include "cli/describe.h"
#include "recipe/recipe.h"

rt_status rt_describe_recipe(FILE *file, rt_error *err)
{
    fprintf(file,
            "A recipe is one YAML file, one experiment. `key.sub=value` on the command line overrides any key.\n");
    for (size_t i = 0; i < rt_recipe_section_count; ++i) {
        const rt_recipe_section *section = &rt_recipe_sections[i];
        fprintf(file, "\n%s: %s\n", *section->path ? section->path : "at the top", section->summary);
        RT_TRY(rt_describe_params(section->params, file, 2, err));
        if (section->more) {
            fprintf(file, section->params ? "  and besides:\n" : "");
            rt_describe_text(section->more, file, section->params ? 4 : 2);
        }
    }
    fprintf(file,
            "\nEach optimizer and schedule has settings of its own: `retort help optimizer/NAME`, `schedule/NAME`.\n");
    return RT_OK;
}
