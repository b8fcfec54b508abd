#include "recipe/number.h"

#include <errno.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static size_t digits(const char *text)
{
    return strspn(text, "0123456789");
}

/* [-] digits [. digits] [e [sign] digits], digits on one side of the point at least, no needless leading zero. */
static rt_number_kind form_of(const char *text)
{
    text += *text == '-';
    const char *word = text + (*text == '.');
    if (strcasecmp(word, "nan") == 0 || strcasecmp(word, "inf") == 0 || strcasecmp(word, "infinity") == 0)
        return RT_NUMBER_NOT_FINITE;
    rt_number_kind kind = RT_NUMBER_INTEGER;
    size_t whole = digits(text), fraction = 0;
    if (whole > 1 && text[0] == '0')
        return RT_NUMBER_NONE;
    text += whole;
    if (*text == '.') {
        kind = RT_NUMBER_REAL;
        fraction = digits(text + 1);
        text += 1 + fraction;
    }
    if (whole + fraction == 0)
        return RT_NUMBER_NONE;
    if (*text == 'e' || *text == 'E') {
        kind = RT_NUMBER_REAL;
        text += 1 + (text[1] == '+' || text[1] == '-');
        if (digits(text) == 0)
            return RT_NUMBER_NONE;
        text += digits(text);
    }
    return *text == '\0' ? kind : RT_NUMBER_NONE;
}

/* strtod() and printf() take the decimal point from the locale; the C locale is in force between these two. */
static locale_t enter_c_locale(locale_t *previous)
{
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (c)
        *previous = uselocale(c);
    return c;
}

static void leave_c_locale(locale_t c, locale_t previous)
{
    if (!c)
        return;
    uselocale(previous);
    freelocale(c);
}

rt_number_kind rt_number_read(const char *text, int64_t *integer, double *real)
{
    rt_number_kind kind = form_of(text);
    if (kind != RT_NUMBER_INTEGER && kind != RT_NUMBER_REAL)
        return kind;
    if (kind == RT_NUMBER_INTEGER) {
        errno = 0;
        *integer = strtoll(text, NULL, 10);
        if (errno == ERANGE)
            kind = RT_NUMBER_HUGE;
    }
    locale_t previous = (locale_t)0;
    locale_t c = enter_c_locale(&previous);
    *real = strtod(text, NULL);
    leave_c_locale(c, previous);
    return isfinite(*real) ? kind : RT_NUMBER_HUGE;
}

rt_number_text rt_number_show(double value)
{
    rt_number_text shown = {""};
    locale_t previous = (locale_t)0;
    locale_t c = enter_c_locale(&previous);
    for (int precision = 1; precision <= DBL_DECIMAL_DIG; ++precision) {
        snprintf(shown.text, sizeof shown.text, "%.*g", precision, value);
        if (strtod(shown.text, NULL) == value)
            break;
    }
    /* %g turns to an exponent as soon as it is shorter than the digits: 100000 is easier to read than 1e+05. */
    if (value == floor(value) && fabs(value) < 1e15)
        snprintf(shown.text, sizeof shown.text, "%.0f", value);
    leave_c_locale(c, previous);
    char *exponent = strchr(shown.text, 'e');
    if (exponent && !strchr(shown.text, '.')) { /* YAML 1.1 takes 1e-05 for a word, 1.0e-05 for a number */
        memmove(exponent + 2, exponent, strlen(exponent) + 1);
        memcpy(exponent, ".0", 2);
    }
    return shown;
}

rt_range_text rt_range_show(const rt_param *param)
{
    rt_range_text range = {""};
    /* Bounds at the type's own ends are no bounds. */
    double largest = param->type == RT_PARAM_INT || param->type == RT_PARAM_INT_LIST ? (double)INT64_MAX : DBL_MAX;
    bool below = param->minimum > -largest, above = param->maximum < largest;
    if (below && above && param->minimum == param->maximum)
        snprintf(range.text, sizeof range.text, "%s", rt_number_show(param->minimum).text);
    else if (below && above)
        snprintf(range.text, sizeof range.text, "from %s to %s", rt_number_show(param->minimum).text,
                 rt_number_show(param->maximum).text);
    else if (below)
        snprintf(range.text, sizeof range.text, "at least %s", rt_number_show(param->minimum).text);
    else if (above)
        snprintf(range.text, sizeof range.text, "at most %s", rt_number_show(param->maximum).text);
    return range;
}
