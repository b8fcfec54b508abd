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

static void default_words(const rt_param *param, char *words, size_t size)
{
    char text[32];
    switch (param->type) {
    case RT_PARAM_INT:
        snprintf(words, size, "%.0f", param->default_number);
        return;
    case RT_PARAM_FLOAT:
        snprintf(words, size, "%s", number(param->default_number, text));
        return;
    case RT_PARAM_BOOL:
        snprintf(words, size, "%s", param->default_number != 0.0 ? "true" : "false");
        return;
    case RT_PARAM_ENUM:
        snprintf(words, size, "%s", param->choices[(int)param->default_number]);
        return;
    case RT_PARAM_STRING:
        snprintf(words, size, "%s", param->default_string ? param->default_string : "none");
        return;
    case RT_PARAM_INT_LIST:
    case RT_PARAM_FLOAT_LIST:
        snprintf(words, size, "none");
        return;
    }
}

static void choices_words(const char *const *choices, char *words, size_t size)
{
    size_t length = 0;
    for (size_t i = 0; choices[i] && length < size; ++i)
        length += (size_t)snprintf(words + length, size - length, "%s%s", i ? " | " : "", choices[i]);
}

/* Bounds beyond what anybody would write stand for "none". */
static void range_words(const rt_param *param, char *words, size_t size)
{
    const double beyond = 9e15;
    char low[32], high[32];
    words[0] = '\0';
    if (param->type == RT_PARAM_ENUM)
        choices_words(param->choices, words, size);
    else if (param->type == RT_PARAM_STRING || param->type == RT_PARAM_BOOL)
        return;
    else if (fabs(param->minimum) < beyond && param->maximum < beyond)
        snprintf(words, size, "%s to %s", number(param->minimum, low), number(param->maximum, high));
    else if (fabs(param->minimum) < beyond)
        snprintf(words, size, "at least %s", number(param->minimum, low));
    else if (param->maximum < beyond)
        snprintf(words, size, "at most %s", number(param->maximum, high));
    else
        snprintf(words, size, "any");
}

void rt_describe_param(const rt_param *param, rt_param_words *words)
{
    words->type = type_name(param);
    if (param->required)
        snprintf(words->usual, sizeof words->usual, "required");
    else
        default_words(param, words->usual, sizeof words->usual);
    range_words(param, words->range, sizeof words->range);
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
        rt_param_words words;
        rt_describe_param(param, &words);
        rt_table_cell(table, "%s", param->name);
        rt_table_cell(table, "%s", words.type);
        rt_table_cell(table, "%s", words.usual);
        rt_table_cell(table, "%s", words.range);
        rt_table_cell(table, "%s", param->help);
    }
    rt_status status = rt_table_print(table, file, indent, err);
    rt_table_free(table);
    return status;
}
