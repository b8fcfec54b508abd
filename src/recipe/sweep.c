#include "recipe/sweep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recipe/writer.h"

static const char vary_source[] = "--vary";

/* What both readers need. */
struct reading {
    rt_tree tree;
    rt_sweep *sweep;
};

static const char *term_name(const rt_yaml *term)
{
    if (term->kind == RT_YAML_SCALAR)
        return term->text;
    return term->kind == RT_YAML_MAP && term->count == 1 ? term->entries[0].key : "";
}

/* Letters that are safe in a folder's name everywhere. */
static void append_name(char *name, size_t capacity, const char *text)
{
    size_t length = strlen(name);
    for (; *text && length + 1 < capacity; ++text)
        name[length++] =
            strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.+-", *text) ? *text : '-';
    name[length] = '\0';
}

/* "0.1" of a number, "kl+dkd" of a list of terms. */
static void name_value(const rt_yaml *node, char *name, size_t capacity)
{
    name[0] = '\0';
    if (node->kind != RT_YAML_LIST) {
        append_name(name, capacity, term_name(node));
        return;
    }
    for (size_t i = 0; i < node->count; ++i) {
        append_name(name, capacity, i > 0 ? "+" : "");
        append_name(name, capacity, term_name(node->entries[i].value));
    }
}

/* Two values with one name get their numbers behind it. */
static void tell_apart(rt_sweep_key *key)
{
    for (size_t i = 0; i < key->count; ++i) {
        bool taken = key->values[i].name[0] == '\0';
        for (size_t j = 0; j < i && !taken; ++j)
            taken = strcmp(key->values[i].name, key->values[j].name) == 0;
        if (!taken)
            continue;
        char *name = key->values[i].name;
        size_t length = strnlen(name, sizeof key->values[i].name - 8);
        snprintf(name + length, sizeof key->values[i].name - length, "%s%zu", length ? "-" : "", i + 1);
    }
}

/* An override: "loss=[kl]". */
static const char *override_text(struct reading *reading, const char *key, const rt_yaml *node)
{
    rt_writer writer = {0};
    const bool bare_term = strcmp(key, "loss") == 0 && node->kind != RT_YAML_LIST;
    rt_writer_put(&writer, key, strlen(key));
    rt_writer_words(&writer, "=%s", bare_term ? "[" : "");
    rt_writer_yaml(&writer, node);
    rt_writer_words(&writer, "%s", bare_term ? "]" : "");
    const char *text = writer.is_short ? NULL : rt_owner_copy(reading->tree.owner, writer.text, writer.length);
    free(writer.text);
    return text;
}

static void add_key(struct reading *reading, const char *name, rt_mark mark, const rt_yaml *values)
{
    rt_sweep *sweep = reading->sweep;
    rt_sweep_key *key = NULL;
    for (size_t i = 0; i < sweep->key_count; ++i)
        if (strcmp(sweep->keys[i].key, name) == 0)
            key = &sweep->keys[i];
    if (values->kind != RT_YAML_LIST || values->count == 0) {
        rt_diagnostics_add(reading->tree.diagnostics, values->mark,
                           "%s is what '%.60s' varies over; it must be a list "
                           "of one value or more",
                           rt_yaml_show(values).text, name);
        return;
    }
    if (!key && sweep->key_count == RT_SWEEP_MAX_KEYS) {
        rt_diagnostics_add(reading->tree.diagnostics, mark, "more than %d keys vary", RT_SWEEP_MAX_KEYS);
        return;
    }
    key = key ? key : &sweep->keys[sweep->key_count++];
    *key =
        (rt_sweep_key){.key = name, .values = rt_owner_take(reading->tree.owner, values->count, sizeof *key->values)};
    for (size_t i = 0; i < values->count && key->values; ++i) {
        const rt_yaml *node = values->entries[i].value;
        rt_sweep_value *value = &key->values[key->count++];
        value->text = override_text(reading, name, node);
        value->mark = node->mark;
        name_value(node, value->name, sizeof value->name - 8);
    }
    tell_apart(key);
}

/* The recipe's own block. */
static void read_block(struct reading *reading, const rt_yaml *root)
{
    const rt_yaml_entry *entry = rt_yaml_find(root, "sweep");
    if (!entry)
        return;
    if (entry->value->kind != RT_YAML_MAP) {
        rt_diagnostics_add(reading->tree.diagnostics, entry->value->mark,
                           "'sweep' is %s; it must be a mapping of keys to lists of values",
                           rt_yaml_show(entry->value).text);
        return;
    }
    for (size_t i = 0; i < entry->value->count; ++i) {
        const rt_yaml_entry *varied = &entry->value->entries[i];
        add_key(reading, varied->key, varied->key_mark, varied->value);
    }
}

/* "seed=0,1,2": what stands behind the sign is what would stand in a list's brackets. */
static void read_argument(struct reading *reading, const char *argument, int number)
{
    const char *sign = strchr(argument, '=');
    const rt_mark mark = {vary_source, number, 1};
    if (!sign || sign == argument) {
        rt_diagnostics_add(reading->tree.diagnostics, mark, "%s must be KEY=VALUE,VALUE,...",
                           rt_text_show(argument).text);
        return;
    }
    rt_writer list = {0};
    rt_writer_put(&list, "[", 1);
    rt_writer_put(&list, sign + 1, strlen(sign + 1));
    rt_writer_put(&list, "]", 1);
    const char *text = list.is_short ? NULL : rt_owner_copy(reading->tree.owner, list.text, list.length);
    const char *key = rt_owner_copy(reading->tree.owner, argument, (size_t)(sign - argument));
    /* The bracket stands where the sign does. */
    const rt_origin origin = {vary_source, number, (int)rt_text_characters(argument, (size_t)(sign - argument))};
    const rt_yaml *values = text && key ? rt_tree_parse(&reading->tree, text, list.length, origin) : NULL;
    if (values)
        add_key(reading, key, mark, values);
    free(list.text);
}

static void count_runs(struct reading *reading)
{
    rt_sweep *sweep = reading->sweep;
    sweep->run_count = 1;
    if (sweep->key_count == 0)
        rt_diagnostics_add(reading->tree.diagnostics, (rt_mark){.source = sweep->path},
                           "nothing varies: give --vary KEY=VALUE,VALUE or a block `sweep:`");
    for (size_t i = 0; i < sweep->key_count; ++i) {
        sweep->run_count *= sweep->keys[i].count;
        if (sweep->run_count > RT_SWEEP_MAX_RUNS) {
            rt_diagnostics_add(reading->tree.diagnostics, (rt_mark){.source = sweep->path},
                               "more than %d runs come of what varies", RT_SWEEP_MAX_RUNS);
            return;
        }
    }
}

rt_status rt_sweep_read(const char *path, const char *const *vary, size_t vary_count, rt_sweep **sweep,
                        rt_diagnostics *diagnostics)
{
    rt_bytes bytes = {0};
    rt_status status = RT_OK;
    *sweep = NULL;
    RT_TRY(rt_tree_read(path, &bytes, diagnostics));
    rt_owner *owner = rt_owner_new();
    rt_sweep *fresh = owner ? rt_owner_take(owner, 1, sizeof *fresh) : NULL;
    const char *name = fresh ? rt_owner_copy(owner, path, strlen(path)) : NULL;
    const size_t mistakes = diagnostics->mistakes;
    if (name) {
        *fresh = (rt_sweep){.path = name, .owner = owner};
        struct reading reading = {{owner, diagnostics, 0}, fresh};
        const rt_yaml *root =
            rt_tree_parse(&reading.tree, (const char *)bytes.data, bytes.size, (rt_origin){.source = name});
        if (root && root->kind == RT_YAML_MAP)
            read_block(&reading, root);
        for (size_t i = 0; i < vary_count; ++i)
            read_argument(&reading, vary[i], (int)i + 1);
        if (diagnostics->mistakes == mistakes)
            count_runs(&reading);
    }
    rt_bytes_free(&bytes);
    if (!name || rt_owner_is_short(owner) || diagnostics->is_short) {
        diagnostics->is_short = true;
        status = RT_ERROR_MEMORY;
    } else if (diagnostics->mistakes > mistakes) {
        status = RT_ERROR_USAGE;
    }
    if (status == RT_OK)
        *sweep = fresh;
    else
        rt_owner_free(owner);
    return status;
}

void rt_sweep_free(rt_sweep *sweep)
{
    if (sweep)
        rt_owner_free(sweep->owner);
}

const rt_sweep_value *rt_sweep_value_of(const rt_sweep *sweep, size_t run, size_t key)
{
    for (size_t i = sweep->key_count - 1; i > key; --i)
        run /= sweep->keys[i].count;
    return &sweep->keys[key].values[run % sweep->keys[key].count];
}

char *rt_sweep_name(const rt_sweep *sweep, size_t run)
{
    char name[RT_SWEEP_NAME] = "";
    size_t length = 0;
    for (size_t i = 0; i < sweep->key_count && length < sizeof name; ++i)
        length += (size_t)snprintf(name + length, sizeof name - length, "%s%s=%s", i > 0 ? "," : "", sweep->keys[i].key,
                                   rt_sweep_value_of(sweep, run, i)->name);
    if (length >= sizeof name) /* cut off, so that it may not be the only one */
        snprintf(name, sizeof name, "run-%zu", run + 1);
    return strdup(name);
}

rt_status rt_sweep_load(const rt_sweep *sweep, size_t run, const char *const *overrides, size_t override_count,
                        rt_catalogue *catalogue, rt_recipe **recipe, rt_diagnostics *diagnostics)
{
    rt_diagnostics own = {0};
    const char **all = malloc((override_count + sweep->key_count) * sizeof *all);
    *recipe = NULL;
    if (!all) {
        diagnostics->is_short = true;
        return RT_ERROR_MEMORY;
    }
    for (size_t i = 0; i < override_count; ++i)
        all[i] = overrides[i];
    for (size_t i = 0; i < sweep->key_count; ++i)
        all[override_count + i] = rt_sweep_value_of(sweep, run, i)->text;
    rt_status status =
        rt_recipe_load(sweep->path, all, override_count + sweep->key_count, RT_RECIPE_TRAIN, catalogue, recipe, &own);
    for (size_t i = 0; i < own.count; ++i) {
        rt_mark mark = own.items[i].mark;
        const bool argument = mark.source && strcmp(mark.source, rt_command_line_source) == 0;
        if (argument && (size_t)mark.line > override_count)
            mark = rt_sweep_value_of(sweep, run, (size_t)mark.line - override_count - 1)->mark;
        rt_diagnostics_add(diagnostics, mark, "%s", own.items[i].message);
    }
    diagnostics->is_short |= own.is_short;
    rt_diagnostics_free(&own);
    free(all);
    return status;
}

char *rt_recipe_batches(const rt_recipe *recipe, const rt_recipe *stand_in)
{
    rt_recipe shared = *recipe;
    shared.student = stand_in->student;
    shared.loss = stand_in->loss;
    shared.loss_count = stand_in->loss_count;
    shared.train = stand_in->train;
    shared.train.batch = recipe->train.batch;
    return rt_recipe_resolve(&shared);
}
