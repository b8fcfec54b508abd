/* The weight of a term over a training's epochs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "train/term_weight.h"

enum { EPOCHS = 10 };

static void assert_weights(const rt_loss_recipe *term, const double expected[EPOCHS])
{
    for (int64_t epoch = 1; epoch <= EPOCHS; ++epoch) {
        double weight = rt_term_weight(term, epoch, EPOCHS);
        if (!(fabs(weight - expected[epoch - 1]) <= 1e-12))
            fail_msg("epoch %d: %.15g instead of %.15g", (int)epoch, weight, expected[epoch - 1]);
    }
}

static void plain_terms_keep_their_weight(void **state)
{
    (void)state;
    assert_weights(&(rt_loss_recipe){.weight = 3.0}, (const double[]){3, 3, 3, 3, 3, 3, 3, 3, 3, 3});
    assert_weights(&(rt_loss_recipe){.weight = 3.0, .start = 1, .final_weight = 7.0},
                   (const double[]){3, 3, 3, 3, 3, 3, 3, 3, 3, 3});
}

static void warmup_counts_from_the_terms_first_epoch(void **state)
{
    (void)state;
    assert_weights(&(rt_loss_recipe){.weight = 2.0, .warmup = 4}, (const double[]){.5, 1, 1.5, 2, 2, 2, 2, 2, 2, 2});
    assert_weights(&(rt_loss_recipe){.weight = 2.0, .warmup = 2, .start = 4},
                   (const double[]){0, 0, 0, 1, 2, 2, 2, 2, 2, 2});
    assert_weights(&(rt_loss_recipe){.weight = 2.0, .warmup = 20}, /* longer than the training */
                   (const double[]){.1, .2, .3, .4, .5, .6, .7, .8, .9, 1});
}

static void terms_count_from_start_to_stop(void **state)
{
    (void)state;
    const rt_loss_recipe term = {.weight = 1.0, .start = 3, .stop = 5};
    assert_weights(&term, (const double[]){0, 0, 1, 1, 1, 0, 0, 0, 0, 0});
    assert_false(rt_term_counts(&term, 2));
    assert_true(rt_term_counts(&term, 3) && rt_term_counts(&term, 5));
    assert_false(rt_term_counts(&term, 6));
    assert_true(rt_term_counts(&(rt_loss_recipe){.weight = 0.0}, 1)); /* it is computed and shown all the same */
}

static void schedules_end_at_the_final_weight(void **state)
{
    (void)state;
    assert_weights(&(rt_loss_recipe){.weight = 9.0, .schedule = RT_WEIGHT_LINEAR},
                   (const double[]){9, 8, 7, 6, 5, 4, 3, 2, 1, 0});
    assert_weights(
        &(rt_loss_recipe){.weight = 1.0, .final_weight = 3.0, .schedule = RT_WEIGHT_LINEAR, .start = 2, .stop = 6},
        (const double[]){0, 1, 1.5, 2, 2.5, 3, 0, 0, 0, 0});
    const double r = sqrt(0.5);
    assert_weights(&(rt_loss_recipe){.weight = 2.0, .schedule = RT_WEIGHT_COSINE, .stop = 5},
                   (const double[]){2, 1 + r, 1, 1 - r, 0, 0, 0, 0, 0, 0});
    /* One epoch is the first, and a training that goes on beyond its end stays there. */
    assert_true(rt_term_weight(&(rt_loss_recipe){.weight = 4.0, .schedule = RT_WEIGHT_LINEAR}, 1, 1) == 4.0);
    assert_true(rt_term_weight(&(rt_loss_recipe){.weight = 4.0, .schedule = RT_WEIGHT_LINEAR}, 12, 10) == 0.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_terms_keep_their_weight),
        cmocka_unit_test(warmup_counts_from_the_terms_first_epoch),
        cmocka_unit_test(terms_count_from_start_to_stop),
        cmocka_unit_test(schedules_end_at_the_final_weight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
