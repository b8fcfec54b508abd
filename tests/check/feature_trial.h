/* One evaluation of a loss on features: what goes in, by a formula that tests/golden repeats, and what comes out. */
#ifndef CHECK_FEATURE_TRIAL_H
#define CHECK_FEATURE_TRIAL_H

#include "retort/loss.h"

enum { TRIAL_SAMPLES = 64, TRIAL_FEATURES = 12800, TRIAL_OWN = 4096, TRIAL_TRAINING_SAMPLES = 24 };

struct feature_trial {
    const rt_loss *loss;
    const char *const *settings; /* "key=value" */
    size_t setting_count;
    rt_shape student_shape, teacher_shape;
    float student[TRIAL_FEATURES], teacher[TRIAL_FEATURES];
    int64_t labels[TRIAL_SAMPLES], indices[TRIAL_SAMPLES];
    int64_t step;
    double weight;

    size_t own_count;
    size_t own_elements[RT_LOSS_MAX_OWN];
    bool trained[RT_LOSS_MAX_OWN];
    float own[RT_LOSS_MAX_OWN][TRIAL_OWN];       /* before the run */
    float own_after[RT_LOSS_MAX_OWN][TRIAL_OWN]; /* after it */

    double value;
    float gradient[TRIAL_FEATURES];                 /* the loss's is added to what is here; likewise the next */
    float own_gradient[RT_LOSS_MAX_OWN][TRIAL_OWN]; /* of trained ones */
};

/* The sizes that the letters of the ports' shapes stand for. */
struct feature_sizes {
    size_t n, h, w, i, j, k, d;
};

/* Whether the loss reads features, and nothing but these, labels and indices. */
bool feature_loss(const rt_loss *loss);

/* The shapes that the loss's ports have with these sizes. */
void feature_shapes(const rt_loss *loss, const struct feature_sizes *sizes, rt_shape *student, rt_shape *teacher);

/* A number in [-8, 8), a multiple of 2^-16; the same as in make_feature_loss_golden.py. */
float feature_pseudo(uint32_t stream, uint32_t index);

/* Fills a trial, its own arrays too, and zeroes gradients. Fails the test where the loss refuses. */
void feature_trial_fill(struct feature_trial *trial, const rt_loss *loss, const char *const *settings,
                        size_t setting_count, rt_shape student, rt_shape teacher);

rt_status feature_trial_evaluate(struct feature_trial *trial, bool wants_gradient, rt_error *err);

/* The same, of which a failure fails the test. */
void feature_trial_run(struct feature_trial *trial, bool wants_gradient);

/* "rkd angle_weight=0 [5, 4] [5, 7]", in static memory. */
const char *feature_trial_text(const struct feature_trial *trial);

#endif
