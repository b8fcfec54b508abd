#include <string.h>

#include "recipe/bind.h"

/* Binds the text behind the '=' to one parameter. */
static void set(const rt_binder *binder, const char *what, const rt_param *params, const char *value, int argument,
                void *settings)
{
    const char *equals = strchr(value, '=');
    size_t length = equals ? (size_t)(equals - value) : strlen(value);
    char *key = rt_owner_copy(binder->owner, value, length);
    if (!key)
        return;
    rt_mark mark = {rt_command_line_source, argument, 1};
    if (!equals) {
        rt_diagnostics_add(binder->diagnostics, mark, "%s has no '='; a setting is key=value",
                           rt_text_show(value).text);
        return;
    }
    const rt_param *param = rt_param_find(params, key);
    if (!param) {
        rt_bind_unknown(binder, key, mark, &(rt_scope){.where = what, .bindings = {{params, settings}}});
        return;
    }
    if (param->type == RT_PARAM_STRING) { /* as it is: a name of a file need not be quoted for YAML */
        *(const char **)((char *)settings + param->offset) = equals + 1;
        return;
    }
    rt_tree tree = {binder->owner, binder->diagnostics, 0};
    rt_origin origin = {rt_command_line_source, argument, (int)rt_text_characters(value, length + 1)};
    rt_yaml *node = rt_tree_parse(&tree, equals + 1, strlen(equals + 1), origin);
    if (node)
        rt_bind_value(binder, param, node, what, settings);
}

rt_status rt_settings_parse(const char *what, const rt_param *params, const char *const *values, size_t count,
                            void *settings, rt_error *err)
{
    rt_diagnostics diagnostics = {0};
    rt_status status = RT_OK;
    rt_param_defaults(params, settings);
    rt_owner *owner = rt_owner_new();
    if (!owner)
        return rt_fail(err, RT_ERROR_MEMORY, "%s: no memory for settings", what);
    const rt_binder binder = {owner, &diagnostics, false};
    for (size_t i = 0; i < count; ++i)
        set(&binder, what, params, values[i], (int)i + 1, settings);
    for (const rt_param *param = params; param && param->name; ++param) {
        size_t length = strlen(param->name), given = 0;
        for (size_t i = 0; i < count; ++i)
            given += strncmp(values[i], param->name, length) == 0 && values[i][length] == '=';
        if (param->required && given == 0)
            rt_diagnostics_add(&diagnostics, (rt_mark){0}, "missing key '%s' in %s (%s)", param->name, what,
                               param->help);
    }
    if (rt_owner_is_short(owner) || diagnostics.is_short)
        status = rt_fail(err, RT_ERROR_MEMORY, "%s: no memory for settings", what);
    else if (diagnostics.count > 0)
        status = rt_fail(err, RT_ERROR_USAGE, "%s", diagnostics.items[0].message);
    rt_diagnostics_free(&diagnostics);
    rt_owner_free(owner);
    return status;
}
