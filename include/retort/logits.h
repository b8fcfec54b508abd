/* What losses on logits have in common: log-probabilities, batch means, label checks. For losses/ and for plugins.
 *
 * Logits are float, everything computed from them is double: finite differences at 1e-6 and logits of +-1e4 need it.
 * NaN and infinity need no test in a loss: rt_log_softmax() lets them through to the loss's value, and
 * whoever called run() finds out which logit it was. */
#ifndef RETORT_LOGITS_H
#define RETORT_LOGITS_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "retort/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* log_probabilities[k] = log softmax(logits / temperature)[k] of one sample, exact where softmax itself underflows to
 * zero. Both are [classes], classes >= 1, temperature > 0; log_probabilities is overwritten. All of it is NaN when any
 * of the logits is not finite. */
static inline void rt_log_softmax(const float *logits, size_t classes, double temperature, double *log_probabilities)
{
    float largest = logits[0], poison = 0.0f;
    for (size_t k = 0; k < classes; ++k) {
        largest = logits[k] > largest ? logits[k] : largest;
        poison += logits[k] * 0.0f; /* 0, or NaN from a NaN or an infinity */
    }
    double sum = 0.0;
    for (size_t k = 0; k < classes; ++k) {
        log_probabilities[k] = ((double)logits[k] - (double)largest) / temperature;
        sum += exp(log_probabilities[k]);
    }
    double log_sum = log(sum) + (double)poison;
    for (size_t k = 0; k < classes; ++k)
        log_probabilities[k] -= log_sum;
}

/* The mean of losses [samples], samples >= 1, added up in order, so that its bits do not depend on the threads. */
static inline double rt_batch_mean(const double *losses, size_t samples)
{
    double sum = 0.0;
    for (size_t n = 0; n < samples; ++n)
        sum += losses[n];
    return sum / (double)samples;
}

/* Each of labels [samples] must be in [0, classes). `loss` is the loss's name, for the message. */
static inline rt_status rt_labels_check(const char *loss, const int64_t *labels, size_t samples, size_t classes,
                                        rt_error *err)
{
    for (size_t n = 0; n < samples; ++n)
        if (labels[n] < 0 || (uint64_t)labels[n] >= classes)
            return rt_fail(err, RT_ERROR_USAGE, "loss '%s': sample %zu has label %lld; it must be within 0 to %zu",
                           loss, n, (long long)labels[n], classes - 1);
    return RT_OK;
}

#ifdef __cplusplus
}
#endif
#endif
