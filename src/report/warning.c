#include "report/warning.h"

#include <stdarg.h>
#include <stdio.h>

void rt_warn(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("warning: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}
