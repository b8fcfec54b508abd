/* How families' weights begin where it is not as the graph's builders have it (graph.h), for all layers of a kind.
 * Called at the end of build(). tests/unit/test_models.c holds them to what PyTorch's networks begin with. */
#ifndef RETORT_MODELS_INITIALIZATION_H
#define RETORT_MODELS_INITIALIZATION_H

#include "graph/graph.h"

/* Weights from N(0, deviation^2). */
void rt_normal_weights(rt_graph *graph, rt_node_kind kind, double deviation);

/* Weights from U(-b, b), b = sqrt(factor / fan_in). A factor of 1 is what torch.nn's layers do by themselves, 6 is
 * torch's kaiming_uniform_ (He et al. 2015). */
void rt_uniform_weights(rt_graph *graph, rt_node_kind kind, double factor);

void rt_zero_biases(rt_graph *graph, rt_node_kind kind);

/* What torchvision's mobile networks and VGGs share: weights of linear layers from N(0, 0.01^2), and no bias of a
 * convolution or linear layer. */
void rt_mobile_initialization(rt_graph *graph);

#endif
