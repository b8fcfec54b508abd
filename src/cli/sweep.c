/* retort sweep: one recipe, many students, one table. */
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/threads.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/plugins.h"
#include "report/table.h"
#include "train/folder.h"
#include "train/sweep_summary.h"

struct arguments {
    const char *recipe;
    const char *const *overrides;
    size_t override_count;
    const char **vary; /* [vary_count] */
    size_t vary_count;
    size_t together;
    const char *out;    /* or NULL */
    const char *resume; /* a sweep's folder, or NULL */
};

static int read_together(const char *text, size_t *together)
{
    char *end;
    unsigned long count = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || count < 1 || count > RT_SWEEP_MAX_RUNS)
        return rt_command_misused(&rt_command_sweep, "--together is '%s'; it must be from 1 to %d", text,
                                  RT_SWEEP_MAX_RUNS);
    *together = count;
    return RT_EXIT_OK;
}

static int parse(int argc, char **argv, struct arguments *arguments)
{
    static const struct option options[] = {{"vary", required_argument, NULL, 'v'},
                                            {"together", required_argument, NULL, 't'},
                                            {"out", required_argument, NULL, 'o'},
                                            {"resume", required_argument, NULL, 'r'},
                                            {NULL, 0, NULL, 0}};
    optind = 0;
    opterr = 0;
    for (int option, code; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 'v')
            arguments->vary[arguments->vary_count++] = optarg;
        else if (option == 'o')
            arguments->out = optarg;
        else if (option == 'r')
            arguments->resume = optarg;
        else if (option != 't')
            return rt_command_misused(&rt_command_sweep, "option '%s' is unknown or lacks its value", argv[optind - 1]);
        else if ((code = read_together(optarg, &arguments->together)) != RT_EXIT_OK)
            return code;
    }
    if (arguments->resume && (arguments->out || arguments->vary_count || optind < argc))
        return rt_command_misused(&rt_command_sweep, "--resume takes a sweep's folder: it goes on as it began");
    if (!arguments->resume && optind >= argc)
        return rt_command_misused(&rt_command_sweep, "needs a recipe");
    if (!arguments->resume) {
        arguments->recipe = argv[optind];
        arguments->overrides = (const char *const *)argv + optind + 1;
        arguments->override_count = (size_t)(argc - optind - 1);
    }
    return RT_EXIT_OK;
}

/* Mean and deviation as two cells; dashes where there are none. */
static void print_spread(rt_table *table, const rt_spread *spread)
{
    if (isfinite(spread->mean))
        rt_table_cell(table, "%.2f %%", spread->mean);
    else
        rt_table_cell(table, "-");
    if (isfinite(spread->deviation))
        rt_table_cell(table, "%.2f", spread->deviation);
    else
        rt_table_cell(table, "-");
}

static rt_status print_table(const rt_sweep_runs *runs, const rt_sweep_row *rows, size_t count, rt_error *err)
{
    char columns[RT_SWEEP_MAX_KEYS + 8] = "";
    size_t keys = 0;
    for (size_t k = 0; k < runs->key_count; ++k)
        if (rt_sweep_compares(runs, k))
            columns[keys++] = 'l';
    strcpy(columns + keys, "rrrrr");
    rt_table *table = rt_table_new(columns);
    for (size_t k = 0; k < runs->key_count; ++k)
        if (rt_sweep_compares(runs, k))
            rt_table_cell(table, "%s", runs->keys[k]);
    const char *const titles[] = {"runs", "top-1 best", "spread", "top-1 last", "spread"};
    for (size_t i = 0; i < sizeof titles / sizeof *titles; ++i)
        rt_table_cell(table, "%s", titles[i]);
    rt_table_rule(table);
    for (size_t i = 0; i < count; ++i) {
        for (size_t k = 0; k < runs->key_count; ++k)
            if (rt_sweep_compares(runs, k))
                rt_table_cell(table, "%s", rows[i].first->values[k]);
        if (rows[i].failed > 0)
            rt_table_cell(table, "%zu, %zu failed", rows[i].finished, rows[i].failed);
        else
            rt_table_cell(table, "%zu", rows[i].finished);
        print_spread(table, &rows[i].best);
        print_spread(table, &rows[i].last);
    }
    fputc('\n', stderr);
    rt_status status = rt_table_print(table, stderr, 0, err);
    rt_table_free(table);
    return status;
}

/* Table and files. Returns how many runs failed. */
static rt_status tell(const rt_sweep_runs *runs, size_t *failed, rt_error *err)
{
    rt_sweep_row *rows = malloc(runs->count * sizeof *rows);
    if (!rows)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for the summary of a sweep");
    size_t count = rt_sweep_summarise(runs, rows);
    rt_status status = print_table(runs, rows, count, err);
    if (status == RT_OK)
        status = rt_sweep_summary_write(runs, rows, count, err);
    free(rows);
    *failed = 0;
    for (size_t i = 0; i < runs->count; ++i)
        if (runs->runs[i].outcome.failure[0]) {
            fprintf(stderr, "%s failed: %s\n", runs->runs[i].name, runs->runs[i].outcome.failure);
            ++*failed;
        }
    return status;
}

/* A new sweep's folder comes last: one whose data or weights cannot be had leaves nothing behind. */
static rt_status prepare_folder(const struct arguments *arguments, rt_engine *engine, rt_sweep_runs *runs,
                                rt_error *err)
{
    char *folder = NULL;
    if (arguments->resume)
        return RT_OK;
    RT_TRY(rt_sweep_runs_try(runs, engine, err));
    RT_TRY(rt_run_folder_make(arguments->out, arguments->recipe, &folder, err));
    rt_status status = rt_sweep_runs_place(runs, folder, err);
    free(folder);
    return status;
}

static int execute(const struct arguments *arguments, rt_sweep_runs *runs)
{
    rt_error err = {0};
    rt_engine *engine = NULL;
    size_t failed = 0;
    rt_threads_start((int)runs->runs[0].recipe->threads);
    rt_status status = rt_engine_new(&engine, &err);
    if (status == RT_OK)
        status = prepare_folder(arguments, engine, runs, &err);
    if (status == RT_OK)
        status = rt_sweep_runs_train(runs,
                                     &(rt_sweep_setting){.engine = engine,
                                                         .together = arguments->together,
                                                         .resume = arguments->resume != NULL,
                                                         .stop = rt_interrupt_watch()},
                                     &err);
    if (status == RT_OK)
        status = tell(runs, &failed, &err);
    int code = status != RT_OK ? rt_command_failed(&rt_command_sweep, &err) : failed > 0 ? RT_EXIT_FAILED : RT_EXIT_OK;
    if (status == RT_OK)
        fprintf(stderr, "\n%zu runs; top-1 on the test set, spread over seeds; all is in %s\n", runs->count,
                runs->folder);
    if (status == RT_ERROR_INTERRUPTED)
        fprintf(stderr, "go on with: retort sweep --resume %s%s\n", runs->folder,
                runs->runs[0].recipe->plugin_count ? " --allow-plugins" : "");
    rt_sweep_runs_release(runs);
    rt_engine_free(engine);
    return code;
}

static rt_status load(const struct arguments *arguments, rt_catalogue *catalogue, rt_sweep_runs *runs,
                      rt_diagnostics *diagnostics)
{
    rt_sweep *sweep = NULL;
    if (arguments->resume)
        return rt_sweep_runs_open(arguments->resume, catalogue, runs, diagnostics);
    RT_TRY(rt_sweep_read(arguments->recipe, arguments->vary, arguments->vary_count, &sweep, diagnostics));
    rt_status status =
        rt_sweep_runs_new(sweep, arguments->overrides, arguments->override_count, catalogue, runs, diagnostics);
    rt_sweep_free(sweep);
    return status;
}

static int sweep(const struct arguments *arguments, rt_catalogue *catalogue)
{
    int code = RT_EXIT_USAGE;
    rt_sweep_runs runs = {0};
    rt_diagnostics diagnostics = {0};
    rt_status status = load(arguments, catalogue, &runs, &diagnostics);
    rt_diagnostics_print(&diagnostics, stderr);
    rt_diagnostics_free(&diagnostics);
    if (status == RT_OK)
        code = execute(arguments, &runs);
    rt_sweep_runs_close(&runs);
    return code;
}

static int run(int argc, char **argv)
{
    struct arguments arguments = {0};
    rt_catalogue catalogue;
    int code = rt_plugins_take(&rt_command_sweep, &argc, argv, &catalogue);
    if (code != RT_EXIT_OK)
        return code;
    arguments.vary = calloc((size_t)argc + 1, sizeof *arguments.vary);
    code = arguments.vary ? parse(argc, argv, &arguments) : RT_EXIT_FAILED;
    if (code == RT_EXIT_OK)
        code = sweep(&arguments, &catalogue);
    free(arguments.vary);
    rt_catalogue_close(&catalogue);
    return code;
}

const rt_command rt_command_sweep = {
    .name = "sweep",
    .usage = "sweep RECIPE --vary KEY=VALUE,VALUE ... [key.sub=value ...] [--together N] [--out DIR]\n"
             "       retort sweep --resume DIR [--allow-plugins]",
    .summary = "train one recipe with many losses, seeds, students: one table with mean and spread",
    .details =
        "  --vary KEY=V,V   a key of the recipe and its values, in YAML; several keys give every combination.\n"
        "                   A recipe can hold the same as a block: sweep: {seed: [0, 1, 2], loss: [kl, [dkd, kl]]}\n"
        "  --together N     train at most N students at a time; as many as memory allows by default\n"
        "\n"
        "Runs that differ in student, loss and training alone (not in the batch) learn side by side: each batch is\n"
        "decoded and augmented once, and the teacher is asked once for all of them. Others come one after the other;\n"
        "the teacher's memo serves all. Every run has a folder below DIR as retort train would make it, with the same\n"
        "bits. sweep.json lists them, summary.csv and summary.json have what came out. A run whose numbers overflow\n"
        "is given up, and the others go on; the exit code is 1 then.\n"
        "\n"
        "Examples:\n"
        "  retort sweep my.yaml --vary loss=kl,reverse_kl --vary seed=0,1,2\n"
        "  retort sweep my.yaml --vary 'loss=[cross_entropy],[cross_entropy, kl: {temperature: 4}]' train.epochs=5\n"
        "  retort sweep my.yaml --vary loss.kl.temperature=1,2,4,8\n"
        "\n" RT_PLUGINS_DETAILS,
    .run = run,
};
