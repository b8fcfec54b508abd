/* What losses have to do with each other: one is a special case, a limit, a sum or a mirror image of others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "ask.h"
#include "base/threads.h"

/* Two that are one, but for a factor. */
static void special_cases(void **state)
{
    (void)state;
    static const struct {
        struct asked asked;
        double factor;
        struct asked other;
    } cases[] = {
        {{"renyi", {"alpha=1"}}, 1.0, KL},
        {{"renyi", {"alpha=0"}}, 1.0, REVERSE_KL},
        {{"skew_kl", {"alpha=0"}}, 1.0, KL},
        {{"skew_reverse_kl", {"alpha=0"}}, 1.0, REVERSE_KL},
        {{"jeffreys", {"beta=0", "mean=true"}}, 1.0, KL},
        {{"jeffreys", {"beta=1"}}, 2.0, REVERSE_KL},
        {{"kl", {"temperature=3"}}, 9.0, {"kl", {"temperature=3", "temperature_squared=false"}}},
        {{"js", {"temperature=3", "temperature_squared=true"}}, 9.0, {"js", {"temperature=3"}}},
        {{"js", {"beta=0.2"}}, 0.16, {"js", {"beta=0.2", "continuous=true"}}},
        {{"hellinger", {NULL}}, 2.0, {"hellinger", {"half=true"}}},
        {{"cauchy_schwarz", {NULL}}, 2.0, {"cauchy_schwarz", {"half=true"}}},
        {{"cauchy_schwarz", {NULL}}, 2.0, {"holder", {"alpha=2", "gamma=2"}}},
        {{"cauchy_schwarz", {"temperature=2"}}, 2.0, {"holder", {"form=pseudo", "alpha=2", "temperature=2"}}},
        {{"cauchy_schwarz", {NULL}}, 2.0, {"generalized_cauchy_schwarz", {NULL}}},
        {{"f_divergence", {NULL}}, 1.0, KL},
        {{"f_divergence", {"generator=u*log(u)", "temperature=4", "temperature_squared=true"}}, 1.0, {"kl", {NULL}}},
        {{"f_divergence", {"generator=-log(u)"}}, 1.0, REVERSE_KL},
        {{"f_divergence", {"generator=(u*log(u)-(u+1)*log((u+1)/2))/2"}}, 1.0, {"js", {NULL}}},
        {{"f_divergence", {"generator=0.2*u*log(u)-(0.2*u+0.8)*log(0.2*u+0.8)"}}, 1.0, {"js", {"beta=0.2"}}},
        {{"f_divergence", {"generator=u*log(u/(0.1*u+0.9))"}}, 1.0, {"skew_kl", {NULL}}},
        {{"f_divergence", {"generator=-log(0.9*u+0.1)"}}, 1.0, {"skew_reverse_kl", {NULL}}},
        {{"f_divergence", {"generator=(u-1)*log(u)"}}, 1.0, {"jeffreys", {NULL}}},
        {{"f_divergence", {"generator=(sqrt(u)-1)^2"}}, 1.0, {"hellinger", {NULL}}},
        {{"f_divergence", {"generator=abs(u-1)/2"}}, 1.0, {"total_variation", {NULL}}},
        {{"f_divergence", {"generator=max(u,1)-1"}}, 1.0, {"total_variation", {NULL}}},
        {{"f_divergence", {"generator=1-min(u,1)"}}, 1.0, {"total_variation", {NULL}}},
        {{"f_divergence", {"generator=(u-1)^2"}}, 1.0, {"chi_square", {NULL}}},
        {{"f_divergence", {"generator=u^2-1"}}, 1.0, {"chi_square", {NULL}}},
        {{"f_divergence", {"generator=(u-1)^2/u"}}, 1.0, {"chi_square", {"form=neyman"}}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i)
        check_multiple(ask(cases[i].asked), cases[i].factor, ask(cases[i].other), 1e-12, cases[i].asked.name);
}

static void limits(void **state)
{
    (void)state;
    static const struct {
        struct asked asked, limit;
    } cases[] = {
        {{"renyi", {"alpha=1.0001"}}, KL},
        {{"renyi", {"alpha=0.9999"}}, KL},
        {{"renyi", {"alpha=0.0001"}}, REVERSE_KL},
        {{"renyi", {"alpha=-0.0001"}}, REVERSE_KL},
        {{"skew_kl", {"alpha=0.0001"}}, KL},
        {{"skew_reverse_kl", {"alpha=0.0001"}}, REVERSE_KL},
        {{"js", {"beta=0.001", "continuous=true"}}, KL},
        {{"js", {"beta=0.999", "continuous=true"}}, REVERSE_KL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i)
        check_multiple(ask(cases[i].asked), 1.0, ask(cases[i].limit), 2e-2, cases[i].asked.name);
}

static void jeffreys_is_the_sum_of_both(void **state)
{
    (void)state;
    struct answer forward = ask((struct asked)KL), reverse = ask((struct asked)REVERSE_KL);
    forward.value += reverse.value;
    for (size_t i = 0; i < LOGITS; ++i)
        forward.gradient[i] += reverse.gradient[i];
    check_multiple(ask((struct asked){"jeffreys", {NULL}}), 1.0, forward, 1e-7, "jeffreys");
}

/* Exchanging student and teacher is another divergence. Their gradients have nothing to do with each other. */
static void mirror_images(void **state)
{
    (void)state;
    static const struct {
        struct asked asked, mirrored;
    } cases[] = {
        {KL, REVERSE_KL},
        {{"js", {"beta=0.3"}}, {"js", {"beta=0.7"}}},
        {{"skew_kl", {NULL}}, {"skew_reverse_kl", {NULL}}},
        {{"jeffreys", {NULL}}, {"jeffreys", {NULL}}},
        {{"renyi", {"alpha=3"}}, {"renyi", {"alpha=-2"}}},
        {{"hellinger", {NULL}}, {"hellinger", {NULL}}},
        {{"total_variation", {NULL}}, {"total_variation", {NULL}}},
        {{"chi_square", {NULL}}, {"chi_square", {"form=neyman"}}},
        {{"cauchy_schwarz", {NULL}}, {"cauchy_schwarz", {NULL}}},
        {{"holder", {"alpha=3"}}, {"holder", {"alpha=1.5"}}},
        {{"log_variance", {NULL}}, {"log_variance", {"under=student"}}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        double here = ask(cases[i].asked).value, there = ask_about(cases[i].mirrored, teacher, student).value;
        if (!(fabs(here - there) <= 1e-12 * here))
            fail_msg("%s is %.15g, its mirror image %s %.15g", cases[i].asked.name, here, cases[i].mirrored.name,
                     there);
    }
}

static void log_variance_under_the_student_pulls_twice_as_reverse_kl(void **state)
{
    (void)state;
    struct answer variance = ask((struct asked){"log_variance", {"under=student"}});
    struct answer reverse = ask((struct asked)REVERSE_KL);
    variance.value = 2.0 * reverse.value; /* values differ */
    check_multiple(variance, 2.0, reverse, 1e-7, "log_variance");
}

/* At distance d from equality a divergence is its curvature times kl, but for d^3. */
static void curvatures_at_equality(void **state)
{
    (void)state;
    static const struct {
        struct asked asked;
        double curvature;
    } cases[] = {
        {REVERSE_KL, 1.0},
        {{"js", {NULL}}, 0.25},
        {{"js", {"beta=0.9"}}, 0.09},
        {{"skew_kl", {"alpha=0.4"}}, 0.36},
        {{"skew_reverse_kl", {"alpha=0.4"}}, 0.36},
        {{"jeffreys", {NULL}}, 2.0},
        {{"renyi", {"alpha=-3"}}, 1.0},
        {{"renyi", {"alpha=0.5"}}, 1.0},
        {{"renyi", {"alpha=7"}}, 1.0},
        {{"hellinger", {NULL}}, 0.5},
        {{"chi_square", {NULL}}, 2.0},
        {{"chi_square", {"form=neyman"}}, 2.0},
        {{"log_variance", {NULL}}, 2.0},
        {{"log_variance", {"under=student"}}, 2.0},
    };
    float near[LOGITS];
    for (size_t i = 0; i < LOGITS; ++i)
        near[i] = teacher[i] + student[i] / 4096.0f;
    double kl = ask_about((struct asked)KL, near, teacher).value;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        double value = ask_about(cases[i].asked, near, teacher).value;
        if (!(fabs(value / kl - cases[i].curvature) <= 5e-3 * cases[i].curvature))
            fail_msg("%s %s: curvature %g, not %g", cases[i].asked.name, cases[i].asked.settings[0], value / kl,
                     cases[i].curvature);
    }
}

/* Where p / q is beyond every double, f_divergence takes it to be at the end of its range; the pull stays that of kl.
 */
static void ratios_beyond_double_still_pull(void **state)
{
    (void)state;
    float far_student[LOGITS], far_teacher[LOGITS];
    for (size_t i = 0; i < LOGITS; ++i) {
        far_student[i] = i % 2 ? 1e4f : -1e4f;
        far_teacher[i] = -far_student[i] + teacher[i];
    }
    struct answer formula = ask_about((struct asked){"f_divergence", {NULL}}, far_student, far_teacher);
    struct answer kl = ask_about((struct asked)KL, far_student, far_teacher);
    assert_true(fabs(formula.value - 700.0) <= 1e-9 && fabs(kl.value - 2e4) <= 10.0);
    formula.value = kl.value;
    check_multiple(formula, 1.0, kl, 1e-12, "f_divergence");
}

/* What the descriptor cannot promise, since the pseudo form breaks it. */
static void holder_is_zero_at_equality(void **state)
{
    (void)state;
    struct answer proper = ask_about((struct asked){"holder", {"alpha=3"}}, teacher, teacher);
    struct answer pseudo = ask_about((struct asked){"holder", {"alpha=3", "form=pseudo"}}, teacher, teacher);
    assert_true(fabs(proper.value) <= 1e-14);
    for (size_t i = 0; i < LOGITS; ++i)
        assert_true(fabs((double)proper.gradient[i]) <= 1e-15);
    assert_true(pseudo.value > 0.01);
}

int main(void)
{
    rt_threads_start(2);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(special_cases),
        cmocka_unit_test(limits),
        cmocka_unit_test(jeffreys_is_the_sum_of_both),
        cmocka_unit_test(mirror_images),
        cmocka_unit_test(log_variance_under_the_student_pulls_twice_as_reverse_kl),
        cmocka_unit_test(curvatures_at_equality),
        cmocka_unit_test(ratios_beyond_double_still_pull),
        cmocka_unit_test(holder_is_zero_at_equality),
    };
    return cmocka_run_group_tests(tests, ask_fill, NULL);
}
