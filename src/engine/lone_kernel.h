/* A kernel without a plan: planned for one node, prepared, and run on arrays that all kernels of that node take in
 * turns. Nothing around it is fused with it or shares its passes over memory. What holds kernels to each other is made
 * of it (contest.h, comparison.h).
 *
 *     rt_lone_kernel_open(&lone, &proto, class, err);           // proto: engine, graph, node, batch, mode, ...
 *     rt_lone_arrays_open(&arrays, &lone.kernel, lone.kernel.scratch_bytes, err);
 *     rt_lone_kernel_run(&lone, &arrays, false, &seconds, err); // forward, then
 *     rt_lone_kernel_run(&lone, &arrays, true, &seconds, err);  // backward */
#ifndef RETORT_ENGINE_LONE_KERNEL_H
#define RETORT_ENGINE_LONE_KERNEL_H

#include "engine/kernel.h"

typedef struct rt_lone_kernel {
    rt_kernel kernel; /* without a class where it was not opened */
    void *workspace;  /* its own: backward may read what its own forward left there */
} rt_lone_kernel;

/* Activations and gradients of one node, [batch, height, width, channels]. Sources and diff_dst hold made-up numbers in
 * [-1, 1), of no particular order and different for each of them. */
typedef struct rt_lone_arrays {
    float *src[RT_MAX_SOURCES], *dst, *diff_dst;
    float *diff_src; /* of the first source, or of all where a kernel shares it */
    void *scratch;   /* for all kernels that are run on them */
} rt_lone_arrays;

/* Plans and prepares `class` for the node of `proto`, whatever a plan would choose. */
rt_status rt_lone_kernel_open(rt_lone_kernel *lone, const rt_kernel *proto, const rt_kernel_class *class,
                              rt_error *err);
void rt_lone_kernel_close(rt_lone_kernel *lone); /* accepts a zeroed struct */

/* Runs one direction. *seconds gets what it took. */
rt_status rt_lone_kernel_run(rt_lone_kernel *lone, const rt_lone_arrays *arrays, bool backward, double *seconds,
                             rt_error *err);

/* Arrays for the node of `like`; `scratch_bytes` is the most that a kernel to be run on them wants. */
rt_status rt_lone_arrays_open(rt_lone_arrays *arrays, const rt_kernel *like, size_t scratch_bytes, rt_error *err);
void rt_lone_arrays_close(rt_lone_arrays *arrays); /* accepts a zeroed struct */

#endif
