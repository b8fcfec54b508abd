#include <string.h>

#include "losses/losses.h"
#include "models/own_network.h"
#include "recipe/choice.h"
#include "recipe/read.h"
#include "retort/suggest.h"

static void report(rt_loading *loader, rt_mark mark, const char *message)
{
    rt_diagnostics_add(loader->binder.diagnostics, mark, "%s", message);
}

/* The family that `model` names. */
static const rt_model_family *find_family(rt_loading *loader, const rt_yaml *name)
{
    const char *own = rt_model_family_layers.name;
    if (strcmp(name->text, own) == 0) {
        rt_diagnostics_add(loader->binder.diagnostics, name->mark,
                           "'model' is '%s'; a network of your own is model: {%s: [...]}", own, own);
        return NULL;
    }
    const ptrdiff_t index = rt_choice_find(&loader->binder, &rt_choice_models, name->text, name->mark);
    return index >= 0 ? rt_model_find(rt_choice_models.name_at(NULL, (size_t)index)) : NULL;
}

/* A network of one's own, and its section with the family's name where the layers stood. */
static rt_yaml read_own(rt_loading *loader, const rt_yaml *map, const rt_yaml *model, rt_network_recipe *network)
{
    rt_yaml named = *map;
    rt_layers_settings *settings = rt_owner_take(loader->tree.owner, 1, sizeof *settings);
    rt_yaml *name = rt_owner_take(loader->tree.owner, 1, sizeof *name);
    rt_yaml_entry *entries = rt_owner_take(loader->tree.owner, map->count, sizeof *entries);
    if (!settings || !name || !entries)
        return named;
    memcpy(entries, map->entries, map->count * sizeof *entries);
    *name = (rt_yaml){.kind = RT_YAML_SCALAR, .mark = model->mark, .text = rt_model_family_layers.name};
    for (size_t i = 0; i < map->count; ++i)
        if (entries[i].value == model)
            entries[i].value = name;
    named.entries = entries;
    settings->layers = rt_read_layers(loader, model, network);
    network->family = &rt_model_family_layers;
    network->settings = settings;
    return named;
}

static void read_network(rt_loading *loader, const rt_yaml *map, const char *where, const rt_param *common,
                         const char *const *sections, rt_network_recipe *network)
{
    const rt_yaml *name = rt_read_section(map, "model");
    const rt_param *params = NULL;
    network->present = true;
    network->mark = map->mark;
    rt_yaml named;
    if (name && name->kind == RT_YAML_MAP) {
        named = read_own(loader, map, name, network);
        map = &named;
    } else if (name && name->kind == RT_YAML_SCALAR && !rt_yaml_is_empty(name)) {
        network->family = find_family(loader, name);
    }
    if (network->family && !network->settings) {
        params = network->family->params;
        network->settings = rt_owner_take(loader->tree.owner, 1, network->family->settings_size);
        if (!network->settings)
            return;
    }
    rt_bind(&loader->binder, map,
            &(rt_scope){
                where, {{common, network}, {params, params ? network->settings : NULL}}, sections, !network->family});
    network->model_mark = rt_read_mark(map, "model");
    network->weights_mark = rt_read_mark(map, "weights");
    rt_read_path(loader, network->weights, network->weights_mark, "weights");
}

/* Some settings are about weights that are read. */
static void check_beside_weights(rt_loading *loader, const rt_yaml *map, const char *where, const char *key)
{
    if (rt_read_section(map, key) && !rt_read_section(map, "weights"))
        rt_diagnostics_add(loader->binder.diagnostics, rt_yaml_find(map, key)->key_mark,
                           "'%s' in %s is of use beside 'weights' alone", key, where);
}

static void read_renames(rt_loading *loader, const rt_yaml *map, const char *where, rt_network_recipe *network)
{
    const rt_yaml *list = rt_read_map(loader, map, "rename");
    check_beside_weights(loader, map, where, "rename");
    rt_rename *renames = list ? rt_owner_take(loader->tree.owner, list->count + 1, sizeof *renames) : NULL;
    for (size_t i = 0; renames && i < list->count; ++i) {
        const rt_yaml *to = list->entries[i].value;
        if (to->kind == RT_YAML_SCALAR && !rt_yaml_is_empty(to))
            renames[network->rename_count++] = (rt_rename){list->entries[i].key, to->text};
        else if (to->kind != RT_YAML_INVALID)
            report(loader, to->mark,
                   "what 'rename' puts in place of the beginning of a name must be text; \"\" drops it");
    }
    network->renames = renames;
}

static void read_expectation(rt_loading *loader, const rt_yaml *map, rt_network_recipe *teacher)
{
    const rt_yaml *expect = rt_read_map(loader, map, "expect");
    check_beside_weights(loader, map, "teacher", "expect");
    teacher->expected = expect != NULL;
    if (expect)
        rt_bind(&loader->binder, expect,
                &(rt_scope){"teacher.expect", {{rt_recipe_params_expect, &teacher->expect}}, NULL, false});
}

void rt_read_student(rt_loading *loader, const rt_yaml *map, rt_network_recipe *student)
{
    static const char *const sections[] = {"rename", NULL};
    read_network(loader, map, "student", rt_recipe_params_student, sections, student);
    read_renames(loader, map, "student", student);
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
    static const char *const sections[] = {"train", "loss", "rename", "expect", NULL};
    read_network(loader, map, "teacher", rt_recipe_params_teacher, sections, teacher);
    read_renames(loader, map, "teacher", teacher);
    read_expectation(loader, map, teacher);
    check_memo(loader, rt_read_section(map, "memo"));
    teacher->memo_mark = rt_read_mark(map, "memo");
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

/* A list of teachers: the first, and the others. */
static void read_list(rt_loading *loader, const rt_yaml *list)
{
    rt_recipe *recipe = loader->recipe;
    double weights = 0.0;
    bool good = true;
    if (list->count < 1 || list->count > RT_MAX_TEACHERS) {
        rt_diagnostics_add(loader->binder.diagnostics, list->mark, "'teacher' is a list of %zu; it must have 1 to %d",
                           list->count, RT_MAX_TEACHERS);
        return;
    }
    recipe->others = rt_owner_take(loader->tree.owner, list->count, sizeof *recipe->others);
    for (size_t i = 0; recipe->others && i < list->count; ++i) {
        const rt_yaml *map = list->entries[i].value;
        rt_network_recipe *teacher = i == 0 ? &recipe->teacher : &recipe->others[i - 1];
        good &= rt_bind_is_map(&loader->binder, map, "a teacher");
        if (map->kind == RT_YAML_MAP)
            read_teacher(loader, map, teacher);
        weights += teacher->weight;
    }
    recipe->other_count = recipe->others ? list->count - 1 : 0;
    if (good && !(weights > 0.0))
        report(loader, list->mark, "the teachers' weights are all 0; one of them must be more");
}

void rt_read_teachers(rt_loading *loader, const rt_yaml *node)
{
    if (!node)
        return;
    if (node->kind == RT_YAML_LIST)
        read_list(loader, node);
    else if (rt_bind_is_map(&loader->binder, node, "'teacher'"))
        read_teacher(loader, node, &loader->recipe->teacher);
}

/* A memo holds logits alone. */
void rt_read_memos(rt_loading *loader)
{
    rt_recipe *recipe = loader->recipe;
    for (size_t i = 0; i < recipe->loss_count; ++i) {
        const rt_loss_recipe *term = &recipe->loss[i];
        size_t number = term->teacher_number > 0 ? (size_t)term->teacher_number : 0;
        if (!term->loss || !rt_loss_port(term->loss, "teacher.features") || number >= rt_recipe_teachers(recipe))
            continue;
        rt_network_recipe *teacher = number == 0 ? &recipe->teacher : &recipe->others[number - 1];
        const char *word = teacher->memo;
        if (teacher->features_for)
            continue;
        teacher->features_for = term->loss->name;
        if (teacher->memo_mark.line > 0 && word && strcmp(word, "auto") != 0 && strcmp(word, "off") != 0)
            rt_diagnostics_add(
                loader->binder.diagnostics, teacher->memo_mark,
                "'memo' in teacher is '%s', but loss '%s' reads the teacher's features, which a memo does "
                "not hold; it must be auto or off",
                word, term->loss->name);
    }
}
