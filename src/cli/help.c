/* retort help: the commands, and everything that a recipe can say, from the descriptors. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/catalog.h"
#include "cli/command.h"
#include "cli/describe.h"
#include "cli/plugins.h"
#include "report/table.h"
#include "retort/suggest.h"

static rt_status overview(rt_error *err)
{
    printf("usage: retort COMMAND [...]\n\nRetort distils image classifiers on CPUs.\n\nCommands\n");
    rt_table *table = rt_table_new("ll");
    for (unsigned long i = 0; i < rt_command_count; ++i) {
        rt_table_cell(table, "%s", rt_commands[i]->name);
        rt_table_cell(table, "%s", rt_commands[i]->summary);
    }
    rt_status status = rt_table_print(table, stdout, 2, err);
    rt_table_free(table);
    printf("\n'retort help COMMAND' explains a command, 'retort help recipe' every key of a recipe,\n"
           "'retort help plugin' losses of your own, 'retort help loss/kl' (or model/, dataset/, optimizer/, "
           "schedule/, augmentation/, layer/) what a recipe can name.\n");
    return status;
}

static void describe_command(const rt_command *command)
{
    printf("usage: retort %s\n\n%s\n", command->usage, command->summary);
    if (command->details && *command->details)
        printf("\n%s%s", command->details, command->details[strlen(command->details) - 1] == '\n' ? "" : "\n");
}

/* Every name that can stand after `retort help`; items without their kind. NULL without memory. */
static const char **all_topics(const rt_catalogue *catalogue, size_t *count)
{
    size_t capacity = rt_command_count + 2;
    for (size_t k = 0; k < rt_kind_count; ++k)
        capacity += 2 + rt_kinds[k].count(catalogue);
    const char **topics = calloc(capacity, sizeof *topics);
    *count = 0;
    if (!topics)
        return NULL;
    for (unsigned long i = 0; i < rt_command_count; ++i)
        topics[(*count)++] = rt_commands[i]->name;
    topics[(*count)++] = "recipe";
    topics[(*count)++] = "plugin";
    for (size_t k = 0; k < rt_kind_count; ++k) {
        topics[(*count)++] = rt_kinds[k].name;
        topics[(*count)++] = rt_kinds[k].plural;
        for (size_t i = 0; i < rt_kinds[k].count(catalogue); ++i)
            topics[(*count)++] = rt_kinds[k].item(catalogue, i);
    }
    return topics;
}

static int unknown_topic(const rt_catalogue *catalogue, const char *topic)
{
    size_t count;
    const char **topics = all_topics(catalogue, &count);
    const char *nearest = topics ? rt_suggest(topic, topics, count) : NULL;
    free(topics);
    if (nearest)
        return rt_command_misused(&rt_command_help, "nothing is called '%s'; did you mean '%s'?", topic, nearest);
    return rt_command_misused(&rt_command_help, "nothing is called '%s'", topic);
}

static int unknown_kind(const char *topic, size_t length)
{
    char *kind = strndup(topic, length);
    const char *names[16];
    size_t count = 0;
    for (; count < rt_kind_count && count < sizeof names / sizeof *names; ++count)
        names[count] = rt_kinds[count].name;
    const char *nearest = kind ? rt_suggest(kind, names, count) : NULL;
    free(kind);
    if (nearest)
        return rt_command_misused(&rt_command_help, "there is no kind '%.*s' as in '%s'; did you mean '%s/%s'?",
                                  (int)length, topic, topic, nearest, topic + length + 1);
    return rt_command_misused(&rt_command_help, "there is no kind '%.*s' as in '%s'", (int)length, topic, topic);
}

static int unknown_item(const rt_kind *kind, const rt_catalogue *catalogue, const char *name)
{
    const char *nearest = rt_kind_suggest(kind, catalogue, name);
    if (nearest)
        return rt_command_misused(&rt_command_help, "there is no %s '%s'; did you mean '%s/%s'?", kind->name, name,
                                  kind->name, nearest);
    return rt_command_misused(&rt_command_help, "there is no %s '%s'; 'retort list %s' names them", kind->name, name,
                              kind->plural);
}

static int finished(rt_status status, const rt_error *err)
{
    return status == RT_OK ? RT_EXIT_OK : rt_command_failed(&rt_command_help, err);
}

/* "loss/kl" */
static int qualified(const rt_catalogue *catalogue, const char *topic, size_t kind_length)
{
    const rt_kind *kind = rt_kind_find(topic, kind_length);
    if (!kind)
        return unknown_kind(topic, kind_length);
    const char *name = topic + kind_length + 1;
    size_t index = rt_kind_item(kind, catalogue, name);
    if (index == kind->count(catalogue))
        return unknown_item(kind, catalogue, name);
    rt_error err = {0};
    return finished(kind->describe(catalogue, index, stdout, &err), &err);
}

/* "kl": fine as long as only one kind knows it. */
static int bare(const rt_catalogue *catalogue, const char *name)
{
    const rt_kind *found[16];
    size_t count = 0;
    for (size_t k = 0; k < rt_kind_count && count < sizeof found / sizeof *found; ++k)
        if (rt_kind_item(&rt_kinds[k], catalogue, name) < rt_kinds[k].count(catalogue))
            found[count++] = &rt_kinds[k];
    if (count == 0)
        return unknown_topic(catalogue, name);
    if (count > 1)
        return rt_command_misused(&rt_command_help, "'%s' is the name of a %s and of a %s; write '%s/%s' or '%s/%s'",
                                  name, found[0]->name, found[1]->name, found[0]->name, name, found[1]->name, name);
    rt_error err = {0};
    return finished(found[0]->describe(catalogue, rt_kind_item(found[0], catalogue, name), stdout, &err), &err);
}

static int explain(int argc, char **argv, const rt_catalogue *catalogue)
{
    rt_error err = {0};
    if (argc == 1)
        return finished(overview(&err), &err);
    if (strcmp(argv[1], "--markdown") == 0) {
        if (argc != 3 || strcmp(argv[2], "losses") != 0)
            return rt_command_misused(&rt_command_help, "--markdown takes 'losses', and nothing else");
        return finished(rt_markdown_losses(stdout, &err), &err);
    }
    if (argc > 2)
        return rt_command_misused(&rt_command_help, "unexpected argument '%s'; one topic at a time", argv[2]);
    const char *topic = argv[1];
    const rt_command *command = rt_command_find(topic);
    if (command) {
        describe_command(command);
        return RT_EXIT_OK;
    }
    if (strcmp(topic, "recipe") == 0)
        return finished(rt_describe_recipe(stdout, &err), &err);
    if (strcmp(topic, "plugin") == 0) {
        rt_describe_plugin(stdout);
        return RT_EXIT_OK;
    }
    const rt_kind *kind = rt_kind_find(topic, strlen(topic));
    if (kind)
        return finished(kind->list(kind, catalogue, stdout, 0, &err), &err);
    const char *slash = strchr(topic, '/');
    return slash ? qualified(catalogue, topic, (size_t)(slash - topic)) : bare(catalogue, topic);
}

static int run(int argc, char **argv)
{
    rt_catalogue catalogue;
    int code = rt_plugins_take(&rt_command_help, &argc, argv, &catalogue);
    if (code != RT_EXIT_OK)
        return code;
    code = explain(argc, argv, &catalogue);
    rt_catalogue_close(&catalogue);
    return code;
}

const rt_command rt_command_help = {
    .name = "help",
    .usage = "help [COMMAND | recipe | plugin | KIND/NAME | NAME | --markdown losses] [--plugin FILE.so]",
    .summary = "explain a command, a recipe's keys, or what a recipe can name",
    .details = "KIND is loss, model, dataset, optimizer, schedule, augmentation or layer: `retort help loss/kl`. "
               "Without it the name alone\n"
               "does where it is the only one: `retort help kl`. `--markdown losses` prints losses/README.md.",
    .run = run,
};
