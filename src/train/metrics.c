#include "train/metrics.h"

#include <math.h>

bool rt_logits_are_finite(const float *logits, size_t classes)
{
    float poison = 0.0f;
    for (size_t k = 0; k < classes; ++k)
        poison += logits[k] * 0.0f; /* 0, or NaN from a NaN or an infinity */
    return !isnan(poison);
}

size_t rt_predicted_class(const float *logits, size_t classes)
{
    size_t best = 0;
    for (size_t k = 1; k < classes; ++k)
        if (logits[k] > logits[best])
            best = k;
    return best;
}

static size_t rank(const float *logits, size_t label, size_t classes)
{
    size_t before = 0;
    for (size_t k = 0; k < classes; ++k)
        before += logits[k] > logits[label] || (logits[k] == logits[label] && k < label);
    return before;
}

/* -log softmax(logits)[label] */
static double cross_entropy(const float *logits, size_t label, size_t classes)
{
    double largest = (double)logits[rt_predicted_class(logits, classes)], sum = 0.0;
    for (size_t k = 0; k < classes; ++k)
        sum += exp((double)logits[k] - largest);
    return log(sum) - ((double)logits[label] - largest);
}

void rt_metrics_add(rt_metrics *metrics, const float *logits, const int64_t *labels, size_t count, size_t classes)
{
    metrics->samples += count;
    for (size_t n = 0; n < count; ++n, logits += classes) {
        if (!rt_logits_are_finite(logits, classes)) {
            ++metrics->not_finite;
            metrics->cross_entropy_sum = NAN;
            continue;
        }
        size_t label = (size_t)labels[n], before = rank(logits, label, classes);
        metrics->top1 += before < 1;
        metrics->top5 += before < 5;
        metrics->cross_entropy_sum += cross_entropy(logits, label, classes);
    }
}

void rt_metrics_add_teacher(rt_metrics *metrics, const float *logits, const float *teacher, size_t count,
                            size_t classes)
{
    metrics->compared += count;
    for (size_t n = 0; n < count; ++n, logits += classes, teacher += classes)
        metrics->agreed += rt_logits_are_finite(logits, classes) && rt_logits_are_finite(teacher, classes) &&
                           rt_predicted_class(logits, classes) == rt_predicted_class(teacher, classes);
}

static double percent(size_t part, size_t whole)
{
    return whole ? 100.0 * (double)part / (double)whole : NAN;
}

double rt_metrics_top1(const rt_metrics *metrics)
{
    return percent(metrics->top1, metrics->samples);
}

double rt_metrics_top5(const rt_metrics *metrics)
{
    return percent(metrics->top5, metrics->samples);
}

double rt_metrics_cross_entropy(const rt_metrics *metrics)
{
    return metrics->samples ? metrics->cross_entropy_sum / (double)metrics->samples : NAN;
}

double rt_metrics_agreement(const rt_metrics *metrics)
{
    return percent(metrics->agreed, metrics->compared);
}
