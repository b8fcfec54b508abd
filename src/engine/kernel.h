/* What computes a node: plan, forward, backward. The interface does not know oneDNN, so that kernels of our own stand
 * beside oneDNN's for the same node and the plan chooses (kernels[] in kernel.c).
 *
 * Life of a kernel:
 *   plan()     sees the node and the batch, creates what it needs, and says what memory it wants and keeps;
 *   prepare()  runs after the parameters changed: packs or folds weights into the kernel's own memory;
 *   forward(), backward()  run once per step on the pointers in rt_kernel_io; they allocate nothing. */
#ifndef RETORT_ENGINE_KERNEL_H
#define RETORT_ENGINE_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/precision.h"
#include "engine/narrow.h"
#include "engine/norm_link.h"
#include "graph/graph.h"
#include "graph/parameters.h"

typedef enum rt_mode {
    RT_MODE_TRAIN, /* batch statistics, dropout, backward */
    RT_MODE_EVAL,  /* running statistics, no dropout; backward is possible */
    RT_MODE_FROZEN /* running statistics, forward only, activations not kept */
} rt_mode;

/* Pointers of one execution. Activations and their gradients are [batch, height, width, channels]. */
typedef struct rt_kernel_io {
    const float *src[RT_MAX_SOURCES]; /* a deferred batch norm's own source in place of its values */
    float *dst;
    void *workspace;                       /* written by forward, read by the same step's backward */
    void *scratch;                         /* contents undefined before and after */
    const float *diff_dst[RT_MAX_SOURCES]; /* contributions of the node's readers, to be summed; read only */
    size_t diff_dst_count;                 /* 1 unless the kernel said sums_diff_dst */
    float *diff_src[RT_MAX_SOURCES];       /* overwritten; NULL where no gradient is wanted */
    uint64_t seed, step;                   /* for dropout's draws */
} rt_kernel_io;

typedef struct rt_kernel_class rt_kernel_class;
typedef struct rt_engine rt_engine; /* engine.h */

typedef struct rt_kernel {
    const rt_kernel_class *class;
    rt_engine *engine;
    const rt_graph *graph;
    const rt_node *node;
    int number; /* of the node */
    size_t batch;
    rt_mode mode;
    rt_precision precision; /* the plan's wish */
    const rt_range
        *source_range;         /* of the first source's values, calibrated; for INT8, else NULL. Until plan() is over */
    bool wants_diff_src;       /* false when nothing before the node is trained */
    rt_parameters *parameters; /* gradients are overwritten by backward; running statistics updated by forward */
    void *state;               /* the kernel's own */

    /* Set by plan(). */
    size_t workspace_bytes, scratch_bytes;
    bool keeps_src, keeps_dst;     /* backward reads io.src / io.dst */
    bool sums_diff_dst;            /* backward takes several contributions */
    bool shares_diff_src;          /* all sources get the one array io.diff_src[0] */
    unsigned reads_norms;          /* bit s: applies the batch norm of source s itself (norm_link.h) ... */
    bool gives_products;           /* ... and sums their products in backward */
    bool gives_moments;            /* sums the moments of its output */
    rt_norm_link *norm;            /* a batch norm's own link */
    const char *implementation[3]; /* forward, backward data, backward weights; NULL where there is none */
    rt_precision multiplies_in;    /* FP32 unless the class says otherwise */
    int weight_packs;              /* changes of weight layout after each update */
    int reorders;                  /* changes of activation layout inside a step */

    /* Set by the plan after all kernels are planned. */
    rt_norm_link *source_norms[RT_MAX_SOURCES]; /* of sources whose batch norm is deferred; else NULL */
    rt_norm_link *reader_norm;                  /* the batch norm that wants this output's moments, or NULL */
} rt_kernel;

struct rt_kernel_class {
    const char *name;
    bool (*fits)(const rt_kernel *kernel); /* it is meant for this node; may be NULL: any of its kind */
    bool (*can)(const rt_kernel *kernel);  /* it could compute it too; may be NULL: where it fits (contest.h) */
    rt_status (*plan)(rt_kernel *kernel, rt_error *err);
    rt_status (*prepare)(rt_kernel *kernel, rt_error *err); /* may be NULL */
    rt_status (*forward)(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err);
    rt_status (*backward)(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err); /* may be NULL */
    void (*done)(rt_kernel *kernel); /* may be NULL; sees half-planned kernels */
};

/* The class for a node: the first in the kind's row of kernel.c that fits. NULL when there is none. */
const rt_kernel_class *rt_kernel_choose(const rt_kernel *kernel);

/* The most classes that a kind of node has, and all those that could compute a node, chosen or not, in the row's order.
 * `classes` has room for the most; returns how many there are. */
enum { RT_KERNEL_CLASSES_A_KIND = 5 };
size_t rt_kernel_candidates(const rt_kernel *kernel, const rt_kernel_class **classes);

extern const rt_kernel_class rt_kernel_convolution_int8, rt_kernel_convolution_bf16, rt_kernel_winograd,
    rt_kernel_depthwise, rt_kernel_convolution, rt_kernel_batch_norm, rt_kernel_relu, rt_kernel_add, rt_kernel_pool,
    rt_kernel_global_average_pool, rt_kernel_resize, rt_kernel_linear, rt_kernel_linear_frozen, rt_kernel_flatten,
    rt_kernel_concat, rt_kernel_channel_slice, rt_kernel_channel_shuffle, rt_kernel_subsample, rt_kernel_dropout, rt_kernel_curve,
    rt_kernel_scale, rt_kernel_layer_norm, rt_kernel_attention, rt_kernel_tokens;

/* The shape of source `s`. */
rt_extent rt_kernel_source(const rt_kernel *kernel, size_t s);
/* Elements of the output for the whole batch. */
size_t rt_kernel_elements(const rt_kernel *kernel);

#endif
