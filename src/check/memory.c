/* What run() writes where, and what it keeps from one run to the next. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/threads.h"
#include "check/checks.h"
#include "check/verdict.h"

/* Everything that comes out of a run, byte by byte: the value, gradients, own arrays. */
struct outcome {
    unsigned char *bytes;
    size_t size;
};

static size_t add_bytes(unsigned char *bytes, size_t used, const void *array, size_t size)
{
    if (bytes && array)
        memcpy(bytes + used, array, size);
    return array ? used + size : used;
}

static size_t gather(const rt_specimen *specimen, unsigned char *bytes)
{
    size_t used = add_bytes(bytes, 0, &specimen->value, sizeof specimen->value);
    for (size_t p = 0; p < RT_LOSS_MAX_PORTS; ++p)
        used = add_bytes(bytes, used, specimen->gradients[p].values, specimen->gradients[p].elements * sizeof(float));
    for (size_t i = 0; i < RT_LOSS_MAX_OWN; ++i) {
        used = add_bytes(bytes, used, specimen->own_values[i].values, specimen->own_values[i].elements * sizeof(float));
        used = add_bytes(bytes, used, specimen->own_gradients[i].values,
                         specimen->own_gradients[i].elements * sizeof(float));
    }
    return used;
}

static rt_status keep(const rt_specimen *specimen, struct outcome *outcome, rt_error *err)
{
    outcome->size = gather(specimen, NULL);
    outcome->bytes = malloc(outcome->size);
    if (!outcome->bytes)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for what a loss computes");
    gather(specimen, outcome->bytes);
    return RT_OK;
}

/* Whether the specimen's latest run gave these bytes. */
static rt_status compare(const rt_specimen *specimen, const struct outcome *outcome, bool *same, rt_error *err)
{
    struct outcome now = {0};
    RT_TRY(keep(specimen, &now, err));
    *same = now.size == outcome->size && memcmp(now.bytes, outcome->bytes, now.size) == 0;
    free(now.bytes);
    return RT_OK;
}

static void zero_gradients(rt_specimen *specimen)
{
    rt_slope slope;
    for (size_t s = 0; rt_specimen_slope(specimen, s, &slope); ++s)
        memset(slope.gradient, 0, slope.elements * sizeof(float));
}

/* --- memory: guards around every array, and behind exactly as much scratch memory as plan() asked for --- */

enum { BEHIND = 4096, MARK = 0x5a };

static rt_status run_in_guarded_scratch(rt_specimen *specimen, rt_loss_term *term, bool *held, rt_error *err)
{
    rt_loss_plan plan = {.shapes = specimen->shapes, .samples = specimen->training_samples};
    if (specimen->loss->plan)
        RT_TRY(specimen->loss->plan(term->state, &plan, err));
    size_t room = (plan.scratch_bytes + BEHIND + 63) / 64 * 64;
    unsigned char *scratch = aligned_alloc(64, room);
    if (!scratch)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for %zu bytes of scratch", plan.scratch_bytes);
    memset(scratch, MARK, room);
    void *kept = term->io.scratch;
    term->io.scratch = scratch;
    rt_status status = rt_loss_term_run(term, 0, &specimen->value, err);
    term->io.scratch = kept;
    *held = true;
    for (size_t i = plan.scratch_bytes; i < room; ++i)
        *held = *held && scratch[i] == MARK;
    free(scratch);
    return status;
}

static bool guards_hold(const rt_specimen *specimen)
{
    bool hold = true;
    for (size_t p = 0; p < RT_LOSS_MAX_PORTS; ++p)
        hold = hold && rt_guarded_holds(&specimen->values[p]) && rt_guarded_holds(&specimen->gradients[p]);
    for (size_t i = 0; i < RT_LOSS_MAX_OWN; ++i)
        hold = hold && rt_guarded_holds(&specimen->own_values[i]) && rt_guarded_holds(&specimen->own_gradients[i]);
    return hold;
}

static rt_status look_at_memory(rt_specimen *specimen, rt_check_result *result, rt_error *err)
{
    rt_loss_term term;
    bool held = true;
    zero_gradients(specimen);
    RT_TRY(rt_specimen_open(specimen, RT_WITH_GRADIENTS, &term, err));
    rt_status status = run_in_guarded_scratch(specimen, &term, &held, err);
    rt_loss_term_close(&term);
    RT_TRY(rt_check_ran(result, specimen, status, err));
    ++result->compared;
    if (!held)
        rt_check_fail(result, specimen, NULL, NAN, NAN, "it writes beyond the scratch memory that its plan() books");
    if (!guards_hold(specimen))
        rt_check_fail(result, specimen, NULL, NAN, NAN, "it writes before or behind an array");
    return RT_OK;
}

rt_status rt_check_memory(const rt_check_subject *subject, rt_check_result *result, rt_error *err)
{
    return rt_check_each(subject, result, look_at_memory, err);
}

/* --- repeatable: other garbage in scratch memory, and a term that has run a larger batch before --- */

static rt_status run_after_larger(rt_specimen *specimen, rt_specimen *larger, rt_error *err)
{
    rt_loss_array arrays[RT_LOSS_MAX_PORTS];
    rt_loss_term term;
    RT_TRY(rt_specimen_open(larger, RT_WITH_GRADIENTS, &term, err));
    rt_status status = rt_loss_term_run(&term, 0, &larger->value, err);
    zero_gradients(specimen);
    if (status == RT_OK)
        status = rt_loss_term_bind(&term, arrays, rt_specimen_arrays(specimen, RT_WITH_GRADIENTS, arrays), err);
    for (size_t i = 0; i < specimen->own_count; ++i) {
        memcpy(specimen->own_values[i].values, specimen->own_start[i].values,
               specimen->own_values[i].elements * sizeof(float));
        term.io.own[i] = (rt_own_data){specimen->own_values[i].values, specimen->own_gradients[i].values};
    }
    if (status == RT_OK)
        status = rt_loss_term_run(&term, 0, &specimen->value, err);
    rt_loss_term_close(&term);
    return status;
}

/* The same sizes with three more samples, and as many of the training set. */
static rt_status compare_after_larger(rt_specimen *specimen, const struct outcome *first, rt_check_result *result,
                                      rt_error *err)
{
    rt_sizes sizes = specimen->sizes;
    rt_specimen *larger = NULL;
    bool same = true;
    sizes.samples += 3;
    sizes.training_samples = specimen->training_samples;
    rt_status status = rt_specimen_new(specimen->subject, &sizes, specimen->seed, &larger, err);
    if (status == RT_OK)
        status = run_after_larger(specimen, larger, err);
    rt_specimen_free(larger);
    RT_TRY(rt_check_ran(result, specimen, status, err));
    if (result->verdict == RT_CHECK_FAILED)
        return RT_OK;
    RT_TRY(compare(specimen, first, &same, err));
    ++result->compared;
    if (!same)
        rt_check_fail(result, specimen, NULL, NAN, NAN, "after a batch of %zu samples it gives other bits",
                      sizes.samples);
    return RT_OK;
}

static rt_status compare_with_garbage(rt_specimen *specimen, const struct outcome *first, rt_check_result *result,
                                      rt_error *err)
{
    const unsigned char kept = specimen->garbage, garbage[] = {kept, 0x00, 0x3f};
    for (size_t i = 0; i < sizeof garbage && result->verdict != RT_CHECK_FAILED; ++i) {
        bool same = true;
        specimen->garbage = garbage[i];
        rt_status status = rt_specimen_run_afresh(specimen, err);
        specimen->garbage = kept;
        RT_TRY(rt_check_ran(result, specimen, status, err));
        if (result->verdict == RT_CHECK_FAILED)
            return RT_OK;
        RT_TRY(compare(specimen, first, &same, err));
        ++result->compared;
        if (!same)
            rt_check_fail(result, specimen, NULL, NAN, NAN,
                          i == 0 ? "a second run on the same inputs gives other bits"
                                 : "its results depend on what was in scratch memory before");
    }
    return RT_OK;
}

static rt_status look_at_repetition(rt_specimen *specimen, rt_check_result *result, rt_error *err)
{
    struct outcome first = {0};
    RT_TRY(rt_check_ran(result, specimen, rt_specimen_run_afresh(specimen, err), err));
    if (result->verdict == RT_CHECK_FAILED)
        return RT_OK;
    RT_TRY(keep(specimen, &first, err));
    rt_status status = compare_with_garbage(specimen, &first, result, err);
    if (status == RT_OK && result->verdict != RT_CHECK_FAILED)
        status = compare_after_larger(specimen, &first, result, err);
    free(first.bytes);
    return status;
}

rt_status rt_check_repeatable(const rt_check_subject *subject, rt_check_result *result, rt_error *err)
{
    return rt_check_each(subject, result, look_at_repetition, err);
}

/* --- threads --- */

static rt_status look_at_threads(rt_specimen *specimen, rt_check_result *result, rt_error *err)
{
    struct outcome alone = {0};
    rt_threads_start(1);
    RT_TRY(rt_check_ran(result, specimen, rt_specimen_run_afresh(specimen, err), err));
    if (result->verdict == RT_CHECK_FAILED)
        return RT_OK;
    RT_TRY(keep(specimen, &alone, err));
    rt_status status = RT_OK;
    for (int threads = 2; threads <= 3 && status == RT_OK && result->verdict != RT_CHECK_FAILED; ++threads) {
        bool same = true;
        double value = specimen->value;
        rt_threads_start(threads);
        status = rt_specimen_run_afresh(specimen, err);
        if (status == RT_OK)
            status = compare(specimen, &alone, &same, err);
        ++result->compared;
        if (!same)
            rt_check_fail(result, specimen, NULL, value, specimen->value,
                          "%d threads give other bits than one (the value is %.17g, was %.17g)", threads,
                          specimen->value, value);
    }
    free(alone.bytes);
    return status;
}

rt_status rt_check_threads(const rt_check_subject *subject, rt_check_result *result, rt_error *err)
{
    rt_specimen *large;
    rt_error refusal = {0};
    RT_TRY(rt_check_each(subject, result, look_at_threads, err));
    rt_status status = rt_specimen_new(subject, &rt_large_sizes, subject->seed, &large, &refusal);
    if (status == RT_ERROR_MEMORY)
        return rt_fail(err, status, "%s", refusal.message);
    if (status == RT_OK && result->verdict != RT_CHECK_FAILED) {
        ++result->cases;
        status = look_at_threads(large, result, err);
    } else {
        status = RT_OK;
    }
    rt_specimen_free(large);
    return status;
}
