/* retort list: what a recipe can name. */
#include <stdio.h>
#include <string.h>

#include "cli/catalog.h"
#include "cli/command.h"
#include "cli/plugins.h"
#include "retort/suggest.h"

static rt_status list_all(const rt_catalogue *catalogue, rt_error *err)
{
    for (size_t i = 0; i < rt_kind_count; ++i) {
        printf("%s%s\n", i ? "\n" : "", rt_kinds[i].plural);
        RT_TRY(rt_kinds[i].list(&rt_kinds[i], catalogue, stdout, 2, err));
    }
    return RT_OK;
}

static int unknown(const char *word)
{
    enum { MAX_KINDS = 16 };
    const char *plurals[MAX_KINDS];
    size_t count = 0;
    for (; count < rt_kind_count && count < MAX_KINDS; ++count)
        plurals[count] = rt_kinds[count].plural;
    const char *nearest = rt_suggest(word, plurals, count);
    if (nearest)
        return rt_command_misused(&rt_command_list, "there are no '%s'; did you mean '%s'?", word, nearest);
    return rt_command_misused(&rt_command_list, "there are no '%s'", word);
}

static int list(int argc, char **argv, const rt_catalogue *catalogue)
{
    rt_error err = {0};
    if (argc > 2)
        return rt_command_misused(&rt_command_list, "unexpected argument '%s'; one kind at a time, or none for all",
                                  argv[2]);
    if (argc == 1)
        return list_all(catalogue, &err) == RT_OK ? RT_EXIT_OK : rt_command_failed(&rt_command_list, &err);
    const rt_kind *kind = rt_kind_find(argv[1], strlen(argv[1]));
    if (!kind)
        return unknown(argv[1]);
    rt_status status = kind->list(kind, catalogue, stdout, 0, &err);
    return status == RT_OK ? RT_EXIT_OK : rt_command_failed(&rt_command_list, &err);
}

static int run(int argc, char **argv)
{
    rt_catalogue catalogue;
    int code = rt_plugins_take(&rt_command_list, &argc, argv, &catalogue);
    if (code != RT_EXIT_OK)
        return code;
    code = list(argc, argv, &catalogue);
    rt_catalogue_close(&catalogue);
    return code;
}

const rt_command rt_command_list = {
    .name = "list",
    .usage = "list [losses|models|datasets|optimizers|schedules|augmentations|layers] [--plugin FILE.so]",
    .summary = "name what a recipe can name, with a line about each",
    .details = "`retort help NAME` says more about each.",
    .run = run,
};
