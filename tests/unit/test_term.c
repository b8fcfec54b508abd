/* Loss terms: arrays find their ports, shapes must fit, scratch memory and state have their lives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "train/term.h"

/* A loss that reads everything a loss can read, and remembers what was done to it. */
struct memory {
    int *done;
    size_t scratch_bytes;
};

static const rt_port ports[] = {
    {"student.features", "N C H W", RT_PORT_DIFF},
    {"labels", "N", RT_PORT_INDEX},
    {"teacher.features", "N C H W", RT_PORT_OPTIONAL},
};

static rt_status init(void *state, rt_error *err)
{
    struct memory *memory = state;
    return memory->scratch_bytes == 13 ? rt_fail(err, RT_ERROR_USAGE, "13") : RT_OK;
}

static rt_status plan(void *state, rt_loss_plan *plan, rt_error *err)
{
    (void)err;
    struct memory *memory = state;
    plan->scratch_bytes = plan->shapes[0].dims[0] * 100;
    assert_int_equal(plan->shapes[2].count, 0);
    memory->scratch_bytes = plan->scratch_bytes;
    return RT_OK;
}

static rt_status run_mock(void *state, const rt_loss_io *io, double *loss, rt_error *err)
{
    (void)err;
    struct memory *memory = state;
    assert_int_equal((uintptr_t)io->scratch % 64, 0);
    memset(io->scratch, 1, memory->scratch_bytes); /* the sanitizer watches */
    assert_null(io->ports[2].values);
    *loss = (double)io->ports[0].values[0] + (double)io->indices_sum_placeholder;
    return RT_OK;
}
