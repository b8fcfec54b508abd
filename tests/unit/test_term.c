/* Loss terms: arrays find their ports, shapes must fit, scratch memory and state live as long as they should. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "train/term.h"

/* A loss that reads all kinds of ports and reports what becomes of it. */
struct probe {
    int *inits, *dones;
    bool refuse;
};

static const rt_port ports[] = {
    {"student.map", "N C H W", RT_PORT_DIFF},
    {"labels", "N", RT_PORT_INDEX},
    {"teacher.map", "N D H W", RT_PORT_OPTIONAL},
};

static rt_status init(void *state, rt_error *err)
{
    struct probe *probe = state;
    if (probe->refuse)
        return rt_fail(err, RT_ERROR_USAGE, "refused");
    ++*probe->inits;
    return RT_OK;
}

static rt_status plan(void *state, rt_loss_plan *plan, rt_error *err)
{
    (void)state, (void)err;
    plan->scratch_bytes = plan->shapes[0].dims[0] * 100;
    return RT_OK;
}

/* The loss is the first value, and the number of steps. */
static rt_status run(void *state, const rt_loss_io *io, double *loss, rt_error *err)
{
    (void)state, (void)err;
    assert_int_equal((uintptr_t)io->scratch % 64, 0);
    memset(io->scratch, 1, io->ports[0].shape.dims[0] * 100); /* the sanitizer watches */
    *loss = (double)io->ports[0].values[0] + (double)io->step;
    return RT_OK;
}

static void done(void *state)
{
    struct probe *probe = state;
    ++*probe->dones;
}

static const rt_loss probe_loss = {
    .abi = RT_LOSS_ABI,
    .name = "probe",
    .ports = ports,
    .port_count = 3,
    .state_size = sizeof(struct probe),
    .init = init,
    .plan = plan,
    .run = run,
    .done = done,
};

static float map[6 * 2 * 2 * 2] = {5};
static const int64_t labels[6];

static void arrays_of(rt_loss_array arrays[4], size_t samples)
{
    arrays[0] = (rt_loss_array){.name = "unrelated"};
    arrays[1] = (rt_loss_array){"labels", {.shape = {1, {samples}}, .indices = labels}};
    arrays[2] = (rt_loss_array){"student.map", {.shape = {4, {samples, 2, 2, 2}}, .values = map}};
    arrays[3] = (rt_loss_array){"teacher.map", {.shape = {4, {samples, 1, 2, 2}}, .values = map}};
}

static void terms_live_and_die(void **state)
{
    (void)state;
    int inits = 0, dones = 0;
    struct probe probe = {&inits, &dones, false};
    rt_error err = {0};
    rt_loss_term term;
    rt_loss_array arrays[4];
    double value;
    arrays_of(arrays, 6);
    assert_int_equal(rt_loss_term_open(&term, &probe_loss, &probe, 0.5, NULL, arrays, 4, &err), RT_OK);
    assert_true(term.io.weight == 0.5);
    assert_ptr_equal(term.io.ports[2].values, map);
    assert_int_equal(rt_loss_term_run(&term, 3, &value, &err), RT_OK);
    assert_true(value == 8);
    /* A smaller batch, without the optional array: the same scratch memory serves. */
    void *scratch = term.io.scratch;
    arrays_of(arrays, 2);
    assert_int_equal(rt_loss_term_bind(&term, arrays, 3, &err), RT_OK);
    assert_ptr_equal(term.io.scratch, scratch);
    assert_null(term.io.ports[2].values);
    assert_int_equal(rt_loss_term_run(&term, 4, &value, &err), RT_OK);
    map[0] = NAN;
    assert_int_equal(rt_loss_term_run(&term, 0, &value, &err), RT_ERROR_NUMERIC);
    assert_string_equal(err.message, "loss 'probe': 'student.map' of sample 0, element 0 is nan; it must be finite");
    map[0] = 5;
    rt_loss_term_close(&term);
    rt_loss_term_close(&term);
    assert_true(inits == 1 && dones == 1);
    probe.refuse = true;
    assert_int_equal(rt_loss_term_open(&term, &probe_loss, &probe, 1, NULL, arrays, 4, &err), RT_ERROR_USAGE);
    assert_string_equal(err.message, "refused");
    rt_loss_term_close(&term);
    assert_true(inits == 1 && dones == 1);
}

static void assert_unfit(const rt_loss_array *arrays, size_t count, const char *message)
{
    int inits = 0, dones = 0;
    struct probe probe = {&inits, &dones, false};
    rt_error err = {0};
    rt_loss_term term;
    assert_int_not_equal(rt_loss_term_open(&term, &probe_loss, &probe, 1, NULL, arrays, count, &err), RT_OK);
    assert_string_equal(err.message, message);
    assert_true(inits == 1 && dones == 1);
}

static void arrays_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    rt_loss_array arrays[4];
    arrays_of(arrays, 6);
    assert_unfit(arrays, 2, "loss 'probe' needs 'student.map'");
    arrays[1].data.shape.dims[0] = 5;
    assert_unfit(arrays, 4, "loss 'probe': N is 6 in 'student.map' and 5 in 'labels'; they must be equal");
    arrays_of(arrays, 6);
    arrays[3].data.shape.dims[2] = 3;
    assert_unfit(arrays, 4, "loss 'probe': H is 2 in 'student.map' and 3 in 'teacher.map'; they must be equal");
    arrays[3].data.shape.count = 2;
    assert_unfit(arrays, 4, "loss 'probe': 'teacher.map' has shape [6, 1]; it must be [N D H W]");
    arrays_of(arrays, 0);
    assert_unfit(arrays, 4, "loss 'probe': 'student.map' has shape [0, 2, 2, 2]; every size must be at least 1");
    arrays_of(arrays, 6);
    arrays[1].data = (rt_port_data){.shape = {1, {6}}, .values = map};
    assert_unfit(arrays, 4, "loss 'probe': 'labels' must hold 64-bit integers");
    arrays_of(arrays, 6);
    arrays[2].data.values = NULL;
    assert_unfit(arrays, 4, "loss 'probe': 'student.map' must hold floating-point numbers");
}

static void losses_of_another_interface_are_refused(void **state)
{
    (void)state;
    rt_loss other = probe_loss;
    other.abi = 99;
    rt_error err = {0};
    rt_loss_term term;
    assert_int_equal(rt_loss_term_open(&term, &other, NULL, 1, NULL, NULL, 0, &err), RT_ERROR_USAGE);
    assert_string_equal(err.message, "loss 'probe': interface 99 with 3 ports; it must be 2 with at most 8");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(terms_live_and_die),
        cmocka_unit_test(arrays_that_do_not_fit_are_refused),
        cmocka_unit_test(losses_of_another_interface_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
