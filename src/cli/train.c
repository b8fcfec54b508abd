#include <stdio.h>

#include "cli/command.h"

static int run(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    fprintf(stderr, "retort train: not in this build\n");
    return RT_EXIT_FAILED;
}

const rt_command rt_command_train = {
    .name = "train",
    .usage = "train RECIPE [key.sub=value ...] [--out DIR]",
    .summary = "train what a recipe describes: teacher, student alone, distilled student",
    .run = run,
};
