/* The commands of `retort`: one file each, listed once in src/cli/meson.build. */
#ifndef RETORT_CLI_COMMAND_H
#define RETORT_CLI_COMMAND_H

#include "retort/error.h"

/* Exit codes. */
enum {
    RT_EXIT_OK = 0,
    RT_EXIT_FAILED = 1,       /* something went wrong while it ran */
    RT_EXIT_USAGE = 2,        /* the command line, a recipe or an input file is wrong; nothing was written */
    RT_EXIT_INTERRUPTED = 130 /* Ctrl-C; valid files were left */
};

typedef struct rt_command {
    const char *name;                  /* "train" */
    const char *usage;                 /* "train RECIPE [key.sub=value ...] [--out DIR]" */
    const char *summary;               /* one line */
    const char *details;               /* what `retort help NAME` prints below the usage; may be NULL */
    int (*run)(int argc, char **argv); /* argv[0] is the command's name; returns the exit code */
} rt_command;

/* rt_command_NAME for each name in src/cli/meson.build. */
#define COMMAND(name) extern const rt_command rt_command_##name;
#include "src/cli/commands.inc"
#undef COMMAND

extern const rt_command *const rt_commands[]; /* all of them, in the order of the help */
extern const unsigned long rt_command_count;

/* The command of that name, or NULL. */
const rt_command *rt_command_find(const char *name);

/* Prints "retort NAME: MESSAGE" to stderr and returns the exit code that fits the status: what comes from outside
 * (usage, shape, file, format) is RT_EXIT_USAGE. A command that has begun to write returns RT_EXIT_FAILED instead. */
int rt_command_failed(const rt_command *command, const rt_error *err);

/* Prints "retort NAME: " and the formatted words, then the usage, to stderr; returns RT_EXIT_USAGE. */
int rt_command_misused(const rt_command *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
