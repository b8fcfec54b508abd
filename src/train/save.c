#include "train/save.h"

#include <stdlib.h>

#include "formats/safetensors.h"
#include "formats/weights.h"
#include "train/pretrained.h"

rt_status rt_network_describe(const rt_network *network, const rt_normalization *normalization, rt_network_words *words,
                              rt_error *err)
{
    *words = (rt_network_words){0};
    RT_TRY(rt_options_write(network->family->params, network->settings, false, &words->options, err));
    rt_description *description = &words->description;
    *description = (rt_description){.model = network->variant,
                                    .options = words->options,
                                    .input = {network->input.height, network->input.width, network->input.channels},
                                    .classes = network->input.classes};
    for (size_t c = 0; c < normalization->channels && c < RT_DESCRIPTION_MAX_CHANNELS; ++c) {
        description->mean[c] = normalization->mean[c];
        description->std[c] = normalization->std[c];
    }
    rt_description_write(description, &words->text);
    return RT_OK;
}

void rt_network_words_free(rt_network_words *words)
{
    free(words->options);
    words->options = NULL;
}

rt_status rt_network_save(const char *path, const rt_network *network, const rt_parameters *parameters,
                          const rt_normalization *normalization, rt_error *err)
{
    rt_network_words words;
    RT_TRY(rt_network_describe(network, normalization, &words, err));
    rt_tensor *items = calloc(parameters->graph->parameter_count + 1, sizeof *items);
    if (!items) {
        rt_network_words_free(&words);
        return rt_fail(err, RT_ERROR_MEMORY, "no memory to write '%s'", path);
    }
    rt_weights_list(parameters, items);
    rt_status status =
        rt_safetensors_write(path, items, network->graph->parameter_count, words.text.pairs, RT_DESCRIPTION_PAIRS, err);
    free(items);
    rt_network_words_free(&words);
    return status;
}
