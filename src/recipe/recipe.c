#include "recipe/recipe.h"

#include <string.h>

#include "base/file.h"
#include "losses/losses.h"
#include "recipe/choice.h"
#include "recipe/read.h"
#include "retort/suggest.h"

static void report(rt_loading *loader, rt_mark mark, const char *message)
{
    rt_diagnostics_add(loader->binder.diagnostics, mark, "%s", message);
}

static void read_network(rt_loading *loader, const rt_yaml *map, const char *where, const rt_param *common,
                         const char *const *sections, rt_network_recipe *network)
{
    const rt_yaml *name = rt_read_section(map, "model");
    const rt_param *params = NULL;
    network->present = true;
    network->mark = map->mark;
    if (name && name->kind == RT_YAML_SCALAR && !rt_yaml_is_empty(name)) {
        ptrdiff_t index = rt_choice_find(&loader->binder, &rt_choice_models, name->text, name->mark);
        network->family = index >= 0 ? rt_model_find(rt_choice_models.name_at(NULL, (size_t)index)) : NULL;
    }
    if (network->family) {
        params = network->family->params;
        network->settings = rt_owner_take(loader->tree.owner, 1, network->family->settings_size);
        if (!network->settings)
            return;
    }
    rt_bind(&loader->binder, map,
            &(rt_scope){where, {{common, network}, {params, network->settings}}, sections, !network->family});
    network->model_mark = rt_read_mark(map, "model");
    network->weights_mark = rt_read_mark(map, "weights");
    rt_read_path(loader, network->weights, network->weights_mark, "weights");
}

/* A file's name ends in .memo, so that a slip of "auto" does not become one. */
static void check_memo(rt_loading *loader, const rt_yaml *node)
{
    static const char *const words[] = {"auto", "off"};
    const char ending[] = ".memo";
    const char *word = node && node->kind == RT_YAML_SCALAR ? node->text : NULL;
    size_t length = word ? strlen(word) : 0;
    if (!word || rt_yaml_is_empty(node) || strcmp(word, words[0]) == 0 || strcmp(word, words[1]) == 0 ||
        (length > strlen(ending) && strcmp(word + length - strlen(ending), ending) == 0))
        return;
    const char *nearest = rt_suggest(word, words, sizeof words / sizeof *words);
    rt_diagnostics_add(loader->binder.diagnostics, node->mark,
                       "'memo' is %s; it must be auto, off or a file whose name ends in .memo%s%s%s",
                       rt_yaml_show(node).text, nearest ? "; did you mean '" : "", nearest ? nearest : "",
                       nearest ? "'?" : "");
}

static void read_teacher(rt_loading *loader, const rt_yaml *map, rt_network_recipe *teacher)
{
    static const char *const sections[] = {"train", "loss", NULL};
    read_network(loader, map, "teacher", rt_recipe_params_teacher, sections, teacher);
    check_memo(loader, rt_read_section(map, "memo"));
    const rt_yaml *train = rt_read_map(loader, map, "train");
    const rt_yaml *terms = rt_read_section(map, "loss");
    teacher->train_present = train != NULL;
    if (rt_read_section(map, "train") && rt_read_section(map, "weights"))
        report(loader, rt_read_mark(map, "train"), "the teacher has 'weights' and 'train'; it takes one of them");
    else if (!rt_read_section(map, "train") && !rt_read_section(map, "weights") && !loader->lenient)
        report(loader, map->mark, "the teacher has neither 'weights' nor 'train'; it takes one of them");
    if (train)
        rt_read_train(loader, train, "teacher.train", &teacher->train);
    if (terms && !rt_read_section(map, "train"))
        report(loader, rt_yaml_find(map, "loss")->key_mark, "'loss' in teacher is of use beside 'train' alone");

    const rt_yaml usual = {.kind = RT_YAML_SCALAR, .text = "cross_entropy"};
    rt_yaml_entry only = {.value = (rt_yaml *)&usual};
    const rt_yaml usual_terms = {.kind = RT_YAML_LIST, .entries = &only, .count = 1};
    if ((terms || train) && !loader->passes_losses_over)
        rt_read_terms(loader, terms ? terms : &usual_terms, "the teacher is trained without a teacher", &teacher->loss,
                      &teacher->loss_count);
    rt_read_taps(loader, teacher->loss, teacher->loss_count, teacher, NULL);
}

/* A memo holds logits alone. */
static void note_features(rt_loading *loader, const rt_yaml *memo)
{
    rt_recipe *recipe = loader->recipe;
    for (size_t i = 0; i < recipe->loss_count && !recipe->teacher.features_for; ++i) {
        const rt_loss *loss = recipe->loss[i].loss;
        if (loss && rt_loss_port(loss, "teacher.features"))
            recipe->teacher.features_for = loss->name;
    }
    const char *word = recipe->teacher.memo;
    if (recipe->teacher.features_for && memo && word && strcmp(word, "auto") != 0 && strcmp(word, "off") != 0)
        rt_diagnostics_add(loader->binder.diagnostics, memo->mark,
                           "'memo' in teacher is '%s', but loss '%s' reads the teacher's features, which a memo does "
                           "not hold; it must be auto or off",
                           word, recipe->teacher.features_for);
}

static void read_recipe(rt_loading *loader, const rt_yaml *root)
{
    static const char *const sections[] = {"plugins", "data", "teacher", "student", "loss", "train", NULL};
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

    if (!loader->passes_losses_over)
        rt_read_plugins(loader, rt_read_section(root, "plugins"));
    rt_read_data(loader, rt_read_map(loader, root, "data"), &recipe->data);
    const rt_yaml *teacher = rt_read_map(loader, root, "teacher");
    if (teacher)
        read_teacher(loader, teacher, &recipe->teacher);
    rt_read_train(loader, rt_read_map(loader, root, "train"), "train", &recipe->train);

    loader->binder.lenient = false;
    const rt_yaml *student = rt_read_map(loader, root, "student");
    if (student)
        read_network(loader, student, "student", rt_recipe_params_student, NULL, &recipe->student);
    const rt_yaml *terms = rt_read_section(root, "loss");
    if (terms && !loader->passes_losses_over)
        rt_read_terms(loader, terms, rt_read_section(root, "teacher") ? NULL : "the recipe has no teacher",
                      &recipe->loss, &recipe->loss_count);
    rt_read_taps(loader, recipe->loss, recipe->loss_count, &recipe->student,
                 recipe->teacher.present ? &recipe->teacher : NULL);
    note_features(loader, teacher ? rt_read_section(teacher, "memo") : NULL);
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
    rt_error err = {0};
    rt_bytes bytes = {0};
    rt_status status = rt_file_read(path, RT_TREE_MAX_BYTES, &bytes, &err);
    if (status != RT_OK) {
        rt_diagnostics_add(diagnostics, (rt_mark){0}, "%s", err.message);
        return status;
    }
    status = rt_recipe_parse(path, (const char *)bytes.data, bytes.size, overrides, override_count, use, catalogue,
                             recipe, diagnostics);
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
