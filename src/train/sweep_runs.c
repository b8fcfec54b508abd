#include "train/sweep_runs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

/* Some runs that share batches and teacher, in the form that a pipeline wants. */
struct group {
    const rt_recipe **recipes;
    const char **folders, **labels;
    rt_sweep_run **runs;
    rt_outcome *outcomes; /* RT_STUDENT_OUTCOME more than there are runs */
    size_t count;
};

static void close_group(struct group *group)
{
    free(group->recipes);
    free(group->folders);
    free(group->labels);
    free(group->runs);
    free(group->outcomes);
}

/* The group of which `first` is the first. */
static rt_status open_group(const rt_sweep_runs *runs, size_t first, struct group *group, rt_error *err)
{
    const size_t most = runs->count;
    *group = (struct group){.recipes = malloc(most * sizeof *group->recipes),
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
        group->folders[group->count] = run->folder;
        group->labels[group->count] = run->name;
        group->runs[group->count++] = run;
    }
    return RT_OK;
}

/* Reads the results of a group in which nothing is left to do. */
static rt_status read_results(const struct group *group, bool *finished, rt_error *err)
{
    *finished = true;
    for (size_t i = 0; i < group->count && *finished; ++i) {
        char *result = rt_path_join(group->folders[i], "result.json");
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

static rt_status train_group(const struct group *group, const rt_sweep_setting *setting, const char *folder,
                             rt_error *err)
{
    rt_pipeline pipeline = {0};
    RT_TRY(rt_pipeline_open(&pipeline, setting->engine, group->recipes, group->count, err));
    rt_status status = rt_pipeline_run(&pipeline,
                                       &(rt_pipeline_job){.folder = folder,
                                                          .folders = group->folders,
                                                          .labels = group->labels,
                                                          .together = setting->together,
                                                          .tolerant = true,
                                                          .passes_teachers_over = true,
                                                          .resume = setting->resume,
                                                          .stop = setting->stop},
                                       group->outcomes, err);
    rt_pipeline_close(&pipeline);
    for (size_t i = 0; i < group->count && status == RT_OK; ++i)
        group->runs[i]->outcome = group->outcomes[RT_STUDENT_OUTCOME + i];
    return status;
}

static rt_status run_group(const rt_sweep_runs *runs, size_t first, const rt_sweep_setting *setting, rt_error *err)
{
    struct group group;
    bool finished = false;
    char *folder = NULL, name[32];
    rt_status status = open_group(runs, first, &group, err);
    if (status == RT_OK && setting->resume)
        status = read_results(&group, &finished, err);
    /* Teachers that are trained are the group's, and lie in a folder of its own where there are several groups. */
    snprintf(name, sizeof name, "shared-%zu", first + 1);
    if (status == RT_OK && !finished) {
        folder = group.count == runs->count ? strdup(runs->folder) : rt_path_join(runs->folder, name);
        status = folder ? train_group(&group, setting, folder, err)
                        : rt_fail(err, RT_ERROR_MEMORY, "no memory for the name of a folder");
    }
    free(folder);
    close_group(&group);
    return status;
}

rt_status rt_sweep_runs_train(rt_sweep_runs *runs, const rt_sweep_setting *setting, rt_error *err)
{
    for (size_t i = 0; i < runs->count; ++i)
        if (runs->runs[i].group == i)
            RT_TRY(run_group(runs, i, setting, err));
    return RT_OK;
}

rt_status rt_sweep_runs_try(const rt_sweep_runs *runs, rt_engine *engine, rt_error *err)
{
    for (size_t i = 0; i < runs->count; ++i) {
        struct group group;
        rt_pipeline pipeline = {0};
        if (runs->runs[i].group != i)
            continue;
        rt_status status = open_group(runs, i, &group, err);
        if (status == RT_OK)
            status = rt_pipeline_open(&pipeline, engine, group.recipes, group.count, err);
        rt_pipeline_close(&pipeline);
        close_group(&group);
        RT_TRY(status);
    }
    return RT_OK;
}
