/* The numbers of a network: three flat blocks that the graph's parameters are named views into. */
#ifndef RETORT_GRAPH_PARAMETERS_H
#define RETORT_GRAPH_PARAMETERS_H

#include <stdint.h>

#include "graph/graph.h"

typedef struct rt_parameters {
    const rt_graph *graph; /* borrowed; its parameters[] say what is where */
    float *values;         /* [graph->trained_floats] */
    float *gradients;      /* the same, or NULL for a network that is not trained */
    float *buffers;        /* [graph->buffer_floats]: running means and variances */
    uint64_t version;      /* grows with every change; plans compare it to know when to prepare weights again */
} rt_parameters;

/* Zeroed blocks, 64-byte aligned. */
rt_status rt_parameters_new(const rt_graph *graph, bool trained, rt_parameters **parameters, rt_error *err);
void rt_parameters_free(rt_parameters *parameters); /* accepts NULL */

/* Fills everything as the graph says that it begins. A pure function of (seed, order of the parameters). */
void rt_parameters_initialize(rt_parameters *parameters, uint64_t seed);

/* The same for a network that is only timed: where it would begin with normal variates, it gets uniform ones of the
 * same deviation, which take a tenth of the time. */
void rt_parameters_make_up(rt_parameters *parameters, uint64_t seed);

/* Values and buffers. `from` is of the same graph, or of one that begins with it. */
void rt_parameters_copy(rt_parameters *to, const rt_parameters *from);

/* Where parameter `number` begins, in values or buffers as its kind says. */
float *rt_parameter_values(const rt_parameters *parameters, int number);
float *rt_parameter_gradients(const rt_parameters *parameters, int number);

/* 64-byte aligned and zero; NULL when memory is short. Large blocks take their memory when they are touched. Free with
 * free(). */
void *rt_aligned_zeros(size_t bytes);

#endif
