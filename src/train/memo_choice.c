#include "train/memo_choice.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/file.h"
#include "train/memo_file.h"

static void give_up(rt_memo_choice *choice, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void give_up(rt_memo_choice *choice, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(choice->reason, sizeof choice->reason, format, arguments);
    va_end(arguments);
    free(choice->path);
    choice->path = NULL;
}

/* "~/.cache/retort/resnet56-0123456789abcdef.memo"; NULL where there is no home or no memory. */
static char *name_file(const rt_memo_key *key)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    const char *base = cache && *cache == '/' ? cache : home && *home == '/' ? home : NULL;
    const char *model = key->values[RT_MEMO_MODEL];
    if (!base)
        return NULL;
    char digest[17], *path = NULL;
    rt_memo_key_digest(key, digest);
    if (asprintf(&path, "%s%s/retort/%.*s-%s" RT_MEMO_ENDING, base, base == cache ? "" : "/.cache",
                 (int)strcspn(model, " "), model, digest) < 0)
        return NULL;
    return path;
}

/* What is free on the disk of `path`, which need not exist, nor the folders on the way to it; 0 where nobody knows. */
static uint64_t free_bytes(const char *path)
{
    char *folder = strdup(path);
    struct statvfs disk;
    bool known = false;
    for (char *slash; folder && !known && (slash = strrchr(folder, '/'));) {
        slash[slash == folder] = '\0';
        known = statvfs(folder, &disk) == 0;
        if (slash == folder)
            break;
    }
    free(folder);
    return known ? (uint64_t)disk.f_bavail * disk.f_frsize : 0;
}

static void choose_auto(const rt_memo_key *key, rt_memo_choice *choice)
{
    const double gigabyte = 1e9;
    choice->path = name_file(key);
    if (!choice->path) {
        give_up(choice, "neither XDG_CACHE_HOME nor HOME names a folder for it");
        return;
    }
    if (choice->bytes == 0 || choice->bytes > RT_MEMO_LARGEST_AUTO) {
        give_up(choice, "it could grow to %.1f GB; beyond %.1f GB the recipe must name a file",
                (double)choice->bytes / gigabyte, (double)RT_MEMO_LARGEST_AUTO / gigabyte);
        return;
    }
    struct stat about;
    uint64_t taken = stat(choice->path, &about) == 0 ? (uint64_t)about.st_blocks * 512 : 0;
    uint64_t growth = choice->bytes > taken ? choice->bytes - taken : 0, room = free_bytes(choice->path);
    if (growth > room / 2) {
        /* The path goes with give_up(). */
        char path[sizeof choice->reason / 2];
        snprintf(path, sizeof path, "%s", choice->path);
        give_up(choice, "it could grow by %.1f GB, more than half of the %.1f GB that are free for '%s'",
                (double)growth / gigabyte, (double)room / gigabyte, path);
    }
}

rt_status rt_memo_choose(const char *wish, const rt_memo_key *key, bool independent, rt_memo_choice *choice,
                         rt_error *err)
{
    *choice = (rt_memo_choice){.given = strcmp(wish, "auto") != 0 && strcmp(wish, "off") != 0,
                               .bytes = rt_memo_file_bytes(key)};
    if (strcmp(wish, "off") == 0)
        give_up(choice, "the recipe says off");
    else if (key->variants == 0)
        give_up(choice, "the augmentation has no finite number of variants");
    else if (!independent)
        give_up(choice, "with this engine an image's logits depend on its place in a batch");
    else if (!choice->given)
        choose_auto(key, choice);
    else if (!(choice->path = strdup(wish)))
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for the name of a memo");
    if (choice->given && !choice->path)
        return rt_fail(err, RT_ERROR_USAGE, "memo '%s' is of no use here: %s", wish, choice->reason);
    return RT_OK;
}

void rt_memo_choice_free(rt_memo_choice *choice)
{
    free(choice->path);
    choice->path = NULL;
}
