#include "cli/inputs.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "cli/catalog.h"
#include "datasets/readers.h"
#include "datasets/view.h"
#include "models/own_network.h"
#include "recipe/recipe.h"
#include "report/warning.h"
#include "retort/suggest.h"
#include "train/pretrained.h"

/* Where the images come from: the command line, or the recipe of a run. */
typedef struct source {
    const rt_reader *reader;
    const char *root; /* NULL for none */
    uint64_t seed;
    void *settings;
    rt_recipe *recipe; /* owns root and settings where it is not NULL */
} source;

static void source_close(source *from)
{
    if (!from->recipe)
        free(from->settings);
    rt_recipe_free(from->recipe);
}

/* "cifar:/path": a reader's name, and behind the colon its root. */
static rt_status name_reader(const char *data, source *from, rt_error *err)
{
    size_t length = strcspn(data, ":");
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)(length < 63 ? length : 63), data);
    const rt_kind *kind = rt_kind_find("dataset", strlen("dataset"));
    size_t item = rt_kind_item(kind, NULL, name);
    if (item == rt_reader_count) {
        const char *nearest = rt_kind_suggest(kind, NULL, name);
        if (nearest)
            return rt_fail(err, RT_ERROR_USAGE, "--data '%s': there is no reader '%s'; did you mean '%s'?", data, name,
                           nearest);
        return rt_fail(err, RT_ERROR_USAGE,
                       "--data '%s': there is no reader '%s'; it must be READER:ROOT, and 'retort list datasets' names "
                       "the readers",
                       data, name);
    }
    from->reader = rt_readers[item];
    from->root = data[length] == ':' && data[length + 1] ? data + length + 1 : NULL;
    if (from->reader->needs_root && !from->root)
        return rt_fail(err, RT_ERROR_USAGE, "--data '%s': reader '%s' needs a folder, as in %s:FOLDER", data, name,
                       name);
    return RT_OK;
}

/* The data section of a finished run's recipe. */
static rt_status recall_reader(const char *folder, source *from, rt_error *err)
{
    char *path = rt_path_join(folder, "recipe.yaml");
    if (!path)
        return rt_fail(err, RT_ERROR_MEMORY, "cannot read '%s': no memory", folder);
    rt_status status = rt_recipe_load_networks(path, NULL, 0, &from->recipe, err);
    if (status == RT_OK) {
        const rt_data_recipe *data = &from->recipe->data;
        *from = (source){data->reader, data->root, (uint64_t)from->recipe->seed, data->settings, from->recipe};
    }
    free(path);
    return status;
}

/* The --set of a request, parted by whose they are. */
typedef struct parted {
    const char *model[RT_REQUEST_MAX_SETTINGS], *reader[RT_REQUEST_MAX_SETTINGS];
    size_t model_count, reader_count;
} parted;

static rt_status refuse_setting(const char *setting, const char *key, const char *model, const rt_param *const *tables,
                                const source *from, rt_error *err)
{
    const char *names[64];
    size_t count = 0;
    for (size_t t = 0; t < 2; ++t)
        for (const rt_param *param = tables[t]; param && param->name && count < 64; ++param)
            names[count++] = param->name;
    const char *nearest = rt_suggest(key, names, count);
    if (nearest)
        return rt_fail(err, RT_ERROR_USAGE,
                       "--set '%s': neither model '%s' nor reader '%s' has '%s'; did you mean '%s'?", setting, model,
                       from->reader->name, key, nearest);
    return rt_fail(err, RT_ERROR_USAGE,
                   "--set '%s': neither model '%s' nor reader '%s' has '%s'; 'retort help model/%s' and "
                   "'retort help dataset/%s' list what they have",
                   setting, model, from->reader->name, key, model, from->reader->name);
}

static rt_status part_settings(const rt_request *request, const char *model, const source *from, parted *parts,
                               rt_error *err)
{
    const rt_model_family *family;
    RT_TRY(rt_network_family(model, &family, err));
    const rt_param *const tables[] = {family->params, from->reader->params};
    for (size_t i = 0; i < request->setting_count; ++i) {
        const char *setting = request->settings[i];
        const char *equals = strchr(setting, '=');
        char key[64];
        snprintf(key, sizeof key, "%.*s", (int)strcspn(setting, "="), setting);
        if (!equals)
            return rt_fail(err, RT_ERROR_USAGE, "--set '%s' has no '='; a setting is key=value", setting);
        if (rt_param_find(tables[0], key))
            parts->model[parts->model_count++] = setting;
        else if (rt_param_find(tables[1], key))
            parts->reader[parts->reader_count++] = setting;
        else
            return refuse_setting(setting, key, model, tables, from, err);
    }
    return RT_OK;
}

static rt_status set_reader(const parted *parts, source *from, rt_error *err)
{
    if (from->recipe && parts->reader_count > 0)
        return rt_fail(err, RT_ERROR_USAGE, "--set '%s': the run's recipe sets up its reader; --data names another",
                       parts->reader[0]);
    if (from->recipe)
        return RT_OK;
    char what[96];
    snprintf(what, sizeof what, "dataset/%s", from->reader->name);
    from->settings = calloc(1, from->reader->settings_size + 1);
    if (!from->settings)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for the settings of reader '%s'", from->reader->name);
    return rt_settings_parse(what, from->reader->params, parts->reader, parts->reader_count, from->settings, err);
}

static rt_status set_normalization(const rt_request *request, const rt_pretrained *file,
                                   rt_normalization *normalization, rt_error *err)
{
    *normalization = (rt_normalization){0};
    if (request->mean.count > RT_MAX_CHANNELS)
        return rt_fail(err, RT_ERROR_USAGE, "--mean has %zu values; images have at most %d channels",
                       request->mean.count, RT_MAX_CHANNELS);
    if (request->mean.count == 0 && !file->described)
        return rt_fail(err, RT_ERROR_USAGE, "'%s' does not say how its images were normalised; --mean and --std must",
                       file->path);
    normalization->channels = request->mean.count ? request->mean.count : file->description.input.channels;
    for (size_t c = 0; c < normalization->channels; ++c) {
        bool given = request->mean.count > 0;
        normalization->mean[c] = given ? (float)request->mean.values[c] : file->description.mean[c];
        normalization->std[c] = given ? (float)request->std.values[c] : file->description.std[c];
    }
    return RT_OK;
}

/* The size that images get: the recipe's, or where they differ in size, the one that the weights were trained on. */
static rt_status fit_images(const source *from, const rt_pretrained *file, rt_images *images, rt_error *err)
{
    size_t size = from->recipe ? (size_t)from->recipe->data.size : 0;
    const size_t short_side = from->recipe ? (size_t)from->recipe->data.resize : 0;
    if (!from->recipe && !images->pixels && file->described)
        size = file->description.input.height;
    return rt_images_fit(images, size, short_side, err);
}

static rt_status open_images(const rt_request *request, const source *from, const rt_pretrained *file,
                             rt_inputs *inputs, rt_error *err)
{
    RT_TRY(from->reader->open(from->settings, from->root, from->seed, request->split, &inputs->images, err));
    inputs->reader = from->reader;
    RT_TRY(fit_images(from, file, &inputs->images, err));
    const rt_images *images = &inputs->images;
    if (images->count == 0 || images->count > UINT32_MAX)
        return rt_fail(err, RT_ERROR_FORMAT, "the split has %zu images; it must have 1 to %u", images->count,
                       UINT32_MAX);
    if (request->mean.count && request->mean.count != images->channels)
        return rt_fail(err, RT_ERROR_USAGE, "--mean and --std have %zu values; the images have %zu channels",
                       request->mean.count, images->channels);
    return RT_OK;
}

static rt_status open_all(const rt_request *request, bool labelled, const rt_pretrained *file, source *from,
                          rt_inputs *inputs, rt_error *err)
{
    if (!request->model && !file->described)
        return rt_fail(err, RT_ERROR_USAGE, "'%s' does not say which network it holds; --model must", file->path);
    const char *model = request->model ? request->model : file->description.model;
    parted parts = {0};
    RT_TRY(request->data ? name_reader(request->data, from, err) : recall_reader(request->folder, from, err));
    RT_TRY(part_settings(request, model, from, &parts, err));
    RT_TRY(set_reader(&parts, from, err));
    RT_TRY(set_normalization(request, file, &inputs->normalization, err));
    RT_TRY(open_images(request, from, file, inputs, err));
    const rt_images *images = &inputs->images;
    char *gaps = NULL;
    const rt_pretrained_wish wish = {
        .model = request->model,
        .values = parts.model,
        .value_count = parts.model_count,
        .input = {images->height, images->width, images->channels},
        .classes = labelled ? images->classes : 0,
        .gaps = &gaps,
    };
    rt_status status = rt_pretrained_network(file, &wish, &inputs->network, err);
    if (gaps)
        rt_warn("weights '%s': %s", file->path, gaps);
    free(gaps);
    return status;
}

/* The classes of a network of one's own that --set spells out: the names of its tensors tell nothing. 0 for others. */
static size_t own_classes(const rt_request *request)
{
    const char key[] = "layers=";
    for (size_t i = 0; request->model && i < request->setting_count; ++i)
        if (strcmp(request->model, rt_model_family_layers.name) == 0 &&
            strncmp(request->settings[i], key, strlen(key)) == 0)
            return rt_layers_classes(request->settings[i] + strlen(key));
    return 0;
}

rt_status rt_inputs_open(const rt_request *request, bool labelled, rt_inputs *inputs, rt_error *err)
{
    *inputs = (rt_inputs){0};
    source from = {0};
    rt_pretrained file = {0};
    char *path = request->weights ? strdup(request->weights) : rt_path_join(request->folder, "best.safetensors");
    const rt_weights_reading reading = {request->renames, request->rename_count, request->lenient,
                                        own_classes(request)};
    rt_status status = path ? rt_pretrained_open(path, &reading, &file, err)
                            : rt_fail(err, RT_ERROR_MEMORY, "cannot read weights: no memory");
    if (status == RT_OK)
        status = open_all(request, labelled, &file, &from, inputs, err);
    if (status != RT_OK)
        rt_inputs_close(inputs);
    rt_pretrained_close(&file);
    source_close(&from);
    free(path);
    return status;
}

void rt_inputs_close(rt_inputs *inputs)
{
    rt_network_free(inputs->network);
    if (inputs->reader)
        inputs->reader->close(&inputs->images);
    *inputs = (rt_inputs){0};
}
