/* What the families say often: names made from parts, channels, and a convolution with its norm. */
#ifndef RETORT_MODELS_LAYERS_H
#define RETORT_MODELS_LAYERS_H

#include "graph/graph.h"

/* A layer's name by printf's rules, to be used in the same expression: rt_layer("%s.conv%d", block, 1).text. What is
 * too long is cut, and then refused as a name that is there twice. */
typedef struct rt_layer_name {
    char text[RT_NAME_CAPACITY];
} rt_layer_name;

rt_layer_name rt_layer(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Channels of a layer; 0 once the graph is wrong. */
size_t rt_layer_channels(const rt_graph *graph, int source);

/* A convolution called PREFIX.{place} and its batch norm PREFIX.{place + 1}. */
int rt_convolution_and_norm(rt_graph *graph, const char *prefix, int place, int source, rt_window window);

/* A builder of an activation: rt_graph_relu. */
typedef int rt_pointwise(rt_graph *graph, const char *name, int source);

/* Squeeze and excitation (Hu et al. 2017, arXiv:1709.01507): channels are multiplied by factors that two 1x1
 * convolutions, PREFIX.fc1 and PREFIX.fc2, make of their means. */
int rt_squeeze_and_excite(rt_graph *graph, const char *prefix, int source, size_t squeezed, rt_pointwise *inside,
                          rt_pointwise *outside);

/* The end of most networks: global average pooling "avgpool", whose tap is "penultimate", then, if `dropout` is not 0,
 * dropout called `drop`, which may be NULL without, and the linear layer `linear`, the graph's output. */
void rt_pooled_classifier(rt_graph *graph, int source, const char *drop, double dropout, const char *linear,
                          size_t classes);

/* `channels` times `width`, to the nearest multiple of `divisor` that is not more than a tenth below; at least one
 * `divisor`. The rule of the mobile networks, whose divisor is 8. */
size_t rt_width_divisible(double width, size_t channels, size_t divisor);

#endif
