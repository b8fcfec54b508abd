/* The plugins that a recipe names. They are loaded before its losses are read, if the user has said so. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "recipe/catalogue.h"
#include "recipe/read.h"

struct named {
    const char *file, *checksum;
};

static const rt_param params[] = {
    RT_REQUIRED_STRING(struct named, file, "the shared object"),
    RT_STRING(struct named, checksum, NULL, "that it must have"),
    RT_PARAM_END,
};

/* Where the file is: a relative path begins at the recipe's folder. Allocated. */
static char *place(const rt_loading *loader, const char *file)
{
    const char *slash = strrchr(loader->recipe->path, '/');
    if (file[0] == '/' || !slash)
        return strdup(file);
    char *folder =
        strndup(loader->recipe->path, slash == loader->recipe->path ? 1 : (size_t)(slash - loader->recipe->path));
    char *path = folder ? rt_path_join(folder, file) : NULL;
    free(folder);
    return path;
}

static void load(rt_loading *loader, const struct named *plugin, rt_mark mark)
{
    rt_catalogue *catalogue = loader->catalogue;
    rt_error err = {0};
    char *path = place(loader, plugin->file);
    loader->lacks_plugins = true;
    if (!path)
        loader->binder.diagnostics->is_short = true;
    else if (!catalogue)
        rt_diagnostics_add(loader->binder.diagnostics, mark, "plugin %s: plugins are not loaded here",
                           rt_text_show(plugin->file).text);
    else if (!catalogue->allows_recipes && !rt_catalogue_plugin(catalogue, path))
        rt_diagnostics_add(loader->binder.diagnostics, mark,
                           "plugin %s is code that would run with your rights; --allow-plugins lets recipes load such",
                           rt_text_show(plugin->file).text);
    else if (rt_catalogue_load(catalogue, path, plugin->checksum, &err) != RT_OK)
        rt_diagnostics_add(loader->binder.diagnostics, mark, "%s", err.message);
    else
        loader->lacks_plugins = false;
    free(path);
}

static void read_plugin(rt_loading *loader, const rt_yaml *node)
{
    struct named plugin = {0};
    size_t mistakes = loader->binder.diagnostics->mistakes;
    if (node->kind == RT_YAML_MAP)
        rt_bind(&loader->binder, node, &(rt_scope){.where = "plugins", .bindings = {{params, &plugin}}});
    else if (node->kind == RT_YAML_SCALAR && !rt_yaml_is_empty(node) && *node->text)
        plugin.file = node->text;
    else if (node->kind != RT_YAML_INVALID)
        rt_diagnostics_add(loader->binder.diagnostics, node->mark,
                           "a plugin is %s; it must be a file, or {file: ..., checksum: ...}", rt_yaml_show(node).text);
    if (plugin.file && loader->binder.diagnostics->mistakes == mistakes)
        load(loader, &plugin, node->mark);
    else
        loader->lacks_plugins = true;
}

/* What the catalogue has by now, the command line's plugins among it, is what the recipe is read with. */
static void record_plugins(rt_loading *loader)
{
    const rt_catalogue *catalogue = loader->catalogue;
    rt_recipe *recipe = loader->recipe;
    size_t count = catalogue ? catalogue->plugin_count : 0;
    recipe->plugins = rt_owner_take(loader->tree.owner, count, sizeof *recipe->plugins);
    for (size_t i = 0; recipe->plugins && i < count; ++i) {
        const rt_plugin_file *file = &catalogue->plugins[i];
        recipe->plugins[i].file = rt_owner_copy(loader->tree.owner, file->path, strlen(file->path));
        recipe->plugins[i].checksum = rt_owner_copy(loader->tree.owner, file->checksum, strlen(file->checksum));
        recipe->plugin_count += recipe->plugins[i].file && recipe->plugins[i].checksum;
    }
}

void rt_read_plugins(rt_loading *loader, const rt_yaml *list)
{
    if (list && list->kind != RT_YAML_LIST && list->kind != RT_YAML_INVALID)
        rt_diagnostics_add(loader->binder.diagnostics, list->mark, "'plugins' is %s; it must be a list of files",
                           rt_yaml_show(list).text);
    for (size_t i = 0; list && list->kind == RT_YAML_LIST && i < list->count; ++i)
        read_plugin(loader, list->entries[i].value);
    record_plugins(loader);
}
