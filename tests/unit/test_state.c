/* The state of a training as text: exact to the bit and back, and texts that are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <string.h>

#include "train/state.h"

static const rt_training_state awkward = {
    .epoch = 2,
    .batch = 3,
    .step = 13,
    .train = {.samples = 96, .top1 = 17, .top5 = 80, .cross_entropy_sum = 123.456},
    .losses = {0.1, DBL_MIN / 3.0},
    .loss = DBL_MAX,
    .seconds = 1.0 / 3.0,
    .best_top1 = 100.0 / 7.0,
    .best_top5 = 0.0,
    .best_test_top1 = 12.25,
    .best_test_top5 = 99.99,
    .best_epoch = 1,
    .total_seconds = 3e5,
};

static void every_bit_comes_back(void **state)
{
    (void)state;
    rt_training_state read;
    char text[1024];
    assert_int_equal(rt_training_state_write(&awkward, 2, text, sizeof text, NULL), RT_OK);
    memset(&read, 0xff, sizeof read);
    assert_int_equal(rt_training_state_read(text, 2, &read, NULL), RT_OK);
    assert_memory_equal(&read, &awkward, sizeof read);
}

static void texts_have_room(void **state)
{
    (void)state;
    rt_training_state longest = awkward;
    for (size_t i = 0; i < RT_MAX_TERMS; ++i)
        longest.losses[i] = -DBL_MIN / 3.0;
    char text[8192];
    assert_int_equal(rt_training_state_write(&longest, RT_MAX_TERMS, text, sizeof text, NULL), RT_OK);
    for (size_t size = 1; size <= strlen(text); ++size)
        assert_int_equal(rt_training_state_write(&longest, RT_MAX_TERMS, text, size, NULL), RT_ERROR_MEMORY);
}

static void texts_are_checked(void **state)
{
    (void)state;
    rt_training_state read;
    rt_error err = {0};
    const char *const wrong[] = {
        "",
        " ",
        "1",
        "a b c",
        "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0",
        "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0",
        "-1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0",
        "0 0 0 0 0 0 0 -1 0 0 0 0 0 0 0 0 0",
        "0 0 0 0 0 0 0 0 nan 0 0 0 0 0 0 0 0",
        "0 0 0 0 0 0 0 0 0 inf 0 0 0 0 0 0 0",
        "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 1e999",
        "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 \033[2J",
    };
    assert_int_equal(rt_training_state_read("0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0", 1, &read, &err), RT_OK);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; ++i) {
        if (rt_training_state_read(wrong[i], 1, &read, &err) != RT_ERROR_FORMAT)
            fail_msg("'%s' is taken for a state", wrong[i]);
        assert_null(strchr(err.message, '\033'));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bit_comes_back),
        cmocka_unit_test(texts_have_room),
        cmocka_unit_test(texts_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
