#include "cli/describe.h"

#include <stdbool.h>
#include <string.h>

#include "cli/model_size.h"
#include "models/own_network.h"
#include "report/table.h"

static void title(FILE *file, const char *kind, const char *name, const char *summary)
{
    fprintf(file, "%s/%s: %s\n", kind, name, summary);
}

/* How much of a line fits into `room`: up to the last space before it is exceeded, or to the end of the first word. */
static size_t fitting(const char *text, size_t length, size_t room)
{
    if (length <= room)
        return length;
    size_t end = room;
    while (end > 0 && text[end] != ' ')
        --end;
    return end > 0 ? end : strcspn(text, " \n");
}

void rt_describe_text(const char *text, FILE *file, size_t indent)
{
    enum { WIDTH = 100 };
    while (*text) {
        size_t length = strcspn(text, "\n");
        do {
            size_t part = fitting(text, length, WIDTH - indent);
            fprintf(file, part ? "%*s%.*s\n" : "\n", (int)indent, "", (int)part, text);
            size_t space = part < length;
            text += part + space;
            length -= part + space;
        } while (length > 0);
        text += *text == '\n';
    }
}

static void section(FILE *file, const char *heading, const char *text)
{
    if (!text || !*text)
        return;
    fprintf(file, "\n%s\n", heading);
    rt_describe_text(text, file, 2);
}

static rt_status params_section(FILE *file, const char *heading, const rt_param *params, rt_error *err)
{
    if (!params || !params->name)
        return RT_OK;
    fprintf(file, "\n%s\n", heading);
    return rt_describe_params(params, file, 2, err);
}

/* "milestones: [...]" for each parameter that a recipe must give. */
static void required_settings(FILE *file, const rt_param *params)
{
    const char *separator = "";
    for (const rt_param *param = params; param && param->name; ++param) {
        if (!param->required)
            continue;
        bool list = param->type == RT_PARAM_INT_LIST || param->type == RT_PARAM_FLOAT_LIST;
        fprintf(file, "%s%s: %s", separator, param->name, list ? "[...]" : "...");
        separator = ", ";
    }
}

static bool has_required(const rt_param *params)
{
    for (const rt_param *param = params; param && param->name; ++param)
        if (param->required)
            return true;
    return false;
}

void rt_describe_port(const rt_port *port, char *words, size_t size)
{
    snprintf(words, size, "%s%s%s%s", port->flags & RT_PORT_INDEX ? "indices" : "float32",
             port->flags & RT_PORT_DIFF ? ", gets a gradient" : "",
             port->flags & RT_PORT_ADAPTED ? ", adapted to the teacher's sizes" : "",
             port->flags & RT_PORT_OPTIONAL ? ", may be absent" : "");
}

const char *rt_describe_property(size_t index)
{
    static const char *const words[] = {
        "is never negative",
        "is 0, with gradients of 0, where student and teacher are equal",
        "does not change when a number is added to all logits of a sample",
    };
    return index < sizeof words / sizeof *words ? words[index] : NULL;
}

static void properties_section(const rt_loss *loss, FILE *file)
{
    if (loss->properties)
        fprintf(file, "\nProperties\n");
    for (size_t i = 0; rt_describe_property(i); ++i)
        if (loss->properties & 1u << i)
            fprintf(file, "  %s\n", rt_describe_property(i));
}

static rt_status ports_section(const rt_loss *loss, FILE *file, rt_error *err)
{
    fprintf(file, "\nReads (letters are sizes, N the batch)\n");
    rt_table *table = rt_table_new("lll");
    for (size_t i = 0; i < loss->port_count; ++i) {
        const rt_port *port = &loss->ports[i];
        rt_table_cell(table, "%s", port->name);
        rt_table_cell(table, "[%s]", port->shape);
        char words[96];
        rt_describe_port(port, words, sizeof words);
        rt_table_cell(table, "%s", words);
    }
    rt_status status = rt_table_print(table, file, 2, err);
    rt_table_free(table);
    return status;
}

rt_status rt_describe_loss(const rt_loss *loss, FILE *file, rt_error *err)
{
    title(file, "loss", loss->name, loss->summary);
    section(file, "Formula", loss->formula);
    properties_section(loss, file);
    RT_TRY(ports_section(loss, file, err));
    RT_TRY(params_section(file, "Parameters, beside `weight`", loss->params, err));
    fprintf(file, "\nIn a recipe\n  loss:\n    - %s: {weight: 1%s", loss->name, has_required(loss->params) ? ", " : "");
    required_settings(file, loss->params);
    fprintf(file, "}\n");
    section(file, "Published", loss->published);
    section(file, "Reference", loss->reference);
    return RT_OK;
}

rt_status rt_describe_reader(const rt_reader *reader, FILE *file, rt_error *err)
{
    title(file, "dataset", reader->name, reader->summary);
    section(file, "Files", reader->files);
    RT_TRY(params_section(file, "Parameters", reader->params, err));
    fprintf(file, "\nIn a recipe\n  data: {reader: %s%s%s", reader->name, reader->needs_root ? ", root: FOLDER" : "",
            has_required(reader->params) ? ", " : "");
    required_settings(file, reader->params);
    fprintf(file, "}\n");
    return RT_OK;
}

rt_status rt_describe_augmentation(const rt_augmentation *augmentation, FILE *file, rt_error *err)
{
    title(file, "augmentation", augmentation->name, augmentation->summary);
    RT_TRY(params_section(file, "Parameters", augmentation->params, err));
    fprintf(file, "\nIn a recipe\n  data: {augment: {%s: {}}}\n", augmentation->name);
    return RT_OK;
}

static rt_status describe_own_network(FILE *file)
{
    title(file, "model", rt_model_family_layers.name, rt_model_family_layers.summary);
    section(
        file, "Layers",
        "A list of kinds, each `- KIND` or `- KIND: {settings}`, with PyTorch's defaults. `retort list layers` names "
        "them, `retort help layer/NAME` has their settings. A layer reads the one before it, or those that `from` "
        "names: by `name`, or by place, from 0. The last one gives one number for each class.");
    section(
        file, "Parameters",
        "They are called as in torch.nn.Sequential, by place or by name: 0.weight, stage.1.body.0.bias. Its weights "
        "load as they are. Layers with a name are what losses on features can read.");
    fprintf(file, "\nIn a recipe\n"
                  "  student:\n"
                  "    model:\n"
                  "      layers:\n"
                  "        - conv: {channels: 16, kernel: 3, padding: 1, bias: false, name: stem}\n"
                  "        - batch_norm\n"
                  "        - relu\n"
                  "        - repeat:\n"
                  "            times: 2\n"
                  "            name: stage\n"
                  "            layers:\n"
                  "              - residual: {body: [conv: {channels: 16, kernel: 3, padding: 1}, batch_norm]}\n"
                  "              - relu\n"
                  "        - concat: [stage, stem]\n"
                  "        - global_avg_pool\n"
                  "        - linear: {features: 10}\n");
    section(file, "On the command line",
            "eval, predict and export of others' weights take the layers as JSON without spaces:\n"
            "--model layers --set 'layers=[{\"flatten\":{}},{\"linear\":{\"features\":10}}]'");
    return RT_OK;
}

rt_status rt_describe_model(const rt_model_family *family, const char *variant, FILE *file, rt_error *err)
{
    if (family == &rt_model_family_layers)
        return describe_own_network(file);
    title(file, "model", variant, family->summary);
    rt_model_size size;
    rt_model_size_find(family, variant, &size);
    fprintf(file, "\nSize for images of %zu x %zu and %zu classes\n  %s parameters, %s multiply-accumulates an image\n",
            family->usual.height, family->usual.width, family->usual.classes, size.parameters, size.macs);
    RT_TRY(params_section(file, "Parameters", family->params, err));
    fprintf(file, "\nIn a recipe\n  student: {model: %s%s", variant, has_required(family->params) ? ", " : "");
    required_settings(file, family->params);
    fprintf(file, "}\n\nFamily %s\n ", family->name);
    for (size_t i = 0; family->variants[i]; ++i)
        fprintf(file, " %s", family->variants[i]);
    fputc('\n', file);
    section(file, "Reference", family->reference);
    return RT_OK;
}

rt_status rt_describe_layer(const rt_layer_kind *kind, FILE *file, rt_error *err)
{
    const char *settings = kind->fewest > 1 || kind->lists || has_required(kind->params) ? ": {" : "";
    title(file, "layer", kind->name, kind->summary);
    if (kind->torch)
        fprintf(file, "\nIn PyTorch\n  torch.nn.%s\n", kind->torch);
    RT_TRY(params_section(file, "Parameters", kind->params, err));
    fprintf(file, "\nBeside them\n");
    RT_TRY(rt_describe_params(rt_layer_common_params, file, 2, err));
    if (kind->fewest > 1)
        fprintf(file, "  from: the layers that it reads, %zu to %zu of them, by name or by place%s\n", kind->fewest,
                kind->most, kind->joins_last ? "; one is joined with the layer before" : "");
    else
        fprintf(file, "  from: the layer that it reads, by name or by place; by default the one before\n");
    for (size_t i = 0; kind->lists && kind->lists[i]; ++i)
        fprintf(file, "  %s: a list of layers%s\n", kind->lists[i], i == 0 ? ", required" : "");
    fprintf(file, "\nIn a recipe\n  student: {model: {layers: [..., %s%s", kind->name, settings);
    required_settings(file, kind->params);
    if (kind->lists)
        fprintf(file, "%s%s: [...]", has_required(kind->params) ? ", " : "", kind->lists[0]);
    else if (kind->fewest > 1)
        fprintf(file, "from: [NAME, NAME]");
    fprintf(file, "%s, ...]}}\n", *settings ? "}" : "");
    return RT_OK;
}

/* "sgd", or "multi_step: {milestones: [...]}" in braces where something must be given. */
static void example_choice(FILE *file, const char *section_key, const char *name, const rt_param *params)
{
    fprintf(file, "\nIn a recipe\n  train: {%s: ", section_key);
    if (has_required(params)) {
        fprintf(file, "{%s: {", name);
        required_settings(file, params);
        fprintf(file, "}}}\n");
    } else {
        fprintf(file, "%s}\n", name);
    }
}

rt_status rt_describe_optimizer(const rt_optimizer *optimizer, FILE *file, rt_error *err)
{
    title(file, "optimizer", optimizer->name, optimizer->summary);
    RT_TRY(params_section(file, "Parameters", optimizer->params, err));
    example_choice(file, "optimizer", optimizer->name, optimizer->params);
    section(file, "Reference", optimizer->reference);
    return RT_OK;
}

rt_status rt_describe_schedule(const rt_schedule *schedule, FILE *file, rt_error *err)
{
    title(file, "schedule", schedule->name, schedule->summary);
    RT_TRY(params_section(file, "Parameters", schedule->params, err));
    example_choice(file, "schedule", schedule->name, schedule->params);
    return RT_OK;
}
