/* retort train: a recipe from start to end. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/threads.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/plugins.h"
#include "report/table.h"
#include "train/folder.h"
#include "train/pipeline.h"

struct arguments {
    const char *recipe;
    const char *const *overrides;
    size_t override_count;
    const char *out;    /* or NULL */
    const char *resume; /* a run folder, or NULL */
};

static int parse(int argc, char **argv, struct arguments *arguments)
{
    static const struct option options[] = {
        {"out", required_argument, NULL, 'o'}, {"resume", required_argument, NULL, 'r'}, {NULL, 0, NULL, 0}};
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

static rt_status print_table(const rt_outcome outcomes[RT_OUTCOMES], rt_error *err)
{
    static const size_t none[2] = {0, 0};
    const size_t *left_out = none; /* the same for all networks */
    rt_table *table = rt_table_new("llrrrrrr");
    const char *const titles[] = {"network", "model",   "parameters", "MACs",
                                  "size",    "latency", "top-1 best", "top-1 last"};
    for (size_t i = 0; i < sizeof titles / sizeof *titles; ++i)
        rt_table_cell(table, "%s", titles[i]);
    rt_table_rule(table);
    for (size_t i = 0; i < RT_OUTCOMES; ++i) {
        const rt_outcome *o = &outcomes[i];
        if (!o->present)
            continue;
        left_out = o->unreadable;
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
    if (left_out[RT_SPLIT_TRAIN] + left_out[RT_SPLIT_TEST] > 0)
        fprintf(stderr, "\nleft out, for they cannot be read: %zu training images, %zu test images\n",
                left_out[RT_SPLIT_TRAIN], left_out[RT_SPLIT_TEST]);
    return status;
}

/* The folder of the run: a new one with its recipe, or the one to go on in. Allocated. */
static rt_status prepare_folder(const struct arguments *arguments, const rt_recipe *recipe, char **folder,
                                rt_error *err)
{
    if (!arguments->resume) {
        RT_TRY(rt_run_folder_make(arguments->out, arguments->recipe, folder, err));
        return rt_run_folder_recipe(*folder, recipe, err);
    }
    *folder = strdup(arguments->resume);
    return *folder ? RT_OK : rt_fail(err, RT_ERROR_MEMORY, "no memory for the name of the run folder");
}

/* The folder comes last: a recipe whose data or weights cannot be had leaves nothing behind. */
static int execute(const struct arguments *arguments, const rt_recipe *recipe)
{
    rt_error err = {0};
    rt_engine *engine = NULL;
    rt_pipeline pipeline = {0};
    rt_outcome outcomes[RT_OUTCOMES];
    char *folder = NULL;
    bool begun = false;
    rt_threads_start((int)recipe->threads);
    rt_status status = rt_engine_new(&engine, &err);
    if (status == RT_OK)
        status = rt_pipeline_open(&pipeline, engine, &recipe, 1, &err);
    if (status == RT_OK)
        status = prepare_folder(arguments, recipe, &folder, &err);
    if (status == RT_OK)
        status = rt_pipeline_run(&pipeline,
                                 &(rt_pipeline_job){.folder = folder,
                                                    .folders = (const char *const *)&folder,
                                                    .labels = (const char *const[]){"student"},
                                                    .resume = arguments->resume != NULL,
                                                    .stop = rt_interrupt_watch(),
                                                    .begun = &begun},
                                 outcomes, &err);
    if (status == RT_OK)
        status = print_table(outcomes, &err);
    int code = status == RT_OK ? RT_EXIT_OK : rt_command_failed(&rt_command_train, &err);
    if (code == RT_EXIT_USAGE && begun)
        code = RT_EXIT_FAILED;
    if (status == RT_OK)
        fprintf(stderr, "\nseed %lld; top-1 on the test set; the run is in %s\n", (long long)recipe->seed, folder);
    if (status == RT_ERROR_INTERRUPTED)
        fprintf(stderr, "go on with: retort train --resume %s%s\n", folder,
                recipe->plugin_count ? " --allow-plugins" : "");
    rt_pipeline_close(&pipeline);
    rt_engine_free(engine);
    free(folder);
    return code;
}

static int train(const struct arguments *arguments, rt_catalogue *catalogue)
{
    int code = RT_EXIT_USAGE;
    char *own = arguments->resume ? rt_path_join(arguments->resume, "recipe.yaml") : NULL;
    rt_recipe *recipe = NULL;
    rt_diagnostics diagnostics = {0};
    rt_status status = rt_recipe_load(own ? own : arguments->recipe, arguments->overrides, arguments->override_count,
                                      RT_RECIPE_TRAIN, catalogue, &recipe, &diagnostics);
    rt_diagnostics_print(&diagnostics, stderr);
    rt_diagnostics_free(&diagnostics);
    if (status == RT_OK && recipe->sweep_mark.line > 0)
        code = rt_command_misused(
            &rt_command_train, "%s:%d:%d: 'sweep' makes many runs of this recipe: retort sweep %s",
            recipe->sweep_mark.source, recipe->sweep_mark.line, recipe->sweep_mark.column, recipe->path);
    else if (status == RT_OK)
        code = execute(arguments, recipe);
    rt_recipe_free(recipe);
    free(own);
    return code;
}

static int run(int argc, char **argv)
{
    struct arguments arguments = {0};
    rt_catalogue catalogue;
    int code = rt_plugins_take(&rt_command_train, &argc, argv, &catalogue);
    if (code != RT_EXIT_OK)
        return code;
    code = parse(argc, argv, &arguments);
    if (code == RT_EXIT_OK && arguments.resume && catalogue.plugin_count > 0)
        code =
            rt_command_misused(&rt_command_train, "a resumed run has its plugins in its recipe; --allow-plugins loads "
                                                  "them");
    if (code == RT_EXIT_OK)
        code = train(&arguments, &catalogue);
    rt_catalogue_close(&catalogue);
    return code;
}

const rt_command rt_command_train = {
    .name = "train",
    .usage = "train RECIPE [key.sub=value ...] [--out DIR] | train --resume DIR [--allow-plugins]",
    .summary = "train what a recipe describes: teacher, student alone, distilled student",
    .details = "Writes a run folder: recipe.yaml (every default filled in), results.csv, log.jsonl, best.safetensors,\n"
               "last.safetensors, result.json, and a checkpoint. Without --out it is runs/NAME, or the next free\n"
               "runs/NAME-2, ... for a recipe NAME.yaml; a folder that holds anything is never written over.\n"
               "Ctrl-C stops at the next step; --resume DIR goes on from the last checkpoint, after a kill as well,\n"
               "and ends with the same bits as a run that was never stopped.\n"
               "\n" RT_PLUGINS_DETAILS,
    .run = run,
};
