/* retort train: a recipe from start to end. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/threads.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "report/table.h"
#include "train/folder.h"
#include "train/pipeline.h"

struct arguments {
    const char *recipe;
    const char *const *overrides;
    size_t override_count;
    const char *out;     /* or NULL */
    const char *resume;  /* a run folder, or NULL */
};

static int parse(int argc, char **argv, struct arguments *arguments)
{
    static const struct option options[] = {{"out", required_argument, NULL, 'o'},
                                            {"resume", required_argument, NULL, 'r'},
                                            {NULL, 0, NULL, 0}};
    optind = 0;
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 'o')
            arguments->out = optarg;
        else if (option == 'r')
            arguments->resume = optarg;
        else
            return rt_command_misused(&rt_command_train, "option '%s' is unknown or lacks its value", argv[optind - 1]);
    }
    if (arguments->resume && (arguments->out || optind < argc))
        return rt_command_misused(&rt_command_train, "--resume takes a run folder and nothing else: the run goes on as "
                                                     "it began");
    if (!arguments->resume && optind >= argc)
        return rt_command_misused(&rt_command_train, "needs a recipe");
    if (!arguments->resume) {
        arguments->recipe = argv[optind];
        arguments->overrides = (const char *const *)argv + optind + 1;
        arguments->override_count = (size_t)(argc - optind - 1);
    }
    return RT_EXIT_OK;
}

static rt_status write_recipe(const char *folder, const rt_recipe *recipe, rt_error *err)
{
    char *path = rt_path_join(folder, "recipe.yaml"), *text = rt_recipe_resolve(recipe);
    rt_status status = path && text ? rt_file_write(path, &(rt_piece){text, strlen(text)}, 1, err)
                                    : rt_fail(err, RT_ERROR_MEMORY, "no memory to resolve the recipe");
    free(path);
    free(text);
    return status;
}

static rt_status print_table(const rt_outcome outcomes[RT_OUTCOMES], rt_error *err)
{
    rt_table *table = rt_table_new("llrrrrrr");
    const char *const titles[] = {"network", "model", "parameters", "MACs", "size", "latency", "top-1 best", "top-1 last"};
    for (size_t i = 0; i < sizeof titles / sizeof *titles; ++i)
        rt_table_cell(table, "%s", titles[i]);
    rt_table_rule(table);
    for (size_t i = 0; i < RT_OUTCOMES; ++i) {
        const rt_outcome *o = &outcomes[i];
        if (!o->present)
            continue;
        rt_table_cell(table, "%s", o->role);
        rt_table_cell(table, "%s", o->model);
        rt_table_cell(table, "%llu", (unsigned long long)o->parameters);
        rt_table_cell(table, "%.2f M", (double)o->macs / 1e6);
        rt_table_cell(table, "%.0f KB", (double)o->file_bytes / 1e3);
        rt_table_cell(table, "%.2f ms", o->latency_ms);
        if (o->trained)
            rt_table_cell(table, "%.2f %%", o->training.best_top1);
        else
            rt_table_cell(table, "-");
        rt_table_cell(table, "%.2f %%", o->top1);
    }
    fputc('\n', stderr);
    rt_status status = rt_table_print(table, stderr, 0, err);
    rt_table_free(table);
    return status;
}

static rt_status run_pipeline(const rt_recipe *recipe, const char *folder, bool resume, rt_error *err)
{
    rt_engine *engine = NULL;
    rt_outcome outcomes[RT_OUTCOMES];
    rt_threads_start((int)recipe->threads);
    rt_status status = rt_engine_new(&engine, err);
    if (status == RT_OK)
        status = rt_pipeline_run(&(rt_pipeline){.engine = engine,
                                                .recipe = recipe,
                                                .folder = folder,
                                                .resume = resume,
                                                .stop = rt_interrupt_watch()},
                                 outcomes, err);
    if (status == RT_OK)
        status = print_table(outcomes, err);
    if (status == RT_OK)
        fprintf(stderr, "\nseed %lld; top-1 on the test set; the run is in %s\n", (long long)recipe->seed, folder);
    rt_engine_free(engine);
    return status;
}

static int begin(const struct arguments *arguments, const rt_recipe *recipe)
{
    rt_error err = {0};
    char *folder = NULL;
    if (rt_run_folder_make(arguments->out, arguments->recipe, &folder, &err) != RT_OK)
        return rt_command_failed(&rt_command_train, &err);
    rt_status status = write_recipe(folder, recipe, &err);
    if (status == RT_OK)
        status = run_pipeline(recipe, folder, false, &err);
    int code = RT_EXIT_OK;
    if (status != RT_OK) {
        code = rt_command_failed(&rt_command_train, &err);
        if (status == RT_ERROR_INTERRUPTED)
            fprintf(stderr, "go on with: retort train --resume %s\n", folder);
    }
    free(folder);
    return code;
}

static int go_on(const struct arguments *arguments, const rt_recipe *recipe)
{
    rt_error err = {0};
    rt_status status = run_pipeline(recipe, arguments->resume, true, &err);
    return status == RT_OK ? RT_EXIT_OK : rt_command_failed(&rt_command_train, &err);
}

static int run(int argc, char **argv)
{
    struct arguments arguments = {0};
    int code = parse(argc, argv, &arguments);
    if (code != RT_EXIT_OK)
        return code;
    char *own = arguments.resume ? rt_path_join(arguments.resume, "recipe.yaml") : NULL;
    rt_recipe *recipe = NULL;
    rt_diagnostics diagnostics = {0};
    rt_status status = rt_recipe_load(own ? own : arguments.recipe, arguments.overrides, arguments.override_count,
                                      RT_RECIPE_TRAIN, &recipe, &diagnostics);
    rt_diagnostics_print(&diagnostics, stderr);
    rt_diagnostics_free(&diagnostics);
    if (status != RT_OK)
        code = RT_EXIT_USAGE;
    else
        code = arguments.resume ? go_on(&arguments, recipe) : begin(&arguments, recipe);
    rt_recipe_free(recipe);
    free(own);
    return code;
}

const rt_command rt_command_train = {
    .name = "train",
    .usage = "train RECIPE [key.sub=value ...] [--out DIR] | train --resume DIR",
    .summary = "train what a recipe describes: teacher, student alone, distilled student",
    .details = "Writes a run folder: recipe.yaml (every default filled in), results.csv, log.jsonl, best.safetensors,\n"
               "last.safetensors, result.json, and a checkpoint. Without --out it is runs/NAME, or the next free\n"
               "runs/NAME-2, ... for a recipe NAME.yaml; a folder that holds anything is never written over.\n"
               "Ctrl-C stops at the next step; --resume DIR goes on from the last checkpoint, after a kill as well,\n"
               "and ends with the same bits as a run that was never stopped.\n",
    .run = run,
};
