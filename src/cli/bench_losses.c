#include "cli/bench_losses.h"

#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/threads.h"
#include "check/timing.h"
#include "cli/catalog.h"
#include "cli/command.h"
#include "recipe/recipe.h"
#include "report/table.h"
#include "report/warning.h"

enum { MOST_THREADS = 1024 };

/* Of logits, and of features, which stand in maps of 8 x 8 where the loss reads maps. */
struct size {
    size_t samples, width; /* classes or channels */
};
static const struct size logits[] = {{16, 10}, {64, 100}, {128, 100}, {256, 100}, {64, 1000}, {256, 1000}};
static const struct size features[] = {{16, 16}, {64, 64}, {64, 256}, {256, 64}, {256, 256}};
enum { LOGITS = sizeof logits / sizeof *logits, FEATURES = sizeof features / sizeof *features, SIDE = 8 };

static rt_status measure(const rt_loss *loss, const void *settings, json_t *results, rt_error *err)
{
    const rt_check_subject subject = {.loss = loss, .settings = settings};
    const bool on_features = rt_has_port(loss, "student.features");
    const struct size *sizes = on_features ? features : logits;
    const size_t count = on_features ? FEATURES : LOGITS;
    for (size_t i = 0; i < count; ++i) {
        const rt_sizes batch = rt_batch_sizes(loss, sizes[i].samples, sizes[i].width, sizes[i].width, SIDE);
        double seconds;
        const rt_status status = rt_time_loss(&subject, &batch, &seconds, NULL, err);
        if (status == RT_ERROR_SHAPE || status == RT_ERROR_USAGE) { /* its right: others are measured */
            rt_warn("%zu x %zu: %s", sizes[i].samples, sizes[i].width, err->message);
            continue;
        }
        RT_TRY(status);
        json_array_append_new(results, json_pack("{s:s, s:i, s:i, s:f, s:i}", "loss", loss->name, "samples",
                                                 (int)sizes[i].samples, "width", (int)sizes[i].width, "microseconds",
                                                 1e6 * seconds, "threads", rt_threads_count()));
    }
    return RT_OK;
}

static rt_status measure_loss(const rt_loss *loss, json_t *results, rt_error *err)
{
    void *settings = calloc(1, loss->state_size + 1);
    if (!settings)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for the settings of loss '%s'", loss->name);
    rt_status status = rt_settings_parse(loss->name, loss->params, NULL, 0, settings, err);
    if (status == RT_OK)
        status = measure(loss, settings, results, err);
    free(settings);
    return status;
}

/* Those that are named, or all. */
static rt_status measure_all(const rt_catalogue *catalogue, char **names, size_t count, json_t *results, rt_error *err)
{
    for (size_t i = 0; i < count; ++i)
        RT_TRY(measure_loss(rt_catalogue_find(catalogue, names[i]), results, err));
    for (size_t i = 0; count == 0 && i < catalogue->loss_count; ++i)
        RT_TRY(measure_loss(catalogue->losses[i], results, err));
    return RT_OK;
}

static int check_name(const rt_catalogue *catalogue, const char *name)
{
    if (rt_catalogue_find(catalogue, name))
        return RT_EXIT_OK;
    const char *nearest = rt_kind_suggest(rt_kind_find("loss", strlen("loss")), catalogue, name);
    return rt_command_misused(&rt_command_bench, "--losses takes names of losses, and '%s' is none%s%s%s", name,
                              nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

static rt_status print_table(const json_t *results, rt_error *err)
{
    rt_table *table = rt_table_new("lrrr");
    rt_table_cell(table, "loss"), rt_table_cell(table, "samples"), rt_table_cell(table, "width");
    rt_table_cell(table, "us"), rt_table_rule(table);
    for (size_t i = 0; i < json_array_size(results); ++i) {
        const json_t *result = json_array_get(results, i);
        rt_table_cell(table, "%s", json_string_value(json_object_get(result, "loss")));
        rt_table_cell(table, "%d", (int)json_integer_value(json_object_get(result, "samples")));
        rt_table_cell(table, "%d", (int)json_integer_value(json_object_get(result, "width")));
        rt_table_cell(table, "%.1f", json_real_value(json_object_get(result, "microseconds")));
    }
    rt_status status = rt_table_print(table, stdout, 0, err);
    rt_table_free(table);
    return status;
}

bool rt_bench_losses_wanted(int argc, char **argv)
{
    for (int i = 1; i < argc; ++i)
        if (strcmp(argv[i], "--losses") == 0)
            return true;
    return false;
}

int rt_bench_losses(int argc, char **argv, const rt_catalogue *catalogue)
{
    static const struct option options[] = {{"losses", no_argument, NULL, 'l'},
                                            {"threads", required_argument, NULL, 't'},
                                            {"json", no_argument, NULL, 'j'},
                                            {NULL, 0, NULL, 0}};
    bool json = false;
    long threads = 0;
    optind = 0;
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == '?')
            return rt_command_misused(&rt_command_bench, "option '%s' is unknown beside --losses or lacks its value",
                                      argv[optind - 1]);
        json = json || option == 'j';
        if (option != 't')
            continue;
        char *end;
        threads = strtol(optarg, &end, 10);
        if (*end || end == optarg || threads < 1 || threads > MOST_THREADS)
            return rt_command_misused(&rt_command_bench, "--threads '%s' must be a whole number from 1 to %d", optarg,
                                      MOST_THREADS);
    }
    for (int i = optind; i < argc; ++i)
        if (check_name(catalogue, argv[i]) != RT_EXIT_OK)
            return RT_EXIT_USAGE;
    rt_threads_start((int)threads);
    rt_error err = {0};
    json_t *results = json_array();
    rt_status status = measure_all(catalogue, argv + optind, (size_t)(argc - optind), results, &err);
    if (status == RT_OK && json) {
        if (json_dumpf(results, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6)) != 0)
            status = rt_fail(&err, RT_ERROR_FILE, "cannot write standard output");
        putchar('\n');
    } else if (status == RT_OK) {
        status = print_table(results, &err);
    }
    json_decref(results);
    return status == RT_OK ? RT_EXIT_OK : rt_command_failed(&rt_command_bench, &err);
}
