/* --precision of the commands that have it. */
#ifndef RETORT_CLI_PRECISION_H
#define RETORT_CLI_PRECISION_H

#include "base/precision.h"
#include "cli/command.h"

/* Returns RT_EXIT_OK, or RT_EXIT_USAGE after having said that there is no such precision, or that this CPU lacks it. */
int rt_command_precision(const rt_command *command, const char *text, rt_precision *precision);

#endif
