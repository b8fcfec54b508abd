/* The ranges of what a frozen network's convolutions read, measured in fp32 on some images: int8 factors are steps of
 * such a range.
 *
 *     rt_calibration calibration = {0};
 *     rt_calibrate(engine, graph, parameters, images, 256, &calibration, err);
 *     rt_inference_new_in(&(rt_arithmetic){RT_PRECISION_INT8, &calibration}, ...);   // only read while it is made
 *     rt_calibration_free(&calibration); */
#ifndef RETORT_ENGINE_CALIBRATION_H
#define RETORT_ENGINE_CALIBRATION_H

#include "engine/engine.h"
#include "engine/kernel.h"

typedef struct rt_calibration {
    rt_range *ranges; /* [count], by the number of a node of the fused graph: of its first source, norms applied */
    size_t count;
} rt_calibration;

/* From the smallest to the largest value met on `images` [count, height, width, channels]. A value that is not finite
 * is RT_ERROR_NUMERIC: int8 could not show it later. */
rt_status rt_calibrate(rt_engine *engine, const rt_graph *graph, rt_parameters *parameters, const float *images,
                       size_t count, rt_calibration *calibration, rt_error *err);
void rt_calibration_free(rt_calibration *calibration); /* accepts a zeroed struct */

#endif
