/* A model's options as one line of text, for the files that describe their network. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recipe/number.h"
#include "train/pretrained.h"

static void write_list(FILE *file, const rt_param *param, const void *field)
{
    const rt_int_list *integers = field;
    const rt_float_list *reals = field;
    bool whole = param->type == RT_PARAM_INT_LIST;
    size_t count = whole ? integers->count : reals->count;
    fputc('[', file);
    for (size_t i = 0; i < count; ++i) {
        fputs(i ? "," : "", file);
        if (whole)
            fprintf(file, "%lld", (long long)integers->values[i]);
        else
            fputs(rt_number_show(reals->values[i]).text, file);
    }
    fputc(']', file);
}

static void write_value(FILE *file, const rt_param *param, const void *settings)
{
    const void *field = (const char *)settings + param->offset;
    switch (param->type) {
    case RT_PARAM_INT:
        fprintf(file, "%lld", (long long)*(const int64_t *)field);
        break;
    case RT_PARAM_FLOAT:
        fputs(rt_number_show(*(const double *)field).text, file);
        break;
    case RT_PARAM_BOOL:
        fputs(*(const bool *)field ? "true" : "false", file);
        break;
    case RT_PARAM_ENUM:
        fputs(param->choices[*(const int *)field], file);
        break;
    case RT_PARAM_INT_LIST:
    case RT_PARAM_FLOAT_LIST:
        write_list(file, param, field);
        break;
    case RT_PARAM_STRING:
        fputs(*(const char *const *)field, file);
        break;
    }
}

static bool is_default(const rt_param *param, const void *settings)
{
    const void *field = (const char *)settings + param->offset;
    switch (param->type) {
    case RT_PARAM_INT:
        return *(const int64_t *)field == (int64_t)param->default_number;
    case RT_PARAM_FLOAT:
        return *(const double *)field == param->default_number;
    case RT_PARAM_BOOL:
        return *(const bool *)field == (param->default_number != 0.0);
    case RT_PARAM_ENUM:
        return *(const int *)field == (int)param->default_number;
    case RT_PARAM_INT_LIST:
        return ((const rt_int_list *)field)->count == 0;
    case RT_PARAM_FLOAT_LIST:
        return ((const rt_float_list *)field)->count == 0;
    case RT_PARAM_STRING:
        return param->default_string && strcmp(*(const char *const *)field, param->default_string) == 0;
    }
    return false;
}

/* Options are parted by spaces. */
static bool can_be_written(const rt_param *param, const void *settings)
{
    if (param->type != RT_PARAM_STRING)
        return true;
    const char *text = *(const char *const *)((const char *)settings + param->offset);
    return text && text[strcspn(text, " \t\n")] == '\0';
}

rt_status rt_options_write(const rt_param *params, const void *settings, bool only_changed, char **text, rt_error *err)
{
    *text = NULL;
    for (const rt_param *param = params; param && param->name; ++param)
        if (!can_be_written(param, settings))
            return rt_fail(err, RT_ERROR_USAGE,
                           "option '%s' is no text, or one with spaces; it cannot be recorded with weights",
                           param->name);
    size_t size;
    FILE *file = open_memstream(text, &size);
    if (!file)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for a model's options");
    const char *separator = "";
    for (const rt_param *param = params; param && param->name; ++param) {
        if (only_changed && is_default(param, settings))
            continue;
        fprintf(file, "%s%s=", separator, param->name);
        write_value(file, param, settings);
        separator = " ";
    }
    bool failed = ferror(file);
    if (fclose(file) != 0 || failed || !*text) {
        free(*text);
        *text = NULL;
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for a model's options");
    }
    return RT_OK;
}
