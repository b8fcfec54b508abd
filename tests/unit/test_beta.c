/* Variates of the Beta distribution, against its quantiles and moments; the keys are fixed, and so are the results. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "../golden/mixing_golden.h"
#include "retort/random.h"

enum { VARIATES = 200000, SHAPES = sizeof beta_goldens / sizeof *beta_goldens };

static double variate(size_t shape, uint64_t index, uint32_t *draw)
{
    const rt_key key = {.seed = 5 + shape, .stream = RT_STREAM_MIX, .epoch = 3, .index = index};
    return rt_random_beta(&key, draw, beta_goldens[shape].a, beta_goldens[shape].b);
}

/* Counts in bins that are as likely as each other: chi-square on them, and Kolmogorov's distance at their borders. */
static void variates_are_distributed_as_beta(void **state)
{
    (void)state;
    const double expected = (double)VARIATES / GOLDEN_BINS;
    for (size_t s = 0; s < SHAPES; ++s) {
        size_t counts[GOLDEN_BINS] = {0}, below = 0;
        for (uint64_t i = 0; i < VARIATES; ++i) {
            uint32_t draw = 7;
            const double x = variate(s, i, &draw);
            assert_true(x >= 0.0 && x <= 1.0);
            size_t bin = 0;
            while (bin < GOLDEN_BINS - 1 && x > beta_goldens[s].quantiles[bin])
                ++bin;
            ++counts[bin];
        }
        double chi_square = 0.0, distance = 0.0;
        for (size_t bin = 0; bin < GOLDEN_BINS; ++bin) {
            const double off = (double)counts[bin] - expected;
            chi_square += off * off / expected;
            below += counts[bin];
            distance = fmax(distance, fabs((double)below / VARIATES - (double)(bin + 1) / GOLDEN_BINS));
        }
        print_message("Beta(%g, %g): chi-square %.1f, distance %.5f\n", beta_goldens[s].a, beta_goldens[s].b,
                      chi_square, distance);
        assert_true(chi_square < 61.1);                /* 1 in 1000 of 31 degrees of freedom is beyond */
        assert_true(distance * sqrt(VARIATES) < 1.95); /* likewise of Kolmogorov's distribution */
    }
}

static void moments_are_those_of_beta(void **state)
{
    (void)state;
    for (size_t s = 0; s < SHAPES; ++s) {
        const double a = beta_goldens[s].a, b = beta_goldens[s].b, mean = a / (a + b);
        const double variance = mean * b / ((a + b) * (a + b + 1.0));
        double sum = 0.0, squares = 0.0, fourths = 0.0;
        for (uint64_t i = 0; i < VARIATES; ++i) {
            uint32_t draw = 0;
            const double off = variate(s, i, &draw) - mean;
            sum += off, squares += off * off, fourths += off * off * off * off;
        }
        const double spread = sqrt(fourths / VARIATES - variance * variance);
        assert_true(fabs(sum / VARIATES) < 4.0 * sqrt(variance / VARIATES));
        assert_true(fabs(squares / VARIATES - variance) < 4.0 * spread / sqrt(VARIATES));
    }
}

/* What vanishes in Gamma(a) does not in its logarithm: nearly all of Beta(a, a) lies at its ends, half at each. */
static void small_and_large_shapes_stay_finite(void **state)
{
    (void)state;
    size_t low = 0, high = 0;
    for (uint64_t i = 0; i < 4000; ++i) {
        const rt_key key = {.seed = 1, .index = i};
        uint32_t draw = 0;
        const double small = rt_random_beta(&key, &draw, 1e-3, 1e-3), large = rt_random_beta(&key, &draw, 1e6, 1e6);
        assert_true(small >= 0.0 && small <= 1.0);
        assert_true(fabs(large - 0.5) < 6.0 * sqrt(0.125e-6));
        low += small < 1e-6;
        high += small > 1.0 - 1e-6;
    }
    /* 0.4931 of them, by 1e-3-th powers: within four standard deviations. */
    assert_in_range(low, 4000 * 0.4931 - 130, 4000 * 0.4931 + 130);
    assert_in_range(high, 4000 * 0.4931 - 130, 4000 * 0.4931 + 130);
}

static void a_variate_takes_the_blocks_it_says(void **state)
{
    (void)state;
    size_t blocks = 0;
    for (uint64_t i = 0; i < 1000; ++i) {
        uint32_t first = 0, second, again = 0;
        const double x = variate(0, i, &first);
        second = first;
        assert_true(first >= 4);
        assert_true(variate(0, i, &second) != x); /* behind them others follow */
        assert_true(variate(0, i, &again) == x && again == first);
        blocks += first;
    }
    assert_in_range(blocks, 4000, 6000);
}

/* Pinned: the bits are promised on any machine. */
static void bits_are_the_same_everywhere(void **state)
{
    (void)state;
    uint32_t draw = 0;
    const double found[] = {variate(0, 0, &draw), variate(2, 1, &draw), variate(6, 2, &draw)};
    const double expected[] = {0x1.cb9eeea27cdccp-1, 0x1.297b039790147p-1, 0x1.e77ff87b71357p-1};
    for (size_t i = 0; i < 3; ++i)
        if (found[i] != expected[i])
            fail_msg("%a instead of %a", found[i], expected[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(variates_are_distributed_as_beta),   cmocka_unit_test(moments_are_those_of_beta),
        cmocka_unit_test(small_and_large_shapes_stay_finite), cmocka_unit_test(a_variate_takes_the_blocks_it_says),
        cmocka_unit_test(bits_are_the_same_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
