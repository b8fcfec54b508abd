/* How threads share out a pass of a Winograd convolution (winograd.h). Each takes consecutive tiles, so that it meets
 * the images that it wrote in the layer before; where weights are so large that reading them is the work, each takes
 * some of the outputs for all tiles instead. */
#ifndef RETORT_ENGINE_WINOGRAD_TEAM_H
#define RETORT_ENGINE_WINOGRAD_TEAM_H

#include "engine/winograd.h"
#include "retort/error.h"

typedef enum rt_winograd_task {
    RT_TEAM_FROZEN,    /* convolves with weights that were transformed beforehand */
    RT_TEAM_FORWARD,   /* convolves with weights that are others in each step */
    RT_TEAM_BACKWARD,  /* the same with weights turned: the data gradient */
    RT_TEAM_CORRELATES /* the weight gradient */
} rt_winograd_task;

typedef struct rt_winograd_team {
    const rt_winograd_code *code;
    rt_winograd_task task;
    rt_winograd shape;
    size_t tiles, threads;
    bool splits_outputs;
    bool once; /* all tiles are one block of each thread: weights go to the frequency domain piece by piece */
    size_t weights_floats; /* in the frequency domain; of a correlation, of one product */
    size_t thread_floats;
    size_t scratch_floats; /* what convolve() or correlate() want */
    double *sums;          /* [threads, 2, outputs] */
} rt_winograd_team;

/* For `batch` images; shape.block is chosen here. */
rt_status rt_winograd_team_plan(rt_winograd_team *team, const rt_winograd_code *code, rt_winograd shape, size_t batch,
                                rt_winograd_task task, rt_error *err);
void rt_winograd_team_done(rt_winograd_team *team);

/* For a frozen network: weights [outputs, inputs, 3, 3] to team->weights_floats floats. */
void rt_winograd_team_transform(const rt_winograd_team *team, const float *weights, float *transformed);

/* `weights` are what rt_winograd_team_transform() gave for RT_TEAM_FROZEN, [outputs, inputs, 3, 3] for RT_TEAM_FORWARD,
 * and [inputs, outputs, 3, 3] for RT_TEAM_BACKWARD. `first` and `second` [outputs] get the sums of the writing, NULL if
 * it is plain. */
void rt_winograd_team_convolve(const rt_winograd_team *team, const rt_winograd_source *src, const float *weights,
                               const rt_winograd_target *dst, float *scratch, double *first, double *second);

/* diff_weights [outputs, inputs, 3, 3] and, unless NULL, diff_bias [outputs] are overwritten. */
void rt_winograd_team_correlate(const rt_winograd_team *team, const rt_winograd_source *src,
                                const rt_winograd_source *diff_dst, float *scratch, float *diff_weights,
                                float *diff_bias);

#endif
