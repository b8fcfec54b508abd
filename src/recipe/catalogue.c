#include "recipe/catalogue.h"

#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/file.h"
#include "losses/losses.h"
#include "recipe/descriptor.h"
#include "recipe/shared_object.h"
#include "retort/plugin.h"

enum { MOST_BYTES = 256 * 1024 * 1024, MOST_LOSSES = 256 };

rt_status rt_catalogue_open(rt_catalogue *catalogue, rt_error *err)
{
    *catalogue =
        (rt_catalogue){.losses = calloc(rt_loss_count, sizeof *catalogue->losses), .loss_count = rt_loss_count};
    if (!catalogue->losses)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for the list of losses");
    memcpy(catalogue->losses, rt_losses, rt_loss_count * sizeof *rt_losses);
    return RT_OK;
}

static void release(rt_plugin_file *plugin)
{
    if (plugin->handle)
        dlclose(plugin->handle);
    free(plugin->path);
}

void rt_catalogue_close(rt_catalogue *catalogue)
{
    for (size_t i = catalogue->plugin_count; i-- > 0;)
        release(&catalogue->plugins[i]);
    free(catalogue->plugins);
    free(catalogue->losses);
    *catalogue = (rt_catalogue){0};
}

const rt_loss *rt_catalogue_find(const rt_catalogue *catalogue, const char *name)
{
    for (size_t i = 0; i < catalogue->loss_count; ++i)
        if (strcmp(catalogue->losses[i]->name, name) == 0)
            return catalogue->losses[i];
    return NULL;
}

const rt_plugin_file *rt_catalogue_plugin(const rt_catalogue *catalogue, const char *path)
{
    const rt_plugin_file *found = NULL;
    char *absolute = realpath(path, NULL);
    for (size_t i = 0; absolute && !found && i < catalogue->plugin_count; ++i)
        if (strcmp(catalogue->plugins[i].path, absolute) == 0)
            found = &catalogue->plugins[i];
    free(absolute);
    return found;
}

/* The file's place and checksum. */
static rt_status identify(const char *path, rt_plugin_file *plugin, rt_error *err)
{
    rt_bytes bytes = {0};
    plugin->path = realpath(path, NULL);
    if (!plugin->path)
        return rt_fail(err, RT_ERROR_FILE, "plugin '%s': %s", path, strerror(errno));
    RT_TRY(rt_file_read(plugin->path, MOST_BYTES, &bytes, err));
    snprintf(plugin->checksum, sizeof plugin->checksum, "%016" PRIx64, (uint64_t)XXH3_64bits(bytes.data, bytes.size));
    bool whole = rt_shared_object_is_whole(&bytes);
    rt_bytes_free(&bytes);
    return whole ? RT_OK
                 : rt_fail(err, RT_ERROR_FORMAT,
                           "plugin '%s' cannot be loaded: it is not a shared object, or not whole", path);
}

/* What the linker says, without the path that our own words begin with. */
static const char *linker_words(const char *path)
{
    const char *words = dlerror();
    size_t length = strlen(path);
    if (!words)
        return "no reason given";
    return strncmp(words, path, length) == 0 && words[length] == ':' ? words + length + 2 : words;
}

/* The plugin's table, of our interface and with a sane number of losses. */
static rt_status find_table(const char *path, rt_plugin_file *plugin, const rt_plugin **table, rt_error *err)
{
    plugin->handle = dlopen(plugin->path, RTLD_NOW | RTLD_LOCAL);
    if (!plugin->handle)
        return rt_fail(err, RT_ERROR_FORMAT, "plugin '%s' cannot be loaded: %s", path, linker_words(plugin->path));
    *table = dlsym(plugin->handle, "rt_plugin_table");
    if (!*table)
        return rt_fail(err, RT_ERROR_FORMAT,
                       "plugin '%s' has no 'rt_plugin_table'; a plugin ends in RT_PLUGIN(&loss) (retort/plugin.h)",
                       path);
    if ((*table)->abi != RT_LOSS_ABI)
        return rt_fail(err, RT_ERROR_FORMAT,
                       "plugin '%s' is made for interface %u; this Retort has %d: compile it against its headers", path,
                       (*table)->abi, RT_LOSS_ABI);
    if (!(*table)->losses || (*table)->loss_count < 1 || (*table)->loss_count > MOST_LOSSES)
        return rt_fail(err, RT_ERROR_FORMAT, "plugin '%s' has %u losses; it must have 1 to %d", path,
                       (*table)->losses ? (*table)->loss_count : 0, MOST_LOSSES);
    return RT_OK;
}

/* Puts the losses into the catalogue's list, one by one; the list is cut again by whoever sees a failure. */
static rt_status add_losses(rt_catalogue *catalogue, const char *path, const rt_plugin *table, rt_error *err)
{
    size_t room = catalogue->loss_count + table->loss_count;
    const rt_loss **losses = realloc(catalogue->losses, room * sizeof *losses);
    if (!losses)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for the losses of plugin '%s'", path);
    catalogue->losses = losses;
    for (size_t i = 0; i < table->loss_count; ++i) {
        const rt_loss *loss = table->losses[i];
        rt_error why = {0};
        if (!loss)
            return rt_fail(err, RT_ERROR_FORMAT, "plugin '%s': loss %zu is NULL", path, i);
        if (rt_descriptor_check(loss, &why) != RT_OK)
            return rt_fail(err, why.status, "plugin '%s': %s", path, why.message);
        if (rt_catalogue_find(catalogue, loss->name))
            return rt_fail(err, RT_ERROR_USAGE, "plugin '%s': there is a loss '%s' already; it needs another name",
                           path, loss->name);
        losses[catalogue->loss_count++] = loss;
    }
    return RT_OK;
}

static rt_status load(rt_catalogue *catalogue, const char *path, const char *checksum, rt_plugin_file *plugin,
                      rt_error *err)
{
    const rt_plugin *table = NULL;
    RT_TRY(identify(path, plugin, err));
    if (checksum && strcmp(checksum, plugin->checksum) != 0)
        return rt_fail(err, RT_ERROR_USAGE, "plugin '%s' is another one than before: its checksum is %s, not %.20s",
                       path, plugin->checksum, checksum);
    RT_TRY(find_table(path, plugin, &table, err));
    plugin->first = catalogue->loss_count;
    plugin->count = table->loss_count;
    return add_losses(catalogue, path, table, err);
}

rt_status rt_catalogue_load(rt_catalogue *catalogue, const char *path, const char *checksum, rt_error *err)
{
    const rt_plugin_file *loaded = rt_catalogue_plugin(catalogue, path);
    if (loaded && (!checksum || strcmp(checksum, loaded->checksum) == 0))
        return RT_OK;
    rt_plugin_file *plugins = realloc(catalogue->plugins, (catalogue->plugin_count + 1) * sizeof *plugins);
    if (!plugins)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for plugin '%s'", path);
    catalogue->plugins = plugins;
    size_t losses = catalogue->loss_count;
    rt_plugin_file *plugin = &plugins[catalogue->plugin_count];
    *plugin = (rt_plugin_file){0};
    rt_status status = load(catalogue, path, checksum, plugin, err);
    if (status == RT_OK) {
        ++catalogue->plugin_count;
        return RT_OK;
    }
    catalogue->loss_count = losses;
    release(plugin);
    return status;
}
