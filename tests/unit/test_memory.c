/* Memory that runs out, at each allocation in turn: an error comes back, nothing crashes, and under the address
 * sanitizer nothing is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <stdlib.h>
#include <unistd.h>

#include "allocations.h"
#include "base/file.h"
#include "base/threads.h"
#include "recipe_text.h"
#include "train/pipeline.h"
#include "train/rehearsal.h"

static const char text[] =
    "retort: 1\n"
    "data: {reader: synthetic, shape: [1, 4, 4], classes: 3, samples: 20, test_samples: 6, validation: 0.1}\n"
    "teacher: {model: mlp, hidden: 2, train: {epochs: 1, batch: 8, optimizer: adamw}}\n"
    "student: {model: convnet, hidden: 2}\n"
    "baseline: true\n"
    "loss: [cross_entropy, kl]\n"
    "train: {epochs: 1, batch: 8, ema: 0.5}\n";

static rt_engine *engine;
static rt_recipe *recipe;
static char folder[] = "/tmp/retort-test-XXXXXX";

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *place)
{
    (void)about, (void)kind;
    return place->level == 0 ? 0 : remove(path);
}

static void empty_folder(void)
{
    assert_int_equal(nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static int open_engine(void **state)
{
    (void)state;
    rt_threads_start(1);
    recipe = recipe_of(text);
    return !mkdtemp(folder) || rt_engine_new(&engine, NULL) != RT_OK;
}

static int close_engine(void **state)
{
    (void)state;
    rt_recipe_free(recipe);
    rt_engine_free(engine);
    return rmdir(folder);
}

static rt_status rehearse(rt_error *err)
{
    rt_rehearsal rehearsal;
    rt_rehearsal_times times[2];
    RT_TRY(rt_rehearsal_open(&rehearsal, engine, recipe, false, err));
    rt_status status = rt_rehearsal_run(&rehearsal, 1, 2, times, err);
    if (status == RT_OK)
        rt_rehearsal_median(times, 2);
    rt_rehearsal_close(&rehearsal);
    return status;
}

static rt_status train(rt_error *err)
{
    rt_pipeline pipeline;
    rt_outcome outcomes[RT_OUTCOMES];
    volatile sig_atomic_t stop = 0;
    empty_folder();
    RT_TRY(rt_pipeline_open(&pipeline, engine, (const rt_recipe *const *)&recipe, 1, err));
    rt_status status = rt_pipeline_run(&pipeline,
                                       &(rt_pipeline_job){.folder = folder,
                                                          .folders = (const char *const[]){folder},
                                                          .labels = (const char *const[]){"student"},
                                                          .stop = &stop},
                                       outcomes, err);
    rt_pipeline_close(&pipeline);
    return status;
}

/* Refuses the allocations first, first + stride, ... of `run`. */
static void refuse_each(rt_status (*run)(rt_error *err), int stride)
{
    rt_error err = {0};
    int before = allocations_made;
    if (run(&err) != RT_OK)
        fail_msg("%s", err.message);
    int count = allocations_made - before, refused = 0;
    assert_true(count > 50);
    for (int number = 0; number < count; number += stride) {
        err = (rt_error){0};
        allocations_until_refusal = number;
        rt_status status = run(&err);
        allocations_until_refusal = -1;
        if (status != RT_OK) {
            ++refused;
            if (status != RT_ERROR_MEMORY || !err.message[0])
                fail_msg("allocation %d: status '%s', '%s'", number, rt_status_name(status), err.message);
        }
    }
    /* A few can be done without: a log's last line, the figures of a rehearsal. */
    if (refused * 10 < count / stride * 9)
        fail_msg("%d of %d refusals were errors", refused, count / stride);
}

static void rehearsals_run_out_of_memory(void **state)
{
    (void)state;
    refuse_each(rehearse, 1);
}

static void pipelines_run_out_of_memory(void **state)
{
    (void)state;
    refuse_each(train, 7);
    empty_folder();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rehearsals_run_out_of_memory),
        cmocka_unit_test(pipelines_run_out_of_memory),
    };
    return cmocka_run_group_tests(tests, open_engine, close_engine);
}
