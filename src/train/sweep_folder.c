/* A sweep's folder: what is in it, and how it is read again. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "train/folder.h"
#include "train/sweep_runs.h"

static rt_status make_room(rt_sweep_runs *runs, size_t key_count, size_t count)
{
    *runs = (rt_sweep_runs){.keys = calloc(key_count, sizeof *runs->keys),
                            .key_count = key_count,
                            .runs = calloc(count, sizeof *runs->runs),
                            .count = count};
    if (!runs->keys || !runs->runs) {
        runs->key_count = runs->count = 0;
        return RT_ERROR_MEMORY;
    }
    for (size_t i = 0; i < count; ++i) {
        runs->runs[i].values = calloc(key_count, sizeof *runs->runs[i].values);
        if (!runs->runs[i].values)
            return RT_ERROR_MEMORY;
    }
    return RT_OK;
}

/* The groups of runs that share batches and teacher. */
static rt_status group_runs(rt_sweep_runs *runs)
{
    rt_status status = RT_OK;
    char **texts = calloc(runs->count, sizeof *texts);
    for (size_t i = 0; i < runs->count && status == RT_OK; ++i) {
        rt_sweep_run *run = &runs->runs[i];
        char *text = texts ? rt_recipe_batches(run->recipe, runs->runs[0].recipe) : NULL;
        status = text ? RT_OK : RT_ERROR_MEMORY;
        run->group = 0;
        while (text && run->group < i && (!texts[run->group] || strcmp(texts[run->group], text) != 0))
            ++run->group;
        if (texts && run->group == i)
            texts[i] = text; /* of the first of a group alone */
        else
            free(text);
    }
    for (size_t i = 0; texts && i < runs->count; ++i)
        free(texts[i]);
    free(texts);
    return status;
}

bool rt_sweep_compares(const rt_sweep_runs *runs, size_t k)
{
    return strcmp(runs->keys[k], "seed") != 0;
}

/* What cannot be varied by one program on the same threads, or is meant otherwise. */
static void refuse_some(const rt_recipe *first, const rt_recipe *recipe, rt_diagnostics *diagnostics)
{
    const rt_mark mark = {.source = first->path};
    if (recipe->threads != first->threads)
        rt_diagnostics_add(diagnostics, mark, "threads cannot vary within a sweep");
    if (recipe->baseline)
        rt_diagnostics_add(diagnostics, mark,
                           "a sweep has no baseline; give the loss [cross_entropy] as one of the values of 'loss'");
}

rt_status rt_sweep_runs_new(const rt_sweep *sweep, const char *const *overrides, size_t override_count,
                            rt_catalogue *catalogue, rt_sweep_runs *runs, rt_diagnostics *diagnostics)
{
    const size_t mistakes = diagnostics->mistakes;
    bool is_short = make_room(runs, sweep->key_count, sweep->run_count) != RT_OK;
    for (size_t k = 0; k < runs->key_count; ++k) {
        runs->keys[k] = strdup(sweep->keys[k].key);
        is_short |= !runs->keys[k];
    }
    for (size_t i = 0; i < runs->count && !is_short; ++i) {
        rt_sweep_run *run = &runs->runs[i];
        run->name = rt_sweep_name(sweep, i);
        is_short |= !run->name;
        for (size_t k = 0; k < runs->key_count; ++k) {
            run->values[k] = strdup(rt_sweep_value_of(sweep, i, k)->name);
            is_short |= !run->values[k];
        }
        rt_status status = rt_sweep_load(sweep, i, overrides, override_count, catalogue, &run->recipe, diagnostics);
        if (status == RT_OK)
            refuse_some(runs->runs[0].recipe ? runs->runs[0].recipe : run->recipe, run->recipe, diagnostics);
    }
    if (!is_short && !diagnostics->is_short && diagnostics->mistakes == mistakes)
        is_short = group_runs(runs) != RT_OK;
    diagnostics->is_short |= is_short;
    if (!diagnostics->is_short && diagnostics->mistakes == mistakes)
        return RT_OK;
    rt_sweep_runs_close(runs);
    return diagnostics->is_short ? RT_ERROR_MEMORY : RT_ERROR_USAGE;
}

void rt_sweep_runs_close(rt_sweep_runs *runs)
{
    for (size_t i = 0; i < runs->count; ++i) {
        rt_sweep_run *run = &runs->runs[i];
        for (size_t k = 0; run->values && k < runs->key_count; ++k)
            free(run->values[k]);
        free(run->values);
        free(run->name);
        free(run->folder);
        rt_recipe_free(run->recipe);
    }
    for (size_t k = 0; k < runs->key_count; ++k)
        free(runs->keys[k]);
    free(runs->keys);
    free(runs->runs);
    free(runs->folder);
    *runs = (rt_sweep_runs){0};
}

static rt_status write_manifest(const rt_sweep_runs *runs, const char *path, rt_error *err)
{
    json_t *keys = json_array(), *list = json_array();
    for (size_t k = 0; k < runs->key_count; ++k)
        json_array_append_new(keys, json_string(runs->keys[k]));
    for (size_t i = 0; i < runs->count; ++i) {
        json_t *values = json_array();
        for (size_t k = 0; k < runs->key_count; ++k)
            json_array_append_new(values, json_string(runs->runs[i].values[k]));
        json_array_append_new(list, json_pack("{s:s, s:o}", "folder", runs->runs[i].name, "values", values));
    }
    json_t *root = json_pack("{s:o, s:o}", "keys", keys, "runs", list);
    char *text = root ? json_dumps(root, JSON_INDENT(2)) : NULL;
    json_decref(root);
    if (!text)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for '%s'", path);
    rt_status status = rt_file_write(path, (const rt_piece[]){{text, strlen(text)}, {"\n", 1}}, 2, err);
    free(text);
    return status;
}

/* The manifest comes last: a folder with one has all recipes. */
rt_status rt_sweep_runs_place(rt_sweep_runs *runs, const char *folder, rt_error *err)
{
    char *manifest = rt_path_join(folder, "sweep.json");
    runs->folder = strdup(folder);
    rt_status status =
        manifest && runs->folder ? RT_OK : rt_fail(err, RT_ERROR_MEMORY, "no memory for the names of folders");
    for (size_t i = 0; i < runs->count && status == RT_OK; ++i) {
        rt_sweep_run *run = &runs->runs[i];
        run->folder = rt_path_join(folder, run->name);
        status = run->folder ? rt_folder_make(run->folder, err)
                             : rt_fail(err, RT_ERROR_MEMORY, "no memory for the names of folders");
        if (status == RT_OK)
            status = rt_run_folder_recipe(run->folder, run->recipe, err);
    }
    if (status == RT_OK)
        status = write_manifest(runs, manifest, err);
    free(manifest);
    return status;
}

/* A name that stays within the folder. */
static bool is_name(const char *name)
{
    return name[0] && name[0] != '.' && !strchr(name, '/');
}

static rt_status read_run(const json_t *entry, size_t key_count, const char *folder, rt_sweep_run *run, rt_error *err)
{
    const char *name = json_string_value(json_object_get(entry, "folder"));
    const json_t *values = json_object_get(entry, "values");
    if (!name || !is_name(name) || json_array_size(values) != key_count)
        return rt_fail(err, RT_ERROR_FORMAT, "'%s/sweep.json' is not of a sweep: a run lacks folder or values", folder);
    run->name = strdup(name);
    run->folder = rt_path_join(folder, name);
    bool is_short = !run->name || !run->folder;
    for (size_t k = 0; k < key_count; ++k) {
        const char *value = json_string_value(json_array_get(values, k));
        run->values[k] = strdup(value ? value : "");
        is_short |= !run->values[k];
    }
    return is_short ? rt_fail(err, RT_ERROR_MEMORY, "no memory for the runs of a sweep") : RT_OK;
}

static rt_status read_manifest(const char *folder, const json_t *root, rt_sweep_runs *runs, rt_error *err)
{
    const json_t *keys = json_object_get(root, "keys"), *list = json_object_get(root, "runs");
    if (json_array_size(keys) == 0 || json_array_size(keys) > RT_SWEEP_MAX_KEYS || json_array_size(list) == 0 ||
        json_array_size(list) > RT_SWEEP_MAX_RUNS)
        return rt_fail(err, RT_ERROR_FORMAT, "'%s/sweep.json' is not of a sweep: it lacks keys or runs", folder);
    if (make_room(runs, json_array_size(keys), json_array_size(list)) != RT_OK)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for the runs of a sweep");
    runs->folder = strdup(folder);
    bool is_short = !runs->folder;
    for (size_t k = 0; k < runs->key_count; ++k) {
        const char *key = json_string_value(json_array_get(keys, k));
        runs->keys[k] = strdup(key ? key : "");
        is_short |= !runs->keys[k];
    }
    for (size_t i = 0; i < runs->count; ++i)
        RT_TRY(read_run(json_array_get(list, i), runs->key_count, folder, &runs->runs[i], err));
    return is_short ? rt_fail(err, RT_ERROR_MEMORY, "no memory for the runs of a sweep") : RT_OK;
}

rt_status rt_sweep_runs_open(const char *folder, rt_catalogue *catalogue, rt_sweep_runs *runs,
                             rt_diagnostics *diagnostics)
{
    rt_error err = {0};
    json_error_t problem;
    char *path = rt_path_join(folder, "sweep.json");
    json_t *root = path ? json_load_file(path, JSON_REJECT_DUPLICATES, &problem) : NULL;
    *runs = (rt_sweep_runs){0};
    rt_status status = root ? read_manifest(folder, root, runs, &err) : RT_ERROR_FORMAT;
    if (!path)
        status = rt_fail(&err, RT_ERROR_MEMORY, "no memory for a file name");
    else if (!root)
        rt_fail(&err, status, "%s: %s", path, problem.text);
    if (status != RT_OK)
        rt_diagnostics_add(diagnostics, (rt_mark){0}, "%s", err.message);
    json_decref(root);
    free(path);
    for (size_t i = 0; status == RT_OK && i < runs->count; ++i) {
        char *recipe = rt_path_join(runs->runs[i].folder, "recipe.yaml");
        status = recipe
                     ? rt_recipe_load(recipe, NULL, 0, RT_RECIPE_TRAIN, catalogue, &runs->runs[i].recipe, diagnostics)
                     : RT_ERROR_MEMORY;
        free(recipe);
    }
    if (status == RT_OK)
        status = group_runs(runs);
    diagnostics->is_short |= status == RT_ERROR_MEMORY;
    if (status != RT_OK)
        rt_sweep_runs_close(runs);
    return status;
}
