/* Blocks of residual networks (He et al. 2015, arXiv:1512.03385), and what all families with four stages of them share.
 * Layers have torchvision's names. */
#ifndef RETORT_MODELS_RESIDUAL_H
#define RETORT_MODELS_RESIDUAL_H

#include "graph/graph.h"

typedef struct rt_residual {
    size_t inside, outputs; /* channels */
    size_t stride;          /* of a stage's first block, in its first 3x3 convolution; 0 means 1 */
    bool bottleneck;        /* 1x1, 3x3, 1x1; otherwise two 3x3 convolutions, and `inside` is `outputs` */
    bool identity;          /* a block that changes shape subsamples and adds zero channels, instead of projecting */
} rt_residual;

/* `count` blocks called STAGE.0 and so on. The last one's output is the tap STAGE. */
int rt_residual_stage(rt_graph *graph, const char *stage, int source, size_t count, rt_residual how);

/* Behind a stem: layer1 to layer4, pooling, and the logits of a network of 18, 34, 50, 101 or 152 layers. */
void rt_residual_four_stages(rt_graph *graph, int stem, size_t depth, double width, size_t classes);

#endif
