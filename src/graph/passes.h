/* Passes: a graph becomes a shorter one that computes the same. Nodes keep their names; parameters are untouched, so
 * both graphs read the same rt_parameters. Taps keep their numbers: each points at the node that has its values now. */
#ifndef RETORT_GRAPH_PASSES_H
#define RETORT_GRAPH_PASSES_H

#include "graph/graph.h"

/* For training: a ReLU that alone reads a batch norm or an addition is fused into it. */
rt_graph *rt_graph_for_training(const rt_graph *graph);

/* For frozen networks: batch norms are folded into the convolutions before them (the scale into the weights when they
 * are prepared), ReLU and ReLU6 become the convolution's activation, and a residual addition becomes the second source
 * of the convolution that is computed last. Dropout disappears. */
rt_graph *rt_graph_for_inference(const rt_graph *graph);

/* How many nodes read each node; `counts` has graph->node_count items. The output counts as one more reader, and so
 * does each tap that is kept. */
void rt_graph_count_readers(const rt_graph *graph, int *counts);

#endif
