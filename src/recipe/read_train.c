#include <string.h>

#include "recipe/choice.h"
#include "recipe/read.h"

/* The optimizer or schedule below `key`, `usual` where nothing is there; its index, or -1. */
static ptrdiff_t read_choice(rt_loading *loader, const rt_choice_list *list, const rt_yaml *map, const char *usual,
                             rt_choice *choice)
{
    const rt_yaml *node = rt_read_section(map, list->what);
    *choice = (rt_choice){.name = usual};
    if (node && !rt_choice_read(&loader->binder, list, node, choice))
        return -1;
    return rt_choice_find(&loader->binder, list, choice->name, choice->mark);
}

/* A list of words: what is to be monitored. */
static void read_monitor(rt_loading *loader, const rt_yaml *list, rt_train_recipe *train)
{
    if (!list || list->kind == RT_YAML_INVALID)
        return;
    if (list->kind != RT_YAML_LIST) {
        rt_diagnostics_add(loader->binder.diagnostics, list->mark, "'monitor' is %s; it must be a list of words",
                           rt_yaml_show(list).text);
        return;
    }
    for (size_t i = 0; i < list->count; ++i) {
        const rt_yaml *item = list->entries[i].value;
        const char *word = item->kind == RT_YAML_SCALAR ? item->text : "";
        size_t m = 0;
        while (m < RT_MONITORS && strcmp(rt_monitor_names[m], word) != 0)
            ++m;
        if (m < RT_MONITORS)
            train->monitored[m] = true;
        else if (item->kind != RT_YAML_INVALID)
            rt_diagnostics_add(loader->binder.diagnostics, item->mark, "'monitor' names %s%s", rt_yaml_show(item).text,
                               rt_bind_hint(word, rt_monitor_names, RT_MONITORS, "it may name").text);
    }
}

void rt_read_train(rt_loading *loader, const rt_yaml *map, const char *where, rt_train_recipe *train)
{
    static const char *const sections[] = {"optimizer", "schedule", "monitor", NULL};
    rt_bind(&loader->binder, map, &(rt_scope){where, {{rt_recipe_params_train, train}}, sections, false});
    read_monitor(loader, rt_read_section(map, "monitor"), train);
    rt_choice choice;
    ptrdiff_t index = read_choice(loader, &rt_choice_optimizers, map, "sgd", &choice);
    if (index >= 0) {
        const rt_optimizer *optimizer = rt_optimizers[index];
        choice.name = optimizer->name;
        train->optimizer.optimizer = optimizer;
        train->optimizer.settings = rt_choice_bind(&loader->binder, &rt_choice_optimizers, &choice, (rt_binding){0},
                                                   optimizer->params, optimizer->settings_size);
    }
    index = read_choice(loader, &rt_choice_schedules, map, "constant", &choice);
    if (index >= 0) {
        const rt_schedule *schedule = rt_schedules[index];
        choice.name = schedule->name;
        train->schedule.schedule = schedule;
        train->schedule.settings = rt_choice_bind(&loader->binder, &rt_choice_schedules, &choice, (rt_binding){0},
                                                  schedule->params, schedule->settings_size);
    }
}
