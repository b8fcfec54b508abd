#include "retort/error.h"

#include <stdarg.h>
#include <stdio.h>

rt_status rt_fail(rt_error *err, rt_status status, const char *format, ...)
{
    if (err) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(err->message, sizeof err->message, format, arguments);
        va_end(arguments);
        err->status = status;
    }
    return status;
}

const char *rt_status_name(rt_status status)
{
    switch (status) {
    case RT_OK:
        return "ok";
    case RT_ERROR_MEMORY:
        return "memory";
    case RT_ERROR_USAGE:
        return "usage";
    case RT_ERROR_SHAPE:
        return "shape";
    case RT_ERROR_FILE:
        return "file";
    case RT_ERROR_FORMAT:
        return "format";
    case RT_ERROR_NUMERIC:
        return "numeric";
    case RT_ERROR_BACKEND:
        return "backend";
    case RT_ERROR_INTERRUPTED:
        return "interrupted";
    }
    return "unknown";
}
