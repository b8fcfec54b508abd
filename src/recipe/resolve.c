/* A recipe -> YAML with nothing left to default. */
#include <stdlib.h>
#include <string.h>

#include "models/own_network.h"
#include "recipe/number.h"
#include "recipe/recipe.h"
#include "recipe/writer.h"

static void put_value(rt_writer *writer, const rt_param *param, const void *owner)
{
    const void *field = (const char *)owner + param->offset;
    switch (param->type) {
    case RT_PARAM_INT:
        rt_writer_words(writer, "%lld", (long long)*(const int64_t *)field);
        break;
    case RT_PARAM_FLOAT:
        rt_writer_words(writer, "%s", rt_number_show(*(const double *)field).text);
        break;
    case RT_PARAM_BOOL:
        rt_writer_words(writer, "%s", *(const bool *)field ? "true" : "false");
        break;
    case RT_PARAM_ENUM:
        rt_writer_string(writer, param->choices[*(const int *)field]);
        break;
    case RT_PARAM_STRING:
        rt_writer_string(writer, *(const char *const *)field);
        break;
    case RT_PARAM_INT_LIST: {
        const rt_int_list *list = field;
        for (size_t i = 0; i < list->count; ++i)
            rt_writer_words(writer, "%s%lld", i ? ", " : "[", (long long)list->values[i]);
        rt_writer_words(writer, "%s", list->count ? "]" : "[]");
        break;
    }
    case RT_PARAM_FLOAT_LIST: {
        const rt_float_list *list = field;
        for (size_t i = 0; i < list->count; ++i)
            rt_writer_words(writer, "%s%s", i ? ", " : "[", rt_number_show(list->values[i]).text);
        rt_writer_words(writer, "%s", list->count ? "]" : "[]");
        break;
    }
    }
}

static void put_indent(rt_writer *writer, int indent)
{
    rt_writer_words(writer, "%*s", indent, "");
}

static void put_param(rt_writer *writer, int indent, const rt_param *param, const void *owner)
{
    if (param->type == RT_PARAM_STRING && !*(const char *const *)((const char *)owner + param->offset))
        return; /* nothing was given and nothing is the default */
    put_indent(writer, indent);
    rt_writer_words(writer, "%s: ", param->name);
    put_value(writer, param, owner);
    rt_writer_put(writer, "\n", 1);
}

static void put_params(rt_writer *writer, int indent, const rt_param *params, const void *owner)
{
    for (const rt_param *param = params; param && param->name && owner; ++param)
        put_param(writer, indent, param, owner);
}

static void put_heading(rt_writer *writer, int indent, const char *name, bool has_settings)
{
    put_indent(writer, indent);
    rt_writer_words(writer, "%s:%s\n", name, has_settings ? "" : " {}");
}

static void put_choice(rt_writer *writer, int indent, const char *what, const char *name, const rt_param *params,
                       const void *settings)
{
    put_heading(writer, indent, what, true);
    put_heading(writer, indent + 2, name, params && params->name);
    put_params(writer, indent + 4, params, settings);
}

static void put_monitor(rt_writer *writer, int indent, const rt_train_recipe *train)
{
    const char *separator = "";
    put_indent(writer, indent);
    rt_writer_words(writer, "monitor: [");
    for (size_t m = 0; m < RT_MONITORS; ++m)
        if (train->monitored[m]) {
            rt_writer_words(writer, "%s%s", separator, rt_monitor_names[m]);
            separator = ", ";
        }
    rt_writer_words(writer, "]\n");
}

static void put_train(rt_writer *writer, int indent, const rt_train_recipe *train)
{
    const rt_optimizer *optimizer = train->optimizer.optimizer;
    const rt_schedule *schedule = train->schedule.schedule;
    put_heading(writer, indent, "train", true);
    put_params(writer, indent + 2, rt_recipe_params_train, train);
    put_monitor(writer, indent + 2, train);
    put_choice(writer, indent + 2, "optimizer", optimizer->name, optimizer->params, train->optimizer.settings);
    put_choice(writer, indent + 2, "schedule", schedule->name, schedule->params, train->schedule.settings);
}

static void put_terms(rt_writer *writer, int indent, const rt_loss_recipe *terms, size_t count)
{
    put_heading(writer, indent, "loss", true);
    for (size_t i = 0; i < count; ++i) {
        put_indent(writer, indent + 2);
        rt_writer_words(writer, "- %s:\n", terms[i].loss->name);
        put_params(writer, indent + 6, rt_recipe_params_term, &terms[i]);
        put_params(writer, indent + 6, terms[i].loss->params, terms[i].settings);
    }
}

/* JSON without spaces as YAML, a layer a line; keys, which are words, without their quotes. No string in it has any of
 * these signs. */
static void put_layers(rt_writer *writer, int indent, const char *text)
{
    int depth = 0;
    for (const char *sign = text; *sign; ++sign) {
        const size_t word = *sign == '"' ? strcspn(sign + 1, "\"") : 0;
        if (word > 0 && sign[word + 2] == ':') {
            rt_writer_put(writer, sign + 1, word);
            rt_writer_put(writer, ": ", 2);
            sign += word + 2;
            continue;
        }
        depth += (*sign == '[' || *sign == '{') - (*sign == ']' || *sign == '}');
        const bool starts = depth == 2 && *sign == '{' && (sign == text + 1 || sign[-1] == ',');
        if (starts) {
            rt_writer_words(writer, "\n%*s- ", indent, "");
            rt_writer_put(writer, sign, 1);
        } else if (depth == 0 || (depth == 1 && (*sign == '[' || *sign == ','))) {
            continue;
        } else {
            rt_writer_put(writer, sign, 1);
            if (*sign == ',')
                rt_writer_put(writer, " ", 1);
        }
    }
    rt_writer_put(writer, "\n", 1);
}

/* The first of the section's keys is `model`. */
static void put_model(rt_writer *writer, int indent, const rt_param *params, const rt_network_recipe *network)
{
    if (network->family != &rt_model_family_layers) {
        put_params(writer, indent, params, network);
        put_params(writer, indent, network->family->params, network->settings);
        return;
    }
    put_heading(writer, indent, "model", true);
    put_indent(writer, indent + 2);
    rt_writer_words(writer, "layers:");
    put_layers(writer, indent + 4, ((const rt_layers_settings *)network->settings)->layers);
    put_params(writer, indent, params + 1, network);
}

static void put_network(rt_writer *writer, int indent, const rt_param *params, const rt_network_recipe *network)
{
    put_model(writer, indent, params, network);
    if (network->rename_count > 0)
        put_heading(writer, indent, "rename", true);
    for (size_t i = 0; i < network->rename_count; ++i) {
        put_indent(writer, indent + 2);
        rt_writer_string(writer, network->renames[i].from);
        rt_writer_words(writer, ": ");
        rt_writer_string(writer, network->renames[i].to);
        rt_writer_words(writer, "\n");
    }
    if (network->expected) {
        put_heading(writer, indent, "expect", true);
        put_params(writer, indent + 2, rt_recipe_params_expect, &network->expect);
    }
    if (!network->train_present)
        return;
    put_train(writer, indent, &network->train);
    put_terms(writer, indent, network->loss, network->loss_count);
}

/* One, or a list of several. */
static void put_teachers(rt_writer *writer, const rt_recipe *recipe)
{
    size_t count = rt_recipe_teachers(recipe);
    if (count > 0)
        put_heading(writer, 0, "teacher", true);
    for (size_t i = 0; i < count; ++i) {
        if (count > 1)
            rt_writer_words(writer, "  -\n");
        put_network(writer, count > 1 ? 4 : 2, rt_recipe_params_teacher, rt_recipe_teacher(recipe, i));
    }
}

static void put_plugins(rt_writer *writer, const rt_recipe *recipe)
{
    if (recipe->plugin_count > 0)
        put_heading(writer, 0, "plugins", true);
    for (size_t i = 0; i < recipe->plugin_count; ++i) {
        rt_writer_words(writer, "  - {file: ");
        rt_writer_string(writer, recipe->plugins[i].file);
        rt_writer_words(writer, ", checksum: \"%s\"}\n", recipe->plugins[i].checksum);
    }
}

char *rt_recipe_resolve(const rt_recipe *recipe)
{
    rt_writer writer = {0};
    const rt_param *top = rt_recipe_params_top;
    put_param(&writer, 0, top, recipe);
    put_plugins(&writer, recipe);
    put_heading(&writer, 0, "data", true);
    put_params(&writer, 2, rt_recipe_params_data, &recipe->data);
    if (recipe->data.reader)
        put_params(&writer, 2, recipe->data.reader->params, recipe->data.settings);
    put_heading(&writer, 2, "augment", true);
    put_params(&writer, 4, rt_recipe_params_augment, &recipe->data.augment);
    put_heading(&writer, 4, "crop", true);
    put_params(&writer, 6, rt_recipe_params_crop, &recipe->data.augment);
    for (size_t i = 0; i < recipe->data.augment.choice_count; ++i) {
        const rt_augmentation_choice *choice = &recipe->data.augment.choices[i];
        put_heading(&writer, 4, choice->augmentation->name, choice->augmentation->params->name != NULL);
        put_params(&writer, 6, choice->augmentation->params, choice->settings);
    }
    put_teachers(&writer, recipe);
    put_heading(&writer, 0, "student", true);
    put_network(&writer, 2, rt_recipe_params_student, &recipe->student);
    put_terms(&writer, 0, recipe->loss, recipe->loss_count);
    put_train(&writer, 0, &recipe->train);
    put_params(&writer, 0, top + 1, recipe);
    if (writer.is_short) {
        free(writer.text);
        return NULL;
    }
    return writer.text;
}
