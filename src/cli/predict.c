#include <stdio.h>

#include "cli/command.h"

static int run(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    fprintf(stderr, "retort predict: not in this build\n");
    return RT_EXIT_FAILED;
}

const rt_command rt_command_predict = {
    .name = "predict",
    .usage = "predict --model NAME --weights FILE --data READER:ROOT --split test --logits out.npy",
    .summary = "write a network's logits for every image of a split",
    .run = run,
};
