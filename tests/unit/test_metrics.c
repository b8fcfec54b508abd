/* Metrics: what counts as right, how ties are broken, and what NaN does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "train/metrics.h"

static void assert_near(double value, double expected)
{
    if (!(fabs(value - expected) <= 1e-12 * fabs(expected)))
        fail_msg("%.17g is not %.17g", value, expected);
}

static void ranks_decide_and_batches_add_up(void **state)
{
    (void)state;
    /* The label's rank in each row: 0, 4, 5. */
    const float logits[3][6] = {{0, 9, 1, 2, 3, 4}, {5, 4, 3, 2, 1, 0}, {1, 2, 3, 4, 5, 0}};
    const int64_t labels[3] = {1, 4, 5};
    rt_metrics whole = {0}, parts = {0};
    rt_metrics_add(&whole, logits[0], labels, 3, 6);
    rt_metrics_add(&parts, logits[0], labels, 1, 6);
    rt_metrics_add(&parts, logits[1], labels + 1, 2, 6);
    assert_memory_equal(&whole, &parts, sizeof whole);
    assert_int_equal(whole.samples, 3);
    assert_int_equal(whole.top1, 1);
    assert_int_equal(whole.top5, 2);
    assert_near(rt_metrics_top1(&whole), 100.0 / 3);
    assert_near(rt_metrics_top5(&whole), 200.0 / 3);
}

static void the_lower_class_wins_a_tie(void **state)
{
    (void)state;
    const float flat[6] = {0}, zeros[2] = {-0.0f, 0.0f};
    for (int64_t label = 0; label < 6; ++label) {
        rt_metrics metrics = {0};
        rt_metrics_add(&metrics, flat, &label, 1, 6);
        assert_int_equal(metrics.top1, label == 0);
        assert_int_equal(metrics.top5, label < 5);
    }
    rt_metrics metrics = {0};
    rt_metrics_add(&metrics, zeros, (int64_t[]){0}, 1, 2);
    assert_int_equal(metrics.top1, 1);
}

static void cross_entropy_is_the_negative_log_softmax(void **state)
{
    (void)state;
    const float logits[2][3] = {{1, 2, 3}, {1e4f, 0, -1e4f}};
    const int64_t labels[2] = {0, 1};
    rt_metrics metrics = {0};
    rt_metrics_add(&metrics, logits[0], labels, 1, 3);
    assert_near(rt_metrics_cross_entropy(&metrics), 2.4076059644443806); /* 2 + log(1 + e^-1 + e^-2) */
    rt_metrics_add(&metrics, logits[1], labels + 1, 1, 3);
    assert_near(rt_metrics_cross_entropy(&metrics), (2.4076059644443806 + 1e4) / 2);
}

static void what_is_not_finite_is_wrong_and_told(void **state)
{
    (void)state;
    const float bad[] = {NAN, INFINITY, -INFINITY};
    for (int i = 0; i < 3; ++i) {
        const float logits[2][3] = {{5, 1, bad[i]}, {5, 1, 0}};
        const int64_t labels[2] = {0, 0};
        rt_metrics metrics = {0};
        rt_metrics_add(&metrics, logits[0], labels, 2, 3);
        assert_int_equal(metrics.samples, 2);
        assert_int_equal(metrics.not_finite, 1);
        assert_int_equal(metrics.top1, 1);
        assert_int_equal(metrics.top5, 1);
        assert_true(isnan(rt_metrics_cross_entropy(&metrics)));
    }
}

static void agreement_is_about_predictions(void **state)
{
    (void)state;
    const float student[4][2] = {{1, 2}, {1, 0}, {3, 3}, {NAN, 1}}, teacher[4][2] = {{-5, 5}, {0, 1}, {1, 0}, {NAN, 1}};
    rt_metrics metrics = {0};
    assert_true(isnan(rt_metrics_agreement(&metrics)));
    rt_metrics_add_teacher(&metrics, student[0], teacher[0], 4, 2);
    assert_int_equal(metrics.compared, 4);
    assert_int_equal(metrics.agreed, 2);
    assert_near(rt_metrics_agreement(&metrics), 50.0);
    assert_true(isnan(rt_metrics_top1(&metrics)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranks_decide_and_batches_add_up),
        cmocka_unit_test(the_lower_class_wins_a_tie),
        cmocka_unit_test(cross_entropy_is_the_negative_log_softmax),
        cmocka_unit_test(what_is_not_finite_is_wrong_and_told),
        cmocka_unit_test(agreement_is_about_predictions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
