#include "cli/bench_losses.h"

#include <getopt.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/median.h"
#include "base/threads.h"
#include "cli/catalog.h"
#include "cli/command.h"
#include "recipe/recipe.h"
#include "report/table.h"
#include "train/term.h"

enum { MOST_SAMPLES = 256, MOST_CLASSES = 1000, MOST_LOGITS = MOST_SAMPLES * MOST_CLASSES, MOST_THREADS = 1024 };

static const struct size {
    size_t samples, classes;
} sizes[] = {{16, 10}, {64, 100}, {128, 100}, {256, 100}, {64, 1000}, {256, 1000}};

struct batch {
    float *student, *teacher, *gradient; /* [MOST_LOGITS] each */
    int64_t labels[MOST_SAMPLES];
};

static void release(struct batch *batch)
{
    free(batch->student);
    free(batch->teacher);
    free(batch->gradient);
}

/* Logits within -8 to 8. */
static rt_status fill(struct batch *batch, rt_error *err)
{
    batch->student = malloc(MOST_LOGITS * sizeof(float));
    batch->teacher = malloc(MOST_LOGITS * sizeof(float));
    batch->gradient = calloc(MOST_LOGITS, sizeof(float));
    if (!batch->student || !batch->teacher || !batch->gradient)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for %d logits", MOST_LOGITS);
    uint32_t word = 1;
    for (size_t i = 0; i < 2 * MOST_LOGITS; ++i) {
        word = word * 1664525u + 1013904223u;
        (i % 2 ? batch->student : batch->teacher)[i / 2] = (float)(word >> 8) / (float)(1 << 20) - 8.0f;
    }
    for (size_t n = 0; n < MOST_SAMPLES; ++n)
        batch->labels[n] = (int64_t)(n % 10);
    return RT_OK;
}

static double microseconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return 1e6 * (double)now.tv_sec + 1e-3 * (double)now.tv_nsec;
}

static rt_status run_often(rt_loss_term *term, size_t times, double *microseconds, rt_error *err)
{
    double value, start = microseconds_now();
    for (size_t i = 0; i < times; ++i)
        RT_TRY(rt_loss_term_run(term, 0, &value, err));
    *microseconds = (microseconds_now() - start) / (double)times;
    return RT_OK;
}

/* The median over turns of about a millisecond each, after one to warm up. */
static rt_status measure(const rt_loss *loss, const struct size *size, struct batch *batch, double *median,
                         rt_error *err)
{
    enum { TURNS = 31 };
    const rt_shape logits = {2, {size->samples, size->classes}};
    const rt_loss_array arrays[] = {
        {"student.logits", {.shape = logits, .values = batch->student, .gradient = batch->gradient}},
        {"teacher.logits", {.shape = logits, .values = batch->teacher}},
        {"labels", {.shape = {1, {size->samples}}, .indices = batch->labels}},
    };
    void *settings = calloc(1, loss->state_size + 1);
    if (!settings)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for the settings of loss '%s'", loss->name);
    rt_loss_term term = {0};
    double turns[TURNS] = {0}, once = 0.0;
    rt_status status = rt_settings_parse(loss->name, loss->params, NULL, 0, settings, err);
    if (status == RT_OK)
        status = rt_loss_term_open(&term, loss, settings, 1.0, NULL, arrays, sizeof arrays / sizeof *arrays, err);
    if (status == RT_OK)
        status = run_often(&term, 10, &once, err);
    size_t times = 1 + (size_t)(1e3 / (once + 0.1));
    for (size_t turn = 0; turn < TURNS && status == RT_OK; ++turn)
        status = run_often(&term, times, &turns[turn], err);
    *median = rt_median(turns, TURNS);
    rt_loss_term_close(&term);
    free(settings);
    return status;
}

/* Whether the loss reads nothing but logits and labels. */
static bool takes_logits(const rt_loss *loss)
{
    for (size_t p = 0; p < loss->port_count; ++p) {
        const rt_port *port = &loss->ports[p];
        if (!(port->flags & RT_PORT_OPTIONAL) && strcmp(port->name, "student.logits") != 0 &&
            strcmp(port->name, "teacher.logits") != 0 && strcmp(port->name, "labels") != 0)
            return false;
    }
    return true;
}

static rt_status measure_sizes(const rt_loss *loss, struct batch *batch, json_t *results, rt_error *err)
{
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; ++s) {
        double median = 0.0;
        RT_TRY(measure(loss, &sizes[s], batch, &median, err));
        json_array_append_new(results, json_pack("{s:s, s:i, s:i, s:f, s:i}", "loss", loss->name, "samples",
                                                 (int)sizes[s].samples, "classes", (int)sizes[s].classes,
                                                 "microseconds", median, "threads", rt_threads_count()));
    }
    return RT_OK;
}

/* Those that are named, or without names all that can be measured. */
static rt_status measure_all(const rt_catalogue *catalogue, char **names, size_t count, struct batch *batch,
                             json_t *results, rt_error *err)
{
    RT_TRY(fill(batch, err));
    for (size_t i = 0; i < count; ++i)
        RT_TRY(measure_sizes(rt_catalogue_find(catalogue, names[i]), batch, results, err));
    for (size_t i = 0; count == 0 && i < catalogue->loss_count; ++i)
        if (takes_logits(catalogue->losses[i]))
            RT_TRY(measure_sizes(catalogue->losses[i], batch, results, err));
    return RT_OK;
}

static int check_name(const rt_catalogue *catalogue, const char *name)
{
    const rt_loss *loss = rt_catalogue_find(catalogue, name);
    if (loss && takes_logits(loss))
        return RT_EXIT_OK;
    if (loss)
        return rt_command_misused(&rt_command_bench, "--losses gives logits and labels alone, and '%s' reads more",
                                  name);
    const char *nearest = rt_kind_suggest(rt_kind_find("loss", strlen("loss")), catalogue, name);
    return rt_command_misused(&rt_command_bench, "--losses takes names of losses, and '%s' is none%s%s%s", name,
                              nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

static rt_status print_table(const json_t *results, rt_error *err)
{
    rt_table *table = rt_table_new("lrrr");
    rt_table_cell(table, "loss"), rt_table_cell(table, "samples"), rt_table_cell(table, "classes");
    rt_table_cell(table, "us"), rt_table_rule(table);
    for (size_t i = 0; i < json_array_size(results); ++i) {
        const json_t *result = json_array_get(results, i);
        rt_table_cell(table, "%s", json_string_value(json_object_get(result, "loss")));
        rt_table_cell(table, "%d", (int)json_integer_value(json_object_get(result, "samples")));
        rt_table_cell(table, "%d", (int)json_integer_value(json_object_get(result, "classes")));
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
    struct batch batch = {0};
    json_t *results = json_array();
    rt_status status = measure_all(catalogue, argv + optind, (size_t)(argc - optind), &batch, results, &err);
    if (status == RT_OK && json) {
        if (json_dumpf(results, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6)) != 0)
            status = rt_fail(&err, RT_ERROR_FILE, "cannot write standard output");
        putchar('\n');
    } else if (status == RT_OK) {
        status = print_table(results, &err);
    }
    json_decref(results);
    release(&batch);
    return status == RT_OK ? RT_EXIT_OK : rt_command_failed(&rt_command_bench, &err);
}
