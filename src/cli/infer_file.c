#include "cli/infer_file.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "cli/output.h"

/* include/retort_infer.h, line by line. */
static const char text[] =
#include "src/cli/retort_infer.inc"
    ;

static const char name[] = "retort_infer.h";

static char *path_beside(const char *header)
{
    const char *slash = strrchr(header, '/');
    size_t folder = slash ? (size_t)(slash - header) + 1 : 0;
    char *path = calloc(folder + sizeof name, 1);
    if (path) {
        memcpy(path, header, folder);
        memcpy(path + folder, name, sizeof name);
    }
    return path;
}

static bool is_there(const char *path)
{
    rt_bytes file;
    if (rt_file_read(path, sizeof text, &file, NULL) != RT_OK)
        return false;
    bool same = file.size == sizeof text - 1 && memcmp(file.data, text, file.size) == 0;
    rt_bytes_free(&file);
    return same;
}

rt_status rt_infer_file_check(const char *header, bool force, rt_error *err)
{
    char *path = path_beside(header);
    rt_status status = path ? RT_OK : rt_fail(err, RT_ERROR_MEMORY, "no memory to write '%s'", header);
    if (path && strcmp(path, header) == 0)
        status = rt_fail(err, RT_ERROR_USAGE, "cannot write '%s': that is the name of the file beside it", header);
    if (status == RT_OK && !is_there(path))
        status = rt_output_check(path, force, err);
    free(path);
    return status;
}

rt_status rt_infer_file_write(const char *header, bool force, rt_error *err)
{
    RT_TRY(rt_infer_file_check(header, force, err));
    char *path = path_beside(header);
    rt_status status = path ? RT_OK : rt_fail(err, RT_ERROR_MEMORY, "no memory to write '%s'", header);
    if (status == RT_OK && !is_there(path))
        status = rt_file_write(path, &(rt_piece){text, sizeof text - 1}, 1, err);
    free(path);
    return status;
}
