/* How threads share out a pass of a Winograd convolution (winograd.h). Each takes consecutive tiles, so that it meets
 * the images that it wrote in the layer before; where weights are so large that reading them is the work, each takes
 * some of the outputs for all tiles instead. */
#ifndef RETORT_ENGINE_WINOGRAD_TEAM_H
#define RETORT_ENGINE_WINOGRAD_TEAM_H

#include "engine/winograd.h"
#include "retort/error.h"

typedef enum rt_winograd_task { RT_TEAM_CONVOLVES, RT_TEAM_CORRELATES } rt_winograd_task;

typedef struct rt_winograd_team {
    const rt_winograd_code *code;
    rt_winograd shape;
    size_t tiles, threads;
    bool splits_outputs;
    size_t weights_floats; /* in the frequency domain; of a correlation, of one product */
    size_t thread_floats;
    size_t scratch_floats; /* what convolve() or correlate() want, weights apart */
    double *sums;          /* [threads, 2, outputs] */
} rt_winograd_team;

/* For `batch` images; shape.block is chosen here. */
rt_status rt_winograd_team_plan(rt_winograd_team *team, const rt_winograd_code *code, rt_winograd shape, size_t batch,
                                rt_winograd_task task, rt_error *err);
void rt_winograd_team_done(rt_winograd_team *team);

/* weights [outputs, inputs, 3, 3], or if turned [inputs, outputs, 3, 3], to team->weights_floats floats. */
void rt_winograd_team_transform(const rt_winograd_team *team, const float *weights, bool turned, float *transformed);

/* `first` and `second` [outputs] get the sums of the writing, NULL if it is plain. */
void rt_winograd_team_convolve(const rt_winograd_team *team, const rt_winograd_source *src, const float *transformed,
                               const rt_winograd_target *dst, float *scratch, double *first, double *second);

/* diff_weights [outputs, inputs, 3, 3] and, unless NULL, diff_bias [outputs] are overwritten. */
void rt_winograd_team_correlate(const rt_winograd_team *team, const rt_winograd_source *src,
                                const rt_winograd_source *diff_dst, float *scratch, float *diff_weights,
                                float *diff_bias);

#endif
