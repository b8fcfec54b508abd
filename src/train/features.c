#include "train/features.h"

#include <stdlib.h>

rt_status rt_features_keep(rt_features *features, const rt_graph *graph, const char *layer, size_t batch, bool *news,
                           rt_error *err)
{
    if (!features->graph)
        features->graph = rt_graph_copy(graph);
    if (!features->graph)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for a teacher's layers");
    if (features->batch > 0 && features->batch != batch)
        return rt_fail(err, RT_ERROR_USAGE,
                       "the teacher's features are made for batches of %zu and wanted for batches of %zu",
                       features->batch, batch);
    int known = rt_graph_find_tap(features->graph, layer);
    *news = known < 0 || !features->graph->taps[known].kept;
    int tap = rt_graph_keep(features->graph, layer);
    if (tap < 0)
        return rt_fail(err, RT_ERROR_USAGE, "the teacher has no layer '%.80s'", layer);
    if (!*news)
        return RT_OK;
    float **values = realloc(features->values, features->graph->tap_count * sizeof *values);
    if (!values)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for a teacher's layers");
    for (size_t t = features->value_count; t < features->graph->tap_count; ++t)
        values[t] = NULL;
    features->values = values;
    features->value_count = features->graph->tap_count;
    features->batch = batch;
    size_t floats = rt_extent_floats(features->graph->nodes[features->graph->taps[tap].node].shape);
    values[tap] = rt_aligned_zeros(batch * floats * sizeof(float));
    return values[tap] ? RT_OK : rt_fail(err, RT_ERROR_MEMORY, "no memory for layer '%s' of %zu images", layer, batch);
}

void rt_features_attach(const rt_features *features, rt_inference *inference)
{
    for (size_t t = 0; t < features->value_count; ++t)
        if (features->values[t])
            rt_inference_tap(inference, (int)t, features->values[t]);
}

const float *rt_features_of(const rt_features *features, const char *layer, rt_extent *extent)
{
    int tap = features->graph ? rt_graph_find_tap(features->graph, layer) : -1;
    if (tap < 0 || !features->values[tap])
        return NULL;
    *extent = features->graph->nodes[features->graph->taps[tap].node].shape;
    return features->values[tap];
}

void rt_features_free(rt_features *features)
{
    for (size_t t = 0; t < features->value_count; ++t)
        free(features->values[t]);
    free(features->values);
    rt_graph_free(features->graph);
    *features = (rt_features){0};
}
