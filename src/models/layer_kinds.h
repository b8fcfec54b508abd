/* The layers that a network of one's own is put together from: one entry in one table each, in layer_kinds.c. Names of
 * settings and their defaults are PyTorch's where it has the layer. */
#ifndef RETORT_MODELS_LAYER_KINDS_H
#define RETORT_MODELS_LAYER_KINDS_H

#include "graph/graph.h"
#include "retort/param.h"

/* Where a layer is to be appended. */
typedef struct rt_layer_site {
    rt_graph *graph;
    const char *name;   /* of the node, and the beginning of its parameters' names */
    const int *sources; /* nodes, as many as the kind takes */
    size_t source_count;
    const char *blamed; /* the setting that is at fault, where the layer is refused; NULL for the layer as a whole */
} rt_layer_site;

/* The lists of layers that a kind holds; NULL at the end. */
enum { RT_LAYER_MOST_LISTS = 2 };

typedef struct rt_layer_kind {
    const char *name;  /* as a recipe says it: "conv" */
    const char *torch; /* PyTorch's name for it: "Conv2d"; NULL for none */
    const char *summary;
    const rt_param *params;   /* NULL for none */
    size_t settings_size;     /* at most RT_LAYER_SETTINGS_SIZE */
    size_t fewest, most;      /* layers that it reads */
    bool joins_last;          /* one that is named is joined with the layer before */
    const char *const *lists; /* keys of the layers within it, the first of which must be there; NULL for none */
    int (*build)(rt_layer_site *site, const void *settings); /* the node's number, or -1; NULL where it has lists */

    /* The same with as little of the settings as gives the output that was meant, so that what stands behind a layer
     * that is refused can still be checked. NULL: as if it were not there. */
    int (*mend)(rt_layer_site *site, const void *settings);
} rt_layer_kind;

/* Room for any kind's settings. */
enum { RT_LAYER_SETTINGS_SIZE = 64 };

extern const rt_layer_kind rt_layer_kinds[];
extern const size_t rt_layer_kind_count;

/* What every layer may say beside its own settings: `name`; and `from`, read by who reads the list. */
typedef struct rt_layer_common {
    const char *name; /* NULL: its place in the list, from 0, as in torch.nn.Sequential */
} rt_layer_common;

extern const rt_param rt_layer_common_params[];

/* The kind of that name, or NULL. */
const rt_layer_kind *rt_layer_kind_find(const char *name);

/* The kind that PyTorch calls so, or NULL. */
const rt_layer_kind *rt_layer_kind_of_torch(const char *name);

/* What is wrong with a layer's name, as a rule ("it must be ..."); NULL where it is right. */
const char *rt_layer_name_fault(const char *name);

/* How often the layers of `repeat` come one after the other. */
typedef struct rt_layer_repeat {
    int64_t times;
} rt_layer_repeat;

#endif
