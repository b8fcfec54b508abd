/* The generators of f_divergence: how formulas are read, simplified, differentiated, run and refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "losses/generator/generator.h"
#include "retort/exponential.h"

static int parse(rt_formula *formula, const char *text)
{
    int root;
    rt_error err = {0};
    if (rt_formula_parse(formula, text, &root, &err) != RT_OK)
        fail_msg("%s: %s", text, err.message);
    return root;
}

static void numbers_and_precedence(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double value;
    } cases[] = {
        {"-2^2", -4},         {"(-2)^2", 4},      {"2^3^2", 512},   {"2^-1", 0.5}, {"6/3/2", 1},
        {"2-3-4", -5},        {"2+3*4", 14},      {"(2+3)*4", 20},  {"--3", 3},    {"2*-3", -6},
        {"1e2+.5", 100.5},    {"5.", 5},          {"2.5E-1", 0.25}, {"4^.5", 2},   {"min(3,max(1,2))", 2},
        {" abs( - 7 )\t", 7}, {"exp(log(3))", 3}, {"sqrt(16)", 4},  {"0^0", 1},    {"1/(2/4)", 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        rt_formula formula = {0};
        const rt_formula_node *node = &formula.nodes[parse(&formula, cases[i].text)];
        assert_int_equal(node->kind, RT_FORMULA_NUMBER);
        if (!(fabs(node->number - cases[i].value) <= 1e-15 * fabs(cases[i].value)))
            fail_msg("%s is %.17g, not %g", cases[i].text, node->number, cases[i].value);
    }
}

static void what_is_equal_is_one_node(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"u+0", "u"},
        {"0+u", "u"},
        {"u-0", "u"},
        {"u-u", "0"},
        {"u*1", "u"},
        {"1*u", "u"},
        {"u*0", "0"},
        {"u/1", "u"},
        {"u/u", "1"},
        {"u*(3/u)", "3"},
        {"(3/u)*u", "3"},
        {"0/u", "0"},
        {"0-u", "-u"},
        {"--u", "u"},
        {"u^1", "u"},
        {"u^0", "1"},
        {"u^2", "u*u"},
        {"u^3", "u*(u*u)"},
        {"u^-2", "1/u^2"},
        {"min(u,u)", "u"},
        {"u^.5", "sqrt(u)"},
        {"u^-.5", "1/sqrt(u)"},
        {"u^.3", "exp(.3*log(u))"},
        {"u^u", "exp(u*log(u))"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; ++i) {
        rt_formula formula = {0};
        if (parse(&formula, pairs[i][0]) != parse(&formula, pairs[i][1]))
            fail_msg("%s and %s are two", pairs[i][0], pairs[i][1]);
    }
    rt_formula formula = {0};
    parse(&formula, "log(u+2)*log(u+2)/log(u+2+0)");
    assert_int_equal(formula.count, 5 + 2); /* u, 2, u + 2, its log, 0; the square, the quotient */
}

/* A formula's value and derivative, by a program, at one place. */
static void run(const char *text, double u, double *value, double *slope)
{
    rt_formula formula = {0};
    rt_program program;
    rt_error err = {0};
    int f = parse(&formula, text), derivative = rt_formula_derive(&formula, f);
    assert_true(derivative != RT_FORMULA_FULL);
    if (rt_program_compile(&program, &formula, (int[]){f, derivative}, &err) != RT_OK)
        fail_msg("%s: %s", text, err.message);
    const double log_u = log(u);
    rt_program_run(&program, &u, &log_u, 1, value, slope);
}

static void derivatives_agree_with_differences(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "u*log(u)",
        "-log(u)",
        "(u-1)^2/u",
        "exp(-u)*u",
        "sqrt(u+u^2)",
        "1/(1+exp(u))",
        "abs(u-1)*u",
        "min(u,2)*u^3",
        "max(log(u),1/u)",
        "u^u",
        "2^u",
        "u^0.3",
        "abs(u-1)^1.5",
        "log(1+u)/(1+u)",
        "(u+1)^-3",
        "u^7-u^-7",
        "-(u-3)/(3-u^2)",
        "exp(1.5*log(u+1))",
        "min(u,max(1.1,u/2))",
        "sqrt(abs(log(u)))",
        "exp(log(u)^2)",
        "u/(u/(u+1)+sqrt(u))",
    };
    const double places[] = {0.07, 0.6, 1.3, 2.7};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; ++i)
        for (size_t p = 0; p < 4; ++p) {
            double u = places[p], step = 1e-3 * u, value, slope, unused, sides[4];
            const double offsets[4] = {-2, -1, 1, 2};
            run(texts[i], u, &value, &slope);
            for (size_t s = 0; s < 4; ++s)
                run(texts[i], u + offsets[s] * step, &sides[s], &unused);
            double expected = (8.0 * (sides[2] - sides[1]) - (sides[3] - sides[0])) / (12.0 * step);
            if (!(fabs(slope - expected) <= 1e-8 * (fabs(expected) + fabs(value) / u)))
                fail_msg("%s at %g: the derivative is %.15g, differences give %.15g", texts[i], u, slope, expected);
        }
}

static void kinks_have_the_mean_of_both_slopes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double slope;
    } cases[] = {{"abs(u-1)", 0}, {"max(u,1)", 0.5}, {"min(u,1)", 0.5}, {"max(3*u-2,u)", 2}, {"abs(u-1)^1.5", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        double value, slope;
        run(cases[i].text, 1.0, &value, &slope);
        assert_true(slope == cases[i].slope);
    }
}

static rt_generator *make(const char *text)
{
    rt_generator *generator = NULL;
    rt_error err = {0};
    if (rt_generator_new(text, &generator, &err) != RT_OK)
        fail_msg("%s", err.message);
    return generator;
}

/* Whether classes share a block with others must not matter. */
static void bits_do_not_depend_on_blocks(void **state)
{
    (void)state;
    enum { COUNT = 200 };
    double u[COUNT], log_u[COUNT], whole[2][COUNT], parts[2][COUNT];
    rt_generator *generator = make("(u*log(u)-(u+1)*log((u+1)/2))/2+abs(u-1)+exp(-u)-exp(-1)");
    for (size_t k = 0; k < COUNT; ++k) {
        log_u[k] = 0.1 * ((double)k - 100.0);
        u[k] = rt_exp(log_u[k]);
    }
    rt_generator_run(generator, u, log_u, COUNT, whole[0], whole[1]);
    for (size_t width = 1; width <= 130; width += 43) {
        for (size_t start = 0; start < COUNT; start += width) {
            size_t count = COUNT - start < width ? COUNT - start : width;
            rt_generator_run(generator, u + start, log_u + start, count, parts[0] + start, parts[1] + start);
        }
        assert_memory_equal(parts, whole, sizeof whole);
    }
    rt_generator_free(generator);
}

static void log_u_is_taken_as_it_is_given(void **state)
{
    (void)state;
    rt_generator *generator = make("u*log(u)");
    double f, phi;
    rt_generator_run(generator, &(const double){2.0}, &(const double){7.0}, 1, &f, &phi);
    assert_true(f == 14.0);
    rt_generator_free(generator);
}

static void results_may_be_what_is_given(void **state)
{
    (void)state;
    rt_formula formula = {0};
    rt_program program;
    int u = rt_formula_u(&formula), log_u = parse(&formula, "log(u)"), sum = parse(&formula, "u+1");
    const int roots[][2] = {{u, log_u}, {log_u, u}, {u, u}, {sum, sum}, {sum, log_u}};
    const double expected[][2] = {{2, 7}, {7, 2}, {2, 2}, {3, 3}, {3, 7}};
    for (size_t i = 0; i < sizeof roots / sizeof *roots; ++i) {
        double results[2] = {0};
        assert_int_equal(rt_program_compile(&program, &formula, roots[i], NULL), RT_OK);
        rt_program_run(&program, &(const double){2.0}, &(const double){7.0}, 1, &results[0], &results[1]);
        assert_memory_equal(results, expected[i], sizeof results);
    }
}

/* Rounded numbers in a formula are no reason why equality should not be worth 0. */
static void what_is_left_at_one_is_taken_away(void **state)
{
    (void)state;
    const double one = 1.0, nought = 0.0;
    rt_generator *generator = make("exp(u)-2.7182818284");
    double f, phi;
    assert_true(generator->at_one > 5e-11 && generator->at_one < 1e-10);
    rt_generator_run(generator, &one, &nought, 1, &f, &phi);
    assert_true(f == 0.0 && fabs(phi - exp(1.0)) <= 1e-15);
    rt_generator_free(generator);
}

static void ranges_end_where_something_overflows(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double least, most; /* to the next of the steps, of 0.55 */
    } cases[] = {
        {"u*log(u)", -700, 700},  {"(u-1)^2", -700, 354.6},      {"1/u-1", -700, 700},
        {"1/u^2-1", -236.4, 700}, {"exp(u)-exp(1)", -700, 6.56}, {"u^20-1", -700, 35.4},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        rt_generator *generator = make(cases[i].text);
        assert_true(fabs(generator->log_least - cases[i].least) <= 0.55);
        assert_true(fabs(generator->log_most - cases[i].most) <= 0.55);
        double u = rt_exp(generator->log_most), f, phi;
        rt_generator_run(generator, &u, &generator->log_most, 1, &f, &phi);
        assert_true(isfinite(f) && isfinite(phi));
        rt_generator_free(generator);
    }
}

static void refuse(const char *text, const char *expected)
{
    rt_generator *generator = NULL;
    rt_error err = {0};
    char whole[1024];
    snprintf(whole, sizeof whole, "generator '%s': %s", text, expected);
    assert_int_equal(rt_generator_new(text, &generator, &err), RT_ERROR_USAGE);
    assert_string_equal(err.message, whole);
    assert_null(generator);
}

static void mistakes_are_placed(void **state)
{
    (void)state;
    refuse("u*lgo(u)", "character 3: 'lgo' is unknown; did you mean 'log'?");
    refuse("u*entropy(u)", "character 3: 'entropy' is unknown; known are u, log, exp, sqrt, abs, min and max");
    refuse("", "character 1: a number, u, a function or '(' expected, not the end");
    refuse("u**2", "character 3: a number, u, a function or '(' expected, not '*'");
    refuse("(u-1", "character 5: ')' expected, not the end");
    refuse("u*log(u))", "character 9: an operator or the end expected, not ')'");
    refuse("log u", "character 5: '(' behind a function's name expected, not 'u'");
    refuse("min(u)", "character 6: ',' and a second formula expected, not ')'");
    refuse("max(u,1,2)", "character 8: ')' expected, not ','");
    refuse("2u", "character 2: an operator behind the number expected, not 'u'");
    refuse("1.2.3*u", "character 4: an operator behind the number expected, not '.'");
    refuse("1e*u", "character 3: a digit of the exponent expected, not '*'");
    refuse(".*u", "character 2: a digit expected, not '*'");
    refuse("u^2\xE2\x88\x92"
           "1",
           "character 4: an operator or the end expected, not '\xE2\x88\x92'");
    refuse("\xC3\xA9\xC3\xA9", "character 1: a number, u, a function or '(' expected, not '\xC3\xA9'");
    char deep[80];
    memset(deep, '(', 60), deep[60] = '\0';
    refuse(deep, "character 51: more than 50 levels of nesting");
    char large[500], message[1024], expected[600];
    memset(large, 'u', 450), large[450] = '\0';
    rt_generator *generator = NULL;
    rt_error err = {0};
    assert_int_equal(rt_generator_new(large, &generator, &err), RT_ERROR_USAGE);
    snprintf(expected, sizeof expected, "%.397s...': it has 450 bytes; it may have at most 400", large);
    snprintf(message, sizeof message, "%s", err.message + strlen("generator '"));
    assert_string_equal(message, expected);
    assert_int_equal(rt_generator_new("u\n", &generator, &err), RT_ERROR_USAGE);
    assert_string_equal(err.message,
                        "generator 'u?': character 2: an operator or the end expected, not a control character");
}

static void what_generates_no_divergence_is_refused(void **state)
{
    (void)state;
    refuse("u^2", "at u = 1 it is 1; it must be 0");
    refuse("1/0", "at u = 1 it is inf; it must be 0");
    refuse("sqrt(abs(u-1))", "at u = 1 its slope is -nan; it must be finite");
    refuse("log(u-0.5)-log(0.5)", "at u = 0.495036 its value is nan; it must be finite");
    refuse("exp(exp(u))-exp(exp(1))", "at u = 6.62351 its value is inf; it must be finite");
    refuse("u-1", "it is a straight line, for which every student is as good as the teacher");
    refuse("1-min(u,exp(u-1))", "it is a straight line, for which every student is as good as the teacher");
    refuse("-abs(u-1)", "it is not convex: from u = 0.984496 to 1.01575 its slope falls from 1 to -1, by 2");
    refuse("(u-1)^2*(u-3)^2",
           "it is not convex: from u = 1.43243 to 2.5938 its slope falls from 1.53894 to -1.53771, by 3.07665");
    refuse("-u*log(u)", "it is not convex: from u = 2.06115e-09 to 4.85165e+08 its slope falls from 19 to -21, by 40");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_and_precedence),
        cmocka_unit_test(what_is_equal_is_one_node),
        cmocka_unit_test(derivatives_agree_with_differences),
        cmocka_unit_test(kinks_have_the_mean_of_both_slopes),
        cmocka_unit_test(bits_do_not_depend_on_blocks),
        cmocka_unit_test(log_u_is_taken_as_it_is_given),
        cmocka_unit_test(results_may_be_what_is_given),
        cmocka_unit_test(what_is_left_at_one_is_taken_away),
        cmocka_unit_test(ranges_end_where_something_overflows),
        cmocka_unit_test(mistakes_are_placed),
        cmocka_unit_test(what_generates_no_divergence_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
