/* What is expected of a teacher, and what is said where it is not met. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "train/expectation.h"

static const rt_run_data data = {.test_count = 10000,
                                 .train = {.height = 8, .width = 8, .channels = 2, .classes = 20},
                                 .normalization = {.channels = 2, .mean = {0.5f, 0.25f}, .std = {0.125f, 1.0f}}};

/* Against 66.4 %, give or take 0.5, of 20 classes; returns the message, NULL where it is met. */
static const char *check(double top1, size_t given)
{
    static rt_error err;
    const rt_network_recipe teacher = {.weights = "t.pth", .expected = true, .expect = {66.4, 0.5}};
    const rt_data_recipe recipe = {.mean.count = given};
    rt_status status = rt_expectation_check(&teacher, &recipe, &data, top1, data.test_count, &err);
    assert_true(status == RT_OK || status == RT_ERROR_USAGE);
    return status == RT_OK ? NULL : err.message;
}

static void what_is_near_is_met(void **state)
{
    (void)state;
    assert_null(check(66.4, 0));
    assert_null(check(65.91, 0));
    assert_null(check(66.89, 0));
    assert_non_null(check(65.89, 0));
    assert_non_null(check(66.91, 0));
}

static void the_likeliest_cause_comes_first(void **state)
{
    (void)state;
    assert_string_equal(
        check(60.0, 2),
        "teacher 't.pth' has 60.00 % top-1 on the test set; the recipe expects 66.4, give or take 0.5. "
        "Likely causes: the normalisation (mean [0.5, 0.25], std [0.125, 1], as the recipe has it); the "
        "order of the classes, the layout of the images (channels, rows), an option that the weights "
        "do not show (shortcut)");
    assert_non_null(strstr(check(6.0, 0), "Likely causes: the order of the classes, the layout"));
    assert_non_null(strstr(check(6.0, 0), "measured on the training images: the recipe has none"));
    assert_non_null(strstr(check(14.9, 0), "causes: the order"));
    assert_non_null(strstr(check(15.1, 0), "causes: the normalisation"));
}

/* Of 66.4 % of 10000, 1000 images have a deviation of sqrt(0.664 * 0.336 / 1000 * 0.9) = 1.417 points. */
static void few_images_leave_more_to_chance(void **state)
{
    (void)state;
    const rt_network_recipe teacher = {.weights = "t.pth", .expected = true, .expect = {66.4, 0.5}};
    const rt_data_recipe recipe = {.mean.count = 0};
    rt_error err = {0};
    const double chance = rt_expectation_chance(&teacher.expect, 1000, 10000);
    assert_true(chance > 3 * 1.416 && chance < 3 * 1.418);
    assert_true(rt_expectation_chance(&teacher.expect, 10000, 10000) == 0.0);
    assert_int_equal(rt_expectation_check(&teacher, &recipe, &data, 66.4 - 0.49 - chance, 1000, &err), RT_OK);
    assert_int_equal(rt_expectation_check(&teacher, &recipe, &data, 66.4 + 0.51 + chance, 1000, &err), RT_ERROR_USAGE);
    assert_non_null(strstr(err.message, "top-1 on 1000 of the 10000 test images, where chance makes 4.3; the recipe "
                                        "expects 66.4, give or take 0.5. Likely"));
    assert_int_equal(rt_expectation_check(&teacher, &recipe, &data, 66.4 + 0.51, 10000, &err), RT_ERROR_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_near_is_met),
        cmocka_unit_test(the_likeliest_cause_comes_first),
        cmocka_unit_test(few_images_leave_more_to_chance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
