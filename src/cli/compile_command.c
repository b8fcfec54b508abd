#include "cli/compile_command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

/* Flags that matter: without -ffp-contract=off bits differ between machines, and rt_exp() rounds wrongly. */
#define FLAGS "-std=c17 -O3 -fPIC -shared -ffp-contract=off -fno-math-errno"

/* FOLDER/../include, where the program is FOLDER/retort and headers are there. Allocated; NULL where they are not. */
static char *headers_beside_program(void)
{
    char program[4096], *include = NULL;
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length <= 0)
        return NULL;
    program[length] = '\0';
    for (int level = 0; level < 2; ++level) {
        char *slash = strrchr(program, '/');
        if (!slash)
            return NULL;
        *slash = '\0';
    }
    char *header = rt_path_join(program, "include/retort/plugin.h");
    if (header && rt_path_exists(header))
        include = rt_path_join(program, "include");
    free(header);
    return include;
}

void rt_compile_command(const char *name, char *text, size_t size)
{
    char *include = headers_beside_program();
    snprintf(text, size, "cc " FLAGS " -I%s -o %s.so %s.c", include ? include : RETORT_HEADERS, name, name);
    free(include);
}
