/* retort bench --tune-threads: the same step at several numbers of threads.
 *
 * Kernels split their work when they are planned, so each number has a rehearsal of its own, planned and run with a
 * team of that size. They run in turns, a few steps each, so that a slow minute of the machine is shared by all. */
#include <stdio.h>
#include <stdlib.h>

#include "base/cpu.h"
#include "base/median.h"
#include "base/threads.h"
#include "cli/bench.h"
#include "cli/command.h"
#include "report/table.h"

enum { MOST_TRIED = 32, DEFAULT_STEPS = 20, STEPS_A_TURN = 4 };

/* More threads for less than this are not worth it: somebody else may want the CPUs. */
static const double worth = 0.03;

struct team {
    int threads;
    rt_rehearsal rehearsal;
    rt_rehearsal_times *times; /* [steps] */
    double step_ms;
};

static size_t choose_numbers(struct team teams[MOST_TRIED])
{
    int cpus = rt_cpu_count();
    size_t count = 0;
    for (int threads = 1; threads < cpus && count + 1 < MOST_TRIED; threads *= 2)
        teams[count++].threads = threads;
    teams[count++].threads = cpus;
    return count;
}

static rt_status measure(struct team *teams, size_t count, size_t steps, rt_engine *engine, const rt_recipe *recipe,
                         bool synthetic, rt_error *err)
{
    for (size_t i = 0; i < count; ++i) {
        rt_threads_start(teams[i].threads);
        teams[i].times = calloc(steps, sizeof *teams[i].times);
        if (!teams[i].times)
            return rt_fail(err, RT_ERROR_MEMORY, "no memory for the times");
        RT_TRY(rt_rehearsal_open(&teams[i].rehearsal, engine, recipe, synthetic, err));
        RT_TRY(rt_rehearsal_run(&teams[i].rehearsal, 2, 0, NULL, err));
    }
    for (size_t done = 0; done < steps; done += STEPS_A_TURN)
        for (size_t i = 0; i < count; ++i) {
            size_t left = steps - done;
            rt_threads_start(teams[i].threads);
            RT_TRY(rt_rehearsal_run(&teams[i].rehearsal, 1, left < STEPS_A_TURN ? left : STEPS_A_TURN,
                                    teams[i].times + done, err));
        }
    for (size_t i = 0; i < count; ++i)
        teams[i].step_ms = rt_rehearsal_median(teams[i].times, steps).total;
    return RT_OK;
}

/* The fewest threads that are as good as the fastest. */
static const struct team *recommend(const struct team *teams, size_t count)
{
    double fastest = teams[0].step_ms;
    for (size_t i = 1; i < count; ++i)
        fastest = teams[i].step_ms < fastest ? teams[i].step_ms : fastest;
    const struct team *best = teams;
    while (best->step_ms > (1.0 + worth) * fastest)
        ++best;
    return best;
}

static double images_per_s(const struct team *team)
{
    return 1e3 * (double)team->rehearsal.step.batch / team->step_ms;
}

static int print_json(const struct team *teams, size_t count, size_t steps)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; ++i)
        json_array_append_new(list, json_pack("{s:i, s:f, s:f, s:f}", "threads", teams[i].threads, "step_ms",
                                              teams[i].step_ms, "images_per_s", images_per_s(&teams[i]), "speedup",
                                              teams[0].step_ms / teams[i].step_ms));
    return rt_bench_print_json(json_pack("{s:o, s:i, s:i, s:I, s:I}", "tried", list, "recommended",
                                         recommend(teams, count)->threads, "cpus", rt_cpu_count(), "batch",
                                         (json_int_t)teams->rehearsal.step.batch, "steps", (json_int_t)steps));
}

static int print_table(const struct team *teams, size_t count, rt_error *err)
{
    rt_table *table = rt_table_new("rrrr");
    rt_table_cell(table, "threads"), rt_table_cell(table, "step ms"), rt_table_cell(table, "images/s");
    rt_table_cell(table, "speed-up");
    rt_table_rule(table);
    for (size_t i = 0; i < count; ++i) {
        rt_table_cell(table, "%d", teams[i].threads);
        rt_table_cell(table, "%.2f", teams[i].step_ms);
        rt_table_cell(table, "%.0f", images_per_s(&teams[i]));
        rt_table_cell(table, "%.2f", teams[0].step_ms / teams[i].step_ms);
    }
    rt_status status = rt_table_print(table, stdout, 0, err);
    rt_table_free(table);
    if (status != RT_OK)
        return rt_command_failed(&rt_command_bench, err);
    printf(
        "\nrecommended: `threads: %d` in the recipe, the fewest within %.0f %% of the fastest (batch %zu, %d CPUs);\n"
        "another number of threads may give other last bits\n",
        recommend(teams, count)->threads, 100.0 * worth, teams->rehearsal.step.batch, rt_cpu_count());
    return RT_EXIT_OK;
}

int rt_bench_threads(const rt_bench_options *options, const rt_recipe *recipe)
{
    rt_error err = {0};
    rt_engine *engine = NULL;
    struct team teams[MOST_TRIED] = {0};
    size_t count = choose_numbers(teams), steps = options->steps ? options->steps : DEFAULT_STEPS;
    rt_threads_start(teams[0].threads);
    rt_status status = rt_engine_new(&engine, &err);
    if (status == RT_OK)
        status = measure(teams, count, steps, engine, recipe, options->synthetic, &err);
    int code;
    if (status != RT_OK)
        code = rt_command_failed(&rt_command_bench, &err);
    else
        code = options->json ? print_json(teams, count, steps) : print_table(teams, count, &err);
    for (size_t i = 0; i < count; ++i) {
        rt_rehearsal_close(&teams[i].rehearsal);
        free(teams[i].times);
    }
    rt_engine_free(engine);
    return code;
}
