#include "recipe/recipe.h"

#include <string.h>

#include "recipe/read.h"

static void read_recipe(rt_loading *loader, const rt_yaml *root)
{
    static const char *const sections[] = {"plugins", "data", "teacher", "student", "loss", "train", "sweep", NULL};
    static const struct {
        const char *name;
        bool always;
    } needed[] = {{"data", false}, {"student", true}, {"loss", true}, {"train", false}};
    rt_recipe *recipe = loader->recipe;
    const rt_scope scope = {NULL, {{rt_recipe_params_top, recipe}}, sections, false};
    loader->binder.lenient = loader->lenient;
    rt_bind(&loader->binder, root, &scope);
    for (size_t i = 0; i < sizeof needed / sizeof *needed; ++i)
        if ((needed[i].always || !loader->lenient) && rt_bind_is_missing(root, needed[i].name, &scope))
            rt_diagnostics_add(loader->binder.diagnostics, root->mark, "missing section '%s'", needed[i].name);

    recipe->sweep_mark = rt_read_mark(root, "sweep");
    if (!loader->passes_losses_over)
        rt_read_plugins(loader, rt_read_section(root, "plugins"));
    rt_read_data(loader, rt_read_map(loader, root, "data"), &recipe->data);
    rt_read_teachers(loader, rt_read_section(root, "teacher"));
    rt_read_train(loader, rt_read_map(loader, root, "train"), "train", &recipe->train);

    loader->binder.lenient = false;
    const rt_yaml *student = rt_read_map(loader, root, "student");
    if (student)
        rt_read_student(loader, student, &recipe->student);
    const rt_yaml *terms = rt_read_section(root, "loss");
    if (terms && !loader->passes_losses_over)
        rt_read_terms(loader, terms, rt_read_section(root, "teacher") ? NULL : "the recipe has no teacher",
                      &recipe->loss, &recipe->loss_count);
    rt_read_taps(loader, recipe->loss, recipe->loss_count, &recipe->student, recipe);
    rt_read_memos(loader);
}

rt_status rt_recipe_parse(const char *source, const char *text, size_t size, const char *const *overrides,
                          size_t override_count, rt_recipe_use use, rt_catalogue *catalogue, rt_recipe **recipe,
                          rt_diagnostics *diagnostics)
{
    *recipe = NULL;
    rt_owner *owner = rt_owner_new();
    rt_recipe *fresh = owner ? rt_owner_take(owner, 1, sizeof *fresh) : NULL;
    char *name = owner ? rt_owner_copy(owner, source, strlen(source)) : NULL;
    rt_status status = RT_ERROR_MEMORY;
    if (!fresh || !name)
        goto done;
    fresh->path = name;
    fresh->owner = owner;
    rt_loading loader = {.tree = {owner, diagnostics, 0},
                         .binder = {owner, diagnostics, false},
                         .recipe = fresh,
                         .catalogue = catalogue,
                         .lenient = use == RT_RECIPE_SYNTHETIC,
                         .passes_losses_over = use == RT_RECIPE_NETWORKS};
    size_t mistakes = diagnostics->mistakes;
    rt_yaml *root = rt_tree_parse(&loader.tree, text, size, (rt_origin){.source = name});
    if (root && rt_bind_is_map(&loader.binder, root, "the recipe")) {
        for (size_t i = 0; i < override_count; ++i)
            rt_tree_override(&loader.tree, root, overrides[i], (int)i + 1);
        read_recipe(&loader, root);
    }
    if (rt_owner_is_short(owner) || diagnostics->is_short)
        goto done;
    status = root && diagnostics->mistakes == mistakes ? RT_OK : RT_ERROR_USAGE;
done:
    if (status == RT_ERROR_MEMORY)
        diagnostics->is_short = true;
    if (status == RT_OK)
        *recipe = fresh;
    else
        rt_owner_free(owner);
    return status;
}

rt_status rt_recipe_load(const char *path, const char *const *overrides, size_t override_count, rt_recipe_use use,
                         rt_catalogue *catalogue, rt_recipe **recipe, rt_diagnostics *diagnostics)
{
    *recipe = NULL;
    rt_bytes bytes = {0};
    RT_TRY(rt_tree_read(path, &bytes, diagnostics));
    rt_status status = rt_recipe_parse(path, (const char *)bytes.data, bytes.size, overrides, override_count, use,
                                       catalogue, recipe, diagnostics);
    rt_bytes_free(&bytes);
    return status;
}

rt_status rt_recipe_load_networks(const char *path, const char *const *overrides, size_t override_count,
                                  rt_recipe **recipe, rt_error *err)
{
    rt_diagnostics diagnostics = {0};
    rt_status status = rt_recipe_load(path, overrides, override_count, RT_RECIPE_NETWORKS, NULL, recipe, &diagnostics);
    const rt_diagnostic *first = diagnostics.count ? &diagnostics.items[0] : NULL;
    if (status != RT_OK && first && first->mark.line > 0)
        rt_fail(err, status, "%s:%d:%d: %s", first->mark.source, first->mark.line, first->mark.column, first->message);
    else if (status != RT_OK)
        rt_fail(err, status, "%s", first ? first->message : "no memory for a recipe");
    rt_diagnostics_free(&diagnostics);
    return status;
}

void rt_recipe_free(rt_recipe *recipe)
{
    if (recipe)
        rt_owner_free(recipe->owner);
}

size_t rt_recipe_teachers(const rt_recipe *recipe)
{
    return recipe->teacher.present ? 1 + recipe->other_count : 0;
}

const rt_network_recipe *rt_recipe_teacher(const rt_recipe *recipe, size_t i)
{
    return i == 0 ? &recipe->teacher : &recipe->others[i - 1];
}
