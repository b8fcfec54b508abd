/* retort check: everything that can be wrong with a recipe, before epoch 0, and what it will cost. */
#include <stdio.h>
#include <string.h>

#include "base/cpu.h"
#include "base/file.h"
#include "base/threads.h"
#include "cli/check_features.h"
#include "cli/check_weights.h"
#include "cli/command.h"
#include "cli/plugins.h"
#include "formats/tensors.h"
#include "report/duration.h"
#include "report/table.h"
#include "train/memo.h"
#include "train/memo_choice.h"
#include "train/rehearsal.h"
#include "train/sweep_runs.h"

enum { WARM_STEPS = 1, TIMED_STEPS = 3 };

static rt_status print_shapes(const char *role, const char *model, const rt_graph *graph, rt_error *err)
{
    printf("\n%s: %s\n", role, model);
    rt_table *table = rt_table_new("lllrr");
    const char *const titles[] = {"layer", "kind", "output", "parameters", "MACs"};
    for (size_t i = 0; i < sizeof titles / sizeof *titles; ++i)
        rt_table_cell(table, "%s", titles[i]);
    rt_table_rule(table);
    for (size_t i = 0; i < graph->node_count; ++i) {
        const rt_node *node = &graph->nodes[i];
        const int numbers[] = {node->weight, node->bias, node->norm.weight, node->norm.bias};
        size_t parameters = 0;
        for (size_t p = 0; p < sizeof numbers / sizeof *numbers; ++p)
            parameters += numbers[p] >= 0 ? graph->parameters[numbers[p]].count : 0;
        rt_table_cell(table, "%s", node->name);
        rt_table_cell(table, "%s", rt_node_kind_name(node->kind));
        rt_table_cell(table, "%zu x %zu x %zu", node->shape.height, node->shape.width, node->shape.channels);
        rt_table_cell(table, "%zu", parameters);
        rt_table_cell(table, "%llu", (unsigned long long)rt_node_macs(graph, node));
    }
    rt_table_rule(table);
    rt_table_cell(table, "total"), rt_table_cell(table, "%zu layers", graph->node_count);
    rt_table_cell(table, "%s", "");
    rt_table_cell(table, "%zu", rt_graph_trained_count(graph));
    rt_table_cell(table, "%llu", (unsigned long long)rt_graph_macs(graph));
    rt_status status = rt_table_print(table, stdout, 2, err);
    rt_table_free(table);
    return status;
}

static void print_data(const rt_rehearsal *r, const rt_recipe *recipe)
{
    const rt_run_data *data = &r->data;
    printf(
        "data: %s, %zu training images, %zu held out for validation, %zu test images; %zu x %zu x %zu, %zu classes\n",
        recipe->data.reader->name, data->train_count, data->validation_count, data->test_count, data->train.height,
        data->train.width, data->train.channels, data->train.classes);
    printf("normalisation (%s):", recipe->data.mean.count ? "given" : "measured");
    for (size_t c = 0; c < data->normalization.channels; ++c)
        printf(" %.4f/%.4f", (double)data->normalization.mean[c], (double)data->normalization.std[c]);
    printf(" (mean/std)\n");
}

/* The distilled student's own time; a teacher to be trained and a baseline come on top, at about the cost of their
 * forward and backward passes. */
static double estimate_seconds(const rt_rehearsal *r, const rt_recipe *recipe, const rt_rehearsal_times *step)
{
    double batches = (double)r->data.train_count / (double)r->step.batch;
    double student = step->total * batches * (double)recipe->train.epochs;
    if (recipe->baseline)
        student += (step->total - step->teacher) * batches * (double)recipe->train.epochs;
    for (size_t i = 0; i < rt_recipe_teachers(recipe); ++i) {
        const rt_network_recipe *teacher = rt_recipe_teacher(recipe, i);
        double ratio = (double)rt_graph_macs(r->networks[i]->graph) / (double)(rt_graph_macs(r->student->graph) + 1);
        if (teacher->train_present)
            student += (step->forward + step->backward) * ratio * batches * (double)teacher->train.epochs;
    }
    return 1e-3 * student;
}

static rt_status print_cost(rt_rehearsal *r, const rt_recipe *recipe, rt_error *err)
{
    rt_rehearsal_times times[TIMED_STEPS];
    RT_TRY(rt_rehearsal_run(r, WARM_STEPS, TIMED_STEPS, times, err));
    rt_rehearsal_times median = rt_rehearsal_median(times, TIMED_STEPS);
    const double megabyte = 1048576.0;
    size_t parameters = r->student->graph->trained_floats * sizeof(float);
    double teacher = r->teacher_inference ? (double)rt_plan_bytes(rt_inference_plan(r->teacher_inference)) : 0.0;
    printf("\nmemory: %.1f MB activations and gradients, %.1f MB student parameters with gradients and moments, "
           "%.1f MB teacher activations; %.0f MB in all so far\n",
           (double)rt_plan_bytes(r->step.plan) / megabyte,
           (double)parameters * (2.0 + (double)recipe->train.optimizer.optimizer->moments) / megabyte,
           teacher / megabyte, (double)rt_peak_memory() / megabyte);
    char words[RT_PLAN_PRECISION_WORDS];
    rt_plan_precision(r->step.plan, words);
    printf("precision: training %s", words);
    if (r->teacher_inference) {
        rt_plan_precision(rt_inference_plan(r->teacher_inference), words);
        printf(", teacher %s", words);
    }
    printf("\n");
    char duration[64];
    rt_duration_format(estimate_seconds(r, recipe, &median), duration, sizeof duration);
    printf(
        "time: %.1f ms a step of %zu images (%.0f images/s on %d threads, from %d steps); about %s in all, evaluation "
        "not counted\n",
        median.total, r->step.batch, 1e3 * (double)r->step.batch / median.total, rt_threads_count(), TIMED_STEPS,
        duration);
    return RT_OK;
}

static rt_status print_memo_file(const rt_memo_choice *choice, rt_error *err)
{
    rt_memo *memo = NULL;
    rt_memo_count count;
    printf("memo: '%s', ", choice->path);
    if (!rt_path_exists(choice->path)) {
        printf("not there yet; up to %.1f MB when full\n", (double)choice->bytes / 1e6);
        return RT_OK;
    }
    rt_status status = rt_memo_look(choice->path, &memo, err);
    if (status == RT_OK)
        status = rt_memo_count_entries(memo, &count, err);
    if (status == RT_OK)
        printf("%.1f %% filled; %.1f MB on the disk, up to %.1f MB when full\n",
               100.0 * (double)count.present / (double)rt_memo_file_of(memo)->entries, (double)count.disk_bytes / 1e6,
               (double)choice->bytes / 1e6);
    rt_memo_close(memo);
    return status;
}

/* Where the teacher's logits would be kept. */
static rt_status print_memo(const rt_rehearsal *r, rt_engine *engine, const rt_recipe *recipe, size_t number,
                            rt_error *err)
{
    const rt_network_recipe *teacher = rt_recipe_teacher(recipe, number);
    const rt_network *network = r->networks[number];
    rt_memo_choice choice = {0};
    RT_TRY(rt_teacher_check_memo(engine, network, &r->data, teacher, !teacher->train_present, err));
    rt_status status = rt_teacher_choose_memo(r->members[number], network, &r->data, teacher, &choice, err);
    if (rt_recipe_teachers(recipe) > 1)
        printf("teacher %zu, ", number);
    if (status == RT_OK && !choice.path)
        printf("memo: none: %s\n", choice.reason);
    else if (status == RT_OK && teacher->train_present && !choice.given)
        printf("memo: a file below the cache folder, named when the teacher is trained; up to %.1f MB when full\n",
               (double)choice.bytes / 1e6);
    else if (status == RT_OK)
        status = print_memo_file(&choice, err);
    rt_memo_choice_free(&choice);
    return status;
}

static rt_status report(rt_engine *engine, const rt_recipe *recipe, bool measure, rt_error *err)
{
    rt_rehearsal rehearsal;
    RT_TRY(rt_rehearsal_open(&rehearsal, engine, recipe, false, err));
    print_data(&rehearsal, recipe);
    rt_check_print_gaps(&rehearsal, recipe);
    rt_status status = rt_check_print_expectations(&rehearsal, engine, recipe, measure, err);
    for (size_t i = 0; i < rt_recipe_teachers(recipe) && status == RT_OK; ++i)
        status = print_shapes("teacher", rt_recipe_teacher(recipe, i)->model, rehearsal.networks[i]->graph, err);
    if (status == RT_OK)
        status = print_shapes("student", recipe->student.model, rehearsal.student->graph, err);
    if (status == RT_OK)
        status = rt_check_print_features(&rehearsal.step.extension, recipe->loss, err);
    if (status == RT_OK)
        status = print_cost(&rehearsal, recipe, err);
    for (size_t i = 0; i < rt_recipe_teachers(recipe) && status == RT_OK; ++i)
        status = print_memo(&rehearsal, engine, recipe, i, err);
    rt_rehearsal_close(&rehearsal);
    return status;
}

/* The recipe of every run that its `sweep` makes. */
static rt_status check_sweep(int argc, char **argv, rt_catalogue *catalogue, size_t *count, rt_diagnostics *diagnostics)
{
    rt_sweep *sweep = NULL;
    rt_sweep_runs runs = {0};
    RT_TRY(rt_sweep_read(argv[1], NULL, 0, &sweep, diagnostics));
    rt_status status =
        rt_sweep_runs_new(sweep, (const char *const *)argv + 2, (size_t)(argc - 2), catalogue, &runs, diagnostics);
    *count = runs.count;
    rt_sweep_runs_close(&runs);
    rt_sweep_free(sweep);
    return status;
}

/* Takes --measure out of the arguments. */
static bool take_measure(int *argc, char **argv)
{
    int kept = 0;
    for (int i = 0; i < *argc; ++i)
        if (strcmp(argv[i], "--measure") != 0)
            argv[kept++] = argv[i];
    const bool found = kept < *argc;
    *argc = kept;
    return found;
}

static int check(int argc, char **argv, rt_catalogue *catalogue)
{
    const bool measure = take_measure(&argc, argv);
    if (argc < 2 || argv[1][0] == '-')
        return rt_command_misused(&rt_command_check, argc < 2 ? "needs a recipe" : "option '%s' is unknown", argv[1]);
    rt_recipe *recipe = NULL;
    rt_diagnostics diagnostics = {0};
    rt_status status = rt_recipe_load(argv[1], (const char *const *)argv + 2, (size_t)(argc - 2), RT_RECIPE_TRAIN,
                                      catalogue, &recipe, &diagnostics);
    size_t runs = 0;
    if (status == RT_OK && recipe->sweep_mark.line > 0)
        status = check_sweep(argc, argv, catalogue, &runs, &diagnostics);
    rt_diagnostics_print(&diagnostics, stderr);
    rt_diagnostics_free(&diagnostics);
    if (status != RT_OK) {
        rt_recipe_free(recipe);
        return RT_EXIT_USAGE;
    }
    rt_error err = {0};
    rt_engine *engine = NULL;
    rt_threads_start((int)recipe->threads);
    status = rt_engine_new(&engine, &err);
    if (status == RT_OK)
        status = report(engine, recipe, measure, &err);
    int code = status == RT_OK ? RT_EXIT_OK : rt_command_failed(&rt_command_check, &err);
    if (code == RT_EXIT_OK && runs > 0)
        printf("sweep: %zu runs; the figures above are of the recipe without it\n", runs);
    if (code == RT_EXIT_OK)
        printf("\n%s is in order\n", argv[1]);
    rt_engine_free(engine);
    rt_recipe_free(recipe);
    return code;
}

static int run(int argc, char **argv)
{
    rt_catalogue catalogue;
    int code = rt_plugins_take(&rt_command_check, &argc, argv, &catalogue);
    if (code != RT_EXIT_OK)
        return code;
    code = check(argc, argv, &catalogue);
    rt_catalogue_close(&catalogue);
    return code;
}

const rt_command rt_command_check = {
    .name = "check",
    .usage = "check RECIPE [--measure] [key.sub=value ...]",
    .summary = "find everything wrong with a recipe, and what it will cost; writes nothing",
    .details =
        "Reports all mistakes with their line and column, opens the data and the weights, then prints the shape table\n"
        "of each network, the layers that losses read with the adapters between them, parameters, MACs, memory, and "
        "an\n"
        "estimate of the time from a few steps. What strict: false lets pass of weights is told. A teacher of which\n"
        "something is expected is measured on 1024 of the test images, or with --measure on all of them.\n"
        "\n" RT_PLUGINS_DETAILS,
    .run = run,
};
