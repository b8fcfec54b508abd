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
#include <string.h>

#include "retort/error.h"
#include "retort/exponential.h"
#include "retort/loss.h"
#include "retort/vector.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Sums over classes go by lanes: lane j takes the elements j, j + 8, j + 16, ...; the lanes then meet in a
 * tree. That order is the definition, so that bits depend neither on the width of the vectors nor on threads. */
enum { RT_LANES = 8 };

/* Adds values [count] to the lanes. */
RT_WIDE_INLINE void rt_lanes_add(double *lanes, const double *values, size_t count)
{
    size_t k = 0;
    for (; k + RT_LANES <= count; k += RT_LANES)
        for (size_t j = 0; j < RT_LANES; ++j)
            lanes[j] += values[k + j];
    for (size_t j = 0; k + j < count; ++j)
        lanes[j] += values[k + j];
}

/* Adds the lanes up, and spoils them. */
RT_WIDE_INLINE double rt_lanes_sum(double *lanes)
{
    for (size_t width = RT_LANES / 2; width > 0; width /= 2)
        for (size_t j = 0; j < width; ++j)
            lanes[j] += lanes[j + width];
    return lanes[0];
}

/* The sum of values [count]; 0 where count is 0. */
RT_WIDE_INLINE double rt_sum(const double *values, size_t count)
{
    double lanes[RT_LANES] = {0};
    rt_lanes_add(lanes, values, count);
    return rt_lanes_sum(lanes);
}

/* The sum of e^values[k] over values [count]; 0 where count is 0. To be safe, subtract the largest value first. */
RT_WIDE_INLINE double rt_sum_exp(const double *values, size_t count)
{
    enum { PIECE = 32 * RT_LANES }; /* whole rows of lanes, so that the order is that of rt_sum() */
    double lanes[RT_LANES] = {0}, piece[PIECE];
    for (size_t start = 0; start < count; start += PIECE) {
        size_t length = count - start;
        if (length > PIECE)
            length = PIECE;
        for (size_t k = 0; k < length; ++k)
            piece[k] = rt_exp(values[start + k]);
        rt_lanes_add(lanes, piece, length);
    }
    return rt_lanes_sum(lanes);
}

/* The largest of values [count], count >= 1; NaN where any of them is NaN or infinite.
 *
 * Seen as integers, with the bits below the sign flipped where it is set, floats keep their order, from -NaN, -infinity
 * up to infinity, NaN. The largest integer takes no order of evaluation, so that compilers make vector code of it. */
RT_WIDE_INLINE float rt_largest(const float *values, size_t count)
{
    const int32_t infinity = 0x7f800000, below_sign = 0x7fffffff;
    int32_t least = INT32_MAX, most = INT32_MIN, bits;
    for (size_t k = 0; k < count; ++k) {
        memcpy(&bits, &values[k], sizeof bits);
        int32_t key = bits ^ (bits < 0 ? below_sign : 0);
        least = key < least ? key : least;
        most = key > most ? key : most;
    }
    if (most >= infinity || least <= -infinity - 1)
        return NAN;
    bits = most ^ (most < 0 ? below_sign : 0);
    float largest;
    memcpy(&largest, &bits, sizeof largest);
    return largest;
}

/* exponentials [classes] = e^(logits - largest), overwritten, and returned their sum: softmax(logits) is the one over the
 * other. `largest` is rt_largest() of the logits. For losses that need probabilities alone, and logarithms of a few. */
RT_WIDE_INLINE double rt_exponentials(const float *__restrict logits, size_t classes, double largest,
                                      double *__restrict exponentials)
{
    for (size_t k = 0; k < classes; ++k)
        exponentials[k] = rt_exp((double)logits[k] - largest);
    return rt_sum(exponentials, classes);
}

/* Of one sample: log_probabilities = log softmax(logits / temperature), exact where softmax itself underflows to zero,
 * and probabilities = softmax(logits / temperature). All three are [classes], classes >= 1, temperature > 0; the
 * results are overwritten and must not overlap. The largest logit is subtracted first, so that finite logits of any
 * size are safe. All results are NaN when any of the logits is not finite.
 *
 * One exponential a class and one logarithm a sample: cheaper than rt_log_softmax() and exponentials afterwards. Call
 * it from a function that is marked RT_WIDE. */
RT_WIDE_INLINE void rt_softmax(const float *__restrict logits, size_t classes, double temperature,
                               double *__restrict log_probabilities, double *__restrict probabilities)
{
    double largest = (double)rt_largest(logits, classes), scale = 1.0 / temperature;
    for (size_t k = 0; k < classes; ++k)
        log_probabilities[k] = ((double)logits[k] - largest) * scale;
    for (size_t k = 0; k < classes; ++k)
        probabilities[k] = rt_exp(log_probabilities[k]);
    double sum = rt_sum(probabilities, classes);
    double log_sum = log(sum), share = 1.0 / sum;
    for (size_t k = 0; k < classes; ++k) {
        log_probabilities[k] -= log_sum;
        probabilities[k] *= share;
    }
}

/* As rt_softmax(), with the same bits, for those who want log_probabilities [classes] alone. */
RT_WIDE_INLINE void rt_log_softmax(const float *__restrict logits, size_t classes, double temperature,
                                   double *__restrict log_probabilities)
{
    double largest = (double)rt_largest(logits, classes), scale = 1.0 / temperature;
    for (size_t k = 0; k < classes; ++k)
        log_probabilities[k] = ((double)logits[k] - largest) * scale;
    double log_sum = log(rt_sum_exp(log_probabilities, classes));
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

/* As rt_parallel_rows() over samples, but by the calling thread alone where logits [samples, classes] are so few that
 * waking the others may take as long as the work, some 2 ns a logit. */
static inline void rt_parallel_samples(size_t samples, size_t classes, void (*body)(void *context, size_t sample),
                                       void *context)
{
    const size_t worthwhile = 1 << 14;
    if (samples > 1 && samples >= worthwhile / classes) {
        rt_parallel_rows(samples, body, context);
        return;
    }
    for (size_t n = 0; n < samples; ++n)
        body(context, n);
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
