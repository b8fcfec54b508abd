/* What losses that know the label, clip or couple the samples of a batch are in special cases: other losses, or a
 * formula of one line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ask.h"
#include "base/threads.h"

static void special_cases(void **state)
{
    (void)state;
    static const struct {
        struct asked asked;
        double factor;
        struct asked other;
        double share;
    } cases[] = {
        {{"alpha", {"alpha=1"}}, 1.0, KL, 1e-12},
        {{"alpha", {"alpha=1.0001"}}, 1.0, KL, 1e-3},
        {{"alpha", {"alpha=0.999999"}}, 1.0, KL, 1e-5},
        {{"alpha", {"alpha=0"}}, 1.0, REVERSE_KL, 1e-12},
        {{"alpha", {"alpha=-0.0001"}}, 1.0, REVERSE_KL, 1e-3},
        {{"alpha", {"alpha=0.000001"}}, 1.0, REVERSE_KL, 1e-5},
        {{"alpha", {"alpha=0.5"}}, 4.0, {"hellinger", {"half=true"}}, 1e-12},
        {{"alpha", {"alpha=2"}}, 0.5, {"chi_square", {NULL}}, 1e-12},
        {{"alpha", {"alpha=-1"}}, 0.5, {"chi_square", {"form=neyman"}}, 1e-12},
        {{"alpha", {"adaptive=true", "alpha_minimum=1", "alpha_maximum=1"}}, 1.0, KL, 1e-12},
        {{"alpha", {"adaptive=true", "alpha_minimum=0", "alpha_maximum=0", "clip=1e9"}}, 1.0, REVERSE_KL, 1e-12},
        {{"alpha", {"adaptive=true", "alpha_minimum=2", "alpha_maximum=2", "clip=1e9"}},
         1.0,
         {"alpha", {"alpha=2"}},
         1e-12},
        {{"sinkhorn", {NULL}}, SAMPLES, {"sinkhorn", {"batch_mean=true"}}, 1e-12},
        {{"sinkhorn", {"temperature_squared=true"}}, 4.0, {"sinkhorn", {NULL}}, 1e-12},
        {{"ttm", {"temperature=1"}}, 1.0, KL, 1e-12},
        {{"bd_kd", {"beta=1", "temperature=1"}}, 1.0, {"jeffreys", {NULL}}, 1e-12},
        {{"mlkd", {"temperatures=[1]", "beta=0", "gamma=0"}}, 1.0, KL, 1e-12},
        {{"mlkd", {"temperatures=[3]", "temperature_squared=true", "beta=0", "gamma=0"}},
         1.0,
         {"kl", {"temperature=3"}},
         1e-12},
        {{"mse_logits", {"centered=true"}}, 1.0, {"log_variance", {"under=uniform"}}, 1e-12},
        /* To either side of where exponentials are kept in place of exponents. */
        {{"sinkhorn", {"epsilon=0.0200000001"}}, 1.0, {"sinkhorn", {"epsilon=0.0199999999"}}, 1e-6},
        {{"sinkhorn", {"epsilon=0.02", "iterations=500"}},
         1.0,
         {"sinkhorn", {"epsilon=0.0199999999", "iterations=500"}},
         1e-6},
        {{"sinkhorn", {"epsilon=0.0200000001", "temperature=0.05"}},
         1.0,
         {"sinkhorn", {"epsilon=0.0199999999", "temperature=0.05"}},
         1e-6},
        /* Where entropy is all, the plan is even whatever the student does. */
        {{"sinkhorn", {"epsilon=10000"}}, 1.0, {"sinkhorn", {"epsilon=10000", "gradient=envelope"}}, 1e-3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i)
        check_multiple(ask(cases[i].asked), cases[i].factor, ask(cases[i].other), cases[i].share, cases[i].asked.name);
}

/* The batch with the student equal to the teacher but for sample n, of which the loss is then N times the batch's. */
static struct answer ask_of_sample(struct asked asked, size_t n)
{
    float alone[LOGITS];
    memcpy(alone, teacher, sizeof alone);
    memcpy(alone + n * CLASSES, student + n * CLASSES, CLASSES * sizeof *alone);
    return ask_about(asked, alone, teacher);
}

static void adaptive_alpha_switches_by_sample(void **state)
{
    (void)state;
    static const struct asked adaptive = {"alpha", {"adaptive=true", "alpha_maximum=2", "clip=1e9"}};
    static const struct asked orders[] = {{"alpha", {"alpha=-1"}}, {"alpha", {"alpha=2"}}};
    struct answer all = ask(adaptive), whole[] = {ask(orders[0]), ask(orders[1])};
    size_t taken[2] = {0};
    double sum = 0.0;
    for (size_t n = 0; n < SAMPLES; ++n) {
        double values[] = {ask_of_sample(orders[0], n).value, ask_of_sample(orders[1], n).value};
        const size_t order = values[0] <= values[1];
        ++taken[order];
        sum += values[order];
        for (size_t k = n * CLASSES; k < (n + 1) * CLASSES; ++k)
            assert_true(fabsf(all.gradient[k] - whole[order].gradient[k]) <= 1e-7f);
    }
    assert_true(taken[0] > 0 && taken[1] > 0);
    assert_true(fabs(all.value - sum) <= 1e-12 * sum);
}

/* With alpha 1 and -1 and a clip at 5, the clipped divergence is at most (5 - 1) / 2: beyond that it is kl. */
static void adaptive_alpha_is_kl_far_away(void **state)
{
    (void)state;
    float far[LOGITS];
    for (size_t i = 0; i < LOGITS; ++i)
        far[i] = 20.0f * student[i];
    struct answer kl = ask_about((struct asked)KL, far, teacher);
    assert_true(kl.value > 5.0);
    check_multiple(ask_about((struct asked){"alpha", {"adaptive=true"}}, far, teacher), 1.0, kl, 1e-12, "alpha");
}

/* When the student has the teacher's distributions in another order and transport is all, the plan is that order. */
static void sinkhorn_finds_a_permutation(void **state)
{
    (void)state;
    float permuted[LOGITS];
    for (size_t n = 0; n < SAMPLES; ++n)
        memcpy(permuted + n * CLASSES, teacher + (n + 2) % SAMPLES * CLASSES, CLASSES * sizeof *permuted);
    assert_true(ask_about((struct asked){"sinkhorn", {"epsilon=0.0001"}}, permuted, teacher).value < 1e-12);
    assert_true(ask((struct asked){"sinkhorn", {"epsilon=0.0001"}}).value > 0.1);
}

/* A teacher who is certain of the label, by 1e4. */
static void plackett_luce_of_a_certain_teacher_is_cross_entropy(void **state)
{
    (void)state;
    float certain[LOGITS];
    memcpy(certain, teacher, sizeof certain);
    for (size_t n = 0; n < SAMPLES; ++n)
        certain[n * CLASSES + (size_t)labels[n]] = 1e4f;
    check_multiple(ask_about((struct asked){"plackett_luce", {NULL}}, student, certain), 1.0,
                   ask((struct asked){"cross_entropy", {NULL}}), 1e-12, "plackett_luce");
}

/* A teacher to whom all classes are equal ranks them by number behind the label: that is ListMLE / C. */
static void plackett_luce_of_an_undecided_teacher_is_list_mle(void **state)
{
    (void)state;
    const float undecided[LOGITS] = {0};
    double expected = 0.0;
    for (size_t n = 0; n < SAMPLES; ++n) {
        double tail = 0.0;
        for (size_t k = CLASSES; k-- > 0;) {
            if (k == (size_t)labels[n])
                continue;
            tail += exp((double)student[n * CLASSES + k]);
            expected += log(tail) - (double)student[n * CLASSES + k];
        }
        double first = (double)student[n * CLASSES + (size_t)labels[n]];
        expected += log(tail + exp(first)) - first;
    }
    expected /= SAMPLES * CLASSES;
    double value = ask_about((struct asked){"plackett_luce", {NULL}}, student, undecided).value;
    assert_true(fabs(value - expected) <= 1e-12 * expected);
}

/* Whose value is another's and what no student changes: the gradient is the other's. */
static void gradients_of_other_losses(void **state)
{
    (void)state;
    static const struct asked same[][2] = {
        {{"soft_target", {"temperature=3"}}, {"kl", {"temperature=3", "temperature_squared=false"}}},
        {{"soft_target", {"temperature=3", "temperature_squared=true"}}, {"kl", {"temperature=3"}}},
        {{"ofa", {"gamma=1", "temperature=2"}}, {"soft_target", {"temperature=2"}}},
    };
    for (size_t i = 0; i < sizeof same / sizeof *same; ++i) {
        struct answer a = ask(same[i][0]), b = ask(same[i][1]);
        for (size_t k = 0; k < LOGITS; ++k)
            assert_true(fabsf(a.gradient[k] - b.gradient[k]) <= 1e-7f);
    }
}

/* In the paper's form at gamma 1 the label's class weighs 1 more: that is cross-entropy. */
static void ofa_of_the_paper_has_cross_entropy_in_it(void **state)
{
    (void)state;
    const struct answer sum = ask((struct asked){"ofa", {"form=paper"}}),
                        part = ask((struct asked){"soft_target", {NULL}});
    const struct answer rest = ask((struct asked){"cross_entropy", {NULL}});
    assert_true(fabs(sum.value - part.value - rest.value) <= 1e-12 * sum.value);
    for (size_t k = 0; k < LOGITS; ++k)
        assert_true(fabsf(sum.gradient[k] - part.gradient[k] - rest.gradient[k]) <= 1e-7f);
}

/* One teacher for all samples and one label, so that dkd's beta can be what makes kl of it: 1 - p_y. */
static void dkd_is_kl_at_its_beta(void **state)
{
    (void)state;
    float alike[LOGITS];
    int64_t kept[SAMPLES];
    double sum = 0.0;
    memcpy(kept, labels, sizeof kept);
    for (size_t n = 0; n < SAMPLES; ++n) {
        memcpy(alike + n * CLASSES, teacher, CLASSES * sizeof *alike);
        labels[n] = 3;
    }
    for (size_t k = 0; k < CLASSES; ++k)
        sum += exp((double)teacher[k]);
    char beta[40];
    snprintf(beta, sizeof beta, "beta=%.17g", 1.0 - exp((double)teacher[3]) / sum);
    check_multiple(ask_about((struct asked){"dkd", {"temperature=1", "alpha=1", beta}}, student, alike), 1.0,
                   ask_about((struct asked)KL, student, alike), 1e-12, "dkd");
    memcpy(labels, kept, sizeof kept);
}

/* A teacher who thinks all classes alike has C^(1 - 1/T) for the sum of his powers. */
static void ttm_weighs_by_the_sum_of_powers(void **state)
{
    (void)state;
    const float undecided[LOGITS] = {0};
    check_multiple(ask_about((struct asked){"ttm", {"temperature=2", "weighted=true"}}, student, undecided),
                   sqrt((double)CLASSES), ask_about((struct asked){"ttm", {"temperature=2"}}, student, undecided),
                   1e-12, "ttm");
}

/* Where student and teacher are as sure, or surer, by much: the student's own distribution is all but even there. */
static void bd_kd_takes_sides(void **state)
{
    (void)state;
    float sure[LOGITS], unsure[LOGITS];
    for (size_t i = 0; i < LOGITS; ++i) {
        sure[i] = 3.0f * student[i];
        unsure[i] = 0.1f * student[i];
    }
    static const struct asked forward = {"bd_kd", {"beta=0", "temperature=1"}};
    check_multiple(ask_about(forward, sure, teacher), 1.0, ask_about((struct asked)REVERSE_KL, sure, teacher), 1e-12,
                   "bd_kd of the surer");
    check_multiple(ask_about(forward, unsure, teacher), 1.0, ask_about((struct asked)KL, unsure, teacher), 1e-12,
                   "bd_kd of the less sure");
}

int main(void)
{
    rt_threads_start(2);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(special_cases),
        cmocka_unit_test(adaptive_alpha_switches_by_sample),
        cmocka_unit_test(adaptive_alpha_is_kl_far_away),
        cmocka_unit_test(gradients_of_other_losses),
        cmocka_unit_test(ofa_of_the_paper_has_cross_entropy_in_it),
        cmocka_unit_test(dkd_is_kl_at_its_beta),
        cmocka_unit_test(ttm_weighs_by_the_sum_of_powers),
        cmocka_unit_test(bd_kd_takes_sides),
        cmocka_unit_test(sinkhorn_finds_a_permutation),
        cmocka_unit_test(plackett_luce_of_a_certain_teacher_is_cross_entropy),
        cmocka_unit_test(plackett_luce_of_an_undecided_teacher_is_list_mle),
    };
    return cmocka_run_group_tests(tests, ask_fill, NULL);
}
