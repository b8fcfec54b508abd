/* What neither differences nor golden values show of losses on features: gradients that agree in the limit alone, and
 * what memories keep and give. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/threads.h"
#include "feature_trial.h"
#include "losses/losses.h"

/* crd's own arrays, by number: memories of TRIAL_TRAINING_SAMPLES vectors of DIMENSION. */
enum { STUDENT_MEMORY = 4, TEACHER_MEMORY, MEMORY_LABELS, LOG_NORMALIZER, DIMENSION = 6 };

static struct feature_trial trial, other;

static void fill(struct feature_trial *filled, const char *name, const char *const *settings, size_t count,
                 size_t samples)
{
    const struct feature_sizes sizes = {samples, 2, 2, 2, 2, 5, 5};
    for (size_t i = 0; i < rt_loss_count; ++i) {
        if (strcmp(rt_losses[i]->name, name) != 0)
            continue;
        rt_shape student, teacher;
        feature_shapes(rt_losses[i], &sizes, &student, &teacher);
        feature_trial_fill(filled, rt_losses[i], settings, count, student, teacher);
        return;
    }
    fail_msg("there is no loss '%s'", name);
}

/* Where Sinkhorn's iterations have nearly come to rest, their last plan alone gives the gradient through all of them,
 * but for the thousandth that they still move. */
static void expect_the_same_gradient(const char *name, const char *const unrolled[3], const char *const envelope[4])
{
    fill(&trial, name, unrolled, 3, 7);
    fill(&other, name, envelope, 4, 7);
    feature_trial_run(&trial, true);
    feature_trial_run(&other, true);
    assert_true(trial.value == other.value);
    double largest = 0.0, apart = 0.0;
    for (size_t i = 0; i < rt_shape_elements(&trial.student_shape); ++i) {
        largest = fmax(largest, fabs((double)trial.gradient[i]));
        apart = fmax(apart, fabs((double)trial.gradient[i] - (double)other.gradient[i]));
    }
    if (!(apart <= 1e-3 * largest))
        fail_msg("%s: gradients are up to %g apart, where the largest is %g", name, apart, largest);
}

static void envelopes_are_gradients_in_the_limit(void **state)
{
    (void)state;
    expect_the_same_gradient("sinkhorn_divergence", (const char *const[]){"blur=1", "scaling=0.98", "diameter=3"},
                             (const char *const[]){"blur=1", "scaling=0.98", "diameter=3", "gradient=envelope"});
    expect_the_same_gradient(
        "monge_gap", (const char *const[]){"relative=false", "epsilon=20", "iterations=300"},
        (const char *const[]){"relative=false", "epsilon=20", "iterations=300", "gradient=envelope"});
}

/* The teacher's cloud is the student's, 1e5 times as large: the pairing is the best there is, and the gap is 0. Epsilon
 * by all costs drowns it, and leaves minus twice the covariance; by centered costs, no more than entropy's share. */
static void monge_gap_of_clouds_of_different_size(void **state)
{
    (void)state;
    enum { N = 7 };
    double covariance = 0.0;
    const char *const centered[] = {"centered=true"};
    fill(&trial, "monge_gap", NULL, 0, N);
    fill(&other, "monge_gap", centered, 1, N);
    const size_t size = trial.student_shape.dims[1];
    for (size_t k = 0; k < size; ++k) {
        double sum = 0.0, squares = 0.0;
        for (size_t i = k; i < N * size; i += size) {
            const double value = (double)trial.student[i];
            trial.teacher[i] = other.teacher[i] = 1e5f * trial.student[i];
            sum += value;
            squares += value * value;
        }
        covariance += 1e5 * (squares / N - sum / N * sum / N);
    }
    feature_trial_run(&trial, true);
    feature_trial_run(&other, true);
    assert_true(fabs(trial.value + 2.0 * covariance) < 0.01 * covariance);
    assert_true(fabs(other.value) < 0.2 * covariance);
}

static void memories_keep_what_was_embedded(void **state)
{
    (void)state;
    fill(&trial, "crd", (const char *const[]){"dimension=6", "negatives=4"}, 2, 3);
    feature_trial_run(&trial, true);
    for (size_t place = 0; place < TRIAL_TRAINING_SAMPLES; ++place) {
        size_t n = 0;
        while (n < 3 && trial.indices[n] != (int64_t)place)
            ++n;
        for (int own = STUDENT_MEMORY; own <= TEACHER_MEMORY; ++own) {
            const float *before = trial.own[own] + place * DIMENSION, *after = trial.own_after[own] + place * DIMENSION;
            double squares = 0.0;
            for (size_t k = 0; k < DIMENSION; ++k)
                squares += (double)after[k] * (double)after[k];
            if (n == 3)
                assert_memory_equal(after, before, DIMENSION * sizeof *after);
            else
                assert_true(fabs(squares - 1.0) < 1e-6 && memcmp(after, before, DIMENSION * sizeof *after) != 0);
        }
        float label = n == 3 ? trial.own[MEMORY_LABELS][place] : (float)trial.labels[n];
        assert_true(trial.own_after[MEMORY_LABELS][place] == label);
    }
}

/* Every other place is of the sample's class; of those that are not, all hold the same. */
static double value_among(const char *setting, bool all_alike)
{
    const char *const settings[] = {"dimension=6", "negatives=50", setting};
    fill(&trial, "crd", settings, 3, 1);
    const size_t own_place = (size_t)trial.indices[0];
    assert_true(own_place % 2 == 0);
    for (size_t place = 0; place < TRIAL_TRAINING_SAMPLES; ++place) {
        trial.own[MEMORY_LABELS][place] = place % 2 ? 5.0f : (float)trial.labels[0];
        for (int own = STUDENT_MEMORY; own <= TEACHER_MEMORY; ++own)
            if (place != own_place && (all_alike || place % 2))
                memcpy(trial.own[own] + place * DIMENSION, trial.own[own] + DIMENSION, DIMENSION * sizeof(float));
    }
    trial.own[LOG_NORMALIZER][0] = 1.0f;
    feature_trial_run(&trial, true);
    return trial.value;
}

static void negatives_are_of_other_classes(void **state)
{
    (void)state;
    double alike = value_among("other_classes=true", true);
    assert_true(fabs(value_among("other_classes=true", false) - alike) <= 1e-12 * alike);
    assert_true(fabs(value_among("other_classes=false", false) - alike) > 1e-3 * alike);
}

static void indices_beyond_the_training_set_are_named(void **state)
{
    (void)state;
    rt_error err = {0};
    fill(&trial, "crd", (const char *const[]){"dimension=6"}, 1, 3);
    trial.indices[1] = TRIAL_TRAINING_SAMPLES;
    assert_int_equal(feature_trial_evaluate(&trial, true, &err), RT_ERROR_USAGE);
    assert_string_equal(err.message, "loss 'crd': sample 1 has index 24; it must be within 0 to 23");
}

int main(void)
{
    rt_threads_start(2);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(envelopes_are_gradients_in_the_limit),
        cmocka_unit_test(monge_gap_of_clouds_of_different_size),
        cmocka_unit_test(memories_keep_what_was_embedded),
        cmocka_unit_test(negatives_are_of_other_classes),
        cmocka_unit_test(indices_beyond_the_training_set_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
