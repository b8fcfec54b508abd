/* The arrays of a loss's own: where they begin, that they last, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "train/own.h"
#include "train/term.h"

enum { KNOWN = 3 };

/* A loss that declares what its settings hold, and counts its runs in a memory of its own. */
struct keeper {
    size_t count, size;
};

static const rt_port ports[] = {{"labels", "N", RT_PORT_INDEX}};

static rt_status plan(void *state, rt_loss_plan *plan, rt_error *err)
{
    (void)err;
    const struct keeper *keeper = state;
    static const char *const names[KNOWN] = {"weight", "memory", "weight"};
    size_t size = keeper->size ? keeper->size : plan->shapes[0].dims[0];
    for (size_t i = 0; i < keeper->count; ++i)
        plan->own[i] = (rt_own){names[i], {1, {size}}, i != 1, 2.0, 0.5};
    plan->own_count = keeper->count;
    return RT_OK;
}

static rt_status run(void *state, const rt_loss_io *io, double *loss, rt_error *err)
{
    (void)state, (void)err;
    *loss = (double)(io->own[1].values[0] += 1.0f);
    return RT_OK;
}

static const rt_loss keeper_loss = {
    .abi = RT_LOSS_ABI,
    .name = "keeper",
    .ports = ports,
    .port_count = 1,
    .state_size = sizeof(struct keeper),
    .plan = plan,
    .run = run,
};

static const int64_t labels[4];

static rt_loss_array batch_of(size_t samples)
{
    return (rt_loss_array){"labels", {.shape = {1, {samples}}, .indices = labels}};
}

static void arrays_are_filled_once_and_last(void **state)
{
    (void)state;
    const struct keeper keeper = {2, 5};
    const rt_loss_training training = {.samples = 9, .seed = 7, .term = 2};
    rt_loss_array array = batch_of(4);
    rt_loss_term term, again;
    rt_error err = {0};
    assert_int_equal(rt_loss_term_open(&term, &keeper_loss, &keeper, 1.0, &training, &array, 1, &err), RT_OK);
    assert_int_equal(rt_loss_term_open(&again, &keeper_loss, &keeper, 1.0, &training, &array, 1, &err), RT_OK);
    assert_memory_equal(term.io.own[0].values, again.io.own[0].values, 5 * sizeof(float));
    assert_true(memcmp(term.io.own[0].values, term.io.own[1].values, 5 * sizeof(float)) != 0);
    bool varied = false;
    for (size_t i = 0; i < 5; ++i) {
        assert_true(term.io.own[0].values[i] >= 1.5f && term.io.own[0].values[i] <= 2.5f);
        assert_true(term.io.own[0].gradient[i] == 0.0f);
        varied |= term.io.own[0].values[i] != term.io.own[0].values[0];
    }
    assert_true(varied);
    assert_null(term.io.own[1].gradient); /* memory is not trained */

    double first, second;
    assert_int_equal(rt_loss_term_run(&term, 0, &first, &err), RT_OK);
    array = batch_of(2);
    assert_int_equal(rt_loss_term_bind(&term, &array, 1, &err), RT_OK);
    assert_int_equal(rt_loss_term_run(&term, 1, &second, &err), RT_OK);
    assert_true(second == (double)((float)first + 1.0f));
    rt_loss_term_close(&term);
    rt_loss_term_close(&again);
}

static void a_trainings_arrays_are_taken_as_they_are(void **state)
{
    (void)state;
    const struct keeper keeper = {2, 1};
    float weight = 3.0f, gradient = 0.0f, memory = 40.0f;
    const rt_own_data own[] = {{&weight, &gradient}, {&memory, NULL}};
    rt_loss_array array = batch_of(4);
    rt_loss_term term;
    rt_error err = {0};
    double value;
    assert_int_equal(
        rt_loss_term_open(&term, &keeper_loss, &keeper, 1.0, &(rt_loss_training){.own = own}, &array, 1, &err), RT_OK);
    assert_int_equal(rt_loss_term_run(&term, 0, &value, &err), RT_OK);
    rt_loss_term_close(&term);
    assert_true(value == 41.0 && memory == 41.0f && weight == 3.0f);
}

static void arrays_that_follow_the_batch_are_refused(void **state)
{
    (void)state;
    const struct keeper keeper = {2, 0};
    rt_loss_array array = batch_of(4);
    rt_loss_term term;
    rt_error err = {0};
    assert_int_equal(rt_loss_term_open(&term, &keeper_loss, &keeper, 1.0, NULL, &array, 1, &err), RT_OK);
    array = batch_of(2);
    assert_int_equal(rt_loss_term_bind(&term, &array, 1, &err), RT_ERROR_SHAPE);
    assert_string_equal(err.message, "loss 'keeper': its own arrays are others for another batch");
    rt_loss_term_close(&term);
}

static void impossible_declarations_are_refused(void **state)
{
    (void)state;
    rt_own own[2] = {{"a", {2, {3, 4}}, true, 0.0, 1.0}, {"b", {1, {2}}, true, 0.0, 1.0}};
    rt_error err = {0};
    assert_int_equal(rt_own_check(&keeper_loss, own, 2, &err), RT_OK);
    assert_int_equal(rt_own_check(&keeper_loss, own, RT_LOSS_MAX_OWN + 1, &err), RT_ERROR_USAGE);
    assert_string_equal(err.message, "loss 'keeper' declares 17 arrays of its own; at most 16");
    own[1].name = "a";
    assert_int_equal(rt_own_check(&keeper_loss, own, 2, &err), RT_ERROR_USAGE);
    assert_string_equal(err.message, "loss 'keeper' declares two arrays 'a'");
    own[1].name = "";
    assert_int_equal(rt_own_check(&keeper_loss, own, 2, &err), RT_ERROR_USAGE);
    assert_string_equal(err.message, "loss 'keeper': its own array 1 has no name");
    own[0].shape.dims[1] = 0;
    assert_int_equal(rt_own_check(&keeper_loss, own, 2, &err), RT_ERROR_SHAPE);
    assert_string_equal(err.message, "loss 'keeper': size 1 of its own array 'a' is 0; it must be at least 1");
    own[0].shape.dims[1] = SIZE_MAX / 2;
    assert_int_equal(rt_own_check(&keeper_loss, own, 2, &err), RT_ERROR_SHAPE);
    own[0].shape.count = 5;
    assert_int_equal(rt_own_check(&keeper_loss, own, 2, &err), RT_ERROR_SHAPE);
    assert_string_equal(err.message, "loss 'keeper': its own array 'a' has 5 dimensions; it must have 1 to 4");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrays_are_filled_once_and_last),
        cmocka_unit_test(a_trainings_arrays_are_taken_as_they_are),
        cmocka_unit_test(arrays_that_follow_the_batch_are_refused),
        cmocka_unit_test(impossible_declarations_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
