/* Losses on features, and the gradients of their own arrays, against PyTorch's float64 values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "../golden/feature_golden.h"
#include "base/threads.h"
#include "feature_trial.h"
#include "losses/losses.h"

static struct feature_trial trial;

/* Rounding to float leaves 6e-8 of an element, and where it was added up from parts, as where pooling windows overlap,
 * 6e-8 of these. */
static void compare(const struct feature_golden_gradient *golden, const float *gradient, size_t count, const char *what)
{
    double squares = 0.0, largest = 0.0;
    for (size_t k = 0; k < count; ++k) {
        squares += (double)gradient[k] * (double)gradient[k];
        largest = fmax(largest, fabs((double)gradient[k]));
    }
    if (!(fabs(sqrt(squares) - golden->norm) <= 1e-7 * golden->norm + 1e-14))
        fail_msg("%s: the gradient by %s has norm %.9g, PyTorch's %.9g", feature_trial_text(&trial), what,
                 sqrt(squares), golden->norm);
    for (size_t s = 0; s < FEATURE_GOLDEN_ELEMENTS; ++s) {
        double element = (double)gradient[s * (count - 1) / (FEATURE_GOLDEN_ELEMENTS - 1)];
        if (!(fabs(element - golden->elements[s]) <= 1e-7 * fabs(golden->elements[s]) + 6e-8 * largest + 1e-14))
            fail_msg("%s: element %zu of the gradient by %s is %.9g, PyTorch's %.9g", feature_trial_text(&trial), s,
                     what, element, golden->elements[s]);
    }
}

static void values_are_pytorchs(void **state)
{
    (void)state;
    for (size_t g = 0; g < sizeof feature_golden / sizeof *feature_golden; ++g) {
        const struct feature_golden *golden = &feature_golden[g];
        size_t i = 0, trained = 0;
        while (i < rt_loss_count && strcmp(rt_losses[i]->name, golden->loss) != 0)
            ++i;
        assert_true(i < rt_loss_count);
        feature_trial_fill(&trial, rt_losses[i], golden->settings, golden->setting_count, golden->student,
                           golden->teacher);
        feature_trial_run(&trial, true);
        if (!(fabs(trial.value - golden->value) <= 1e-11 * fabs(golden->value) + 1e-14))
            fail_msg("%s is %.17g, PyTorch's %.17g", feature_trial_text(&trial), trial.value, golden->value);
        compare(&golden->gradient, trial.gradient, rt_shape_elements(&golden->student), "the student's features");
        for (size_t own = 0; own < trial.own_count; ++own) {
            char what[] = "own array 00";
            what[sizeof what - 3] = (char)('0' + own / 10), what[sizeof what - 2] = (char)('0' + own % 10);
            if (trial.trained[own] && trained < golden->trained_count)
                compare(&golden->trained[trained], trial.own_gradient[own], trial.own_elements[own], what);
            trained += trial.trained[own];
        }
        assert_int_equal(trained, golden->trained_count);
    }
}

static void every_feature_loss_has_golden_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < rt_loss_count; ++i) {
        size_t cases = 0;
        for (size_t g = 0; g < sizeof feature_golden / sizeof *feature_golden; ++g)
            cases += strcmp(feature_golden[g].loss, rt_losses[i]->name) == 0;
        if (feature_loss(rt_losses[i]) && cases < 3)
            fail_msg("loss '%s' has %zu golden cases; it must have 3", rt_losses[i]->name, cases);
    }
}

int main(void)
{
    rt_threads_start(2);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_pytorchs),
        cmocka_unit_test(every_feature_loss_has_golden_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
