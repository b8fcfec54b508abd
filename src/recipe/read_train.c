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

void rt_read_train(rt_loading *loader, const rt_yaml *map, const char *where, rt_train_recipe *train)
{
    static const char *const sections[] = {"optimizer", "schedule", NULL};
    rt_bind(&loader->binder, map, &(rt_scope){where, {{rt_recipe_params_train, train}}, sections, false});
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
