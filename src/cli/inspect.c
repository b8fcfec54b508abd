/* retort inspect: what is in a file of weights. */
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "report/table.h"
#include "train/fit.h"

/* An open file, and what was found in it. */
typedef struct findings {
    const char *path;
    rt_tensors tensors;
    rt_weights_hints hints;
    rt_fits fits;
    uint64_t numbers;
} findings;

/* Names in a file may be any bytes; JSON takes UTF-8 alone. */
static json_t *json_text(const char *text)
{
    json_t *string = json_string(text);
    if (string)
        return string;
    char *ascii = strdup(text);
    for (char *c = ascii; c && *c; ++c)
        if ((unsigned char)*c >= 0x80)
            *c = '?';
    string = json_string(ascii ? ascii : "");
    free(ascii);
    return string;
}

static json_t *json_tensors(const rt_tensors *tensors)
{
    json_t *list = json_array();
    for (size_t i = 0; i < tensors->count; ++i) {
        const rt_tensor *tensor = &tensors->items[i];
        json_t *shape = json_array();
        for (size_t d = 0; d < tensor->shape.count; ++d)
            json_array_append_new(shape, json_integer((json_int_t)tensor->shape.dims[d]));
        json_array_append_new(list, json_pack("{s:o, s:s, s:o}", "name", json_text(tensor->name), "dtype",
                                              rt_dtype_name(tensor->dtype), "shape", shape));
    }
    return list;
}

static json_t *json_metadata(const rt_tensors *tensors)
{
    json_t *list = json_array();
    for (size_t i = 0; i < tensors->metadata_count; ++i)
        json_array_append_new(list, json_pack("{s:o, s:o}", "key", json_text(tensors->metadata[i].key), "value",
                                              json_text(tensors->metadata[i].value)));
    return list;
}

static json_t *json_fits(const findings *f)
{
    json_t *list = json_array();
    for (size_t i = 0; i < f->fits.count; ++i) {
        const rt_fit *fit = &f->fits.items[i];
        json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:I}", "model", fit->variant, "options", fit->options,
                                              "classes", (json_int_t)fit->input.classes, "channels",
                                              (json_int_t)fit->input.channels));
    }
    return list;
}

static rt_status print_json(const findings *f, rt_error *err)
{
    const rt_tensors *tensors = &f->tensors;
    json_t *object = json_pack("{s:o, s:s, s:o, s:I, s:o, s:o, s:o}", "file", json_text(f->path), "format",
                               tensors->format, "within", tensors->within ? json_text(tensors->within) : json_null(),
                               "numbers", (json_int_t)f->numbers, "models", json_fits(f), "metadata",
                               json_metadata(tensors), "tensors", json_tensors(tensors));
    if (!object || json_dumpf(object, stdout, 0) != 0) {
        json_decref(object);
        return rt_fail(err, RT_ERROR_MEMORY, "cannot print what is in '%s': no memory", f->path);
    }
    printf("\n");
    json_decref(object);
    return RT_OK;
}

static void put_shape(rt_table *table, const rt_shape *shape)
{
    char text[RT_MAX_DIMS * 24 + 3] = "[";
    size_t used = 1;
    for (size_t i = 0; i < shape->count; ++i)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%zu", i ? ", " : "", shape->dims[i]);
    rt_table_cell(table, "%s]", text);
}

static rt_status print_table(rt_table *table, rt_error *err)
{
    rt_status status = rt_table_print(table, stdout, 2, err);
    rt_table_free(table);
    return status;
}

static rt_status print_models(const findings *f, rt_error *err)
{
    if (f->fits.count == 0) {
        printf("\nno known network has these tensors, all of them and no others\n");
        return RT_OK;
    }
    rt_table *table = rt_table_new("lrl");
    for (size_t i = 0; i < f->fits.count; ++i) {
        const rt_fit *fit = &f->fits.items[i];
        rt_table_cell(table, "%s", fit->variant);
        rt_table_cell(table, "%zu classes, %zu channels", fit->input.classes, fit->input.channels);
        rt_table_cell(table, "%.200s", fit->options);
    }
    printf("\nnetworks that it fits\n");
    return print_table(table, err);
}

static rt_status print_words(const findings *f, rt_error *err)
{
    const rt_tensors *tensors = &f->tensors;
    rt_table *head = rt_table_new("l");
    rt_table_cell(head, "%s%s%s%s, %zu tensors, %" PRIu64 " numbers", tensors->format,
                  tensors->within ? ", below '" : "", tensors->within ? tensors->within : "",
                  tensors->within ? "'" : "", tensors->count, f->numbers);
    printf("%s\n", f->path);
    RT_TRY(print_table(head, err));
    RT_TRY(print_models(f, err));
    rt_table *metadata = rt_table_new("ll");
    for (size_t i = 0; i < tensors->metadata_count; ++i) {
        rt_table_cell(metadata, "%s", tensors->metadata[i].key);
        rt_table_cell(metadata, "%.200s", tensors->metadata[i].value);
    }
    if (tensors->metadata_count > 0)
        printf("\nbeside them\n");
    RT_TRY(print_table(metadata, err));
    rt_table *table = rt_table_new("lll");
    for (size_t i = 0; i < tensors->count; ++i) {
        rt_table_cell(table, "%s", tensors->items[i].name);
        rt_table_cell(table, "%s", rt_dtype_name(tensors->items[i].dtype));
        put_shape(table, &tensors->items[i].shape);
    }
    printf("\ntensors\n");
    return print_table(table, err);
}

/* A file whose classes cannot be told is looked at, too. */
static rt_status look(const char *path, findings *f, rt_error *err)
{
    *f = (findings){.path = path};
    RT_TRY(rt_tensors_open(path, &f->tensors, err));
    for (size_t i = 0; i < f->tensors.count; ++i)
        f->numbers += rt_shape_elements(&f->tensors.items[i].shape);
    if (rt_weights_look(&f->tensors, path, &f->hints, NULL) == RT_OK)
        RT_TRY(rt_fits_find(&f->tensors, &f->hints, &f->fits, err));
    rt_description description;
    bool described = false;
    if (rt_description_read(f->tensors.metadata, f->tensors.metadata_count, path, &description, &described, NULL) !=
            RT_OK ||
        !described)
        return RT_OK;
    return rt_fits_add_own(&f->tensors, &description, &f->fits, err);
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {{"json", no_argument, NULL, 'j'}, {0}};
    bool json = false;
    optind = 0;
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == '?')
            return rt_command_misused(&rt_command_inspect, "unknown option '%s'", argv[optind - 1]);
        json = true;
    }
    if (argc - optind != 1)
        return rt_command_misused(&rt_command_inspect, argc == optind ? "which file?" : "one file at a time");
    findings f;
    rt_error err = {0};
    rt_status status = look(argv[optind], &f, &err);
    if (status == RT_OK)
        status = json ? print_json(&f, &err) : print_words(&f, &err);
    rt_fits_free(&f.fits);
    rt_tensors_close(&f.tensors);
    return status == RT_OK ? RT_EXIT_OK : rt_command_failed(&rt_command_inspect, &err);
}

const rt_command rt_command_inspect = {
    .name = "inspect",
    .usage = "inspect FILE [--json]",
    .summary = "look into a file of weights: tensors, what is beside them, which networks it fits",
    .details =
        "FILE is safetensors or PyTorch's checkpoint (.pth, .pt, .th), of which no code is run.\n"
        "Networks are named with the options that the tensors show: width, stem_bias, shortcut. A network whose\n"
        "shortcuts have no tensors is taken for one with shortcut=identity, which eval and train want to be told.\n"
        "\n"
        "  --json  {\"file\", \"format\", \"within\", \"numbers\", \"models\", \"metadata\", \"tensors\"}",
    .run = run,
};
