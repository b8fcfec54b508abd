/* retort new: a file to begin with. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/command.h"
#include "cli/compile_command.h"
#include "losses/losses.h"
#include "recipe/descriptor.h"

/* loss_template.c, line by line. */
static const char template[] =
#include "src/cli/loss_template.inc"
    ;

static const char placeholder[] = "my_divergence";

static rt_status check_name(const char *name, rt_error *err)
{
    if (!rt_descriptor_is_name(name))
        return rt_fail(err, RT_ERROR_USAGE,
                       "'%.64s' cannot be a loss's name; it is made of a-z, 0-9 and _, begins with a letter and has at "
                       "most 48",
                       name);
    for (size_t i = 0; i < rt_loss_count; ++i)
        if (strcmp(rt_losses[i]->name, name) == 0)
            return rt_fail(err, RT_ERROR_USAGE, "there is a loss '%s' already; it needs another name", name);
    return RT_OK;
}

/* The template with the name in the placeholder's stead. */
static void put_template(const char *name, FILE *file)
{
    for (const char *text = template; *text;) {
        const char *next = strstr(text, placeholder);
        size_t length = next ? (size_t)(next - text) : strlen(text);
        fwrite(text, 1, length, file);
        if (next)
            fputs(name, file);
        text += length + (next ? strlen(placeholder) : 0);
    }
}

/* A file that is there already is left alone, whoever made it meanwhile. */
static rt_status write_template(const char *name, const char *path, rt_error *err)
{
    int descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    FILE *file = descriptor >= 0 ? fdopen(descriptor, "w") : NULL;
    if (!file) {
        rt_fail(err, RT_ERROR_FILE, "cannot write '%s': %s", path, strerror(errno));
        if (descriptor >= 0)
            close(descriptor);
        return err->status;
    }
    put_template(name, file);
    int failed = ferror(file);
    if (fclose(file) == 0 && !failed)
        return RT_OK;
    rt_fail(err, RT_ERROR_FILE, "cannot write '%s': %s", path, strerror(errno));
    unlink(path);
    return err->status;
}

static int run(int argc, char **argv)
{
    rt_error err = {0};
    char path[64], command[4608];
    if (argc < 2 || strcmp(argv[1], "loss") != 0)
        return rt_command_misused(&rt_command_new, argc < 2 ? "a new what?" : "there is no template for a '%s'",
                                  argv[1]);
    if (argc != 3)
        return rt_command_misused(&rt_command_new, argc < 3 ? "what is the loss's name?" : "unexpected argument '%s'",
                                  argv[argc < 3 ? 1 : 3]);
    rt_status status = check_name(argv[2], &err);
    if (status == RT_OK) {
        snprintf(path, sizeof path, "%s.c", argv[2]);
        status = write_template(argv[2], path, &err);
    }
    if (status != RT_OK)
        return rt_command_failed(&rt_command_new, &err);
    rt_compile_command(argv[2], command, sizeof command);
    fprintf(stderr,
            "%s is a loss that works; change it, and then:\n\n"
            "    %s\n"
            "    retort gradcheck ./%s.so\n",
            path, command, argv[2]);
    return RT_EXIT_OK;
}

const rt_command rt_command_new = {
    .name = "new",
    .usage = "new loss NAME",
    .summary = "write NAME.c, a loss of your own to begin with",
    .details = "The file is written into the current folder; one that is there is never written over. It compiles and "
               "works as it\nstands. `retort help plugin` says how to compile and use it, without building Retort "
               "anew.",
    .run = run,
};
