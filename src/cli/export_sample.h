/* Real images, and what the student makes of them: what every exported file is held to. */
#ifndef RETORT_CLI_EXPORT_SAMPLE_H
#define RETORT_CLI_EXPORT_SAMPLE_H

#include "cli/inputs.h"
#include "engine/inference.h"
#include "export/lowered.h"

typedef struct rt_export_sample {
    size_t count, classes;
    float *images; /* [count, height, width, channels], normalised */
    float *planes; /* [count, channels, height, width], normalised */
    float *pixels; /* [count, channels, height, width], in 0..1 */
    float *logits; /* [count, classes]: the student's */
    int64_t *labels;
    rt_engine *engine;
} rt_export_sample;

/* Takes `wanted` images, or all if they are fewer, evenly from the split, and runs the student on them. */
rt_status rt_export_sample_make(const rt_inputs *inputs, size_t wanted, rt_export_sample *sample, rt_error *err);
void rt_export_sample_free(rt_export_sample *sample); /* accepts a zeroed struct */

typedef struct rt_export_difference {
    double largest, scale; /* of any two logits; the largest logit of the student */
    size_t same_top1;      /* images */
    size_t right, student_right;
} rt_export_difference;

/* Compares logits [count, classes]. More than 1e-3 of the scale is an error: other orders of adding up, Winograd's
 * algorithm and folding stay far below, a wrong layer far above. */
rt_status rt_export_compare(const rt_export_sample *sample, const char *path, const float *logits,
                            rt_export_difference *difference, rt_error *err);

/* As above, of a quantised network, for which no size of difference is wrong. But what was read from the file must give
 * the bits of what was written. */
rt_status rt_export_compare_quantized(const rt_export_sample *sample, const rt_lowered *written, const rt_lowered *read,
                                      bool pixels, const char *path, rt_export_difference *difference, rt_error *err);

/* Logits of a weights file, or of a network that was read, by the engine; of a lowered program, on `pixels` or on
 * `planes`. Then compares. */
rt_status rt_export_compare_weights(const rt_export_sample *sample, const rt_network *student, const char *path,
                                    rt_export_difference *difference, rt_error *err);
rt_status rt_export_compare_network(const rt_export_sample *sample, const rt_network *network, const char *path,
                                    rt_export_difference *difference, rt_error *err);
rt_status rt_export_compare_lowered(const rt_export_sample *sample, const rt_lowered *lowered, bool pixels,
                                    const char *path, rt_export_difference *difference, rt_error *err);

#endif
