#include "recipe/bind.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "recipe/number.h"
#include "retort/suggest.h"

enum { MOST_NAMES = 128 };

rt_hint rt_bind_hint(const char *word, const char *const *names, size_t count, const char *kind)
{
    rt_hint hint = {""};
    const char *near = rt_suggest(word, names, count);
    if (near || count == 0) {
        if (near)
            snprintf(hint.text, sizeof hint.text, "; did you mean '%s'?", near);
        return hint;
    }
    size_t used = (size_t)snprintf(hint.text, sizeof hint.text, "; %s", kind);
    for (size_t i = 0; i < count; ++i) {
        /* A list that is cut says so, and never ends inside a name. */
        if (used + strlen(names[i]) + 8 > sizeof hint.text) {
            snprintf(hint.text + used, sizeof hint.text - used, ", ...");
            break;
        }
        used += (size_t)snprintf(hint.text + used, sizeof hint.text - used, "%s%s", i ? ", " : " ", names[i]);
    }
    return hint;
}

/* "'epochs' in train is 'five'; it must be ..." */
static bool refuse(const rt_binder *binder, const rt_param *param, const rt_yaml *value, const char *where,
                   const char *format, ...) __attribute__((format(printf, 5, 6)));

static bool refuse(const rt_binder *binder, const rt_param *param, const rt_yaml *value, const char *where,
                   const char *format, ...)
{
    char rule[640];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(rule, sizeof rule, format, arguments);
    va_end(arguments);
    rt_diagnostics_add(binder->diagnostics, value->mark, "'%s'%s%s is %s; %s", param->name, where ? " in " : "",
                       where ? where : "", rt_yaml_show(value).text, rule);
    return false;
}

static bool bind_number(const rt_binder *binder, const rt_param *param, const rt_yaml *value, const char *where,
                        bool whole, int64_t *integer, double *real)
{
    rt_range_text range = rt_range_show(param);
    const char *kind = param->minimum == param->maximum ? "" : whole ? "an integer" : "a number";
    const char *space = range.text[0] && kind[0] ? " " : "";
    if (value->kind != RT_YAML_SCALAR || rt_yaml_is_empty(value))
        return refuse(binder, param, value, where, "it must be %s%s%s", kind, space, range.text);
    rt_number_kind found = rt_number_read(value->text, integer, real);
    if (value->quoted && found != RT_NUMBER_NONE)
        return refuse(binder, param, value, where, "it must be %s without quotes", kind);
    if (found == RT_NUMBER_NOT_FINITE)
        return refuse(binder, param, value, where, "it must be finite");
    if (found == RT_NUMBER_NONE || (whole && found == RT_NUMBER_REAL))
        return refuse(binder, param, value, where, "it must be %s%s%s", kind, space, range.text);
    bool overflow = found == RT_NUMBER_HUGE && (whole || isinf(*real));
    if (overflow || *real < param->minimum || *real > param->maximum)
        return refuse(binder, param, value, where, "it must be %s", range.text[0] ? range.text : "smaller");
    return true;
}

static bool bind_enum(const rt_binder *binder, const rt_param *param, const rt_yaml *value, const char *where,
                      int *target)
{
    size_t count = 0;
    for (; param->choices[count]; ++count)
        if (value->kind == RT_YAML_SCALAR && strcmp(param->choices[count], value->text) == 0) {
            *target = (int)count;
            return true;
        }
    const char *word = value->kind == RT_YAML_SCALAR ? value->text : "";
    rt_hint hint = rt_bind_hint(word, param->choices, count, "it must be one of");
    return refuse(binder, param, value, where, "%s", hint.text + 2);
}

static bool bind_list(const rt_binder *binder, const rt_param *param, const rt_yaml *value, const char *where,
                      void *target)
{
    bool whole = param->type == RT_PARAM_INT_LIST;
    if (value->kind != RT_YAML_LIST)
        return refuse(binder, param, value, where, "it must be a list of %s", whole ? "integers" : "numbers");
    if (value->count > RT_LIST_CAPACITY) {
        rt_diagnostics_add(binder->diagnostics, value->mark, "'%s'%s%s has %zu items; at most %d are allowed",
                           param->name, where ? " in " : "", where ? where : "", value->count, RT_LIST_CAPACITY);
        return false;
    }
    bool good = true;
    int64_t integer = 0;
    double real = 0;
    rt_int_list integers = {.count = value->count};
    rt_float_list reals = {.count = value->count};
    for (size_t i = 0; i < value->count; ++i) {
        const rt_yaml *item = value->entries[i].value;
        if (item->kind == RT_YAML_INVALID || !bind_number(binder, param, item, where, whole, &integer, &real))
            good = false;
        integers.values[i] = integer;
        reals.values[i] = real;
    }
    if (good && whole)
        *(rt_int_list *)target = integers;
    else if (good)
        *(rt_float_list *)target = reals;
    return good;
}

static bool bind_bool(const rt_binder *binder, const rt_param *param, const rt_yaml *value, const char *where,
                      bool *target)
{
    bool word = value->kind == RT_YAML_SCALAR;
    bool yes = word && strcmp(value->text, "true") == 0, no = word && strcmp(value->text, "false") == 0;
    if ((!yes && !no) || value->quoted)
        return refuse(binder, param, value, where, "it must be true or false%s", yes || no ? " without quotes" : "");
    *target = yes;
    return true;
}

bool rt_bind_value(const rt_binder *binder, const rt_param *param, const rt_yaml *value, const char *where,
                   void *target)
{
    if (value->kind == RT_YAML_INVALID)
        return false;
    void *field = (char *)target + param->offset;
    int64_t integer = 0;
    double real = 0;
    bool good = true;
    switch (param->type) {
    case RT_PARAM_INT:
        good = bind_number(binder, param, value, where, true, &integer, &real);
        if (good)
            *(int64_t *)field = integer;
        break;
    case RT_PARAM_FLOAT:
        good = bind_number(binder, param, value, where, false, &integer, &real);
        if (good)
            *(double *)field = real;
        break;
    case RT_PARAM_BOOL:
        good = bind_bool(binder, param, value, where, field);
        break;
    case RT_PARAM_ENUM:
        good = bind_enum(binder, param, value, where, field);
        break;
    case RT_PARAM_STRING:
        if (value->kind != RT_YAML_SCALAR || rt_yaml_is_empty(value))
            return refuse(binder, param, value, where, "it must be a word");
        *(const char **)field = value->text;
        break;
    case RT_PARAM_INT_LIST:
    case RT_PARAM_FLOAT_LIST:
        good = bind_list(binder, param, value, where, field);
        break;
    }
    return good;
}

bool rt_bind_is_map(const rt_binder *binder, const rt_yaml *node, const char *what)
{
    if (node->kind != RT_YAML_MAP && node->kind != RT_YAML_INVALID)
        rt_diagnostics_add(binder->diagnostics, node->mark, "%s is %s; it must be a mapping", what,
                           rt_yaml_show(node).text);
    return node->kind == RT_YAML_MAP;
}

static void add_name(const char **names, size_t *count, const char *name)
{
    if (*count < MOST_NAMES)
        names[(*count)++] = name;
}

static bool is_section(const rt_scope *scope, const char *key)
{
    for (const char *const *section = scope->sections; section && *section; ++section)
        if (strcmp(*section, key) == 0)
            return true;
    return false;
}

static bool knows(const rt_scope *scope, const char *key)
{
    return is_section(scope, key) || rt_param_find(scope->bindings[0].params, key) ||
           rt_param_find(scope->bindings[1].params, key);
}

/* The keys that the scope knows; how many. */
static size_t names_of(const rt_scope *scope, const char **names)
{
    size_t count = 0;
    for (size_t i = 0; i < 2; ++i)
        for (const rt_param *param = scope->bindings[i].params; param && param->name; ++param)
            add_name(names, &count, param->name);
    for (const char *const *section = scope->sections; section && *section; ++section)
        add_name(names, &count, *section);
    return count;
}

void rt_bind_unknown(const rt_binder *binder, const char *key, rt_mark mark, const rt_scope *scope)
{
    const char *names[MOST_NAMES];
    size_t count = names_of(scope, names);
    if (scope->open && !rt_suggest(key, names, count))
        return;
    rt_hint hint = rt_bind_hint(key, names, count, "known keys:");
    rt_diagnostics_add(binder->diagnostics, mark, "unknown key %s%s%s%s", rt_text_show(key).text,
                       scope->where ? " in " : "", scope->where ? scope->where : "",
                       count > 0 ? hint.text : "; there are no settings");
}

bool rt_bind_is_missing(const rt_yaml *map, const char *name, const rt_scope *scope)
{
    const char *names[MOST_NAMES];
    size_t count = names_of(scope, names);
    for (size_t i = 0; i < map->count; ++i) {
        const char *near = rt_suggest(map->entries[i].key, names, count);
        if (strcmp(map->entries[i].key, name) == 0 ||
            (near && strcmp(near, name) == 0 && !knows(scope, map->entries[i].key)))
            return false;
    }
    return true;
}

void rt_bind(const rt_binder *binder, const rt_yaml *map, const rt_scope *scope)
{
    for (size_t i = 0; i < 2; ++i)
        if (scope->bindings[i].target)
            rt_param_defaults(scope->bindings[i].params, scope->bindings[i].target);
    if (!map || map->kind != RT_YAML_MAP)
        return;
    for (size_t i = 0; i < map->count; ++i) {
        const rt_yaml_entry *entry = &map->entries[i];
        const rt_param *param = NULL;
        for (size_t j = 0; j < 2 && !param; ++j) {
            param = rt_param_find(scope->bindings[j].params, entry->key);
            if (param)
                rt_bind_value(binder, param, entry->value, scope->where, scope->bindings[j].target);
        }
        if (!param && !is_section(scope, entry->key))
            rt_bind_unknown(binder, entry->key, entry->key_mark, scope);
    }
    for (size_t i = 0; i < 2; ++i)
        for (const rt_param *param = scope->bindings[i].params; param && param->name; ++param)
            if (param->required && !binder->lenient && rt_bind_is_missing(map, param->name, scope))
                rt_diagnostics_add(binder->diagnostics, map->mark, "missing key '%s'%s%s (%s)", param->name,
                                   scope->where ? " in " : "", scope->where ? scope->where : "", param->help);
}
