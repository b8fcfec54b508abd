/* Every loss of the registry: all checks of `retort gradcheck`, and PyTorch's float64 values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../golden/loss_golden.h"
#include "base/threads.h"
#include "check/check.h"
#include "losses/losses.h"
#include "recipe/descriptor.h"
#include "recipe/recipe.h"
#include "retort/logits.h"
#include "train/term.h"

enum { MAX_SAMPLES = 7, MAX_CLASSES = 100, MAX_LOGITS = MAX_SAMPLES * MAX_CLASSES, MAX_STATE = 4096 };

/* Settings under which losses are checked, beside their defaults. */
static const struct variant {
    const char *loss;
    const char *setting;
} variants[] = {
    {"cross_entropy", "label_smoothing=0.1"},
    {"cross_entropy", "label_smoothing=0.9"},
    {"kl", "temperature=1"},
    {"kl", "temperature=0.5"},
    {"kl", "temperature_squared=false"},
    {"reverse_kl", "temperature=4"},
    {"js", "beta=0.9"},
    {"js", "continuous=true"},
    {"skew_kl", "alpha=0"},
    {"skew_kl", "alpha=0.9"},
    {"skew_reverse_kl", "alpha=0"},
    {"skew_reverse_kl", "alpha=0.9"},
    {"jeffreys", "beta=0.9"},
    {"jeffreys", "mean=true"},
    {"renyi", "alpha=-1"},
    {"renyi", "alpha=0"},
    {"renyi", "alpha=1"},
    {"renyi", "alpha=3"},
    {"hellinger", "half=true"},
    {"chi_square", "form=neyman"},
    {"cauchy_schwarz", "half=true"},
    {"holder", "form=pseudo"},
    {"holder", "gamma=0.5"},
    {"log_variance", "under=uniform"},
    {"f_divergence", "generator=(u-1)^2/u"},
    {"f_divergence", "generator=abs(u-1)/2"},
    {"f_divergence", "generator=u^1.5-1"},
    {"f_divergence", "generator=max(u-1,0.5*(1-u))+1/(u+1)-0.5"},
    {"alpha", "alpha=-1"},
    {"alpha", "alpha=0"},
    {"alpha", "alpha=1"},
    {"alpha", "alpha=2"},
    {"sinkhorn", "epsilon=0.01"},
    {"sinkhorn", "batch_mean=true"},
    {"plackett_luce", "temperature=4"},
    {"plackett_luce", "label_floor=0.5"},
    {"dkd", "alpha=3"},
    {"dkd", "beta=0"},
    {"dkd", "temperature=1"},
    {"dist", "temperature=1"},
    {"dist", "beta=0"},
    {"dist", "gamma=0"},
    {"nkd", "temperature=3"},
    {"nkd", "gamma=0"},
    {"mse_logits", "centered=true"},
    {"logit_standardization", "temperature=1"},
    {"soft_target", "temperature=4"},
    {"ofa", "gamma=1.4"},
    {"ofa", "form=paper"},
    {"bd_kd", "beta=0.5"},
    {"ttm", "weighted=true"},
    {"ttm", "temperature=1"},
    {"mlkd", "temperatures=[1]"},
    {"mlkd", "alpha=0"},
    {"mlkd", "beta=0"},
    {"mlkd", "gamma=0"},
};

/* One evaluation: what goes in, and what comes out. */
struct trial {
    const rt_loss *loss;
    const char *const *settings;
    size_t setting_count;
    size_t samples, classes;
    float student[MAX_LOGITS], teacher[MAX_LOGITS];
    float second[MAX_LOGITS]; /* of another teacher, for losses that read several */
    int64_t labels[MAX_SAMPLES];
    bool mixed; /* the two below count */
    int64_t mixed_labels[MAX_SAMPLES];
    float mixed_shares[MAX_SAMPLES];
    double weight;
    double value;
    float gradient[MAX_LOGITS]; /* the loss's is added to what is here */
};

static rt_status evaluate(struct trial *trial, bool wants_gradient, rt_error *err)
{
    _Alignas(max_align_t) unsigned char settings[MAX_STATE] = {0};
    assert_true(trial->loss->state_size <= sizeof settings);
    RT_TRY(rt_settings_parse("loss", trial->loss->params, trial->settings, trial->setting_count, settings, err));
    const rt_shape logits = {2, {trial->samples, trial->classes}};
    float teachers[2 * MAX_LOGITS];
    size_t count = trial->samples * trial->classes;
    memcpy(teachers, trial->teacher, count * sizeof(float));
    memcpy(teachers + count, trial->second, count * sizeof(float));
    const rt_loss_array arrays[] = {
        {"student.logits",
         {.shape = logits, .values = trial->student, .gradient = wants_gradient ? trial->gradient : NULL}},
        {"teacher.logits", {.shape = logits, .values = trial->teacher}},
        {"teachers.logits", {.shape = {3, {2, trial->samples, trial->classes}}, .values = teachers}},
        {"labels", {.shape = {1, {trial->samples}}, .indices = trial->labels}},
        {"mixed.labels", {.shape = {1, {trial->samples}}, .indices = trial->mixed_labels}},
        {"mixed.shares", {.shape = {1, {trial->samples}}, .values = trial->mixed_shares}},
    };
    rt_loss_term term;
    RT_TRY(rt_loss_term_open(&term, trial->loss, settings, trial->weight, NULL, arrays, trial->mixed ? 6 : 4, err));
    rt_status status = rt_loss_term_run(&term, 0, &trial->value, err);
    rt_loss_term_close(&term);
    return status;
}

static void check(const rt_loss *loss, const char *const *setting, size_t setting_count)
{
    _Alignas(max_align_t) unsigned char settings[MAX_STATE] = {0};
    rt_error err = {0};
    assert_true(loss->state_size <= sizeof settings);
    if (rt_descriptor_check(loss, &err) != RT_OK) /* a built-in loss could be a plugin */
        fail_msg("%s", err.message);
    if (rt_settings_parse(loss->name, loss->params, setting, setting_count, settings, &err) != RT_OK)
        fail_msg("%s", err.message);
    const rt_check_subject subject = {.loss = loss, .settings = settings};
    for (size_t i = 0; i < rt_check_count; ++i) {
        rt_check_result result;
        if (strcmp(rt_checks[i].name, "speed") == 0)
            continue;
        if (rt_check_run(&rt_checks[i], &subject, &result, &err) != RT_OK)
            fail_msg("%s", err.message);
        if (result.verdict == RT_CHECK_FAILED)
            fail_msg("%s %s: %s: %s", loss->name, setting_count ? *setting : "", rt_checks[i].name,
                     result.failure.words);
    }
}

/* Losses on features are for check_feature_losses.c, which makes their embeddings small. */
static bool takes_logits(const rt_loss *loss)
{
    return strstr(loss->ports[0].name, ".features") == NULL;
}

static void every_loss_passes_every_check(void **state)
{
    (void)state;
    for (size_t i = 0; i < rt_loss_count; ++i) {
        if (!takes_logits(rt_losses[i]))
            continue;
        check(rt_losses[i], NULL, 0);
        for (size_t v = 0; v < sizeof variants / sizeof *variants; ++v)
            if (strcmp(variants[v].loss, rt_losses[i]->name) == 0)
                check(rt_losses[i], &variants[v].setting, 1);
    }
}

static void run(struct trial *trial)
{
    rt_error err = {0};
    if (evaluate(trial, true, &err) != RT_OK)
        fail_msg("%s", err.message);
}

/* A number in [-8, 8), a multiple of 2^-16; the same as in make_loss_golden.py. */
static float pseudo(uint32_t stream, uint32_t index)
{
    uint32_t word = (stream * 1000003u + index + 1) * 2654435761u;
    word = (word ^ word >> 15) * 2246822519u;
    return (float)(word >> 12) / 65536.0f - 8.0f;
}

static struct trial new_trial(const rt_loss *loss, const char *const *setting, size_t setting_count, size_t samples,
                              size_t classes)
{
    struct trial trial = {.loss = loss,
                          .settings = setting,
                          .setting_count = setting_count,
                          .samples = samples,
                          .classes = classes,
                          .weight = 1.0};
    for (uint32_t i = 0; i < samples * classes; ++i) {
        trial.student[i] = pseudo(1, i);
        trial.teacher[i] = pseudo(2, i);
        trial.second[i] = pseudo(4, i);
    }
    for (size_t n = 0; n < samples; ++n) {
        trial.labels[n] = (int64_t)((7 * n + 1) % classes);
        trial.mixed_labels[n] = (int64_t)(5 * n % classes);
        trial.mixed_shares[n] = (float)((7 * n + 3) % 32) / 64.0f;
    }
    return trial;
}

static const char *describe(const struct trial *trial)
{
    static char text[128];
    snprintf(text, sizeof text, "%s %s [%zu, %zu]", trial->loss->name, trial->setting_count ? *trial->settings : "",
             trial->samples, trial->classes);
    return text;
}

static void check_blame(struct trial *trial)
{
    const float bad[] = {NAN, INFINITY, -INFINITY};
    for (size_t p = 0; p < trial->loss->port_count; ++p) {
        const char *port = trial->loss->ports[p].name;
        float *logits = strcmp(port, "student.logits") == 0   ? trial->student
                        : strcmp(port, "teacher.logits") == 0 ? trial->teacher
                                                              : NULL;
        for (size_t i = 0; logits && i < sizeof bad / sizeof *bad; ++i) {
            rt_error err = {0};
            float *logit = &logits[trial->classes + 2], kept = *logit; /* not the label's: 8 % 10 */
            char expected[200];
            *logit = bad[i];
            snprintf(expected, sizeof expected, "loss '%s': '%s' of sample 1, class 2 is %g; it must be finite",
                     trial->loss->name, port, (double)bad[i]);
            assert_int_equal(evaluate(trial, true, &err), RT_ERROR_NUMERIC);
            assert_string_equal(err.message, expected);
            *logit = kept;
        }
    }
}

static void logits_that_are_not_finite_are_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < rt_loss_count; ++i) {
        struct trial trial = new_trial(rt_losses[i], NULL, 0, 5, 10);
        check_blame(&trial);
    }
}

static void log_softmax_hides_nothing(void **state)
{
    (void)state;
    const float bad[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 9; ++i) {
        float logits[] = {1, 2, 3};
        double log_probabilities[3];
        logits[i % 3] = bad[i / 3];
        rt_log_softmax(logits, 3, 1.0, log_probabilities);
        assert_true(isnan(log_probabilities[0]) && isnan(log_probabilities[1]) && isnan(log_probabilities[2]));
    }
    double alone = 1;
    rt_log_softmax(&(const float){7}, 1, 4.0, &alone);
    assert_true(alone == 0);
}

static void labels_out_of_range_are_named(void **state)
{
    (void)state;
    rt_error err = {0};
    const rt_loss *cross_entropy = rt_losses[0];
    assert_string_equal(cross_entropy->name, "cross_entropy");
    struct trial trial = new_trial(cross_entropy, NULL, 0, 5, 10);
    trial.labels[3] = 10;
    assert_int_equal(evaluate(&trial, true, &err), RT_ERROR_USAGE);
    assert_string_equal(err.message, "loss 'cross_entropy': sample 3 has label 10; it must be within 0 to 9");
    trial.labels[3] = -1;
    assert_int_equal(evaluate(&trial, true, &err), RT_ERROR_USAGE);
    assert_string_equal(err.message, "loss 'cross_entropy': sample 3 has label -1; it must be within 0 to 9");
}

static void compare(const struct golden *expected, bool mixed)
{
    size_t i = 0;
    while (i < rt_loss_count && strcmp(rt_losses[i]->name, expected->loss) != 0)
        ++i;
    assert_true(i < rt_loss_count);
    struct trial trial =
        new_trial(rt_losses[i], expected->settings, expected->setting_count, expected->samples, expected->classes);
    trial.mixed = mixed;
    run(&trial);
    if (!(fabs(trial.value - expected->value) <= 1e-12 * fabs(expected->value)))
        fail_msg("%s is %.17g, PyTorch's %.17g", describe(&trial), trial.value, expected->value);
    size_t logits = trial.samples * trial.classes;
    double squares = 0.0;
    for (size_t k = 0; k < logits; ++k)
        squares += (double)trial.gradient[k] * (double)trial.gradient[k];
    assert_true(fabs(sqrt(squares) - expected->gradient_norm) <= 1e-7 * expected->gradient_norm);
    for (size_t s = 0; s < GOLDEN_SAMPLES; ++s) { /* 1e-7 is what rounding to float leaves */
        double gradient = (double)trial.gradient[s * (logits - 1) / (GOLDEN_SAMPLES - 1)];
        if (!(fabs(gradient - expected->gradient[s]) <= 1e-7 * fabs(expected->gradient[s])))
            fail_msg("%s: gradient sample %zu is %.9g, PyTorch's %.9g", describe(&trial), s, gradient,
                     expected->gradient[s]);
    }
}

static void values_are_pytorchs(void **state)
{
    (void)state;
    for (size_t g = 0; g < sizeof golden / sizeof *golden; ++g)
        compare(&golden[g], false);
    for (size_t g = 0; g < sizeof mixed_golden / sizeof *mixed_golden; ++g)
        compare(&mixed_golden[g], true);
}

/* Without a share of the second labels the bits are those without them; and what cannot be mixed is named. */
static void mixed_labels_are_checked(void **state)
{
    (void)state;
    rt_error err = {0};
    struct trial plain = new_trial(rt_losses[0], NULL, 0, 5, 10), mixed = plain;
    mixed.mixed = true;
    memset(mixed.mixed_shares, 0, sizeof mixed.mixed_shares);
    run(&plain);
    run(&mixed);
    assert_true(plain.value == mixed.value);
    assert_memory_equal(plain.gradient, mixed.gradient, sizeof plain.gradient);
    mixed.mixed_labels[2] = 10;
    assert_int_equal(evaluate(&mixed, true, &err), RT_ERROR_USAGE);
    assert_string_equal(err.message, "loss 'cross_entropy': sample 2 has label 10; it must be within 0 to 9");
    mixed.mixed_shares[1] = NAN;
    assert_int_equal(evaluate(&mixed, true, &err), RT_ERROR_USAGE);
    assert_string_equal(err.message,
                        "loss 'cross_entropy': the share mixed into sample 1 is nan; it must be within 0 to 1");
    const float logits[2] = {0, 1};
    const int64_t label[1] = {0};
    const rt_loss_array halves[] = {{"student.logits", {.shape = {2, {1, 2}}, .values = logits}},
                                    {"labels", {.shape = {1, {1}}, .indices = label}},
                                    {"mixed.labels", {.shape = {1, {1}}, .indices = label}}};
    const double no_smoothing = 0.0;
    rt_loss_term term;
    assert_int_equal(rt_loss_term_open(&term, rt_losses[0], &no_smoothing, 1.0, NULL, halves, 3, &err), RT_OK);
    assert_int_equal(rt_loss_term_run(&term, 0, &mixed.value, &err), RT_ERROR_USAGE);
    assert_string_equal(err.message, "loss 'cross_entropy' needs 'mixed.shares' beside 'mixed.labels'");
    rt_loss_term_close(&term);
}

int main(void)
{
    rt_threads_start(2);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_loss_passes_every_check), cmocka_unit_test(logits_that_are_not_finite_are_named),
        cmocka_unit_test(log_softmax_hides_nothing),     cmocka_unit_test(labels_out_of_range_are_named),
        cmocka_unit_test(values_are_pytorchs),           cmocka_unit_test(mixed_labels_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
