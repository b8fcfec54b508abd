#include "cli/plugins.h"

#include <string.h>

static int load(const rt_command *command, const char *path, rt_catalogue *catalogue)
{
    rt_error err = {0};
    if (rt_catalogue_load(catalogue, path, NULL, &err) == RT_OK)
        return RT_EXIT_OK;
    return rt_command_failed(command, &err);
}

/* The option's value, in the same argument or the next; NULL where there is none. Moves *i to its last argument. */
static const char *value_of(int argc, char **argv, int *i, size_t length)
{
    if (argv[*i][length] == '=')
        return argv[*i] + length + 1;
    return *i + 1 < argc ? argv[++*i] : NULL;
}

int rt_plugins_take(const rt_command *command, int *argc, char **argv, rt_catalogue *catalogue)
{
    static const char plugin[] = "--plugin", allow[] = "--allow-plugins";
    const size_t length = strlen(plugin);
    rt_error err = {0};
    int kept = 1, i = 1, code = RT_EXIT_OK;
    if (rt_catalogue_open(catalogue, &err) != RT_OK)
        return rt_command_failed(command, &err);
    for (; i < *argc && strcmp(argv[i], "--") != 0 && code == RT_EXIT_OK; ++i) {
        if (strcmp(argv[i], allow) == 0) {
            catalogue->allows_recipes = true;
        } else if (strncmp(argv[i], plugin, length) == 0 && (argv[i][length] == '\0' || argv[i][length] == '=')) {
            const char *path = value_of(*argc, argv, &i, length);
            code = path && *path ? load(command, path, catalogue)
                                 : rt_command_misused(command, "option '--plugin' needs a file");
        } else {
            argv[kept++] = argv[i];
        }
    }
    while (i < *argc)
        argv[kept++] = argv[i++];
    argv[kept] = NULL;
    *argc = kept;
    if (code != RT_EXIT_OK)
        rt_catalogue_close(catalogue);
    return code;
}
