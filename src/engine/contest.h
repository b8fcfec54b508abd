/* A contest of kernels: every class that can compute a convolution of some shape, timed on the same memory in turns.
 * The plan chooses by a rule and never by the clock; a contest shows where the rule is wrong (`retort bench
 * --kernels`). */
#ifndef RETORT_ENGINE_CONTEST_H
#define RETORT_ENGINE_CONTEST_H

#include "engine/engine.h"
#include "engine/kernel.h"

/* A convolution without its network. */
typedef struct rt_contest_shape {
    rt_extent src;
    rt_window window;
    bool reads_images; /* the network's first layer: no gradient of its source is ever wanted */
} rt_contest_shape;

typedef enum rt_contest_pass {
    RT_CONTEST_FORWARD,  /* of training */
    RT_CONTEST_FROZEN,   /* the form of a frozen network: batch norm folded in, ReLU behind it */
    RT_CONTEST_BACKWARD, /* gradients of source and weights; not run where the shape reads images */
    RT_CONTEST_WEIGHTS,  /* the gradient of the weights alone */
    RT_CONTEST_PASSES
} rt_contest_pass;

typedef struct rt_contestant {
    const rt_kernel_class *class;
    double milliseconds[RT_CONTEST_PASSES];     /* the fastest of the rounds; 0 where the class cannot */
    char implementation[RT_CONTEST_PASSES][40]; /* what the class got for it; backward: that of the source */
    bool picked_trained, picked_frozen;         /* the rule's choice for a plan of either kind */
} rt_contestant;

typedef struct rt_contest {
    rt_contestant contestants[RT_KERNEL_CLASSES_A_KIND];
    size_t count;
    double flops[RT_CONTEST_PASSES]; /* of one run over the batch: 2 a multiply-accumulate */
} rt_contest;

/* Two convolutions for which every class does the same work; `reads_images` and a bias do not tell them apart. */
bool rt_contest_shape_equal(const rt_contest_shape *a, const rt_contest_shape *b);

/* Plans every class that can compute it and runs each pass of each in turn, `rounds` times after one to warm up. The
 * classes are those that a plan of that precision may choose from. */
rt_status rt_contest_run(rt_engine *engine, rt_precision precision, const rt_contest_shape *shape, size_t batch,
                         size_t rounds, rt_contest *contest, rt_error *err);

/* Milliseconds that a plan pays for a contestant: a frozen plan for its frozen form, a trained one for forward and
 * backward (of the weights alone where the shape reads images). 0 where it cannot. */
double rt_contestant_cost(const rt_contestant *contestant, const rt_contest_shape *shape, bool frozen);

/* How many times as long as the fastest contestant the rule's choice takes: 1 where it is the fastest itself. 0 where
 * fewer than two can compute it and there was nothing to choose. */
double rt_contest_regret(const rt_contest *contest, const rt_contest_shape *shape, bool frozen);

#endif
