/* What a teacher's layers hold for a batch, beside its logits. */
#ifndef RETORT_TRAIN_FEATURES_H
#define RETORT_TRAIN_FEATURES_H

#include "engine/inference.h"

typedef struct rt_features {
    rt_graph *graph; /* a copy of the network's in which taps are kept; NULL while nobody wants any */
    float **values;  /* [value_count]: of each tap [batch, height, width, channels]; NULL where it is not kept */
    size_t value_count;
    size_t batch; /* the most images at once */
} rt_features;

/* Keeps a layer more, by its tap's or its node's name. *news: it was not kept before, and needs a plan. Addresses of
 * others stay. `batch` is the same each time. */
rt_status rt_features_keep(rt_features *features, const rt_graph *graph, const char *layer, size_t batch, bool *news,
                           rt_error *err);

/* Has a frozen network of features->graph write them. */
void rt_features_attach(const rt_features *features, rt_inference *inference);

/* The values of a layer that is kept, and their size; NULL for any other. */
const float *rt_features_of(const rt_features *features, const char *layer, rt_extent *extent);

void rt_features_free(rt_features *features); /* accepts a zeroed struct */

#endif
