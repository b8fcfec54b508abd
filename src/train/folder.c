#include "train/folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"

/* Whether the folder holds anything; -1 when it cannot be read. */
static int is_empty(const char *folder)
{
    DIR *listing = opendir(folder);
    if (!listing)
        return -1;
    int empty = 1;
    for (struct dirent *entry; empty && (entry = readdir(listing));)
        empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    closedir(listing);
    return empty;
}

static rt_status make_named(const char *out, char **folder, rt_error *err)
{
    if (!*out)
        return rt_fail(err, RT_ERROR_USAGE, "the run folder's name is empty");
    if (rt_path_exists(out)) {
        int empty = is_empty(out);
        if (empty < 0)
            return rt_fail(err, RT_ERROR_FILE, "run folder '%s': %s", out, strerror(errno));
        if (!empty)
            return rt_fail(err, RT_ERROR_USAGE,
                           "run folder '%s' is not empty; nothing is overwritten: choose another "
                           "--out, or --resume %s to go on with it",
                           out, out);
    }
    RT_TRY(rt_folder_make(out, err));
    *folder = strdup(out);
    return *folder ? RT_OK : rt_fail(err, RT_ERROR_MEMORY, "no memory for the name of the run folder");
}

rt_status rt_run_folder_make(const char *out, const char *recipe_path, char **folder, rt_error *err)
{
    if (out)
        return make_named(out, folder, err);
    const char *slash = strrchr(recipe_path, '/'), *base = slash ? slash + 1 : recipe_path;
    const char *dot = strrchr(base, '.');
    int length = dot && dot != base ? (int)(dot - base) : (int)strlen(base);
    RT_TRY(rt_folder_make("runs", err));
    size_t room = strlen(base) + 32;
    char *name = malloc(room);
    if (!name)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for the name of the run folder");
    for (int number = 1; number < 100000; ++number) {
        if (number == 1)
            snprintf(name, room, "runs/%.*s", length, base);
        else
            snprintf(name, room, "runs/%.*s-%d", length, base, number);
        /* mkdir settles which of two runs that start together gets the name. */
        if (mkdir(name, 0777) == 0) {
            *folder = name;
            return RT_OK;
        }
        if (errno != EEXIST)
            break;
    }
    rt_status status = rt_fail(err, RT_ERROR_FILE, "cannot make run folder '%s': %s", name, strerror(errno));
    free(name);
    return status;
}

rt_status rt_run_folder_recipe(const char *folder, const rt_recipe *recipe, rt_error *err)
{
    char *path = rt_path_join(folder, "recipe.yaml"), *text = rt_recipe_resolve(recipe);
    rt_status status = path && text ? rt_file_write(path, &(rt_piece){text, strlen(text)}, 1, err)
                                    : rt_fail(err, RT_ERROR_MEMORY, "no memory to resolve the recipe");
    free(path);
    free(text);
    return status;
}
