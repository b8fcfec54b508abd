/* retort: finds the command that the first argument names and hands over. */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/threads.h"
#include "cli/command.h"
#include "retort/suggest.h"

static int unknown(const char *word)
{
    const char **names = calloc(rt_command_count, sizeof *names);
    for (size_t i = 0; names && i < rt_command_count; ++i)
        names[i] = rt_commands[i]->name;
    const char *nearest = names ? rt_suggest(word, names, rt_command_count) : NULL;
    free(names);
    if (nearest)
        fprintf(stderr, "retort: there is no command '%s'; did you mean '%s'?\n", word, nearest);
    else
        fprintf(stderr, "retort: there is no command '%s'; 'retort help' names them\n", word);
    return RT_EXIT_USAGE;
}

static bool asks_for_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static int help_about(char *topic)
{
    char name[] = "help";
    char *arguments[] = {name, topic, NULL};
    return rt_command_help.run(topic ? 2 : 1, arguments);
}

static int dispatch(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: retort COMMAND [...]\n'retort help' names the commands\n");
        return RT_EXIT_USAGE;
    }
    char *word = argv[1];
    if (asks_for_help(word))
        return help_about(argc > 2 ? argv[2] : NULL);
    if (strcmp(word, "--version") == 0)
        return rt_command_version.run(argc - 1, argv + 1);
    const rt_command *command = rt_command_find(word);
    if (!command)
        return unknown(word);
    for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; ++i)
        if (asks_for_help(argv[i]))
            return help_about(word);
    return command->run(argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
    rt_threads_spin_briefly(argv);
    /* Nobody reading our output any more must not end a training run; writes to stdout then fail, as seen below. */
    signal(SIGPIPE, SIG_IGN);
    int code = dispatch(argc, argv);
    errno = 0;
    if (fflush(stdout) != 0 || ferror(stdout)) {
        if (errno != EPIPE)
            fprintf(stderr, "retort: write standard output: %s\n", errno ? strerror(errno) : "failed");
        if (code == RT_EXIT_OK)
            code = RT_EXIT_FAILED;
    }
    return code;
}
