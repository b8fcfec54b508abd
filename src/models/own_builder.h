/* What own_network.c and own_names.c share: a network of one's own while it is built. */
#ifndef RETORT_MODELS_OWN_BUILDER_H
#define RETORT_MODELS_OWN_BUILDER_H

#include "models/layer_settings.h"
#include "models/layers.h"
#include "models/own_network.h"

/* A name that layers are read by, and what it stands for. */
typedef struct rt_own_place {
    char name[RT_NAME_CAPACITY];
    int node;
    bool given; /* by the user; otherwise a place in a list */
} rt_own_place;

typedef struct rt_own_builder {
    rt_graph *graph;
    rt_layers_report *report; /* NULL: the first mistake is the graph's error */
    void *context;
    size_t layer; /* that is being built, as rt_layers_report counts */
    size_t next;
    size_t made; /* repetitions counted */
    size_t mistakes;
    rt_own_place *places;
    size_t place_count, place_capacity;
    uint64_t outputs; /* floats, of one image */
    bool too_large;   /* which is told once */
} rt_own_builder;

/* A list of layers, and what its names begin with: "", "stage1.0." */
typedef struct rt_own_scope {
    const struct rt_own_scope *outer;
    const char *prefix;
    json_t *list;
    size_t depth;
} rt_own_scope;

static inline bool rt_own_failed(const rt_own_builder *b)
{
    return b->graph->error.status != RT_OK;
}

/* Tells a mistake of the layer that is being built, or stops there where nobody listens. */
void rt_own_refuse(rt_own_builder *b, const char *setting, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The node of that name, looked for from the inside outwards; `fallback` for one that is refused. */
int rt_own_find_source(rt_own_builder *b, const rt_own_scope *within, const char *word, int fallback);
int rt_own_find_place(const rt_own_builder *b, const char *name); /* whole; -1 where there is none */
void rt_own_remember(rt_own_builder *b, const char *name, int node, bool given);

/* The layer's whole name, which must be its own, and one that weights files can carry; another, and false, where it is
 * refused. */
bool rt_own_name_layer(rt_own_builder *b, const rt_own_scope *within, const rt_described_layer *layer, size_t index,
                       rt_layer_name *name);

#endif
