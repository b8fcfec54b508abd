/* retort gradcheck: a loss, built-in or from a plugin, put to every check. */
#include <getopt.h>
#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/threads.h"
#include "check/check.h"
#include "cli/catalog.h"
#include "cli/command.h"
#include "cli/plugins.h"
#include "formats/json.h"
#include "recipe/number.h"
#include "recipe/recipe.h"
#include "report/table.h"
#include "retort/suggest.h"

enum { MOST_SETTINGS = 64, MOST_CHECKS = 32 };

struct request {
    const char *what; /* a loss, or a plugin's file */
    const char *settings[MOST_SETTINGS];
    size_t setting_count;
    bool skips[MOST_CHECKS];
    uint64_t seed;
    bool json;
};

static int skip(struct request *request, const char *name)
{
    const char *names[MOST_CHECKS];
    for (size_t i = 0; i < rt_check_count; ++i)
        names[i] = rt_checks[i].name;
    const rt_check *check = rt_check_find(name);
    if (check) {
        request->skips[check - rt_checks] = true;
        return RT_EXIT_OK;
    }
    const char *nearest = rt_suggest(name, names, rt_check_count);
    return rt_command_misused(&rt_command_gradcheck, "there is no check '%s'%s%s%s", name,
                              nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

static int read_seed(struct request *request, const char *text)
{
    int64_t seed;
    double real;
    if (rt_number_read(text, &seed, &real) != RT_NUMBER_INTEGER || seed < 0)
        return rt_command_misused(&rt_command_gradcheck, "--seed '%s': it must be an integer of at least 0", text);
    request->seed = (uint64_t)seed;
    return RT_EXIT_OK;
}

static int parse(int argc, char **argv, struct request *request)
{
    static const struct option options[] = {{"set", required_argument, NULL, 's'},
                                            {"skip", required_argument, NULL, 'k'},
                                            {"seed", required_argument, NULL, 'e'},
                                            {"json", no_argument, NULL, 'j'},
                                            {0}};
    int code = RT_EXIT_OK;
    opterr = 0;
    optind = 0;
    for (int option; code == RT_EXIT_OK && (option = getopt_long(argc, argv, ":", options, NULL)) != -1;) {
        if (option == ':')
            return rt_command_misused(&rt_command_gradcheck, "option '%s' needs a value", argv[optind - 1]);
        if (option == '?')
            return rt_command_misused(&rt_command_gradcheck, "unknown option '%s'", argv[optind - 1]);
        if (option == 's' && request->setting_count == MOST_SETTINGS)
            return rt_command_misused(&rt_command_gradcheck, "more than %d times --set", MOST_SETTINGS);
        if (option == 's')
            request->settings[request->setting_count++] = optarg;
        else if (option == 'k')
            code = skip(request, optarg);
        else if (option == 'e')
            code = read_seed(request, optarg);
        else
            request->json = true;
    }
    if (code == RT_EXIT_OK && optind == argc)
        return rt_command_misused(&rt_command_gradcheck, "which loss?");
    if (code == RT_EXIT_OK && optind + 1 < argc)
        return rt_command_misused(&rt_command_gradcheck, "unexpected argument '%s'", argv[optind + 1]);
    request->what = argv[optind];
    return code;
}

static const char *verdict_word(const rt_check_result *result)
{
    static const char *const words[] = {"passed", "FAILED", "-"};
    return words[result->verdict];
}

static void add_row(rt_table *table, const rt_check *check, const rt_check_result *result)
{
    rt_table_cell(table, "%s", check->name);
    rt_table_cell(table, "%s", strcmp(check->name, "speed") == 0 ? "" : verdict_word(result));
    if (result->verdict == RT_CHECK_DOES_NOT_APPLY) {
        for (int i = 0; i < 4; ++i)
            rt_table_cell(table, "%s", "");
    } else {
        rt_table_cell(table, "%zu", result->cases);
        rt_table_cell(table, "%zu", result->compared);
        rt_table_cell(table, "%zu", result->kinks);
        char worst[16] = "";
        if (result->worst > 0.0)
            snprintf(worst, sizeof worst, "%.2g", result->worst);
        rt_table_cell(table, "%s", worst);
    }
    rt_table_cell(table, "%s", result->note[0] ? result->note : check->question);
}

static void add_json(json_t *list, const rt_check *check, const rt_check_result *result)
{
    static const char *const words[] = {"passed", "failed", "does not apply"};
    const rt_check_failure *failure = &result->failure;
    json_t *item = json_pack("{s:s, s:s, s:I, s:I, s:I, s:f}", "check", check->name, "verdict", words[result->verdict],
                             "cases", (json_int_t)result->cases, "compared", (json_int_t)result->compared, "kinks",
                             (json_int_t)result->kinks, "worst", result->worst);
    if (result->seconds > 0.0)
        json_object_set_new(item, "seconds", json_real(result->seconds));
    if (result->ratio > 0.0)
        json_object_set_new(item, "ratio", json_real(result->ratio));
    if (result->verdict == RT_CHECK_FAILED)
        json_object_set_new(item, "failure",
                            json_pack("{s:s, s:s, s:s, s:I, s:o, s:o}", "words", failure->words, "shapes",
                                      failure->shapes, "element", failure->element, "seed", (json_int_t)failure->seed,
                                      "expected", rt_json_number(failure->expected), "got",
                                      rt_json_number(failure->got)));
    json_array_append_new(list, item);
}

/* What is found out about one loss. */
struct findings {
    rt_check_result results[MOST_CHECKS];
    bool ran[MOST_CHECKS];
    size_t failed, passed;
};

static rt_status run_checks(const struct request *request, const rt_check_subject *subject, struct findings *findings,
                            rt_error *err)
{
    for (size_t i = 0; i < rt_check_count; ++i) {
        if (request->skips[i])
            continue;
        RT_TRY(rt_check_run(&rt_checks[i], subject, &findings->results[i], err));
        findings->ran[i] = true;
        findings->failed += findings->results[i].verdict == RT_CHECK_FAILED;
        findings->passed += findings->results[i].verdict == RT_CHECK_PASSED && strcmp(rt_checks[i].name, "speed") != 0;
    }
    return RT_OK;
}

static rt_status print_findings(const rt_loss *loss, const struct findings *findings, rt_error *err)
{
    rt_table *table = rt_table_new("llrrrrl");
    const char *const titles[] = {"check", "verdict", "cases", "compared", "kinks", "worst", ""};
    for (size_t i = 0; i < sizeof titles / sizeof *titles; ++i)
        rt_table_cell(table, "%s", titles[i]);
    rt_table_rule(table);
    for (size_t i = 0; i < rt_check_count; ++i)
        if (findings->ran[i])
            add_row(table, &rt_checks[i], &findings->results[i]);
    rt_status status = rt_table_print(table, stdout, 0, err);
    rt_table_free(table);
    for (size_t i = 0; i < rt_check_count; ++i)
        if (findings->ran[i] && findings->results[i].verdict == RT_CHECK_FAILED)
            printf("\n%s: %s\n", rt_checks[i].name, findings->results[i].failure.words);
    printf("\n%s: %zu passed, %zu failed\n", loss->name, findings->passed, findings->failed);
    return status;
}

static void list_findings(const rt_loss *loss, const struct findings *findings, json_t *losses)
{
    json_t *checks = json_array();
    for (size_t i = 0; i < rt_check_count; ++i)
        if (findings->ran[i])
            add_json(checks, &rt_checks[i], &findings->results[i]);
    json_array_append_new(
        losses, json_pack("{s:s, s:b, s:o}", "loss", loss->name, "passed", findings->failed == 0, "checks", checks));
}

/* The settings of a loss as they stand on the command line. Allocated. */
static rt_status read_settings(const rt_loss *loss, const char *const *values, size_t count, void **settings,
                               rt_error *err)
{
    char what[128];
    snprintf(what, sizeof what, "loss/%s", loss->name);
    *settings = calloc(1, loss->state_size + 1);
    if (!*settings)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for the settings of loss '%s'", loss->name);
    return rt_settings_parse(what, loss->params, values, count, *settings, err);
}

/* Whether the loss itself refuses its settings: with a sentence of its own, rather than in every check. */
static rt_status try_settings(const rt_loss *loss, const void *settings, rt_error *err)
{
    void *state = calloc(1, loss->state_size + 1);
    if (!state)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for the state of loss '%s'", loss->name);
    memcpy(state, settings, loss->state_size);
    rt_status status = loss->init ? loss->init(state, err) : RT_OK;
    if (status == RT_OK && loss->done)
        loss->done(state);
    free(state);
    return status;
}

static rt_status check_loss(const struct request *request, const rt_catalogue *catalogue, const rt_loss *loss,
                            json_t *losses, size_t *failed, rt_error *err)
{
    rt_check_subject subject = {.loss = loss, .seed = request->seed, .measure = rt_catalogue_find(catalogue, "kl")};
    struct findings findings = {0};
    void *settings = NULL, *usual = NULL;
    rt_status status = read_settings(loss, request->settings, request->setting_count, &settings, err);
    if (status == RT_OK)
        status = try_settings(loss, settings, err);
    if (status == RT_OK && subject.measure)
        status = read_settings(subject.measure, NULL, 0, &usual, err);
    subject.settings = settings;
    subject.measure_settings = usual;
    if (status == RT_OK)
        status = run_checks(request, &subject, &findings, err);
    if (status == RT_OK && request->json)
        list_findings(loss, &findings, losses);
    else if (status == RT_OK)
        status = print_findings(loss, &findings, err);
    *failed += findings.failed;
    free(settings);
    free(usual);
    return status;
}

static bool is_file(const char *what)
{
    const char *dot = strrchr(what, '.');
    return strchr(what, '/') || (dot && strcmp(dot, ".so") == 0);
}

static rt_status find_losses(const char *what, rt_catalogue *catalogue, size_t *first, size_t *count, rt_error *err)
{
    *count = 1;
    if (is_file(what)) {
        RT_TRY(rt_catalogue_load(catalogue, what, NULL, err));
        const rt_plugin_file *plugin = rt_catalogue_plugin(catalogue, what);
        *first = plugin ? plugin->first : 0;
        *count = plugin ? plugin->count : 0;
        return RT_OK;
    }
    for (*first = 0; *first < catalogue->loss_count; ++*first)
        if (strcmp(catalogue->losses[*first]->name, what) == 0)
            return RT_OK;
    const char *nearest = rt_kind_suggest(rt_kind_find("loss", strlen("loss")), catalogue, what);
    return rt_fail(err, RT_ERROR_USAGE, "there is no loss '%s'%s%s%s", what,
                   nearest ? "; did you mean '" : "; 'retort list losses' names them", nearest ? nearest : "",
                   nearest ? "'?" : "");
}

static int check_losses(const struct request *request, rt_catalogue *catalogue)
{
    rt_error err = {0};
    size_t first = 0, count = 0, failed = 0;
    json_t *losses = json_array();
    rt_status status = find_losses(request->what, catalogue, &first, &count, &err);
    if (status == RT_OK && count > 1 && request->setting_count > 0)
        status = rt_fail(&err, RT_ERROR_USAGE, "'%s' has %zu losses; --set is for one: name it, behind --plugin '%s'",
                         request->what, count, request->what);
    for (size_t i = 0; i < count && status == RT_OK; ++i)
        status = check_loss(request, catalogue, catalogue->losses[first + i], losses, &failed, &err);
    if (status == RT_OK && request->json) {
        if (json_dumpf(losses, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(17)) != 0)
            status = rt_fail(&err, RT_ERROR_FILE, "cannot write standard output");
        putchar('\n');
    }
    json_decref(losses);
    if (status != RT_OK)
        return rt_command_failed(&rt_command_gradcheck, &err);
    return failed > 0 ? RT_EXIT_FAILED : RT_EXIT_OK;
}

static int run(int argc, char **argv)
{
    struct request request = {0};
    rt_catalogue catalogue;
    int code = rt_plugins_take(&rt_command_gradcheck, &argc, argv, &catalogue);
    if (code != RT_EXIT_OK)
        return code;
    code = parse(argc, argv, &request);
    rt_threads_start(0);
    if (code == RT_EXIT_OK)
        code = check_losses(&request, &catalogue);
    rt_catalogue_close(&catalogue);
    return code;
}

const rt_command rt_command_gradcheck = {
    .name = "gradcheck",
    .usage = "gradcheck NAME|FILE.so [--set key=value ...] [--skip CHECK ...] [--seed N] [--json] [--plugin FILE.so]",
    .summary = "put a loss to the test: gradients, extreme inputs, threads, what it declares, speed",
    .details =
        "Makes up arrays of many shapes from the loss's descriptor and prints a verdict for each check, with the "
        "first\n"
        "case that failed: shapes, seed, element, what was expected and what came. Exit code 1 where a check fails.\n"
        "\n"
        "  --set KEY=VALUE  a parameter of the loss; may be repeated\n"
        "  --skip CHECK     leave a check out, as `differences` for a loss that holds a part of itself constant\n"
        "  --seed N         of what is made up; 0 by default\n"
        "  --json           the verdicts for machines\n"
        "  --plugin FILE.so load losses of your own; a file in place of the name checks all losses in it\n"
        "\n"
        "`cases` counts arrays made up, `compared` numbers, `worst` the largest error as a share of what is allowed.\n"
        "Gradients are compared with finite differences in double, to 1e-6 of the gradient and 3e-8 of the largest in\n"
        "its array, with steps from 2^-8 down to 2^-15. `kinks` are points where no step agrees because the slopes to\n"
        "the right and to the left differ: there the gradient must lie between the two, and at most a twentieth of "
        "all\n"
        "points may be such.",
    .run = run,
};
