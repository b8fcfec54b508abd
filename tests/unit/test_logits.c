/* rt_exp and rt_log against long double, and what is built on them: sums, maxima, softmax, mixtures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "retort/divergence.h"
#include "retort/exponential.h"
#include "retort/logits.h"

enum { COUNT = 1 << 12, MAX_CLASSES = 300 };

/* The one that losses use: vector code of the CPU's best instruction set, where the compiler makes any. */
RT_WIDE static void exponentials(const double *restrict x, size_t count, double *restrict y)
{
    for (size_t k = 0; k < count; ++k)
        y[k] = rt_exp(x[k]);
}

/* Error in units of the last place of the exact result, which are those of DBL_MIN below it. */
static double error_in_ulp(double x, double y)
{
    int exponent;
    long double exact = expl((long double)x);
    frexpl(exact, &exponent);
    return (double)(fabsl((long double)y - exact) / ldexpl(1.0L, (exponent < -1021 ? -1021 : exponent) - DBL_MANT_DIG));
}

static double largest_error(double from, double to, size_t points)
{
    double x[COUNT], y[COUNT], largest = 0.0;
    for (size_t start = 0; start < points; start += COUNT) {
        for (size_t i = 0; i < COUNT; ++i)
            x[i] = from + (to - from) * ((double)(start + i) + 0.37) / (double)points;
        exponentials(x, COUNT, y);
        for (size_t i = 0; i < COUNT; ++i) {
            double error = error_in_ulp(x[i], y[i]);
            if (!(error <= 1.2))
                fail_msg("rt_exp(%.17g) is %.17g: %.3f ulp off", x[i], y[i], error);
            largest = error > largest ? error : largest;
        }
    }
    return largest;
}

static void exponential_is_within_its_ulp(void **state)
{
    (void)state;
    if (LDBL_MANT_DIG < 64) /* nothing to compare with */
        skip();
    const struct {
        double from, to;
    } ranges[] = {{-1.0, 1.0},      {-0x1p-20, 0x1p-20}, {-40.0, 0.0},    {-708.3, 709.78},
                  {-745.1, -708.3}, {709.7, 709.7827},   {-746.0, -745.0}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; ++i)
        print_message("rt_exp from %g to %g: at most %.3f ulp\n", ranges[i].from, ranges[i].to,
                      largest_error(ranges[i].from, ranges[i].to, 1 << 18));
}

static void exponential_has_no_edges(void **state)
{
    (void)state;
    const struct {
        double x, y;
    } edges[] = {{0.0, 1.0},
                 {-0.0, 1.0},
                 {0x1p-1074, 1.0},
                 {-0x1p-60, 1.0},
                 {-INFINITY, 0.0},
                 {-DBL_MAX, 0.0},
                 {-1e4, 0.0},
                 {-746.0, 0.0},
                 {709.79, (double)INFINITY},
                 {1e4, (double)INFINITY},
                 {DBL_MAX, (double)INFINITY},
                 {INFINITY, (double)INFINITY}};
    enum { EDGES = sizeof edges / sizeof *edges };
    double x[EDGES], y[EDGES];
    for (size_t i = 0; i < EDGES; ++i)
        x[i] = edges[i].x;
    exponentials(x, EDGES, y);
    for (size_t i = 0; i < EDGES; ++i) {
        if (y[i] != edges[i].y)
            fail_msg("rt_exp(%g) is %g, not %g", x[i], y[i], edges[i].y);
        double alone = rt_exp(x[i]);
        assert_memory_equal(&alone, &y[i], sizeof alone);
    }
    const double nan[] = {(double)NAN, -(double)NAN};
    exponentials(nan, 2, y);
    assert_true(isnan(y[0]) && isnan(y[1]));
    assert_true(rt_exp(709.78) < (double)INFINITY && rt_exp(-744.0) >= 0.0);
}

/* Whether neighbours are in vectors or left over at the end must not matter. */
static void bits_do_not_depend_on_vectors(void **state)
{
    (void)state;
    double x[67], whole[67], parts[67];
    for (size_t i = 0; i < 67; ++i)
        x[i] = -33.0 + 1.01 * (double)i;
    exponentials(x, 67, whole);
    for (size_t width = 1; width <= 16; ++width) {
        for (size_t start = 0; start < 67; start += width)
            exponentials(x + start, 67 - start < width ? 67 - start : width, parts + start);
        assert_memory_equal(parts, whole, sizeof whole);
    }
}

RT_WIDE static void logarithms(const double *restrict x, size_t count, double *restrict y)
{
    for (size_t k = 0; k < count; ++k)
        y[k] = rt_log(x[k]);
}

static void logarithm_is_within_its_ulp(void **state)
{
    (void)state;
    enum { POINTS = 40001 };
    static double x[POINTS], y[POINTS];
    for (int kind = 0; kind < 3; ++kind) { /* all sizes, about 1, and close to it */
        for (int i = 0; i < POINTS; ++i) {
            double place = (double)(i - POINTS / 2) / (POINTS / 2);
            x[i] = kind == 0 ? rt_exp(708.0 * place) : kind == 1 ? 1.25 + place : 1.0 + place * place * place * 1e-3;
        }
        logarithms(x, POINTS, y);
        for (int i = 0; i < POINTS; ++i) {
            long double exact = logl((long double)x[i]);
            double ulp = fabs((double)exact) * 0x1p-52;
            if (!(fabs((double)((long double)y[i] - exact)) <= 0.9 * ulp))
                fail_msg("rt_log(%.17g) is %.17g, not %.17Lg", x[i], y[i], exact);
            double alone = rt_log(x[i]);
            assert_memory_equal(&alone, &y[i], sizeof alone);
        }
    }
    const double edges[] = {0.0, -0.0, 0x1p-1030, 1.0, INFINITY, -1.0, -INFINITY, NAN};
    logarithms(edges, 8, y);
    for (int i = 0; i < 3; ++i)
        assert_true(y[i] == -(double)INFINITY);
    assert_true(y[3] == 0.0 && y[4] == (double)INFINITY && isnan(y[5]) && isnan(y[6]) && isnan(y[7]));
}

static void mixtures_keep_small_shares(void **state)
{
    (void)state;
    const double nothing = -(double)INFINITY;
    const double pairs[][4] = {
        /* a, b, log(e^a + e^b), the share of b */
        {0.0, 0.0, 0x1.62e42fefa39efp-1, 0.5},
        {-1e5, -1e5 - 100.0, -1e5, 0x1.a8c1f14e2af5dp-145},
        {-100.0, 0.0, 0.0, 1.0},
        {-1e4, nothing, -1e4, 0.0},
        {nothing, -1e4, -1e4, 1.0},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; ++i) {
        double share, log_sum = rt_log_mixture(pairs[i][0], pairs[i][1], &share);
        assert_true(fabs(log_sum - pairs[i][2]) <= 1e-15);
        assert_true(fabs(share - pairs[i][3]) <= 1e-15 * pairs[i][3]);
    }
}

RT_WIDE static double wide_sum(const double *values, size_t count)
{
    return rt_sum(values, count);
}

RT_WIDE static double wide_sum_exp(const double *values, size_t count)
{
    return rt_sum_exp(values, count);
}

RT_WIDE static float wide_largest(const float *values, size_t count)
{
    return rt_largest(values, count);
}

/* The order that the header promises, written out. */
static double sum_by_lanes(const double *values, size_t count)
{
    volatile double lanes[8] = {0}; /* keeps compilers from an order of their own */
    for (size_t k = 0; k < count; ++k)
        lanes[k % 8] += values[k];
    double even = (lanes[0] + lanes[4]) + (lanes[2] + lanes[6]), odd = (lanes[1] + lanes[5]) + (lanes[3] + lanes[7]);
    return even + odd;
}

static double pseudo(size_t i)
{
    return 16.0 * (double)((uint32_t)(i + 1) * 2654435761u >> 8) / (double)(1 << 24) - 8.0;
}

static void sums_go_by_lanes(void **state)
{
    (void)state;
    double values[MAX_CLASSES], powers[MAX_CLASSES];
    for (size_t k = 0; k < MAX_CLASSES; ++k) {
        values[k] = pseudo(k);
        powers[k] = rt_exp(values[k]);
    }
    for (size_t count = 0; count <= MAX_CLASSES; ++count) {
        assert_true(wide_sum(values, count) == sum_by_lanes(values, count));
        assert_true(wide_sum_exp(values, count) == sum_by_lanes(powers, count));
    }
}

static void the_largest_is_found_and_what_is_not_finite(void **state)
{
    (void)state;
    float values[40];
    const float bad[] = {NAN, -NAN, INFINITY, -INFINITY};
    for (int sign = -1; sign <= 1; ++sign) /* all below zero, mixed, all above it */
        for (size_t count = 1; count <= 40; ++count) {
            for (size_t k = 0; k < count; ++k)
                values[k] = (float)pseudo(k) + 9.0f * (float)sign;
            float largest = values[0];
            for (size_t k = 1; k < count; ++k)
                largest = fmaxf(largest, values[k]);
            assert_true(wide_largest(values, count) == largest);
            for (size_t i = 0; i < 4; ++i) {
                float kept = values[count / 2];
                values[count / 2] = bad[i];
                assert_true(isnan(wide_largest(values, count)));
                values[count / 2] = kept;
            }
        }
    assert_true(wide_largest((const float[]){-FLT_MAX, FLT_MAX}, 2) == FLT_MAX);
    assert_true(wide_largest((const float[]){-FLT_MAX}, 1) == -FLT_MAX);
    assert_true(wide_largest((const float[]){-0.0f, -1.0f}, 2) == 0.0f);
}

RT_WIDE static void wide_softmax(const float *logits, size_t classes, double temperature, double *log_p, double *p)
{
    rt_softmax(logits, classes, temperature, log_p, p);
}

RT_WIDE static void wide_log_softmax(const float *logits, size_t classes, double temperature, double *log_p)
{
    rt_log_softmax(logits, classes, temperature, log_p);
}

static void check_softmax(const float *logits, size_t classes, double temperature)
{
    double log_p[MAX_CLASSES + 1], p[MAX_CLASSES + 1], alone[MAX_CLASSES + 1];
    log_p[classes] = p[classes] = alone[classes] = 7.0;
    wide_softmax(logits, classes, temperature, log_p, p);
    wide_log_softmax(logits, classes, temperature, alone);
    assert_memory_equal(alone, log_p, (classes + 1) * sizeof *log_p);
    assert_true(log_p[classes] == 7.0 && p[classes] == 7.0);

    long double sum = 0.0L;
    float largest = wide_largest(logits, classes);
    for (size_t k = 0; k < classes; ++k)
        sum += expl(((long double)logits[k] - (long double)largest) / (long double)temperature);
    for (size_t k = 0; k < classes; ++k) {
        long double exact = ((long double)logits[k] - (long double)largest) / (long double)temperature - logl(sum);
        if (!(fabsl((long double)log_p[k] - exact) <= 1e-15L * (1.0L - exact)))
            fail_msg("%zu classes, temperature %g: log p is %.17g, not %.17Lg", classes, temperature, log_p[k], exact);
        if (!(fabsl((long double)p[k] - expl(exact)) <= 1e-15L * (1.0L - exact) * expl(exact) + 1e-320L))
            fail_msg("%zu classes, temperature %g: p is %.17g, not %.17Lg", classes, temperature, p[k], expl(exact));
    }
}

static void softmax_is_exact_enough(void **state)
{
    (void)state;
    float logits[MAX_CLASSES];
    const double temperatures[] = {0.05, 1.0, 4.0, 1000.0};
    const float sizes[] = {1.0f, 1e-3f, 1250.0f}; /* the last: up to 1e4 */
    for (size_t t = 0; t < 4; ++t)
        for (size_t s = 0; s < 3; ++s)
            for (size_t classes = 1; classes <= MAX_CLASSES; classes += classes < 20 ? 1 : 70) {
                for (size_t k = 0; k < classes; ++k)
                    logits[k] = sizes[s] * (float)pseudo(k + s);
                check_softmax(logits, classes, temperatures[t]);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exponential_is_within_its_ulp),
        cmocka_unit_test(exponential_has_no_edges),
        cmocka_unit_test(bits_do_not_depend_on_vectors),
        cmocka_unit_test(logarithm_is_within_its_ulp),
        cmocka_unit_test(mixtures_keep_small_shares),
        cmocka_unit_test(sums_go_by_lanes),
        cmocka_unit_test(the_largest_is_found_and_what_is_not_finite),
        cmocka_unit_test(softmax_is_exact_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
