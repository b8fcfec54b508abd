/* A model that has been built: its graph, and the numbers in it. */
#ifndef RETORT_MODELS_NETWORK_H
#define RETORT_MODELS_NETWORK_H

#include "graph/parameters.h"
#include "models/models.h"

typedef struct rt_network {
    const rt_model_family *family;
    const char *variant; /* "resnet20", the family's own string */
    void *settings;      /* a copy of the family's options, strings too */
    rt_model_input input;
    rt_graph *graph;
    rt_parameters *parameters;
} rt_network;

/* Builds a variant; `settings` NULL takes every default. Parameters are all zero: rt_parameters_initialize() or
 * rt_weights_load() fill them. They have gradients only if `trained`. An unknown variant is an error with a suggestion.
 */
rt_status rt_network_new(const char *variant, const void *settings, const rt_model_input *input, bool trained,
                         rt_network **network, rt_error *err);
void rt_network_free(rt_network *network); /* accepts NULL */

/* Fills the parameters from a weights file (rt_weights_load()). rt_network_open() of train/pretrained.h builds the
 * network that a file holds. */
rt_status rt_network_load(rt_network *network, const char *path, rt_error *err);

/* The family of a variant, or an error with the nearest right name. */
rt_status rt_network_family(const char *variant, const rt_model_family **family, rt_error *err);

#endif
