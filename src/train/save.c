#include "train/save.h"

#include <stdlib.h>

#include "formats/description.h"
#include "formats/safetensors.h"
#include "formats/weights.h"
#include "train/pretrained.h"

rt_status rt_network_save(const char *path, const rt_network *network, const rt_parameters *parameters,
                          const rt_normalization *normalization, rt_error *err)
{
    char *options = NULL;
    RT_TRY(rt_options_write(network->family->params, network->settings, false, &options, err));
    rt_description description = {.model = network->variant,
                                  .options = options,
                                  .input = {network->input.height, network->input.width, network->input.channels},
                                  .classes = network->input.classes};
    for (size_t c = 0; c < normalization->channels && c < RT_DESCRIPTION_MAX_CHANNELS; ++c) {
        description.mean[c] = normalization->mean[c];
        description.std[c] = normalization->std[c];
    }
    rt_description_text text;
    rt_description_write(&description, &text);
    rt_tensor *items = calloc(parameters->graph->parameter_count + 1, sizeof *items);
    if (!items) {
        free(options);
        return rt_fail(err, RT_ERROR_MEMORY, "no memory to write '%s'", path);
    }
    rt_weights_list(parameters, items);
    rt_status status =
        rt_safetensors_write(path, items, network->graph->parameter_count, text.pairs, RT_DESCRIPTION_PAIRS, err);
    free(items);
    free(options);
    return status;
}
