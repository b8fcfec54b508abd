/* A layer without its network: what is left of a node when only its work counts. Layers are gathered from networks, and
 * each becomes a small graph again, on which kernels and their peers are planned alone (comparison.h). */
#ifndef RETORT_ENGINE_LAYER_H
#define RETORT_ENGINE_LAYER_H

#include "graph/graph.h"

/* All sources have one shape. */
typedef struct rt_layer {
    rt_node_kind kind;
    rt_activation activation; /* fused into it */
    rt_extent src, dst;
    rt_window window;     /* of pools */
    bool bias;            /* of linear layers */
    bool trained, frozen; /* it occurs in a graph of that kind */
} rt_layer;

/* What a node of a graph as plans have it (passes.h) is without its network, or false where no peer computes it. */
bool rt_layer_of(const rt_graph *graph, const rt_node *node, bool frozen, rt_layer *layer);

/* The same work, whether it is trained or frozen. */
bool rt_layer_equal(const rt_layer *a, const rt_layer *b);

/* A graph with the layer as its node "layer", behind an input. Finished; the caller frees it. */
rt_status rt_layer_graph(const rt_layer *layer, rt_graph **graph, rt_error *err);

#endif
