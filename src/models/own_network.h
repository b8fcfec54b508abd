/* A network of one's own: a list of layers that the recipe spells out (`model: {layers: [...]}`), as the family
 * "layers".
 *
 * Its one option, `layers`, is that list as JSON without spaces, which is what weights files carry:
 *
 *     [{"conv":{"channels":16,"kernel":3,"name":"c1"}},{"global_avg_pool":{}},{"linear":{"features":10}}]
 *
 * A layer reads the one before it, or those that `from` names: by `name`, or by place in the list, from 0. Names within
 * a `block`, `repeat` or `residual` begin with the names around them, and are found from the inside outwards. Nodes and
 * parameters have the names that torch.nn.Sequential gives, "0.weight", "stage1.0.body.1.running_mean", and begin as
 * its do. */
#ifndef RETORT_MODELS_OWN_NETWORK_H
#define RETORT_MODELS_OWN_NETWORK_H

#include "models/models.h"

enum {
    RT_LAYERS_MOST = 4096, /* layers, repetitions counted */
    RT_LAYERS_DEPTH = 12   /* lists within each other */
};

extern const rt_model_family rt_model_family_layers; /* not among rt_model_families: it has no network of its own */

/* The options of that family. */
typedef struct rt_layers_settings {
    const char *layers;
} rt_layers_settings;

/* A layer that does not fit. Layers are counted as they stand in the text, from 0, each before those within it.
 * `setting` is the one at fault, or NULL. */
typedef void rt_layers_report(void *context, size_t layer, const char *setting, const char *message);

/* Reports every layer that cannot be built for such images, and a last one that does not give their classes. What
 * stands behind a mistake is checked as if it had been none. False where there is no memory. */
bool rt_layers_check(const char *text, const rt_model_input *input, rt_layers_report *report, void *context);

/* How many logits such a network has, which hardly ever depends on the images; 0 where it cannot be built for any of
 * the usual ones. */
size_t rt_layers_classes(const char *text);

#endif
