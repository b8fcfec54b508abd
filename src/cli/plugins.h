/* The options that all commands share which look losses up: --plugin and --allow-plugins. */
#ifndef RETORT_CLI_PLUGINS_H
#define RETORT_CLI_PLUGINS_H

#include "cli/command.h"
#include "recipe/catalogue.h"

/* Takes `--plugin FILE` (as often as it stands there) and `--allow-plugins` out of the arguments before a "--", and
 * opens the catalogue with them. Returns RT_EXIT_OK, or the exit code after having said what is wrong; the catalogue is
 * closed then. */
int rt_plugins_take(const rt_command *command, int *argc, char **argv, rt_catalogue *catalogue);

/* The options in words, for the commands' help. */
#define RT_PLUGINS_DETAILS                                                                                             \
    "  --plugin FILE.so  load losses of your own (`retort help plugin`); may be repeated\n"                            \
    "  --allow-plugins   let the recipe load the plugins that it names\n"

#endif
