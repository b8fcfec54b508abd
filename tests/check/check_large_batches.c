/* In a large batch neighbouring samples share scratch memory (retort/divergence.h). A batch that repeats a small one
 * has its value and, over the number of repetitions, its gradients. Threads share so large a one. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "ask.h"
#include "losses/losses.h"
#include "recipe/recipe.h"
#include "train/term.h"

enum { COPIES = 331, LARGE = COPIES * SAMPLES, MOST_STATE = 4096 };

static double ask_large(const rt_loss *loss, const char *const *settings, size_t count, float *gradient)
{
    static float of_student[COPIES * LOGITS], of_teacher[COPIES * LOGITS];
    for (size_t copy = 0; copy < COPIES; ++copy) {
        memcpy(of_student + copy * LOGITS, student, sizeof student);
        memcpy(of_teacher + copy * LOGITS, teacher, sizeof teacher);
    }
    _Alignas(max_align_t) unsigned char state[MOST_STATE] = {0};
    const rt_shape logits = {2, {LARGE, CLASSES}};
    const rt_loss_array arrays[] = {
        {"student.logits", {.shape = logits, .values = of_student, .gradient = gradient}},
        {"teacher.logits", {.shape = logits, .values = of_teacher}},
    };
    rt_loss_term term = {0};
    rt_error err = {0};
    double value = 0.0;
    memset(gradient, 0, COPIES * LOGITS * sizeof *gradient);
    assert_true(loss->state_size <= MOST_STATE);
    if (rt_settings_parse("loss", loss->params, settings, count, state, &err) != RT_OK ||
        rt_loss_term_open(&term, loss, state, 1.0, NULL, arrays, sizeof arrays / sizeof *arrays, &err) != RT_OK ||
        rt_loss_term_run(&term, 0, &value, &err) != RT_OK)
        fail_msg("%s: %s", loss->name, err.message);
    rt_loss_term_close(&term);
    return value;
}

static void repeated_batches_are_the_batch(void **state)
{
    (void)state;
    static const struct asked asked[] = {
        {"alpha", {NULL}},      {"chi_square", {NULL}},       {"f_divergence", {"generator=u*log(u)"}},
        {"hellinger", {NULL}},  {"jeffreys", {NULL}},         {"js", {NULL}},
        {"kl", {NULL}},         {"log_variance", {NULL}},     {"logit_standardization", {NULL}},
        {"renyi", {NULL}},      {"reverse_kl", {NULL}},       {"skew_kl", {NULL}},
        {"ttm", {NULL}},        {"skew_reverse_kl", {NULL}},  {"total_variation", {NULL}},
        {"mse_logits", {NULL}}, {"alpha", {"adaptive=true"}},
    };
    static float gradient[COPIES * LOGITS];
    for (size_t a = 0; a < sizeof asked / sizeof *asked; ++a) {
        const struct answer small = ask(asked[a]);
        size_t i = 0;
        while (strcmp(rt_losses[i]->name, asked[a].name) != 0)
            ++i;
        const double value = ask_large(rt_losses[i], asked[a].settings, asked[a].settings[0] ? 1 : 0, gradient);
        assert_true(small.value != 0.0);
        if (!(fabs(value - small.value) <= 1e-13 * fabs(small.value)))
            fail_msg("%s: %.17g of the large batch, %.17g of the small one", asked[a].name, value, small.value);
        for (size_t k = 0; k < COPIES * LOGITS; ++k)
            if (!(fabsf(COPIES * gradient[k] - small.gradient[k % LOGITS]) <=
                  2e-7f * fabsf(small.gradient[k % LOGITS])))
                fail_msg("%s: gradient %zu times %d is %.9g, in the small batch %.9g", asked[a].name, k, COPIES,
                         (double)(COPIES * gradient[k]), (double)small.gradient[k % LOGITS]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(repeated_batches_are_the_batch)};
    return cmocka_run_group_tests(tests, ask_fill, NULL);
}
