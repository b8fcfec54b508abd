/* A file in a folder of the test program's own, for programs that need no more than one.
 *
 *     static int make_folder(void **state) { return (void)state, scratch_make("file.npy"); }
 *     return cmocka_run_group_tests(tests, make_folder, scratch_remove); */
#ifndef RETORT_TESTS_UNIT_SCRATCH_FILE_H
#define RETORT_TESTS_UNIT_SCRATCH_FILE_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[] = "/tmp/retort-test-XXXXXX";
static char path[64];

static inline int scratch_make(const char *name)
{
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return 0;
}

/* The file, if there is one, and the folder, which must hold nothing else. */
static inline int scratch_remove(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

#endif
