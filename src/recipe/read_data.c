#include "datasets/readers.h"
#include "recipe/choice.h"
#include "recipe/read.h"

const rt_yaml *rt_read_section(const rt_yaml *map, const char *key)
{
    const rt_yaml_entry *entry = map ? rt_yaml_find(map, key) : NULL;
    return entry ? entry->value : NULL;
}

rt_mark rt_read_mark(const rt_yaml *map, const char *key)
{
    const rt_yaml *value = rt_read_section(map, key);
    return value ? value->mark : (rt_mark){0};
}

const rt_yaml *rt_read_map(rt_loading *loader, const rt_yaml *map, const char *key)
{
    const rt_yaml *value = rt_read_section(map, key);
    char what[80];
    snprintf(what, sizeof what, "'%s'", key);
    return value && rt_bind_is_map(&loader->binder, value, what) ? value : NULL;
}

void rt_read_path(rt_loading *loader, const char *path, rt_mark mark, const char *name)
{
    if (path && path[0] == '\0')
        rt_diagnostics_add(loader->binder.diagnostics, mark, "'%s' is an empty path", name);
}

/* What is named is done, even with nothing but defaults: `rand_augment: {}`. */
static void read_augmentation(rt_loading *loader, const rt_yaml *map, const rt_augmentation *augmentation,
                              rt_augment_recipe *augment)
{
    char where[80];
    snprintf(where, sizeof where, "data.augment.%s", augmentation->name);
    void *settings = rt_owner_take(loader->tree.owner, 1, augmentation->settings_size);
    if (!settings || augment->choice_count == RT_MOST_AUGMENTATIONS)
        return;
    rt_bind(&loader->binder, rt_read_map(loader, map, augmentation->name),
            &(rt_scope){where, {{augmentation->params, settings}}, NULL, false});
    const char *wrong = augmentation->check ? augmentation->check(settings) : NULL;
    if (wrong)
        rt_diagnostics_add(loader->binder.diagnostics, rt_read_mark(map, augmentation->name), "%s: %s", where, wrong);
    augment->choices[augment->choice_count++] = (rt_augmentation_choice){augmentation, settings};
}

static void read_augment(rt_loading *loader, const rt_yaml *data, rt_augment_recipe *augment)
{
    const rt_yaml *map = rt_read_map(loader, data, "augment");
    const char *sections[RT_MOST_AUGMENTATIONS + 2] = {"crop"};
    for (size_t i = 0; i < rt_augmentation_count; ++i)
        sections[i + 1] = rt_augmentations[i]->name;
    rt_bind(&loader->binder, map, &(rt_scope){"data.augment", {{rt_recipe_params_augment, augment}}, sections, false});
    const rt_yaml *crop = rt_read_map(loader, map, "crop");
    rt_bind(&loader->binder, crop, &(rt_scope){"data.augment.crop", {{rt_recipe_params_crop, augment}}, NULL, false});
    for (size_t i = 0; i < rt_augmentation_count; ++i)
        if (rt_read_section(map, rt_augmentations[i]->name))
            read_augmentation(loader, map, rt_augmentations[i], augment);
}

/* Whether a list was taken over, so that nothing has been said of it yet. */
static bool is_bound(const rt_yaml *list, size_t count)
{
    return !list || (list->kind == RT_YAML_LIST && list->count == count);
}

void rt_read_data(rt_loading *loader, const rt_yaml *map, rt_data_recipe *data)
{
    static const char *const sections[] = {"augment", NULL};
    const rt_yaml *name = rt_read_section(map, "reader");
    ptrdiff_t index = -1;
    if (name && name->kind == RT_YAML_SCALAR && !rt_yaml_is_empty(name))
        index = rt_choice_find(&loader->binder, &rt_choice_readers, name->text, name->mark);
    data->reader = index >= 0 ? rt_readers[index] : NULL;
    data->reader_mark = rt_read_mark(map, "reader");
    const rt_param *params = data->reader ? data->reader->params : NULL;
    if (data->reader) {
        data->settings = rt_owner_take(loader->tree.owner, 1, data->reader->settings_size);
        if (!data->settings)
            return;
    }
    rt_bind(&loader->binder, map,
            &(rt_scope){"data", {{rt_recipe_params_data, data}, {params, data->settings}}, sections, !data->reader});
    read_augment(loader, map, &data->augment);

    data->root_mark = rt_read_mark(map, "root");
    rt_read_path(loader, data->root, data->root_mark, "root");
    if (map && data->reader && data->reader->needs_root && !rt_read_section(map, "root") && !loader->lenient)
        rt_diagnostics_add(loader->binder.diagnostics, map->mark,
                           "missing key 'root' in data (the folder that reader '%s' reads)", data->reader->name);
    if (is_bound(rt_read_section(map, "mean"), data->mean.count) &&
        is_bound(rt_read_section(map, "std"), data->std.count) && data->mean.count != data->std.count) {
        rt_mark mark = rt_read_mark(map, rt_read_section(map, "std") ? "std" : "mean");
        rt_diagnostics_add(loader->binder.diagnostics, mark,
                           "'mean' is a list of %zu and 'std' of %zu; both have one number for each channel, or none",
                           data->mean.count, data->std.count);
    }
}
