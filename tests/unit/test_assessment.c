/* The assessment of a network's logits: numpy's numbers, the ends of bins, and what is left out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "../check/filling.h"
#include "../golden/assessment_golden.h"
#include "train/assessment.h"
#include "train/metrics.h"

static void assert_near(double value, double expected)
{
    if (!(fabs(value - expected) <= 1e-12 * fabs(expected)))
        fail_msg("%.17g is not %.17g", value, expected);
}

static float logits[GOLDEN_SAMPLES][GOLDEN_CLASSES];
static int64_t labels[GOLDEN_SAMPLES];

/* As make_assessment_golden.py does. */
static void fill(void)
{
    filling_values("logits", logits[0], GOLDEN_SAMPLES * GOLDEN_CLASSES);
    for (size_t n = 0; n < GOLDEN_SAMPLES; ++n) {
        size_t best = 0;
        for (size_t k = 0; k < GOLDEN_CLASSES; ++k) {
            logits[n][k] *= 4.0f;
            best = logits[n][k] > logits[n][best] ? k : best;
        }
        labels[n] = n % 2 ? (int64_t)(filling_word("labels", n) % GOLDEN_CLASSES) : (int64_t)best;
    }
}

static void numbers_are_numpys(void **state)
{
    (void)state;
    rt_assessment a;
    rt_metrics metrics = {0};
    fill();
    assert_true(rt_assessment_begin(&a, GOLDEN_CLASSES));
    assert_true(isnan(rt_assessment_brier(&a)) && isnan(rt_assessment_calibration_error(&a)));
    rt_assessment_add(&a, logits[0], labels, 100);
    rt_assessment_add(&a, logits[100], labels + 100, GOLDEN_SAMPLES - 100);
    rt_metrics_add(&metrics, logits[0], labels, GOLDEN_SAMPLES, GOLDEN_CLASSES);
    assert_int_equal(a.samples, GOLDEN_SAMPLES);
    assert_near(rt_assessment_brier(&a), golden_brier);
    assert_near(rt_assessment_calibration_error(&a), golden_calibration_error);
    assert_near(rt_metrics_cross_entropy(&metrics), golden_cross_entropy);
    size_t right = 0;
    for (size_t k = 0; k < GOLDEN_CLASSES; ++k) {
        size_t images = 0, predicted = 0;
        for (size_t j = 0; j < GOLDEN_CLASSES; ++j) {
            assert_int_equal(a.confusion[k * GOLDEN_CLASSES + j], golden_confusion[k][j]);
            images += golden_confusion[k][j];
            predicted += golden_confusion[j][k];
        }
        rt_class_count count = rt_assessment_class(&a, k);
        assert_int_equal(count.images, images);
        assert_int_equal(count.predicted, predicted);
        assert_int_equal(count.right, golden_confusion[k][k]);
        right += count.right;
    }
    assert_int_equal(right, metrics.top1);
    rt_assessment_end(&a);
}

/* Two equal logits: a confidence of exactly 1/2, in the bin that it is within; certainty is in the last. */
static void bins_take_their_upper_end(void **state)
{
    (void)state;
    rt_assessment a;
    const float rows[3][2] = {{0, 0}, {1000, 0}, {0, 1000}};
    assert_true(rt_assessment_begin(&a, 2));
    rt_assessment_add(&a, rows[0], (int64_t[]){0, 0, 0}, 3);
    assert_int_equal(a.binned[7], 1);
    assert_int_equal(a.binned[14], 2);
    assert_int_equal(a.right[14], 1);
    assert_near(rt_assessment_calibration_error(&a), (0.5 + 1.0) / 3);
    assert_near(rt_assessment_brier(&a), (0.5 + 0.0 + 2.0) / 3);
    rt_assessment_end(&a);
    /* Three classes alike: a third, the upper end of the fifth bin. */
    assert_true(rt_assessment_begin(&a, 3));
    rt_assessment_add(&a, (float[]){2, 2, 2}, (int64_t[]){1}, 1);
    assert_int_equal(a.binned[4], 1);
    rt_assessment_end(&a);
}

static void what_is_not_finite_is_left_out(void **state)
{
    (void)state;
    rt_assessment a;
    const float rows[3][2] = {{NAN, 0}, {0, INFINITY}, {3, 3}};
    assert_true(rt_assessment_begin(&a, 2));
    rt_assessment_add(&a, rows[0], (int64_t[]){0, 1, 1}, 3);
    assert_int_equal(a.left_out, 2);
    assert_int_equal(a.samples, 1);
    assert_int_equal(a.confusion[2], 1);
    rt_assessment_end(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_numpys),
        cmocka_unit_test(bins_take_their_upper_end),
        cmocka_unit_test(what_is_not_finite_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
