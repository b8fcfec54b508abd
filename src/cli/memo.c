/* retort memo: what a file of teacher logits holds, and whether it is right. */
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/threads.h"
#include "cli/command.h"
#include "report/table.h"
#include "train/memo.h"
#include "train/memo_audit.h"

enum { DEFAULT_SAMPLE = 256, MOST_SAMPLE = 100000000 };

struct arguments {
    bool verify, json;
    const char *file;
    const char *recipe; /* or a run's folder, or NULL */
    const char *const *overrides;
    size_t override_count;
    uint64_t sample;
};

/* What was found. */
struct findings {
    const rt_memo_file *file;
    rt_memo_count count;
    bool audited;
    rt_memo_audit audit;
};

static int parse(int argc, char **argv, struct arguments *arguments)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'}, {"sample", required_argument, NULL, 's'}, {NULL, 0, NULL, 0}};
    *arguments = (struct arguments){.sample = DEFAULT_SAMPLE};
    optind = 0;
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        char *end = NULL;
        long number = option == 's' ? strtol(optarg, &end, 10) : 1;
        if (option == '?')
            return rt_command_misused(&rt_command_memo, "option '%s' is unknown or lacks its value", argv[optind - 1]);
        if (option == 's' && (*end || end == optarg || number < 1 || number > MOST_SAMPLE))
            return rt_command_misused(&rt_command_memo, "--sample '%s' must be a whole number from 1 to %d", optarg,
                                      MOST_SAMPLE);
        arguments->json |= option == 'j';
        if (option == 's')
            arguments->sample = (uint64_t)number;
    }
    int left = argc - optind;
    const char *what = left > 0 ? argv[optind] : "";
    arguments->verify = strcmp(what, "verify") == 0;
    if (!arguments->verify && strcmp(what, "info") != 0)
        return rt_command_misused(&rt_command_memo, "%s%s%s", left > 0 ? "there is no 'memo " : "what is to be done? ",
                                  left > 0 ? what : "info or verify", left > 0 ? "'; it is info or verify" : "");
    if (left < 2)
        return rt_command_misused(&rt_command_memo, "which file?");
    if (!arguments->verify && left > 2)
        return rt_command_misused(&rt_command_memo, "unexpected argument '%s'", argv[optind + 2]);
    arguments->file = argv[optind + 1];
    arguments->recipe = left > 2 ? argv[optind + 2] : NULL;
    arguments->overrides = (const char *const *)argv + optind + 3;
    arguments->override_count = left > 3 ? (size_t)(left - 3) : 0;
    return RT_EXIT_OK;
}

static int print_json(const struct findings *f)
{
    const rt_memo_key *key = &f->file->key;
    json_t *ingredients = json_object();
    for (int i = 0; i < RT_MEMO_INGREDIENTS; ++i)
        json_object_set_new(ingredients, rt_memo_ingredient_name((rt_memo_ingredient)i), json_string(key->values[i]));
    json_t *object =
        json_pack("{s:I, s:I, s:I, s:s, s:I, s:I, s:I, s:I, s:I, s:o}", "samples", (json_int_t)key->samples, "variants",
                  (json_int_t)key->variants, "classes", (json_int_t)key->classes, "precision",
                  rt_memo_precision_name(key->precision), "entries", (json_int_t)f->file->entries, "present",
                  (json_int_t)f->count.present, "damaged", (json_int_t)f->count.damaged, "bytes",
                  (json_int_t)f->file->size, "disk_bytes", (json_int_t)f->count.disk_bytes, "ingredients", ingredients);
    if (f->audited)
        json_object_set_new(
            object, "computed_again",
            json_pack("{s:I, s:I}", "equal", (json_int_t)f->audit.equal, "different", (json_int_t)f->audit.different));
    int failed = !object || json_dumpf(object, stdout, JSON_INDENT(1)) != 0;
    json_decref(object);
    putchar('\n');
    return failed ? RT_EXIT_FAILED : RT_EXIT_OK;
}

static int print_text(const struct findings *f)
{
    const rt_memo_key *key = &f->file->key;
    rt_error err = {0};
    rt_table *table = rt_table_new("ll");
    rt_table_cell(table, "logits");
    rt_table_cell(table, "%llu images x %llu variants x %llu classes, %s", (unsigned long long)key->samples,
                  (unsigned long long)key->variants, (unsigned long long)key->classes,
                  rt_memo_precision_name(key->precision));
    rt_table_cell(table, "filled");
    rt_table_cell(table, "%llu of %llu entries (%.2f %%), %llu damaged", (unsigned long long)f->count.present,
                  (unsigned long long)f->file->entries, 100.0 * (double)f->count.present / (double)f->file->entries,
                  (unsigned long long)f->count.damaged);
    rt_table_cell(table, "size");
    rt_table_cell(table, "%.1f MB on the disk, %.1f MB when full", (double)f->count.disk_bytes / 1e6,
                  (double)f->file->size / 1e6);
    for (int i = 0; i < RT_MEMO_INGREDIENTS; ++i) {
        rt_table_cell(table, "%s", rt_memo_ingredient_name((rt_memo_ingredient)i));
        rt_table_cell(table, "%s", key->values[i]);
    }
    if (f->audited) {
        rt_table_cell(table, "computed again");
        rt_table_cell(table, "%llu equal, %llu different", (unsigned long long)f->audit.equal,
                      (unsigned long long)f->audit.different);
    }
    rt_status status = rt_table_print(table, stdout, 0, &err);
    rt_table_free(table);
    return status == RT_OK ? RT_EXIT_OK : rt_command_failed(&rt_command_memo, &err);
}

/* `verify` with a recipe: computes some of the entries once more. */
static rt_status audit(const struct arguments *arguments, const rt_memo *memo, struct findings *findings, rt_error *err)
{
    rt_recipe *recipe = NULL;
    char *weights = NULL;
    rt_engine *engine = NULL;
    rt_status status = rt_memo_audit_recipe(arguments->recipe, arguments->overrides, arguments->override_count, &recipe,
                                            &weights, err);
    if (status == RT_OK) {
        rt_threads_start((int)recipe->threads);
        status = rt_engine_new(&engine, err);
    }
    if (status == RT_OK)
        status = rt_memo_audit_run(memo, engine, recipe, weights, arguments->sample, &findings->audit, err);
    findings->audited = status == RT_OK;
    rt_engine_free(engine);
    rt_recipe_free(recipe);
    free(weights);
    return status;
}

static int run(int argc, char **argv)
{
    struct arguments arguments;
    int code = parse(argc, argv, &arguments);
    if (code != RT_EXIT_OK)
        return code;
    rt_error err = {0};
    rt_memo *memo = NULL;
    struct findings findings = {0};
    rt_status status = rt_memo_look(arguments.file, &memo, &err);
    if (status == RT_OK)
        status = rt_memo_count_entries(memo, &findings.count, &err);
    if (status == RT_OK && arguments.recipe)
        status = audit(&arguments, memo, &findings, &err);
    if (status != RT_OK) {
        rt_memo_close(memo);
        return rt_command_failed(&rt_command_memo, &err);
    }
    findings.file = rt_memo_file_of(memo);
    code = arguments.json ? print_json(&findings) : print_text(&findings);
    if (arguments.verify && (findings.count.damaged > 0 || findings.audit.different > 0)) {
        fprintf(stderr, "retort memo: '%s' has %llu damaged entries, which are computed again when they are wanted%s\n",
                arguments.file, (unsigned long long)findings.count.damaged,
                findings.audit.different ? ", and WRONG ones: do not use it" : "");
        code = RT_EXIT_FAILED;
    }
    rt_memo_close(memo);
    return code;
}

const rt_command rt_command_memo = {
    .name = "memo",
    .usage =
        "memo info FILE [--json] | memo verify FILE [RECIPE [key.sub=value ...] | RUN_FOLDER] [--sample N] [--json]",
    .summary = "look into a file of teacher logits, or check it",
    .details =
        "A teacher in evaluation mode says the same of the same image each time, so that `retort train` keeps its\n"
        "logits for all later runs (`teacher.memo` in a recipe). `info` prints whose logits a file holds and how\n"
        "full it is. `verify` exits with 1 where an entry does not match its checksum; with the recipe, or the\n"
        "folder of a run that trained its teacher, it computes N entries (256) again, and each must have the\n"
        "same bits. Files may be deleted at any time when no run uses them.\n",
    .run = run,
};
