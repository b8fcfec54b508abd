/* How good a network's logits are, counted over any number of batches. */
#ifndef RETORT_TRAIN_METRICS_H
#define RETORT_TRAIN_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zero-initialise; the functions below add to it. The prediction for a sample is the class of its first largest logit;
 * its label's rank is the number of classes with a larger logit, or an equal one and a lower index. A sample with a
 * logit that is NaN or infinite is wrong by every count. */
typedef struct rt_metrics {
    size_t samples;
    size_t top1, top5;        /* label's rank below 1, below 5 */
    size_t not_finite;        /* samples with a logit that is NaN or infinite */
    double cross_entropy_sum; /* over samples; NaN as soon as not_finite is not 0 */
    size_t compared, agreed;  /* with a teacher: samples, and those with the same prediction */
} rt_metrics;

/* Of one sample's logits [classes]: its prediction, and whether all of them are finite. */
size_t rt_predicted_class(const float *logits, size_t classes);
bool rt_logits_are_finite(const float *logits, size_t classes);

/* logits [count, classes], labels [count], each in [0, classes). */
void rt_metrics_add(rt_metrics *metrics, const float *logits, const int64_t *labels, size_t count, size_t classes);

/* Compares predictions; both [count, classes]. A sample whose logits are not finite on either side does not agree. */
void rt_metrics_add_teacher(rt_metrics *metrics, const float *logits, const float *teacher, size_t count,
                            size_t classes);

/* Percent of the samples so far, and the mean cross-entropy in nats; NaN of none. */
double rt_metrics_top1(const rt_metrics *metrics);
double rt_metrics_top5(const rt_metrics *metrics);
double rt_metrics_cross_entropy(const rt_metrics *metrics);
double rt_metrics_agreement(const rt_metrics *metrics);

#endif
