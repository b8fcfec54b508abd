#include "recipe/choice.h"

#include <string.h>

#include "datasets/readers.h"
#include "losses/losses.h"
#include "retort/suggest.h"

static const char *reader_at(const void *items, size_t index)
{
    (void)items;
    return index < rt_reader_count ? rt_readers[index]->name : NULL;
}

static const char *loss_at(const void *items, size_t index)
{
    const rt_catalogue *catalogue = items;
    if (!catalogue)
        return index < rt_loss_count ? rt_losses[index]->name : NULL;
    return index < catalogue->loss_count ? catalogue->losses[index]->name : NULL;
}

static const char *optimizer_at(const void *items, size_t index)
{
    (void)items;
    return index < rt_optimizer_count ? rt_optimizers[index]->name : NULL;
}

static const char *schedule_at(const void *items, size_t index)
{
    (void)items;
    return index < rt_schedule_count ? rt_schedules[index]->name : NULL;
}

static const char *model_at(const void *items, size_t index)
{
    (void)items;
    for (size_t i = 0; i < rt_model_family_count; ++i)
        for (const char *const *variant = rt_model_families[i]->variants; *variant; ++variant)
            if (index-- == 0)
                return *variant;
    return NULL;
}

const rt_choice_list rt_choice_readers = {"reader", reader_at, NULL};
const rt_choice_list rt_choice_models = {"model", model_at, NULL};
const rt_choice_list rt_choice_optimizers = {"optimizer", optimizer_at, NULL};
const rt_choice_list rt_choice_schedules = {"schedule", schedule_at, NULL};

rt_choice_list rt_choice_losses(const rt_catalogue *catalogue)
{
    return (rt_choice_list){"loss", loss_at, catalogue};
}

ptrdiff_t rt_choice_find(const rt_binder *binder, const rt_choice_list *list, const char *name, rt_mark mark)
{
    enum { MOST = 512 };
    const char *names[MOST];
    size_t count = 0;
    for (; count < MOST && list->name_at(list->items, count); ++count) {
        names[count] = list->name_at(list->items, count);
        if (strcmp(names[count], name) == 0)
            return (ptrdiff_t)count;
    }
    rt_diagnostics_add(binder->diagnostics, mark, "unknown %s %s%s", list->what, rt_text_show(name).text,
                       rt_bind_hint(name, names, count, "known:").text);
    const char *near = rt_suggest(name, names, count);
    for (size_t i = 0; near && i < count; ++i)
        if (names[i] == near)
            return (ptrdiff_t)i;
    return -1;
}

bool rt_choice_read(const rt_binder *binder, const rt_choice_list *list, const rt_yaml *node, rt_choice *choice)
{
    *choice = (rt_choice){0};
    if (node->kind == RT_YAML_SCALAR && !rt_yaml_is_empty(node)) {
        *choice = (rt_choice){node->text, node->mark, NULL};
        return true;
    }
    if (node->kind == RT_YAML_MAP && node->count > 1) {
        rt_diagnostics_add(binder->diagnostics, node->entries[1].key_mark,
                           "%s stands beside %s %s; one key is the name, its settings are indented below it",
                           rt_text_show(node->entries[1].key).text, list->what,
                           rt_text_show(node->entries[0].key).text);
        return false;
    }
    if (node->kind != RT_YAML_MAP || node->count == 0) {
        if (node->kind != RT_YAML_INVALID)
            rt_diagnostics_add(binder->diagnostics, node->mark,
                               "%s is %s; it must be a name, or a name with its settings", list->what,
                               node->kind == RT_YAML_MAP ? "an empty mapping" : rt_yaml_show(node).text);
        return false;
    }
    const rt_yaml_entry *entry = &node->entries[0];
    *choice = (rt_choice){entry->key, entry->key_mark, NULL};
    char what[128];
    snprintf(what, sizeof what, "what is set for %s %s", list->what, rt_text_show(entry->key).text);
    if (!rt_yaml_is_empty(entry->value) && rt_bind_is_map(binder, entry->value, what))
        choice->settings = entry->value;
    return true;
}

void *rt_choice_bind(const rt_binder *binder, const rt_choice_list *list, const rt_choice *choice, rt_binding common,
                     const rt_param *params, size_t size)
{
    void *settings = rt_owner_take(binder->owner, 1, size);
    if (!settings)
        return NULL;
    char where[128];
    snprintf(where, sizeof where, "%s %s", list->what, rt_text_show(choice->name).text);
    const rt_yaml none = {.kind = RT_YAML_MAP, .mark = choice->mark};
    rt_bind(binder, choice->settings ? choice->settings : &none,
            &(rt_scope){.where = where, .bindings = {common, {params, settings}}});
    return settings;
}
