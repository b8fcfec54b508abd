/* Optimizers against PyTorch's trajectories, schedules at points known by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <omp.h>

#include "optim/optim.h"
#include "tests/golden/optim_golden.h"

/* The formula of make_optim_golden.py. */
static float pseudo(uint32_t stream, size_t index)
{
    uint32_t word = (stream * 1000u + (uint32_t)index + 1u) * 2654435761u;
    word = (word ^ word >> 15) * 2246822519u;
    return (float)((double)(word >> 8) / 8388608.0 - 1.0);
}

static const rt_optimizer *optimizer_named(const char *name)
{
    for (size_t i = 0; i < rt_optimizer_count; ++i)
        if (strcmp(rt_optimizers[i]->name, name) == 0)
            return rt_optimizers[i];
    fail_msg("no optimizer %s", name);
    return NULL;
}

static const rt_schedule *schedule_named(const char *name)
{
    for (size_t i = 0; i < rt_schedule_count; ++i)
        if (strcmp(rt_schedules[i]->name, name) == 0)
            return rt_schedules[i];
    fail_msg("no schedule %s", name);
    return NULL;
}

/* One setting by name; a boolean is 0 or 1. */
struct setting {
    const char *name;
    double value;
};

enum { MAX_SETTINGS = 6, SETTINGS_BYTES = 1024 };

static void set(const rt_param *params, const struct setting *settings, void *target)
{
    rt_param_defaults(params, target);
    for (size_t i = 0; i < MAX_SETTINGS && settings[i].name; ++i) {
        const rt_param *param = rt_param_find(params, settings[i].name);
        assert_non_null(param);
        void *field = (char *)target + param->offset;
        if (param->type == RT_PARAM_BOOL)
            *(bool *)field = settings[i].value != 0.0;
        else
            *(double *)field = settings[i].value;
    }
}

static double largest_difference(const float *values, const double *expected)
{
    double largest = 0.0;
    for (size_t i = 0; i < GOLDEN_COUNT; ++i)
        largest = fmax(largest, fabs((double)values[i] - expected[i]));
    return largest;
}

static void follow(const char *name, const struct setting *settings, bool decay, const struct golden *golden)
{
    const rt_optimizer *optimizer = optimizer_named(name);
    _Alignas(16) unsigned char storage[SETTINGS_BYTES];
    assert_true(optimizer->settings_size <= sizeof storage);
    set(optimizer->params, settings, storage);

    float values[GOLDEN_COUNT], gradients[GOLDEN_COUNT], moments[RT_OPTIMIZER_MAX_MOMENTS][GOLDEN_COUNT] = {{0}};
    for (size_t i = 0; i < GOLDEN_COUNT; ++i)
        values[i] = pseudo(0, i);
    double error = 0.0;
    for (int64_t step = 0; step < GOLDEN_STEPS; ++step) {
        for (size_t i = 0; i < GOLDEN_COUNT; ++i)
            gradients[i] = pseudo((uint32_t)step + 1, i);
        rt_optimizer_span span = {.values = values,
                                  .gradients = gradients,
                                  .moments = {moments[0], moments[1]},
                                  .count = GOLDEN_COUNT,
                                  .learning_rate = optimizer->learning_rate(storage),
                                  .step = step,
                                  .decay = decay};
        optimizer->update(storage, &span);
        if (step == 0)
            error = largest_difference(values, golden->first);
    }
    error = fmax(error, largest_difference(values, golden->last));
    printf("%s: error against float64 %.3g, PyTorch's float32 %.3g\n", name, error, golden->float32_error);
    assert_true(error <= 2.0 * golden->float32_error);
}

static void sgd_follows_pytorch(void **state)
{
    (void)state;
    follow("sgd", (struct setting[MAX_SETTINGS]){{"momentum", 0}, {"weight_decay", 0}}, true, &sgd_plain);
    follow("sgd", (struct setting[MAX_SETTINGS]){{"weight_decay", 0}}, true, &sgd_momentum);
    follow("sgd", (struct setting[MAX_SETTINGS]){{"lr", 0.05}, {"weight_decay", 0.02}}, true, &sgd_decay);
    follow("sgd",
           (struct setting[MAX_SETTINGS]){{"lr", 0.05}, {"momentum", 0.8}, {"weight_decay", 0.02}, {"nesterov", 1}},
           true, &sgd_nesterov);
    follow("sgd", (struct setting[MAX_SETTINGS]){{"weight_decay", 0.5}}, false, &sgd_momentum);
}

static void adamw_follows_pytorch(void **state)
{
    (void)state;
    follow("adamw", (struct setting[MAX_SETTINGS]){{0}}, true, &adamw_default);
    follow("adamw",
           (struct setting[MAX_SETTINGS]){
               {"lr", 0.02}, {"beta1", 0.8}, {"beta2", 0.95}, {"epsilon", 1e-4}, {"weight_decay", 0.3}},
           true, &adamw_decay);
    follow("adamw", (struct setting[MAX_SETTINGS]){{"lr", 0.02}, {"weight_decay", 0.3}}, false, &adamw_no_decay);
}

static void norm_and_bias_are_exempt_on_request(void **state)
{
    (void)state;
    for (size_t i = 0; i < rt_optimizer_count; ++i) {
        const rt_optimizer *optimizer = rt_optimizers[i];
        _Alignas(16) unsigned char storage[SETTINGS_BYTES];
        set(optimizer->params, (struct setting[MAX_SETTINGS]){{0}}, storage);
        assert_true(optimizer->decays_norm_and_bias(storage));
        set(optimizer->params, (struct setting[MAX_SETTINGS]){{"decay_norm_and_bias", 0}}, storage);
        assert_false(optimizer->decays_norm_and_bias(storage));
    }
}

/* Two steps over a span long enough for several threads, and over the same elements one short piece at a time. */
static void bits_depend_on_neither_threads_nor_pieces(void **state)
{
    (void)state;
    enum { COUNT = 70001, PIECE = 13 };
    for (size_t o = 0; o < rt_optimizer_count; ++o) {
        const rt_optimizer *optimizer = rt_optimizers[o];
        _Alignas(16) unsigned char storage[SETTINGS_BYTES];
        set(optimizer->params, (struct setting[MAX_SETTINGS]){{0}}, storage);
        float *gradients = malloc(COUNT * sizeof *gradients);
        float *values[2], *moments[2][RT_OPTIMIZER_MAX_MOMENTS];
        for (size_t way = 0; way < 2; ++way) {
            values[way] = malloc(COUNT * sizeof *values[way]);
            for (size_t m = 0; m < RT_OPTIMIZER_MAX_MOMENTS; ++m)
                moments[way][m] = calloc(COUNT, sizeof *moments[way][m]);
            for (size_t i = 0; i < COUNT; ++i)
                values[way][i] = pseudo(0, i);
            omp_set_num_threads(way == 0 ? 3 : 1);
            for (int64_t step = 0; step < 2; ++step) {
                for (size_t i = 0; i < COUNT; ++i)
                    gradients[i] = pseudo((uint32_t)step + 1, i);
                size_t piece = way == 0 ? COUNT : PIECE;
                for (size_t at = 0; at < COUNT; at += piece) {
                    rt_optimizer_span span = {.values = values[way] + at,
                                              .gradients = gradients + at,
                                              .moments = {moments[way][0] + at, moments[way][1] + at},
                                              .count = COUNT - at < piece ? COUNT - at : piece,
                                              .learning_rate = 0.1,
                                              .step = step,
                                              .decay = true};
                    optimizer->update(storage, &span);
                }
            }
        }
        assert_memory_equal(values[0], values[1], COUNT * sizeof *values[0]);
        for (size_t way = 0; way < 2; ++way) {
            free(values[way]);
            for (size_t m = 0; m < RT_OPTIMIZER_MAX_MOMENTS; ++m)
                free(moments[way][m]);
        }
        free(gradients);
    }
}

#define assert_near(value, expected, tolerance) assert_true(fabs((value) - (expected)) <= (tolerance))

static double factor(const rt_schedule *schedule, const void *settings, double epoch)
{
    return schedule->factor(settings, epoch, 10.0);
}

static void schedules_pass_through_known_points(void **state)
{
    (void)state;
    _Alignas(16) unsigned char settings[SETTINGS_BYTES];
    const double tiny = 1e-12;

    const rt_schedule *constant = schedule_named("constant");
    set(constant->params, (struct setting[MAX_SETTINGS]){{0}}, settings);
    assert_near(factor(constant, settings, 0.0), 1.0, 0.0);
    assert_near(factor(constant, settings, 9.99), 1.0, 0.0);

    const rt_schedule *cosine = schedule_named("cosine");
    set(cosine->params, (struct setting[MAX_SETTINGS]){{0}}, settings);
    assert_near(factor(cosine, settings, 0.0), 1.0, tiny);
    assert_near(factor(cosine, settings, 2.5), 0.5 + sqrt(0.5) / 2.0, tiny);
    assert_near(factor(cosine, settings, 5.0), 0.5, tiny);
    assert_near(factor(cosine, settings, 10.0), 0.0, tiny);
    set(cosine->params, (struct setting[MAX_SETTINGS]){{"final", 0.2}}, settings);
    assert_near(factor(cosine, settings, 5.0), 0.6, tiny);
    assert_near(factor(cosine, settings, 10.0), 0.2, tiny);

    const rt_schedule *multi_step = schedule_named("multi_step");
    set(multi_step->params, (struct setting[MAX_SETTINGS]){{"gamma", 0.1}}, settings);
    rt_int_list milestones = {.count = 2, .values = {4, 8}};
    memcpy(settings + rt_param_find(multi_step->params, "milestones")->offset, &milestones, sizeof milestones);
    assert_near(factor(multi_step, settings, 3.999), 1.0, tiny);
    assert_near(factor(multi_step, settings, 4.0), 0.1, tiny);
    assert_near(factor(multi_step, settings, 9.0), 0.01, tiny);
}

static void every_schedule_warms_up_in_a_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < rt_schedule_count; ++i) {
        const rt_schedule *schedule = rt_schedules[i];
        _Alignas(16) unsigned char settings[SETTINGS_BYTES];
        set(schedule->params, (struct setting[MAX_SETTINGS]){{"warmup", 2.0}}, settings);
        assert_near(factor(schedule, settings, 0.0), 0.01, 1e-12);
        assert_near(factor(schedule, settings, 1.0), 0.505, 1e-12);
        assert_near(factor(schedule, settings, 2.0), 1.0, 1e-12);
    }
    /* After warm-up the cosine spans the epochs that remain, even where none do. */
    const rt_schedule *cosine = schedule_named("cosine");
    _Alignas(16) unsigned char settings[SETTINGS_BYTES];
    set(cosine->params, (struct setting[MAX_SETTINGS]){{"warmup", 2.0}}, settings);
    assert_near(factor(cosine, settings, 6.0), 0.5, 1e-12);
    set(cosine->params, (struct setting[MAX_SETTINGS]){{"warmup", 10.0}}, settings);
    assert_near(factor(cosine, settings, 10.0), 0.0, 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sgd_follows_pytorch),
        cmocka_unit_test(adamw_follows_pytorch),
        cmocka_unit_test(norm_and_bias_are_exempt_on_request),
        cmocka_unit_test(bits_depend_on_neither_threads_nor_pieces),
        cmocka_unit_test(schedules_pass_through_known_points),
        cmocka_unit_test(every_schedule_warms_up_in_a_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
