#include <string.h>

#include "losses/losses.h"
#include "recipe/choice.h"
#include "recipe/read.h"

/* Whether the loss must see a teacher; *port is what it reads there. */
static bool needs_teacher(const rt_loss *loss, const char **port)
{
    for (size_t i = 0; i < loss->port_count; ++i) {
        *port = loss->ports[i].name;
        if (strncmp(*port, "teacher", 7) == 0 && !(loss->ports[i].flags & RT_PORT_OPTIONAL))
            return true;
    }
    return false;
}

/* Lets the loss check its parameters against each other, on a copy: the settings stay as they were read. */
static void try_loss(rt_loading *loader, const rt_loss_recipe *term)
{
    rt_error err = {0};
    void *state = rt_owner_take(loader->tree.owner, 1, term->loss->state_size);
    if (!state || !term->loss->init)
        return;
    memcpy(state, term->settings, term->loss->state_size);
    if (term->loss->init(state, &err) != RT_OK)
        rt_diagnostics_add(loader->binder.diagnostics, term->mark, "%s", err.message);
    else if (term->loss->done)
        term->loss->done(state);
}

static bool is_known(const rt_choice_list *losses, const char *name)
{
    for (size_t i = 0; losses->name_at(losses->items, i); ++i)
        if (strcmp(losses->name_at(losses->items, i), name) == 0)
            return true;
    return false;
}

static void read_term(rt_loading *loader, const rt_yaml *node, const char *no_teacher, rt_loss_recipe *term)
{
    rt_choice choice;
    const rt_choice_list losses = rt_choice_losses(loader->catalogue);
    size_t mistakes = loader->binder.diagnostics->mistakes;
    if (!rt_choice_read(&loader->binder, &losses, node, &choice))
        return;
    term->mark = choice.mark;
    if (loader->lacks_plugins && !is_known(&losses, choice.name))
        return;
    ptrdiff_t index = rt_choice_find(&loader->binder, &losses, choice.name, choice.mark);
    if (index < 0)
        return;
    term->loss = loader->catalogue ? loader->catalogue->losses[index] : rt_losses[index];
    choice.name = term->loss->name;
    term->settings = rt_choice_bind(&loader->binder, &losses, &choice, (rt_binding){rt_recipe_params_term, term},
                                    term->loss->params, term->loss->state_size);
    const char *port;
    if (no_teacher && needs_teacher(term->loss, &port))
        rt_diagnostics_add(loader->binder.diagnostics, term->mark, "loss '%s' reads %s; %s", term->loss->name, port,
                           no_teacher);
    if (term->settings && loader->binder.diagnostics->mistakes == mistakes)
        try_loss(loader, term);
}

void rt_read_terms(rt_loading *loader, const rt_yaml *list, const char *no_teacher, rt_loss_recipe **terms,
                   size_t *count)
{
    if (list->kind == RT_YAML_INVALID)
        return;
    if (list->kind != RT_YAML_LIST || list->count == 0) {
        rt_diagnostics_add(loader->binder.diagnostics, list->mark,
                           "'loss' is %s; it must be a list of terms, each '- NAME'",
                           list->kind == RT_YAML_LIST ? "an empty list" : rt_yaml_show(list).text);
        return;
    }
    *terms = rt_owner_take(loader->tree.owner, list->count, sizeof **terms);
    for (size_t i = 0; *terms && i < list->count; ++i)
        read_term(loader, list->entries[i].value, no_teacher, &(*terms)[i]);
    *count = *terms ? list->count : 0;
}

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
