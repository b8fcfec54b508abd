#include "formats/description.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/quote.h"

enum { MODEL, OPTIONS, INPUT, CLASSES, MEAN, STD };

static const char *const keys[RT_DESCRIPTION_PAIRS] = {
    [MODEL] = "retort.model",     [OPTIONS] = "retort.options", [INPUT] = "retort.input",
    [CLASSES] = "retort.classes", [MEAN] = "retort.mean",       [STD] = "retort.std",
};

/* Nothing real comes near these. */
enum { LARGEST_SIDE = 65536, LARGEST_CLASSES = 16777216, LONGEST_NAME = 1024, LONGEST_OPTIONS = 1 << 20 };

/* printf() and strtof() take the decimal point from the locale of whoever embeds us. */
static locale_t enter_c_locale(locale_t *previous)
{
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    *previous = c ? uselocale(c) : (locale_t)0;
    return c;
}

static void leave_c_locale(locale_t c, locale_t previous)
{
    if (!c)
        return;
    uselocale(previous);
    freelocale(c);
}

static void write_list(const float *values, size_t count, char *text, size_t size)
{
    size_t used = 0;
    *text = '\0';
    for (size_t i = 0; i < count; ++i) {
        char number[32];
        for (int precision = 1; precision <= 9; ++precision) {
            snprintf(number, sizeof number, "%.*g", precision, (double)values[i]);
            if (strtof(number, NULL) == values[i])
                break;
        }
        used += (size_t)snprintf(text + used, size - used, "%s%s", i ? "," : "", number);
    }
}

void rt_description_write(const rt_description *description, rt_description_text *text)
{
    const rt_extent *input = &description->input;
    snprintf(text->input, sizeof text->input, "%zux%zux%zu", input->height, input->width, input->channels);
    snprintf(text->classes, sizeof text->classes, "%zu", description->classes);
    size_t channels = input->channels < RT_DESCRIPTION_MAX_CHANNELS ? input->channels : RT_DESCRIPTION_MAX_CHANNELS;
    locale_t previous;
    locale_t c = enter_c_locale(&previous);
    write_list(description->mean, channels, text->mean, sizeof text->mean);
    write_list(description->std, channels, text->std, sizeof text->std);
    leave_c_locale(c, previous);
    const char *const values[RT_DESCRIPTION_PAIRS] = {
        [MODEL] = description->model, [OPTIONS] = description->options,
        [INPUT] = text->input,        [CLASSES] = text->classes,
        [MEAN] = text->mean,          [STD] = text->std,
    };
    for (size_t i = 0; i < RT_DESCRIPTION_PAIRS; ++i)
        text->pairs[i] = (rt_text_pair){keys[i], values[i]};
}

/* The positive decimal number at *text, which moves behind it; 0 where there is none or it exceeds `most`. */
static size_t read_size(const char **text, size_t most)
{
    size_t length = strspn(*text, "0123456789"), value = 0;
    for (size_t i = 0; i < length && value <= most; ++i)
        value = 10 * value + (size_t)((*text)[i] - '0');
    *text += length;
    return value <= most ? value : 0;
}

static bool read_input(const char *text, rt_extent *input)
{
    input->height = read_size(&text, LARGEST_SIDE);
    if (*text++ != 'x')
        return false;
    input->width = read_size(&text, LARGEST_SIDE);
    if (*text++ != 'x')
        return false;
    input->channels = read_size(&text, RT_DESCRIPTION_MAX_CHANNELS);
    return *text == '\0' && input->height && input->width && input->channels;
}

static bool read_classes(const char *text, size_t *classes)
{
    *classes = read_size(&text, LARGEST_CLASSES);
    return *text == '\0' && *classes;
}

/* Exactly `count` finite numbers above `bound`. */
static bool read_list(const char *text, size_t count, float bound, float *values)
{
    if (text[strspn(text, "0123456789.,eE+-")] != '\0')
        return false;
    for (size_t i = 0; i < count; ++i) {
        char *end;
        values[i] = strtof(text, &end);
        if (end == text || !isfinite(values[i]) || !(values[i] > bound) || *end != (i + 1 < count ? ',' : '\0'))
            return false;
        text = end + 1;
    }
    return true;
}

/* Which of the values is wrong, or RT_DESCRIPTION_PAIRS. */
static int find_wrong(const char *const *values, rt_description *description)
{
    size_t model = strlen(values[MODEL]);
    if (model == 0 || model > LONGEST_NAME)
        return MODEL;
    if (strlen(values[OPTIONS]) > LONGEST_OPTIONS)
        return OPTIONS;
    if (!read_input(values[INPUT], &description->input))
        return INPUT;
    if (!read_classes(values[CLASSES], &description->classes))
        return CLASSES;
    locale_t previous;
    locale_t c = enter_c_locale(&previous);
    bool mean = read_list(values[MEAN], description->input.channels, -INFINITY, description->mean);
    bool std = read_list(values[STD], description->input.channels, 0.0f, description->std);
    leave_c_locale(c, previous);
    return !mean ? MEAN : !std ? STD : RT_DESCRIPTION_PAIRS;
}

rt_status rt_description_read(const rt_text_pair *pairs, size_t count, const char *path, rt_description *description,
                              bool *found, rt_error *err)
{
    static const char *const rules[] = {
        [MODEL] = "it must be the name of a model",
        [OPTIONS] = "it must be a line of key=value",
        [INPUT] = "it must be height x width x channels, as in 32x32x3",
        [CLASSES] = "it must be a number of classes",
        [MEAN] = "it must be a number for each channel, separated by commas",
        [STD] = "it must be a number above 0 for each channel, separated by commas",
    };
    *description = (rt_description){0};
    const char *values[RT_DESCRIPTION_PAIRS] = {0};
    rt_quote file, text;
    for (size_t i = 0; i < count; ++i)
        for (size_t k = 0; k < RT_DESCRIPTION_PAIRS; ++k)
            if (strcmp(pairs[i].key, keys[k]) == 0)
                values[k] = pairs[i].value;
    *found = values[MODEL] != NULL;
    if (!*found)
        return RT_OK;
    for (size_t k = 0; k < RT_DESCRIPTION_PAIRS; ++k)
        if (!values[k])
            return rt_fail(err, RT_ERROR_FORMAT, "cannot read '%s': its metadata has '%s' but not '%s'",
                           rt_quote_text(&file, path, strlen(path)), keys[MODEL], keys[k]);
    int wrong = find_wrong(values, description);
    if (wrong < RT_DESCRIPTION_PAIRS)
        return rt_fail(err, RT_ERROR_FORMAT, "cannot read '%s': its metadata '%s' is '%s'; %s",
                       rt_quote_text(&file, path, strlen(path)), keys[wrong],
                       rt_quote_text(&text, values[wrong], strlen(values[wrong])), rules[wrong]);
    description->model = values[MODEL];
    description->options = values[OPTIONS];
    return RT_OK;
}
