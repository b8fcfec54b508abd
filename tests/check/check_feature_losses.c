/* Every loss on features: gradients against finite differences, by the features and by its own arrays; threads;
 * extremes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/threads.h"
#include "feature_trial.h"
#include "losses/losses.h"

/* Settings under which losses are checked, beside their defaults. */
static const struct variant {
    const char *loss, *setting;
} variants[] = {
    {"attention", "power=3"},  {"attention", "power=5"},     {"pkt", "epsilon=0.01"},
    {"rkd", "angle_weight=0"}, {"rkd", "distance_weight=0"},
};

static const struct feature_sizes sizes[] = {
    {.n = 1, .h = 2, .w = 2, .i = 2, .j = 2, .k = 3, .d = 4},
    {.n = 2, .h = 3, .w = 2, .i = 2, .j = 3, .k = 4, .d = 3},
    {.n = 4, .h = 2, .w = 3, .i = 3, .j = 3, .k = 2, .d = 5},
    {.n = 5, .h = 3, .w = 3, .i = 2, .j = 2, .k = 6, .d = 6},
};
enum { SIZES = sizeof sizes / sizeof *sizes };

static const struct feature_sizes many = {.n = 50, .h = 4, .w = 4, .i = 3, .j = 5, .k = 10, .d = 12};

static struct feature_trial trial, other;

/* Calls body for every loss on features, with its defaults and with each variant. */
static void for_every_loss(void (*body)(void), const struct feature_sizes *size)
{
    for (size_t i = 0; i < rt_loss_count; ++i) {
        if (!feature_loss(rt_losses[i]))
            continue;
        rt_shape student, teacher;
        feature_shapes(rt_losses[i], size, &student, &teacher);
        feature_trial_fill(&trial, rt_losses[i], NULL, 0, student, teacher);
        body();
        for (size_t v = 0; v < sizeof variants / sizeof *variants; ++v) {
            if (strcmp(variants[v].loss, rt_losses[i]->name) != 0)
                continue;
            feature_trial_fill(&trial, rt_losses[i], &variants[v].setting, 1, student, teacher);
            body();
        }
    }
}

static void for_every_loss_and_size(void (*body)(void))
{
    for (size_t s = 0; s < SIZES; ++s)
        for_every_loss(body, &sizes[s]);
}

static double value_at(float *number, float shift)
{
    const float kept = *number;
    *number = kept + shift; /* exact: both are short multiples of a power of two */
    feature_trial_run(&trial, false);
    *number = kept;
    return trial.value;
}

static void check_array(float *values, const float *gradient, size_t count, const char *what)
{
    const float step = 0x1p-9f;
    for (size_t i = 0; i < count; i += 1 + count / 100) {
        double near = value_at(&values[i], step) - value_at(&values[i], -step);
        double far = value_at(&values[i], 2 * step) - value_at(&values[i], -2 * step);
        double expected = (8.0 * near - far) / (12.0 * (double)step); /* off by step^4 / 30 of the fifth derivative */
        if (!(fabs((double)gradient[i] - expected) <= 1e-6 * fabs(expected) + 1e-9 * (1.0 + fabs(trial.value))))
            fail_msg("%s: gradient %zu by %s is %.9g, finite differences give %.9g", feature_trial_text(&trial), i,
                     what, (double)gradient[i], expected);
    }
}

static void check_differences(void)
{
    feature_trial_run(&trial, true);
    check_array(trial.student, trial.gradient, feature_elements(&trial.student_shape), "the student's features");
    for (size_t i = 0; i < trial.own_count; ++i)
        if (trial.trained[i])
            check_array(trial.own[i], trial.own_gradient[i], trial.own_elements[i], "an own array");
}

static void gradients_agree_with_finite_differences(void **state)
{
    (void)state;
    for_every_loss_and_size(check_differences);
}

static void check_threads(void)
{
    rt_threads_start(1);
    other = trial;
    feature_trial_run(&trial, true);
    for (int threads = 2; threads <= 3; ++threads) {
        rt_threads_start(threads);
        struct feature_trial *together = &other;
        memset(together->gradient, 0, sizeof together->gradient);
        memset(together->own_gradient, 0, sizeof together->own_gradient);
        rt_error err = {0};
        assert_int_equal(feature_trial_evaluate(together, true, &err), RT_OK);
        assert_memory_equal(&together->value, &trial.value, sizeof trial.value);
        assert_memory_equal(together->gradient, trial.gradient, sizeof trial.gradient);
        assert_memory_equal(together->own_gradient, trial.own_gradient, sizeof trial.own_gradient);
        assert_memory_equal(together->own_after, trial.own_after, sizeof trial.own_after);
    }
    rt_threads_start(2);
}

static void bits_do_not_depend_on_threads(void **state)
{
    (void)state;
    for_every_loss(check_threads, &sizes[1]);
    for_every_loss(check_threads, &many);
}

/* Features of 1e4, zeros, equal rows, one row unlike the others, and a student or a teacher that is flat. */
static void check_extremes(void)
{
    size_t sizes_of[] = {feature_elements(&trial.student_shape), feature_elements(&trial.teacher_shape)};
    float *arrays[] = {trial.student, trial.teacher};
    for (int kind = 0; kind < 12; ++kind) {
        for (size_t a = 0; a < 2; ++a)
            for (size_t i = 0; i < sizes_of[a]; ++i) {
                size_t row = sizes_of[a] / trial.student_shape.dims[0];
                float wild = 1e4f * feature_pseudo((uint32_t)a, (uint32_t)i);
                const float kinds[6] = {0.0f,
                                        wild,
                                        1e4f,
                                        (float)(i % row),
                                        i / row ? 0 : wild,
                                        1e4f + feature_pseudo(3, (uint32_t)(i % row)) * 0x1p-6f};
                arrays[a][i] = kinds[kind < 6 ? kind : a ? kind - 6 : 1];
            }
        memset(trial.gradient, 0, sizeof trial.gradient);
        memset(trial.own_gradient, 0, sizeof trial.own_gradient);
        feature_trial_run(&trial, true);
        for (size_t i = 0; i < sizes_of[0]; ++i)
            if (!isfinite(trial.gradient[i]))
                fail_msg("%s: extreme inputs of kind %d give a gradient of %g", feature_trial_text(&trial), kind,
                         (double)trial.gradient[i]);
        for (size_t o = 0; o < trial.own_count; ++o)
            for (size_t i = 0; i < trial.own_elements[o]; ++i)
                if (!isfinite(trial.own_gradient[o][i]) || !isfinite(trial.own_after[o][i]))
                    fail_msg("%s: extreme inputs of kind %d spoil own array %zu", feature_trial_text(&trial), kind, o);
    }
}

static void extreme_features_stay_finite(void **state)
{
    (void)state;
    for_every_loss_and_size(check_extremes);
}

/* Of a gradient that was added to `before`, and of the plain one; where layers are pooled it comes in several parts. */
static void expect_added(const float *after, const float *plain, size_t count, float before, float weight)
{
    for (size_t i = 0; i < count; ++i) {
        float expected = before + weight * plain[i], size = fabsf(before) + fabsf(weight * plain[i]);
        if (!(fabsf(after[i] - expected) <= 0x1p-20f * size + 1e-30f))
            fail_msg("%s: gradient %zu is %.9g, not %.9g", feature_trial_text(&trial), i, (double)after[i],
                     (double)expected);
    }
}

static void check_accumulation(void)
{
    other = trial;
    feature_trial_run(&trial, true);
    for (size_t i = 0; i < TRIAL_FEATURES; ++i)
        other.gradient[i] = 0.5f;
    for (size_t o = 0; o < RT_LOSS_MAX_OWN; ++o)
        for (size_t i = 0; i < TRIAL_OWN; ++i)
            other.own_gradient[o][i] = 0.5f;
    other.weight = 2.0;
    feature_trial_run(&other, true);
    assert_memory_equal(&other.value, &trial.value, sizeof trial.value);
    expect_added(other.gradient, trial.gradient, feature_elements(&trial.student_shape), 0.5f, 2.0f);
    for (size_t o = 0; o < trial.own_count; ++o)
        if (trial.trained[o])
            expect_added(other.own_gradient[o], trial.own_gradient[o], trial.own_elements[o], 0.5f, 2.0f);
    feature_trial_run(&other, false);
    assert_memory_equal(&other.value, &trial.value, sizeof trial.value);
}

static void gradients_are_added_and_weighted(void **state)
{
    (void)state;
    for_every_loss_and_size(check_accumulation);
}

static void check_equality(void)
{
    if (!(trial.loss->properties & RT_LOSS_ZERO_AT_EQUALITY))
        return;
    trial.teacher_shape = trial.student_shape;
    memcpy(trial.teacher, trial.student, sizeof trial.teacher);
    feature_trial_run(&trial, true);
    if (!(fabs(trial.value) <= 1e-12))
        fail_msg("%s of equals is %g", feature_trial_text(&trial), trial.value);
    for (size_t i = 0; i < feature_elements(&trial.student_shape); ++i)
        if (!(fabs((double)trial.gradient[i]) <= 1e-12))
            fail_msg("%s of equals has a gradient of %g", feature_trial_text(&trial), (double)trial.gradient[i]);
}

static void equal_features_give_zero(void **state)
{
    (void)state;
    for_every_loss_and_size(check_equality);
    for_every_loss(check_equality, &many);
}

static void check_sign(void)
{
    feature_trial_run(&trial, false);
    if ((trial.loss->properties & RT_LOSS_NON_NEGATIVE) && !(trial.value >= 0.0))
        fail_msg("%s is %g", feature_trial_text(&trial), trial.value);
}

static void signs_are_as_promised(void **state)
{
    (void)state;
    for_every_loss_and_size(check_sign);
    for_every_loss(check_sign, &many);
}

static void check_blame(void)
{
    float *arrays[] = {trial.student, trial.teacher};
    for (size_t a = 0; a < 2; ++a) {
        rt_error err = {0};
        float kept = arrays[a][0];
        arrays[a][0] = NAN;
        assert_int_equal(feature_trial_evaluate(&trial, true, &err), RT_ERROR_NUMERIC);
        if (!strstr(err.message, a ? "'teacher.features' of sample 0" : "'student.features' of sample 0"))
            fail_msg("%s: %s", feature_trial_text(&trial), err.message);
        arrays[a][0] = kept;
    }
}

static void features_that_are_not_finite_are_named(void **state)
{
    (void)state;
    for_every_loss(check_blame, &sizes[3]);
}

int main(void)
{
    rt_threads_start(2);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_agree_with_finite_differences),
        cmocka_unit_test(bits_do_not_depend_on_threads),
        cmocka_unit_test(extreme_features_stay_finite),
        cmocka_unit_test(gradients_are_added_and_weighted),
        cmocka_unit_test(equal_features_give_zero),
        cmocka_unit_test(signs_are_as_promised),
        cmocka_unit_test(features_that_are_not_finite_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
