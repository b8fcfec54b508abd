/* Parameter tables in words. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/describe.h"
#include "report/table.h"

static const char *type_name(const rt_param *param)
{
    switch (param->type) {
    case RT_PARAM_INT:
        return "integer";
    case RT_PARAM_FLOAT:
        return "number";
    case RT_PARAM_BOOL:
        return "true or false";
    case RT_PARAM_ENUM:
        return "choice";
    case RT_PARAM_STRING:
        return "text";
    case RT_PARAM_INT_LIST:
        return "integers";
    case RT_PARAM_FLOAT_LIST:
        return "numbers";
    }
    return "?";
}

/* The shortest spelling that reads back as the same number; whole numbers in full as long as that can be read. */
static const char *number(double value, char text[32])
{
    if (value == floor(value) && fabs(value) < 1e7) {
        snprintf(text, 32, "%.0f", value);
        return text;
    }
    for (int digits = 6; digits <= 17; ++digits) {
        snprintf(text, 32, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    /* "1e-06" is "1e-6" to people. */
    char *exponent = strchr(text, 'e');
    if (exponent) {
        long power = strtol(exponent + 1, NULL, 10);
        snprintf(exponent, 32 - (size_t)(exponent - text), "e%ld", power);
    }
    return text;
}

static void default_cell(rt_table *table, const rt_param *param)
{
    char text[32];
    if (param->required) {
        rt_table_cell(table, "required");
        return;
    }
    switch (param->type) {
    case RT_PARAM_INT:
        rt_table_cell(table, "%.0f", param->default_number);
        return;
    case RT_PARAM_FLOAT:
        rt_table_cell(table, "%s", number(param->default_number, text));
        return;
    case RT_PARAM_BOOL:
        rt_table_cell(table, "%s", param->default_number != 0.0 ? "true" : "false");
        return;
    case RT_PARAM_ENUM:
        rt_table_cell(table, "%s", param->choices[(int)param->default_number]);
        return;
    case RT_PARAM_STRING:
        rt_table_cell(table, "%s", param->default_string ? param->default_string : "none");
        return;
    case RT_PARAM_INT_LIST:
    case RT_PARAM_FLOAT_LIST:
        rt_table_cell(table, "none");
        return;
    }
}

static void choices_cell(rt_table *table, const char *const *choices)
{
    char text[256] = "";
    size_t length = 0;
    for (size_t i = 0; choices[i] && length < sizeof text; ++i)
        length += (size_t)snprintf(text + length, sizeof text - length, "%s%s", i ? " | " : "", choices[i]);
    rt_table_cell(table, "%s", text);
}

/* Bounds beyond what anybody would write stand for "none". */
static void range_cell(rt_table *table, const rt_param *param)
{
    const double beyond = 9e15;
    char low[32], high[32];
    if (param->type == RT_PARAM_ENUM)
        choices_cell(table, param->choices);
    else if (param->type == RT_PARAM_STRING || param->type == RT_PARAM_BOOL)
        rt_table_cell(table, "%s", "");
    else if (fabs(param->minimum) < beyond && param->maximum < beyond)
        rt_table_cell(table, "%s to %s", number(param->minimum, low), number(param->maximum, high));
    else if (fabs(param->minimum) < beyond)
        rt_table_cell(table, "at least %s", number(param->minimum, low));
    else if (param->maximum < beyond)
        rt_table_cell(table, "at most %s", number(param->maximum, high));
    else
        rt_table_cell(table, "any");
}

rt_status rt_describe_params(const rt_param *params, FILE *file, size_t indent, rt_error *err)
{
    if (!params || !params->name)
        return RT_OK;
    rt_table *table = rt_table_new("lllll");
    rt_table_cell(table, "key");
    rt_table_cell(table, "type");
    rt_table_cell(table, "default");
    rt_table_cell(table, "range");
    rt_table_cell(table, "meaning");
    rt_table_rule(table);
    for (const rt_param *param = params; param->name; ++param) {
        rt_table_cell(table, "%s", param->name);
        rt_table_cell(table, "%s", type_name(param));
        default_cell(table, param);
        range_cell(table, param);
        rt_table_cell(table, "%s", param->help);
    }
    rt_status status = rt_table_print(table, file, indent, err);
    rt_table_free(table);
    return status;
}
