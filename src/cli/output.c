#include "cli/output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static rt_status check_folder(const char *path, rt_error *err)
{
    const char *slash = strrchr(path, '/');
    if (path[0] == '\0' || (slash && slash[1] == '\0'))
        return rt_fail(err, RT_ERROR_FILE, "cannot write '%s': it must be the name of a file", path);
    char *folder = !slash ? strdup(".") : strndup(path, slash == path ? 1 : (size_t)(slash - path));
    if (!folder)
        return rt_fail(err, RT_ERROR_MEMORY, "cannot write '%s': no memory", path);
    bool good = access(folder, W_OK | X_OK) == 0;
    free(folder);
    return good ? RT_OK : rt_fail(err, RT_ERROR_FILE, "cannot write '%s': its folder: %s", path, strerror(errno));
}

rt_status rt_output_check(const char *path, bool force, rt_error *err)
{
    struct stat about;
    RT_TRY(check_folder(path, err));
    if (lstat(path, &about) != 0)
        return errno == ENOENT ? RT_OK : rt_fail(err, RT_ERROR_FILE, "cannot write '%s': %s", path, strerror(errno));
    if (!S_ISREG(about.st_mode))
        return rt_fail(err, RT_ERROR_FILE, "cannot write '%s': it exists and is not a regular file", path);
    if (!force)
        return rt_fail(err, RT_ERROR_FILE, "cannot write '%s': it exists; --force replaces it", path);
    return RT_OK;
}
