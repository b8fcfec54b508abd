/* What `retort eval` tells beyond metrics.h: confusions of classes, and how far probabilities can be believed. */
#ifndef RETORT_TRAIN_ASSESSMENT_H
#define RETORT_TRAIN_ASSESSMENT_H

#include <stddef.h>
#include <stdint.h>

enum { RT_CALIBRATION_BINS = 15 };

/* Probabilities are the softmax of the logits, in double; the prediction is the class of the first largest logit, and
 * its probability the confidence. Samples with a logit that is NaN or infinite are left out and counted. */
typedef struct rt_assessment {
    size_t classes, samples, left_out;
    size_t *confusion; /* [label, prediction] */
    /* By confidence: bin b has those in (b / 15, (b + 1) / 15]. */
    size_t binned[RT_CALIBRATION_BINS], right[RT_CALIBRATION_BINS];
    double confidence_sum[RT_CALIBRATION_BINS];
    double brier_sum;
} rt_assessment;

/* Returns 0 where memory is short. */
int rt_assessment_begin(rt_assessment *assessment, size_t classes);
void rt_assessment_end(rt_assessment *assessment); /* accepts a zeroed struct */

/* logits [count, classes], labels [count], each in [0, classes). */
void rt_assessment_add(rt_assessment *assessment, const float *logits, const int64_t *labels, size_t count);

/* Expected calibration error (Guo et al. 2017, arXiv:1706.04599): the mean over samples of |share that is right - mean
 * confidence| of their bin, from 0 to 1. NaN of no samples. */
double rt_assessment_calibration_error(const rt_assessment *assessment);

/* The Brier score in its first form: the mean over samples of the sum over classes of (probability - [is the label])^2,
 * from 0 to 2. NaN of no samples. */
double rt_assessment_brier(const rt_assessment *assessment);

/* Of one class: samples with that label, with that prediction, and with both. */
typedef struct rt_class_count {
    size_t images, predicted, right;
} rt_class_count;

rt_class_count rt_assessment_class(const rt_assessment *assessment, size_t label);

#endif
