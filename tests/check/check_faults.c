/* The checks themselves: a loss that is right passes all of them, and for each way of being wrong one fails and says
 * where. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/threads.h"
#include "check/check.h"
#include "recipe/recipe.h"

extern const rt_loss rt_loss_faulty;

enum { STATE_BYTES = 64 };

static rt_check_result run(const char *check, const char *fault)
{
    _Alignas(max_align_t) unsigned char settings[STATE_BYTES] = {0};
    rt_error err = {0};
    rt_check_result result;
    assert_true(rt_loss_faulty.state_size <= sizeof settings);
    if (rt_settings_parse("loss", rt_loss_faulty.params, &fault, 1, settings, &err) != RT_OK)
        fail_msg("%s", err.message);
    const rt_check_subject subject = {.loss = &rt_loss_faulty, .settings = settings};
    assert_non_null(rt_check_find(check));
    if (rt_check_run(rt_check_find(check), &subject, &result, &err) != RT_OK)
        fail_msg("%s of %s: %s", check, fault, err.message);
    return result;
}

static void a_right_loss_passes_every_check(void **state)
{
    (void)state;
    for (size_t i = 0; i < rt_check_count; ++i) {
        rt_check_result result = run(rt_checks[i].name, "fault=none");
        if (result.verdict != RT_CHECK_PASSED)
            fail_msg("%s: %s", rt_checks[i].name, result.failure.words);
        assert_true(result.cases > 0);
        assert_int_equal(result.kinks, 0);
    }
}

/* What is wrong, which check tells, and in which words. */
static const struct fault {
    const char *fault, *check, *words;
} faults[] = {
    {"fault=gradient", "differences", "'student.logits' [0, 0]: the gradient is "},
    {"fault=own_gradient", "differences", "'gain' [0]: the gradient is "},
    {"fault=kinks", "differences", "points are kinks; where more than a twentieth is"},
    {"fault=kink_gradient", "differences", "'gain' [1]: the loss has a kink here, and the gradient, 1.5, is neither"},
    {"fault=overflows", "finite", "the student at +-1e4: loss 'faulty' is "},
    {"fault=hides_nan", "not_finite", "'student.logits' [0, 0]: nan here gives a value of "},
    {"fault=overwrites", "added", "'student.logits' [0, 0]: the gradient becomes "},
    {"fault=ignores_weight", "weighted", " at weight 1 and "},
    {"fault=weighs_value", "weighted", "the value is "},
    {"fault=value_needs_gradient", "weighted", "and 0 where none are wanted; it must be the same"},
    {"fault=writes_input", "inputs", "it writes into 'student.logits', which is to be read"},
    {"fault=writes_trained", "inputs", "it writes into its array 'gain', which the optimizer trains"},
    {"fault=beyond_scratch", "memory", "it writes beyond the scratch memory that its plan() books"},
    {"fault=beyond_gradient", "memory", "it writes before or behind an array"},
    {"fault=uses_garbage", "repeatable", "its results depend on what was in scratch memory before"},
    {"fault=remembers", "repeatable", "after a batch of 4 samples it gives other bits"},
    {"fault=counts_threads", "threads", "2 threads give other bits than one"},
    {"fault=negative", "non_negative", "the value is -"},
    {"fault=not_zero", "zero_at_equality", "the value is 1e-09 where student and teacher are equal"},
    {"fault=shifts", "shift_invariant", "the gradient of sample 0 sums to 0.00"},
    {"fault=refuses", "shapes", "4 of 5 shapes are refused, the last with: loss 'faulty' wants 4 samples"},
};

static void each_fault_is_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; ++i) {
        rt_check_result result = run(faults[i].check, faults[i].fault);
        if (result.verdict != RT_CHECK_FAILED || !strstr(result.failure.words, faults[i].words))
            fail_msg("%s of %s: %s; expected %s", faults[i].check, faults[i].fault,
                     result.verdict == RT_CHECK_FAILED ? result.failure.words : "passed", faults[i].words);
    }
}

static void each_check_tells_of_a_fault(void **state)
{
    (void)state;
    for (size_t i = 0; i < rt_check_count; ++i) {
        bool covered = strcmp(rt_checks[i].name, "speed") == 0; /* gives no verdict */
        for (size_t f = 0; f < sizeof faults / sizeof *faults; ++f)
            covered = covered || strcmp(faults[f].check, rt_checks[i].name) == 0;
        if (!covered)
            fail_msg("no fault is known that %s tells of", rt_checks[i].name);
    }
}

static void a_failure_says_where(void **state)
{
    (void)state;
    rt_check_result result = run("differences", "fault=gradient");
    assert_string_equal(result.failure.shapes, "student.logits [1, 2], teacher.logits [1, 2]");
    assert_string_equal(result.failure.element, "'student.logits' [0, 0]");
    assert_int_equal(result.failure.seed, 0);
    assert_true(fabs(result.failure.got / result.failure.expected - 1.00001) < 1e-6);
}

static void threads_are_left_as_they_were(void **state)
{
    (void)state;
    run("threads", "fault=none");
    assert_int_equal(rt_threads_count(), 2);
}

int main(void)
{
    rt_threads_start(2);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_right_loss_passes_every_check), cmocka_unit_test(each_fault_is_told),
        cmocka_unit_test(each_check_tells_of_a_fault),     cmocka_unit_test(a_failure_says_where),
        cmocka_unit_test(threads_are_left_as_they_were),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
