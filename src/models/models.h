/* Model families: one file each, with a table of variants. A family turns options into a graph. */
#ifndef RETORT_MODELS_MODELS_H
#define RETORT_MODELS_MODELS_H

#include <stddef.h>

#include "graph/graph.h"
#include "retort/error.h"
#include "retort/param.h"

/* What every model is built for. */
typedef struct rt_model_input {
    size_t height, width, channels;
    size_t classes;
} rt_model_input;

/* What families are mostly trained on: for such images their sizes are listed. */
#define RT_INPUT_CIFAR                                                                                                 \
    {                                                                                                                  \
        .height = 32, .width = 32, .channels = 3, .classes = 100                                                       \
    }
#define RT_INPUT_IMAGENET                                                                                              \
    {                                                                                                                  \
        .height = 224, .width = 224, .channels = 3, .classes = 1000                                                    \
    }

typedef struct rt_model_family {
    const char *name; /* file name: "resnet" */
    const char *summary;
    const char *reference;
    const rt_param *params; /* options of every variant; a recipe gives them beside `model:` */
    size_t settings_size;
    const char *const *variants; /* NULL-terminated model names: "resnet20" */
    rt_model_input usual;        /* RT_INPUT_CIFAR or RT_INPUT_IMAGENET */

    /* Adds the network to an empty graph: input, layers, and an output named "logits" of shape [N, classes].
     * Parameter names are torchvision's, or those of the benchmark that the networks are from. Errors stick to the
     * graph (rt_graph_finish() reports them). */
    void (*build)(rt_graph *graph, const char *variant, const void *settings, const rt_model_input *input);
} rt_model_family;

extern const rt_model_family *const rt_model_families[];
extern const size_t rt_model_family_count;

/* The family that has a variant of this name, or NULL. "layers" is that of networks of one's own (own_network.h), which
 * are not in the list above. */
const rt_model_family *rt_model_find(const char *variant);

/* The variant whose name is nearest to a wrong one, or NULL. */
const char *rt_model_suggest(const char *variant);

#endif
