/* How a plugin is compiled, for those who are told. */
#ifndef RETORT_CLI_COMPILE_COMMAND_H
#define RETORT_CLI_COMPILE_COMMAND_H

#include <stddef.h>

/* The command that makes NAME.so of NAME.c, with the headers that belong to this program: those beside it, where it is
 * installed or in a build folder, or those it was built from. Cut to `size` bytes. */
void rt_compile_command(const char *name, char *text, size_t size);

#endif
