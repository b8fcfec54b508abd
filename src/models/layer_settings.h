/* A layer's settings from JSON, which may come out of anybody's weights file. */
#ifndef RETORT_MODELS_LAYER_SETTINGS_H
#define RETORT_MODELS_LAYER_SETTINGS_H

#include <jansson.h>

#include "models/layer_kinds.h"

/* One layer, read. Strings and lists are borrowed from the JSON. */
typedef struct rt_described_layer {
    const rt_layer_kind *kind;
    _Alignas(8) char settings[RT_LAYER_SETTINGS_SIZE];
    const char *name; /* NULL where it has none */
    const char *sources[RT_MAX_SOURCES];
    size_t source_count;                /* 0: the layer before; 1 of a kind that joins: that one and this */
    json_t *lists[RT_LAYER_MOST_LISTS]; /* NULL where it is absent */
} rt_described_layer;

/* False where `item` is no layer; why is then in `message`. */
bool rt_described_layer_read(json_t *item, rt_described_layer *layer, char *message, size_t size);

#endif
