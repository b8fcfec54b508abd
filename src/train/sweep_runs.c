#include "train/sweep_runs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/file.h"

/* Some runs that share batches and teacher, in the form that a pipeline wants. */
struct rt_sweep_group {
    const rt_recipe **recipes;
    const char **folders, **labels;
    rt_sweep_run **runs;
    rt_outcome *outcomes; /* RT_STUDENT_OUTCOME more than there are runs */
    size_t count;
    rt_pipeline pipeline; /* zeroed until it is open */
};

static void close_group(rt_sweep_group *group)
{
    if (!group)
        return;
    rt_pipeline_close(&group->pipeline);
    free(group->recipes);
    free(group->folders);
    free(group->labels);
    free(group->runs);
    free(group->outcomes);
    free(group);
}

/* The group of which `first` is the first. */
static rt_status list_group(const rt_sweep_runs *runs, size_t first, rt_sweep_group **listed, rt_error *err)
{
    const size_t most = runs->count;
    rt_sweep_group *group = *listed = calloc(1, sizeof *group);
    if (!group)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for %zu runs", most);
    *group = (rt_sweep_group){.recipes = malloc(most * sizeof *group->recipes),
                              .folders = malloc(most * sizeof *group->folders),
                              .labels = malloc(most * sizeof *group->labels),
                              .runs = malloc(most * sizeof *group->runs),
                              .outcomes = malloc((RT_STUDENT_OUTCOME + most) * sizeof *group->outcomes)};
    if (!group->recipes || !group->folders || !group->labels || !group->runs || !group->outcomes)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for %zu runs", most);
    for (size_t i = first; i < runs->count; ++i) {
        rt_sweep_run *run = &runs->runs[i];
        if (run->group != first)
            continue;
        group->recipes[group->count] = run->recipe;
        group->labels[group->count] = run->name;
        group->runs[group->count++] = run;
    }
    return RT_OK;
}

static rt_status open_group(rt_sweep_group *group, rt_engine *engine, rt_error *err)
{
    return rt_pipeline_open(&group->pipeline, engine, group->recipes, group->count, err);
}

/* Reads the results of a group in which nothing is left to do. */
static rt_status read_results(const rt_sweep_group *group, bool *finished, rt_error *err)
{
    *finished = true;
    for (size_t i = 0; i < group->count && *finished; ++i) {
        char *result = rt_path_join(group->runs[i]->folder, "result.json");
        if (!result)
            return rt_fail(err, RT_ERROR_MEMORY, "no memory for file names");
        *finished = rt_path_exists(result);
        rt_status status = RT_OK;
        if (*finished)
            status = rt_outcome_read(result, &group->runs[i]->outcome.training, err);
        free(result);
        RT_TRY(status);
    }
    return RT_OK;
}

static rt_status train_group(rt_sweep_group *group, const rt_sweep_setting *setting, const char *folder, rt_error *err)
{
    for (size_t i = 0; i < group->count; ++i)
        group->folders[i] = group->runs[i]->folder;
    rt_status status = rt_pipeline_run(&group->pipeline,
                                       &(rt_pipeline_job){.folder = folder,
                                                          .folders = group->folders,
                                                          .labels = group->labels,
                                                          .together = setting->together,
                                                          .tolerant = true,
                                                          .passes_teachers_over = true,
                                                          .resume = setting->resume,
                                                          .stop = setting->stop},
                                       group->outcomes, err);
    for (size_t i = 0; i < group->count && status == RT_OK; ++i)
        group->runs[i]->outcome = group->outcomes[RT_STUDENT_OUTCOME + i];
    return status;
}

/* A group that is listed, from wherever it stands. */
static rt_status finish_group(const rt_sweep_runs *runs, size_t first, rt_sweep_group *group,
                              const rt_sweep_setting *setting, rt_error *err)
{
    bool finished = false;
    char name[32];
    if (setting->resume)
        RT_TRY(read_results(group, &finished, err));
    if (finished)
        return RT_OK;
    if (!group->pipeline.engine)
        RT_TRY(open_group(group, setting->engine, err));
    /* Teachers that are trained are the group's, and lie in a folder of its own where there are several groups. */
    snprintf(name, sizeof name, "shared-%zu", first + 1);
    char *folder = group->count == runs->count ? strdup(runs->folder) : rt_path_join(runs->folder, name);
    rt_status status = folder ? train_group(group, setting, folder, err)
                              : rt_fail(err, RT_ERROR_MEMORY, "no memory for the name of a folder");
    free(folder);
    return status;
}

static rt_status run_group(rt_sweep_runs *runs, size_t first, const rt_sweep_setting *setting, rt_error *err)
{
    rt_sweep_group *group = runs->runs[first].opened;
    runs->runs[first].opened = NULL;
    rt_status status = group ? RT_OK : list_group(runs, first, &group, err);
    if (status == RT_OK)
        status = finish_group(runs, first, group, setting, err);
    close_group(group);
    return status;
}

rt_status rt_sweep_runs_train(rt_sweep_runs *runs, const rt_sweep_setting *setting, rt_error *err)
{
    for (size_t i = 0; i < runs->count; ++i)
        if (runs->runs[i].group == i)
            RT_TRY(run_group(runs, i, setting, err));
    return RT_OK;
}

rt_status rt_sweep_runs_try(rt_sweep_runs *runs, rt_engine *engine, rt_error *err)
{
    /* What waits for its turn must leave room for what is trained. */
    const size_t enough = rt_available_memory() / 4 * 3;
    for (size_t i = 0; i < runs->count; ++i) {
        rt_sweep_group *group;
        if (runs->runs[i].group != i)
            continue;
        rt_status status = list_group(runs, i, &group, err);
        if (status == RT_OK)
            status = open_group(group, engine, err);
        if (status == RT_OK && (i == 0 || rt_available_memory() >= enough))
            runs->runs[i].opened = group;
        else
            close_group(group);
        RT_TRY(status);
    }
    return RT_OK;
}

void rt_sweep_runs_release(rt_sweep_runs *runs)
{
    for (size_t i = 0; i < runs->count; ++i) {
        close_group(runs->runs[i].opened);
        runs->runs[i].opened = NULL;
    }
}
