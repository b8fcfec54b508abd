#include "cli/command.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define COMMAND(name) &rt_command_##name,
const rt_command *const rt_commands[] = {
#include "src/cli/commands.inc"
};
#undef COMMAND
const unsigned long rt_command_count = sizeof rt_commands / sizeof *rt_commands;

const rt_command *rt_command_find(const char *name)
{
    for (unsigned long i = 0; i < rt_command_count; ++i)
        if (strcmp(rt_commands[i]->name, name) == 0)
            return rt_commands[i];
    return NULL;
}

int rt_command_failed(const rt_command *command, const rt_error *err)
{
    fprintf(stderr, "retort %s: %s\n", command->name, err->message);
    switch (err->status) {
    case RT_ERROR_INTERRUPTED:
        return RT_EXIT_INTERRUPTED;
    case RT_ERROR_USAGE:
    case RT_ERROR_SHAPE:
    case RT_ERROR_FILE:
    case RT_ERROR_FORMAT:
        return RT_EXIT_USAGE;
    case RT_OK:
    case RT_ERROR_MEMORY:
    case RT_ERROR_NUMERIC:
    case RT_ERROR_BACKEND:
        break;
    }
    return RT_EXIT_FAILED;
}

int rt_command_misused(const rt_command *command, const char *format, ...)
{
    fprintf(stderr, "retort %s: ", command->name);
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\nusage: retort %s\n", command->usage);
    return RT_EXIT_USAGE;
}
