/* Losses on features: all checks of `retort gradcheck` under many settings, batches of two, equal rows and other
 * extremes, and what memories keep. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/threads.h"
#include "check/check.h"
#include "feature_trial.h"
#include "losses/losses.h"
#include "recipe/recipe.h"

/* Settings under which losses are checked. Where embeddings or negatives are many by default, and differences by every
 * weight would take minutes, only small ones stand here. What takes as constant something that depends on the features
 * (gradient=envelope) has no differences that agree; check_feature_golden has that. */
enum { MOST_SETTINGS = 5, MAX_STATE = 4096 };
static const struct variant {
    const char *loss, *settings[MOST_SETTINGS];
} variants[] = {
    {"similarity", {NULL}},
    {"attention", {NULL}},
    {"attention", {"power=3"}},
    {"attention", {"power=5"}},
    {"pkt", {NULL}},
    {"pkt", {"epsilon=0.01"}},
    {"rkd", {NULL}},
    {"rkd", {"angle_weight=0"}},
    {"rkd", {"distance_weight=0"}},
    {"wasserstein_contrastive", {"dimension=6"}},
    {"wasserstein_contrastive", {"dimension=6", "global_weight=0", "local_weight=1", "beta=0.2"}},
    {"wasserstein_contrastive", {"dimension=5", "local_weight=1", "normalization=spectral"}},
    {"wasserstein_contrastive", {"dimension=5", "negatives_from=memory", "negatives=9", "normalization=spectral"}},
    {"wasserstein_contrastive", {"dimension=6", "negatives_from=memory", "negatives=20", "negative_weight=3"}},
    {"crd", {"dimension=6", "negatives=20"}},
    {"crd", {"dimension=5", "negatives=3", "temperature=0.5", "other_classes=false"}},
    {"correlation", {"dimension=3"}},
    {"correlation", {"dimension=3", "unit=true"}},
    {"cka", {NULL}},
    {"distance_covariance", {NULL}},
    {"nst", {NULL}},
    {"vid", {NULL}},
    {"vid", {"variance=0.5"}},
    {"mmd", {NULL}},
    {"mmd", {"kernel=laplacian", "unbiased=true"}},
    {"mmd", {"kernel=energy"}},
    {"mmd", {"relative=false", "bandwidth=3", "scales=1"}},
    {"topology", {NULL}},
    {"topology", {"normalization=maximum"}},
    {"topology", {"normalization=none"}},
    {"sinkhorn_divergence", {NULL}},
    {"sinkhorn_divergence", {"power=1", "blur=0.3"}},
    {"sinkhorn_divergence", {"unit=false", "blur=0.5", "diameter=8"}},
    {"monge_gap", {NULL}},
    {"monge_gap", {"relative=false", "epsilon=2", "iterations=20"}},
    {"monge_gap", {"centered=true"}},
    {"fitnet", {NULL}},
};

static struct feature_trial trial;

static size_t setting_count(const struct variant *variant)
{
    size_t count = 0;
    while (count < MOST_SETTINGS && variant->settings[count])
        ++count;
    return count;
}

static void for_every_variant(void (*body)(const rt_loss *loss, const struct variant *variant))
{
    for (size_t i = 0; i < rt_loss_count; ++i) {
        size_t found = 0;
        for (size_t v = 0; v < sizeof variants / sizeof *variants; ++v)
            if (strcmp(variants[v].loss, rt_losses[i]->name) == 0) {
                body(rt_losses[i], &variants[v]);
                ++found;
            }
        if (feature_loss(rt_losses[i]) && found == 0)
            fail_msg("loss '%s' reads features and has no line in variants[]", rt_losses[i]->name);
    }
}

static void check(const rt_loss *loss, const struct variant *variant)
{
    _Alignas(max_align_t) unsigned char settings[MAX_STATE] = {0};
    rt_error err = {0};
    assert_true(loss->state_size <= sizeof settings);
    if (rt_settings_parse(loss->name, loss->params, variant->settings, setting_count(variant), settings, &err) != RT_OK)
        fail_msg("%s", err.message);
    const rt_check_subject subject = {.loss = loss, .settings = settings};
    for (size_t i = 0; i < rt_check_count; ++i) {
        rt_check_result result;
        if (strcmp(rt_checks[i].name, "speed") == 0)
            continue;
        if (rt_check_run(&rt_checks[i], &subject, &result, &err) != RT_OK)
            fail_msg("%s", err.message);
        if (result.verdict == RT_CHECK_FAILED)
            fail_msg("%s %s: %s: %s", loss->name, variant->settings[0] ? variant->settings[0] : "", rt_checks[i].name,
                     result.failure.words);
    }
}

static void every_variant_passes_every_check(void **state)
{
    (void)state;
    for_every_variant(check);
}

/* Zeros, wild ones up to 8e4, all alike, equal rows, one row unlike the others, rows that hardly differ. */
static float extreme(int kind, size_t row, size_t column, float wild)
{
    switch (kind) {
    case 0:
        return 0.0f;
    case 1:
        return wild;
    case 2:
        return 1e4f;
    case 3:
        return (float)column;
    case 4:
        return row ? 0.0f : wild;
    default:
        return 1e4f + wild * 0x1p-19f;
    }
}

static void expect_finite(int kind)
{
    for (size_t i = 0; i < rt_shape_elements(&trial.student_shape); ++i)
        if (!isfinite(trial.gradient[i]))
            fail_msg("%s: extreme inputs of kind %d give a gradient of %g", feature_trial_text(&trial), kind,
                     (double)trial.gradient[i]);
    for (size_t own = 0; own < trial.own_count; ++own)
        for (size_t i = 0; i < trial.own_elements[own]; ++i)
            if (!isfinite(trial.own_gradient[own][i]) || !isfinite(trial.own_after[own][i]))
                fail_msg("%s: extreme inputs of kind %d spoil own array %zu", feature_trial_text(&trial), kind, own);
}

static void check_extremes(const rt_loss *loss, const struct variant *variant)
{
    enum { KINDS = 6 };
    for (size_t samples = 1; samples <= 4; ++samples) {
        const struct feature_sizes sizes = {samples, 2, 3, 3, 2, 4, 5};
        rt_shape student, teacher;
        feature_shapes(loss, &sizes, &student, &teacher);
        for (int kind = 0; kind < 2 * KINDS; ++kind) { /* both alike, then the student wild */
            feature_trial_fill(&trial, loss, variant->settings, setting_count(variant), student, teacher);
            size_t row = rt_shape_elements(&student) / samples, other = rt_shape_elements(&teacher) / samples;
            for (size_t i = 0; i < samples * row; ++i)
                trial.student[i] = extreme(kind < KINDS ? kind : 1, i / row, i % row, 4e4f * trial.student[i]);
            for (size_t i = 0; i < samples * other; ++i)
                trial.teacher[i] = extreme(kind % KINDS, i / other, i % other, 4e4f * trial.teacher[i]);
            feature_trial_run(&trial, true);
            expect_finite(kind);
        }
    }
}

static void extreme_features_stay_finite(void **state)
{
    (void)state;
    for_every_variant(check_extremes);
}

int main(void)
{
    rt_threads_start(2);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_variant_passes_every_check),
        cmocka_unit_test(extreme_features_stay_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
