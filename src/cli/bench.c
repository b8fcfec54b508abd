/* retort bench: where the time of a training step goes. */
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cpu.h"
#include "base/threads.h"
#include "cli/bench_losses.h"
#include "cli/command.h"
#include "report/table.h"
#include "train/rehearsal.h"

enum { WARM_STEPS = 3, DEFAULT_STEPS = 20, MOST_STEPS = 100000, MOST_THREADS = 1024 };

struct arguments {
    const char *recipe;
    const char *const *overrides;
    size_t override_count, steps;
    int threads;
    bool synthetic, json;
};

/* What a run of steps came to. */
struct figures {
    const rt_rehearsal *rehearsal;
    const rt_recipe *recipe;
    rt_rehearsal_times median;
    double images_per_s, gflops;
    size_t steps;
};

static int parse(int argc, char **argv, struct arguments *arguments)
{
    static const struct option options[] = {{"steps", required_argument, NULL, 's'},
                                            {"threads", required_argument, NULL, 't'},
                                            {"synthetic", no_argument, NULL, 'y'},
                                            {"json", no_argument, NULL, 'j'},
                                            {NULL, 0, NULL, 0}};
    optind = 0;
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        char *end = NULL;
        long number = option == 's' || option == 't' ? strtol(optarg, &end, 10) : 1;
        if (option == '?')
            return rt_command_misused(&rt_command_bench, "option '%s' is unknown or lacks its value", argv[optind - 1]);
        int most = option == 's' ? MOST_STEPS : MOST_THREADS;
        if ((end && (*end || end == optarg)) || number < 1 || number > most)
            return rt_command_misused(&rt_command_bench, "--%s '%s' must be a whole number from 1 to %d",
                                      option == 's' ? "steps" : "threads", optarg, most);
        switch (option) {
        case 's':
            arguments->steps = (size_t)number;
            break;
        case 't':
            arguments->threads = (int)number;
            break;
        case 'y':
            arguments->synthetic = true;
            break;
        default:
            arguments->json = true;
            break;
        }
    }
    if (optind >= argc)
        return rt_command_misused(&rt_command_bench, "needs a recipe");
    arguments->recipe = argv[optind];
    arguments->overrides = (const char *const *)argv + optind + 1;
    arguments->override_count = (size_t)(argc - optind - 1);
    return RT_EXIT_OK;
}

static json_t *text_or_null(const char *text)
{
    return text ? json_string(text) : json_null();
}

static json_t *list_nodes(const rt_plan *plan)
{
    json_t *nodes = json_array();
    for (size_t i = 0; i < rt_plan_kernel_count(plan); ++i) {
        const rt_kernel *kernel = rt_plan_kernel(plan, i);
        if (!kernel->class)
            continue;
        json_array_append_new(nodes, json_pack("{s:s, s:s, s:o, s:o, s:o}", "node", kernel->node->name, "kind",
                                               rt_node_kind_name(kernel->node->kind), "forward",
                                               text_or_null(kernel->implementation[0]), "backward_data",
                                               text_or_null(kernel->implementation[1]), "backward_weights",
                                               text_or_null(kernel->implementation[2])));
    }
    return nodes;
}

static int add_up(const struct figures *f, int (*count)(const rt_plan *plan))
{
    const rt_inference *teacher = f->rehearsal->teacher_inference;
    return count(f->rehearsal->step.plan) + (teacher ? count(rt_inference_plan(teacher)) : 0);
}

static int print_json(const struct figures *f)
{
    const rt_rehearsal_times *m = &f->median;
    const rt_inference *teacher = f->rehearsal->teacher_inference;
    json_t *object = json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "data_ms", m->data, "teacher_ms",
                               m->teacher, "forward_ms", m->forward, "loss_ms", m->loss, "backward_ms", m->backward,
                               "optimizer_ms", m->update, "step_ms", m->total, "images_per_s", f->images_per_s,
                               "peak_rss_mb", (double)rt_peak_memory() / 1048576.0, "gflops", f->gflops);
    json_object_set_new(object, "threads", json_integer(rt_threads_count()));
    json_object_set_new(object, "isa", json_string(rt_engine_isa()));
    json_object_set_new(object, "engine", json_string(rt_engine_version()));
    json_object_set_new(object, "batch", json_integer((json_int_t)f->rehearsal->step.batch));
    json_object_set_new(object, "steps", json_integer((json_int_t)f->steps));
    json_object_set_new(object, "teacher",
                        f->recipe->teacher.present ? json_string(f->recipe->teacher.model) : json_null());
    json_object_set_new(object, "student", json_string(f->recipe->student.model));
    json_object_set_new(object, "reorders", json_integer(add_up(f, rt_plan_reorders)));
    json_object_set_new(object, "weight_packs", json_integer(rt_plan_weight_packs(f->rehearsal->step.plan)));
    json_object_set_new(object, "reference_kernels", json_integer(add_up(f, rt_plan_reference_kernels)));
    json_object_set_new(object, "nodes", list_nodes(f->rehearsal->step.plan));
    if (teacher)
        json_object_set_new(object, "teacher_nodes", list_nodes(rt_inference_plan(teacher)));
    int failed = json_dumpf(object, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
    json_decref(object);
    putchar('\n');
    return failed || fflush(stdout) ? RT_EXIT_FAILED : RT_EXIT_OK;
}

static int print_table(const struct figures *f, rt_error *err)
{
    const struct {
        const char *name;
        double milliseconds;
    } rows[] = {{"data (waiting)", f->median.data}, {"teacher", f->median.teacher},   {"forward", f->median.forward},
                {"losses", f->median.loss},         {"backward", f->median.backward}, {"optimizer", f->median.update},
                {"step", f->median.total}};
    rt_table *table = rt_table_new("lrr");
    rt_table_cell(table, "phase"), rt_table_cell(table, "ms"), rt_table_cell(table, "share");
    rt_table_rule(table);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; ++i) {
        rt_table_cell(table, "%s", rows[i].name);
        rt_table_cell(table, "%.2f", rows[i].milliseconds);
        rt_table_cell(table, "%.1f %%", 100.0 * rows[i].milliseconds / f->median.total);
    }
    rt_status status = rt_table_print(table, stdout, 0, err);
    rt_table_free(table);
    if (status != RT_OK)
        return rt_command_failed(&rt_command_bench, err);
    printf("\n%.0f images/s, %.0f GFLOP/s, batch %zu, %d threads, %s, peak memory %.0f MB\n"
           "%d reorders of activations in a step, %d weight packs after an update, %d reference kernels\n",
           f->images_per_s, f->gflops, f->rehearsal->step.batch, rt_threads_count(), rt_engine_isa(),
           (double)rt_peak_memory() / 1048576.0, add_up(f, rt_plan_reorders),
           rt_plan_weight_packs(f->rehearsal->step.plan), add_up(f, rt_plan_reference_kernels));
    return RT_EXIT_OK;
}

static int measure(const struct arguments *arguments, const rt_recipe *recipe)
{
    rt_error err = {0};
    rt_engine *engine = NULL;
    rt_rehearsal rehearsal = {0};
    int code;
    rt_threads_start(arguments->threads ? arguments->threads : (int)recipe->threads);
    rt_rehearsal_times *times = calloc(arguments->steps, sizeof *times);
    rt_status status = times ? rt_engine_new(&engine, &err) : rt_fail(&err, RT_ERROR_MEMORY, "no memory for the times");
    if (status == RT_OK)
        status = rt_rehearsal_open(&rehearsal, engine, recipe, arguments->synthetic, &err);
    if (status == RT_OK)
        status = rt_rehearsal_run(&rehearsal, WARM_STEPS, arguments->steps, times, &err);
    if (status == RT_OK) {
        struct figures figures = {.rehearsal = &rehearsal,
                                  .recipe = recipe,
                                  .steps = arguments->steps,
                                  .median = rt_rehearsal_median(times, arguments->steps)};
        figures.images_per_s = 1e3 * (double)rehearsal.step.batch / figures.median.total;
        figures.gflops = rt_rehearsal_flops(&rehearsal) / (1e6 * figures.median.total);
        code = arguments->json ? print_json(&figures) : print_table(&figures, &err);
    } else {
        code = rt_command_failed(&rt_command_bench, &err);
    }
    rt_rehearsal_close(&rehearsal);
    rt_engine_free(engine);
    free(times);
    return code;
}

static int run(int argc, char **argv)
{
    if (rt_bench_losses_wanted(argc, argv))
        return rt_bench_losses(argc, argv);
    struct arguments arguments = {.steps = DEFAULT_STEPS};
    int code = parse(argc, argv, &arguments);
    if (code != RT_EXIT_OK)
        return code;
    rt_recipe *recipe = NULL;
    rt_diagnostics diagnostics = {0};
    rt_status status =
        rt_recipe_load(arguments.recipe, arguments.overrides, arguments.override_count,
                       arguments.synthetic ? RT_RECIPE_SYNTHETIC : RT_RECIPE_TRAIN, &recipe, &diagnostics);
    rt_diagnostics_print(&diagnostics, stderr);
    rt_diagnostics_free(&diagnostics);
    code = status == RT_OK ? measure(&arguments, recipe) : RT_EXIT_USAGE;
    rt_recipe_free(recipe);
    return code;
}

const rt_command rt_command_bench = {
    .name = "bench",
    .usage = "bench RECIPE [key.sub=value ...] [--steps N] [--threads N] [--synthetic] [--json]",
    .summary = "time the steps of a recipe's student: where the time goes, and which kernels run",
    .details =
        "Medians over N steps (20) on whole batches, after 3 to warm up. `data` is the time that a step waits for\n"
        "the loader. --synthetic needs neither data nor weights: images are 3 x 32 x 32 of 100 classes, augmented by\n"
        "crop and flip, and of the recipe only `student` and `loss` are required. --json prints one object to\n"
        "stdout, with the implementation of each layer.\n"
        "\n"
        "  retort bench --losses [--threads N] [--json]\n"
        "\n"
        "times value and gradient of each loss alone, from 16 samples of 10 classes to 256 of 1000, in microseconds.\n",
    .run = run,
};
