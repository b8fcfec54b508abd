/* Files that a command is asked to write. */
#ifndef RETORT_CLI_OUTPUT_H
#define RETORT_CLI_OUTPUT_H

#include <stdbool.h>

#include "retort/error.h"

/* Whether a file can be written there at the end of the work, asked before it begins: its folder exists and is
 * writable, and nothing is there already, or a regular file and `force`. */
rt_status rt_output_check(const char *path, bool force, rt_error *err);

#endif
