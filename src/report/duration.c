#include "report/duration.h"

#include <stdio.h>

void rt_duration_format(double seconds, char *text, size_t size)
{
    const long minute = 60, hour = 60 * minute, day = 24 * hour;
    if (!(seconds >= 0.0 && seconds < 99.0 * (double)day)) {
        snprintf(text, size, "?");
        return;
    }
    long whole = (long)(seconds + 0.5);
    if (whole < hour)
        snprintf(text, size, "%ld:%02ld", whole / minute, whole % minute);
    else if (whole < day)
        snprintf(text, size, "%ld:%02ld:%02ld", whole / hour, whole % hour / minute, whole % minute);
    else
        snprintf(text, size, "%ldd %02ld:%02ld", whole / day, whole % day / hour, whole % hour / minute);
}
