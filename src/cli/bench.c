#include <stdio.h>

#include "cli/command.h"

static int run(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    fprintf(stderr, "retort bench: not in this build\n");
    return RT_EXIT_FAILED;
}

const rt_command rt_command_bench = {
    .name = "bench",
    .usage = "bench RECIPE [--steps N] [--synthetic] --json",
    .summary = "time each part of a training step",
    .run = run,
};
