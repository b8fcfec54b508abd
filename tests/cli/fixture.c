/* Files for the scripts in this folder:
 *
 *     fixture weights FILE KIND MODEL HEIGHT WIDTH CHANNELS CLASSES [key=value ...]
 *     fixture labels FILE COUNT CLASSES
 *
 * A network at its initial weights: "bare" of any description, "described" as Retort's own, or described and
 * "overflowing", with logits that are infinite, or "lively", with weights and norms that let something through every
 * layer. Labels are those of synthetic data: sample modulo classes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../check/filling.h"
#include "formats/npy.h"
#include "formats/safetensors.h"
#include "formats/weights.h"
#include "recipe/recipe.h"
#include "train/save.h"

static rt_status write_bare(const char *path, const rt_network *network, rt_error *err)
{
    size_t count = network->graph->parameter_count;
    rt_tensor *items = calloc(count, sizeof *items);
    if (!items)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory");
    rt_weights_list(network->parameters, items);
    rt_status status = rt_safetensors_write(path, items, count, NULL, 0, err);
    free(items);
    return status;
}

static void overflow(rt_network *network)
{
    const rt_graph *graph = network->graph;
    for (size_t i = 0; i < graph->parameter_count; ++i)
        for (size_t j = 0; strcmp(graph->parameters[i].name, "fc.weight") == 0 && j < graph->parameters[i].count; ++j)
            rt_parameter_values(network->parameters, (int)i)[j] = 3e38f;
}

static rt_status write_weights(int argc, char **argv, rt_error *err)
{
    const char *path = argv[0], *kind = argv[1], *variant = argv[2];
    const rt_model_input input = {strtoul(argv[3], NULL, 10), strtoul(argv[4], NULL, 10), strtoul(argv[5], NULL, 10),
                                  strtoul(argv[6], NULL, 10)};
    const rt_model_family *family;
    RT_TRY(rt_network_family(variant, &family, err));
    void *settings = calloc(1, family->settings_size + 1);
    rt_network *network = NULL;
    rt_status status =
        rt_settings_parse(variant, family->params, (const char *const *)argv + 7, (size_t)argc - 7, settings, err);
    if (status == RT_OK)
        status = rt_network_new(variant, settings, &input, false, &network, err);
    if (status == RT_OK)
        rt_parameters_initialize(network->parameters, 1);
    if (status == RT_OK && strcmp(kind, "overflowing") == 0)
        overflow(network);
    if (status == RT_OK && strcmp(kind, "lively") == 0)
        filling_parameters(network->parameters);
    rt_normalization normalization = {.channels = input.channels};
    for (size_t c = 0; c < input.channels && c < RT_MAX_CHANNELS; ++c) {
        normalization.mean[c] = 0.5f;
        normalization.std[c] = 0.25f;
    }
    if (status == RT_OK && strcmp(kind, "bare") == 0)
        status = write_bare(path, network, err);
    else if (status == RT_OK)
        status = rt_network_save(path, network, network->parameters, &normalization, err);
    rt_network_free(network);
    free(settings);
    return status;
}

static rt_status write_labels(char **argv, rt_error *err)
{
    size_t count = strtoul(argv[1], NULL, 10), classes = strtoul(argv[2], NULL, 10);
    int64_t *labels = calloc(count + 1, sizeof *labels);
    if (!labels || classes == 0)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory, or no classes");
    for (size_t i = 0; i < count; ++i)
        labels[i] = (int64_t)(i % classes);
    rt_status status = rt_npy_write(argv[0], RT_DTYPE_I64, &(rt_shape){1, {count}}, labels, err);
    free(labels);
    return status;
}

int main(int argc, char **argv)
{
    rt_error err = {0};
    rt_status status = RT_ERROR_USAGE;
    if (argc >= 9 && strcmp(argv[1], "weights") == 0)
        status = write_weights(argc - 2, argv + 2, &err);
    else if (argc == 5 && strcmp(argv[1], "labels") == 0)
        status = write_labels(argv + 2, &err);
    if (status != RT_OK)
        fprintf(stderr, "fixture: %s\n", err.message[0] ? err.message : "see the first lines of fixture.c");
    return status == RT_OK ? 0 : 1;
}
