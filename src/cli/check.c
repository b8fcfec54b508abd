#include <stdio.h>

#include "cli/command.h"

static int run(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    fprintf(stderr, "retort check: not in this build\n");
    return RT_EXIT_FAILED;
}

const rt_command rt_command_check = {
    .name = "check",
    .usage = "check RECIPE [key.sub=value ...]",
    .summary = "find what is wrong with a recipe, and what it would cost, without training",
    .run = run,
};
