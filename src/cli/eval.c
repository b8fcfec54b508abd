#include <stdio.h>

#include "cli/command.h"

static int run(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    fprintf(stderr, "retort eval: not in this build\n");
    return RT_EXIT_FAILED;
}

const rt_command rt_command_eval = {
    .name = "eval",
    .usage = "eval RUN_OR_RECIPE",
    .summary = "measure a trained network on a split",
    .run = run,
};
