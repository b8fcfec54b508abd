#include "train/assessment.h"

#include <math.h>
#include <stdlib.h>

#include "train/metrics.h"

int rt_assessment_begin(rt_assessment *assessment, size_t classes)
{
    *assessment = (rt_assessment){.classes = classes};
    size_t cells;
    if (!__builtin_mul_overflow(classes, classes, &cells))
        assessment->confusion = calloc(cells, sizeof *assessment->confusion);
    return assessment->confusion != NULL;
}

void rt_assessment_end(rt_assessment *assessment)
{
    free(assessment->confusion);
    *assessment = (rt_assessment){0};
}

/* The bin of a confidence in (0, 1], whose upper end belongs to it. */
static size_t bin_of(double confidence)
{
    size_t bin = (size_t)ceil(confidence * RT_CALIBRATION_BINS);
    return bin < 1 ? 0 : bin > RT_CALIBRATION_BINS ? RT_CALIBRATION_BINS - 1 : bin - 1;
}

static void add_sample(rt_assessment *a, const float *logits, size_t label, size_t prediction)
{
    double sum = 0.0, squares = 0.0, top = (double)logits[prediction];
    for (size_t k = 0; k < a->classes; ++k)
        sum += exp((double)logits[k] - top);
    for (size_t k = 0; k < a->classes; ++k) {
        double error = exp((double)logits[k] - top) / sum - (k == label ? 1.0 : 0.0);
        squares += error * error;
    }
    double confidence = 1.0 / sum;
    size_t bin = bin_of(confidence);
    ++a->samples;
    ++a->binned[bin];
    a->right[bin] += label == prediction;
    a->confidence_sum[bin] += confidence;
    a->brier_sum += squares;
    ++a->confusion[label * a->classes + prediction];
}

void rt_assessment_add(rt_assessment *assessment, const float *logits, const int64_t *labels, size_t count)
{
    for (size_t n = 0; n < count; ++n, logits += assessment->classes) {
        if (rt_logits_are_finite(logits, assessment->classes))
            add_sample(assessment, logits, (size_t)labels[n], rt_predicted_class(logits, assessment->classes));
        else
            ++assessment->left_out;
    }
}

double rt_assessment_calibration_error(const rt_assessment *assessment)
{
    double sum = 0.0;
    for (size_t b = 0; b < RT_CALIBRATION_BINS; ++b)
        sum += fabs((double)assessment->right[b] - assessment->confidence_sum[b]);
    return assessment->samples ? sum / (double)assessment->samples : NAN;
}

double rt_assessment_brier(const rt_assessment *assessment)
{
    return assessment->samples ? assessment->brier_sum / (double)assessment->samples : NAN;
}

rt_class_count rt_assessment_class(const rt_assessment *assessment, size_t label)
{
    size_t classes = assessment->classes;
    rt_class_count count = {.right = assessment->confusion[label * classes + label]};
    for (size_t k = 0; k < classes; ++k) {
        count.images += assessment->confusion[label * classes + k];
        count.predicted += assessment->confusion[k * classes + label];
    }
    return count;
}
