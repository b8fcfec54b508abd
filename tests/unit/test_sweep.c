/* What varies, what the runs are called, and what their table says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "scratch_file.h"
#include "train/sweep_summary.h"

static int make_folder(void **state)
{
    (void)state;
    return scratch_make("recipe.yaml");
}

static rt_sweep *sweep_of(const char *text, const char *const *vary, size_t count)
{
    rt_sweep *sweep = NULL;
    rt_diagnostics diagnostics = {0};
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    if (rt_sweep_read(path, vary, count, &sweep, &diagnostics) != RT_OK)
        rt_diagnostics_print(&diagnostics, stderr);
    rt_diagnostics_free(&diagnostics);
    assert_non_null(sweep);
    return sweep;
}

static void assert_run(const rt_sweep *sweep, size_t run, const char *expected)
{
    char *name = rt_sweep_name(sweep, run);
    assert_string_equal(name, expected);
    free(name);
}

static void runs_are_every_combination(void **state)
{
    (void)state;
    static const char *const vary[] = {"seed=7,8", "train.schedule={cosine: {warmup: 1}},constant"};
    rt_sweep *sweep = sweep_of("sweep:\n"
                               "  loss: [kl, [cross_entropy, dkd: {beta: 2}], [cross_entropy, dkd]]\n"
                               "  seed: [0, 1, 2]\n",
                               vary, 2);
    assert_int_equal(sweep->run_count, 12); /* the command line's seeds */
    assert_run(sweep, 0, "loss=kl,seed=7,train.schedule=cosine");
    assert_run(sweep, 1, "loss=kl,seed=7,train.schedule=constant");
    assert_run(sweep, 2, "loss=kl,seed=8,train.schedule=cosine");
    assert_run(sweep, 4, "loss=cross_entropy+dkd,seed=7,train.schedule=cosine");
    assert_run(sweep, 11, "loss=cross_entropy+dkd-3,seed=8,train.schedule=constant");
    assert_string_equal(rt_sweep_value_of(sweep, 0, 0)->text, "loss=[kl]");
    assert_string_equal(rt_sweep_value_of(sweep, 4, 0)->text, "loss=[cross_entropy, {dkd: {beta: 2}}]");
    assert_string_equal(rt_sweep_value_of(sweep, 0, 2)->text, "train.schedule={cosine: {warmup: 1}}");
    rt_sweep_free(sweep);
}

/* Values keep their kind: what was in quotes is text, a formula is no list, and nothing is null. */
static void values_mean_what_they_did(void **state)
{
    (void)state;
    static const char *const vary[] = {"a='1',1,\"x, y\",~,u*log(u),1.5e-3"};
    static const char *const expected[] = {"a=\"1\"", "a=1", "a=\"x, y\"", "a=null", "a=\"u*log(u)\"", "a=1.5e-3"};
    rt_sweep *sweep = sweep_of("retort: 1\n", vary, 1);
    assert_int_equal(sweep->run_count, 6);
    for (size_t i = 0; i < 6; ++i)
        assert_string_equal(rt_sweep_value_of(sweep, i, 0)->text, expected[i]);
    rt_sweep_free(sweep);
}

static void spreads_are_over_the_seeds(void **state)
{
    (void)state;
    static char loss[] = "loss", seed[] = "seed", kl[] = "kl", js[] = "js", zero[] = "0", one[] = "1", two[] = "2";
    static char *keys[] = {loss, seed};
    static char *values[][2] = {{kl, zero}, {kl, one}, {kl, two}, {js, zero}, {js, one}};
    static const double best[] = {40.0, 42.0, 47.0, 30.0, 0.0};
    rt_sweep_run run[5] = {0};
    rt_sweep_row rows[5];
    for (size_t i = 0; i < 5; ++i) {
        run[i].values = values[i];
        run[i].outcome.training.best_top1 = best[i];
        run[i].outcome.training.last_top1 = best[i] - 1.0;
    }
    strcpy(run[4].outcome.failure, "it overflowed");
    const rt_sweep_runs runs = {.keys = keys, .key_count = 2, .runs = run, .count = 5};
    assert_int_equal(rt_sweep_summarise(&runs, rows), 2);
    assert_ptr_equal(rows[0].first, &run[0]);
    assert_int_equal(rows[0].finished, 3);
    assert_true(rows[0].best.mean == 43.0 && rows[0].last.mean == 42.0);
    assert_true(fabs(rows[0].best.deviation - sqrt(13.0)) < 1e-12); /* (9 + 1 + 16) / 2 */
    assert_int_equal(rows[1].finished, 1);
    assert_int_equal(rows[1].failed, 1);
    assert_true(rows[1].best.mean == 30.0 && isnan(rows[1].best.deviation));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_are_every_combination),
        cmocka_unit_test(values_mean_what_they_did),
        cmocka_unit_test(spreads_are_over_the_seeds),
    };
    return cmocka_run_group_tests(tests, make_folder, scratch_remove);
}
