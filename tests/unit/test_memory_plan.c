/* The memory plan on random buffers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>

#include "graph/memory.h"
#include "retort/random.h"

static void buffers_alive_together_do_not_overlap(void **state)
{
    (void)state;
    enum { BUFFERS = 40, STEPS = 25, PLANS = 300 };
    double waste = 0.0;
    for (uint64_t trial = 0; trial < PLANS; ++trial) {
        const rt_key key = {.seed = 1, .stream = RT_STREAM_SYNTHETIC, .index = trial};
        rt_buffer buffers[BUFFERS];
        size_t total, live[STEPS] = {0}, most = 0, end = 0;
        for (uint32_t i = 0; i < BUFFERS; ++i) {
            buffers[i].bytes = 64 * rt_random_below(&key, 8 * i, 50) + rt_random_below(&key, 8 * i + 2, 2);
            buffers[i].first = (int)rt_random_below(&key, 8 * i + 4, STEPS);
            buffers[i].last =
                buffers[i].first + (int)rt_random_below(&key, 8 * i + 6, (uint32_t)(STEPS - buffers[i].first));
            for (int s = buffers[i].first; s <= buffers[i].last; ++s)
                live[s] += buffers[i].bytes;
        }
        assert_int_equal(rt_memory_plan(buffers, BUFFERS, &total, NULL), RT_OK);
        for (size_t s = 0; s < STEPS; ++s)
            most = live[s] > most ? live[s] : most;
        for (size_t i = 0; i < BUFFERS; ++i) {
            assert_int_equal(buffers[i].offset % 64, 0);
            end = buffers[i].offset + buffers[i].bytes > end ? buffers[i].offset + buffers[i].bytes : end;
            for (size_t j = 0; j < i; ++j) {
                bool together = buffers[i].first <= buffers[j].last && buffers[j].first <= buffers[i].last;
                bool apart = buffers[i].offset + buffers[i].bytes <= buffers[j].offset ||
                             buffers[j].offset + buffers[j].bytes <= buffers[i].offset;
                assert_true(!together || apart || buffers[i].bytes == 0 || buffers[j].bytes == 0);
            }
        }
        assert_int_equal(total, end);
        assert_true(total >= most);
        waste += (double)total / (double)most / PLANS;
    }
    assert_true(waste < 1.2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffers_alive_together_do_not_overlap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
