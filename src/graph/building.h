/* What the builders of nodes are made of (graph.c, graph_attention.c). */
#ifndef RETORT_GRAPH_BUILDING_H
#define RETORT_GRAPH_BUILDING_H

#include "graph/graph.h"

/* A blank node behind `sources`, of the first one's shape, or NULL once something is wrong. */
rt_node *rt_graph_append(rt_graph *graph, rt_node_kind kind, const char *name, const int *sources, size_t count);

/* The node's number; -1 once something is wrong. */
int rt_graph_number(const rt_graph *graph, const rt_node *node);

/* A node that keeps its source's shape and has no parameters. */
int rt_graph_pointwise(rt_graph *graph, rt_node_kind kind, const char *name, int source);

/* Refuses an output without values, and one that is too large. */
bool rt_graph_check_extent(rt_graph *graph, const rt_node *node);

/* Registers "NAME.suffix" (NAME where suffix is NULL) in its flat block; offsets keep 64-byte alignment. Returns its
 * number, or -1. */
int rt_graph_add_parameter(rt_graph *graph, const char *name, const char *suffix, rt_parameter_kind kind,
                           rt_shape shape, rt_initialization initialization, double spread);

#endif
