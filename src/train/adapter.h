/* The layer between a student's features and a loss that wants them in the teacher's sizes. It is trained with the
 * student and is not part of it. */
#ifndef RETORT_TRAIN_ADAPTER_H
#define RETORT_TRAIN_ADAPTER_H

#include "graph/graph.h"

/* Appends layers called PREFIX... that bring node `source` to the size `to`; returns the last one, or `source` where
 * there is nothing to do. Of maps, a 1x1 convolution and a batch norm change the channels and a resize the rest, before
 * the convolution where pixels become fewer and behind it where they become more. Of `vectors` (all that a node holds
 * for an image is one) a linear layer does. Errors stick to the graph. */
int rt_adapter_add(rt_graph *graph, const char *prefix, int source, rt_extent to, bool vectors);

/* What rt_adapter_add() appends, in words: "1x1 convolution and batch norm, resize"; "none". */
enum { RT_ADAPTER_WORDS = 64 };
void rt_adapter_describe(rt_extent from, rt_extent to, bool vectors, char words[RT_ADAPTER_WORDS]);

#endif
