#include "cli/precision.h"

#include <string.h>

#include "engine/arithmetic.h"
#include "retort/suggest.h"

int rt_command_precision(const rt_command *command, const char *text, rt_precision *precision)
{
    rt_error err = {0};
    for (int i = 0; i < RT_PRECISIONS; ++i)
        if (strcmp(text, rt_precision_names[i]) == 0) {
            *precision = (rt_precision)i;
            return rt_precision_check(*precision, "--precision", &err) == RT_OK ? RT_EXIT_OK
                                                                                : rt_command_failed(command, &err);
        }
    const char *nearest = rt_suggest(text, rt_precision_names, RT_PRECISIONS);
    return rt_command_misused(command, "--precision '%s'; it must be fp32, bf16, auto or int8%s%s%s", text,
                              nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}
