/* What tensors in other people's files are called, and what they are called here. */
#ifndef RETORT_FORMATS_WEIGHT_NAMES_H
#define RETORT_FORMATS_WEIGHT_NAMES_H

#include <stdbool.h>

#include "graph/graph.h"

/* The name without what wrappers have put before it: "conv1.weight" of "module.conv1.weight". */
const char *rt_weight_bare_name(const char *name);

/* State of the optimizer, moving averages, what losses have of their own, and counters: not part of a network. */
bool rt_weight_is_passed_over(const char *name);

/* The number of the parameter that a tensor's name stands for, or -1: of that name, of the name without wrappers, or
 * of the usual other name for the same thing. */
int rt_weight_find_parameter(const rt_graph *graph, const char *name);

#endif
