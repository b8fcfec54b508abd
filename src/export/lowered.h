/* A program made ready for retort_infer.h: sizes found for one image, tensors placed in one arena, integers resolved.
 */
#ifndef RETORT_EXPORT_LOWERED_H
#define RETORT_EXPORT_LOWERED_H

#include "export/program.h"
#include "retort_infer.h"

typedef struct rt_lowered {
    retort_network network; /* points into what follows */
    retort_tensor *tensors;
    retort_operator *operators;
    float *weights;
    signed char *steps; /* weights that are quantised */
    size_t height, width, channels, classes;
} rt_lowered;

/* Everything is checked, so that retort_infer() stays within its memory whatever file the program came from. The
 * program is not needed afterwards. */
rt_status rt_lowered_make(const rt_program *program, rt_lowered *lowered, rt_error *err);
void rt_lowered_free(rt_lowered *lowered); /* accepts a zeroed struct */

/* logits [count, classes] of images [count, channels, height, width], each by retort_infer(); all threads take part. */
rt_status rt_lowered_run(const rt_lowered *lowered, const float *images, size_t count, float *logits, rt_error *err);

#endif
