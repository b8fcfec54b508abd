/* A layer beside its peer: the kernel that a plan takes and oneDNN's primitives for the same work (peers.h), timed on
 * the same memory in turns (`retort bench --kernels`). Convolutions have a contest of their own (contest.h).
 *
 * Each stands alone. In a plan ours share passes over memory with their neighbours (norm_link.h), and an addition or a
 * ReLU sums its readers' gradients as it masks; neither is in a comparison. */
#ifndef RETORT_ENGINE_COMPARISON_H
#define RETORT_ENGINE_COMPARISON_H

#include "engine/engine.h"
#include "engine/layer.h"

typedef enum rt_comparison_pass {
    RT_COMPARISON_FORWARD,  /* of training */
    RT_COMPARISON_BACKWARD, /* gradients of source and parameters */
    RT_COMPARISON_FROZEN,   /* forward in a frozen network */
    RT_COMPARISON_PASSES
} rt_comparison_pass;

typedef struct rt_comparison_side {
    double milliseconds;     /* the fastest of the rounds */
    char implementation[40]; /* what the class got for it; backward: that of the source */
} rt_comparison_side;

/* The plan's choice for a pass. Where it is oneDNN's, it is timed once and has no peer. */
typedef struct rt_comparison {
    struct {
        bool runs; /* the layer occurs in that kind of graph */
        bool is_peer;
        rt_comparison_side own, peer;
    } passes[RT_COMPARISON_PASSES];
} rt_comparison;

/* Plans own and peer for the layer's passes on `batch` images and runs each in turn, `rounds` times and each time
 * twice: the second run counts. */
rt_status rt_comparison_run(rt_engine *engine, const rt_layer *layer, size_t batch, size_t rounds,
                            rt_comparison *comparison, rt_error *err);

#endif
