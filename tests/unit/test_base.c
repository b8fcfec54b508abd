/* error, suggest, random, file: the pieces that everything stands on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "retort/error.h"
#include "retort/random.h"
#include "retort/suggest.h"

static void philox_gives_the_published_numbers(void **state)
{
    (void)state;
    /* Known answers of the Random123 distribution for philox4x32-10. */
    uint32_t words[4];
    rt_random_block(&(rt_key){0}, 0, words);
    const uint32_t zero[4] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
    assert_memory_equal(words, zero, sizeof zero);
    rt_random_block(&(rt_key){.seed = UINT64_MAX, .stream = 0xff, .epoch = 0xffffff, .index = UINT64_MAX}, UINT32_MAX,
                    words);
    const uint32_t ones[4] = {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd};
    assert_memory_equal(words, ones, sizeof ones);
}

static void permutation_holds_each_number_once(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    uint32_t order[COUNT], other[COUNT];
    rt_random_permutation(&(rt_key){.seed = 7, .stream = RT_STREAM_SHUFFLE, .epoch = 0}, order, COUNT);
    rt_random_permutation(&(rt_key){.seed = 7, .stream = RT_STREAM_SHUFFLE, .epoch = 1}, other, COUNT);
    assert_memory_not_equal(order, other, sizeof order);
    bool seen[COUNT] = {false};
    for (size_t i = 0; i < COUNT; ++i) {
        assert_true(order[i] < COUNT);
        assert_false(seen[order[i]]);
        seen[order[i]] = true;
    }
}

static void normal_variates_have_their_moments(void **state)
{
    (void)state;
    enum { COUNT = 100001 };
    double *values = malloc(COUNT * sizeof *values);
    rt_random_normal(&(rt_key){.seed = 3, .stream = RT_STREAM_INIT}, values, COUNT);
    double mean = 0, square = 0, fourth = 0;
    for (size_t i = 0; i < COUNT; ++i) {
        mean += values[i] / COUNT;
        square += values[i] * values[i] / COUNT;
        fourth += pow(values[i], 4) / COUNT;
    }
    free(values);
    /* Five standard errors of each estimate. */
    assert_true(fabs(mean) < 5 / sqrt(COUNT));
    assert_true(fabs(square - 1) < 5 * sqrt(2.0 / COUNT));
    assert_true(fabs(fourth - 3) < 5 * sqrt(96.0 / COUNT));
}

/* Against Box and Muller's formula on the blocks, one by one. */
static void normal_variates_come_in_pieces(void **state)
{
    (void)state;
    enum { COUNT = 5001 };
    const rt_key key = {.seed = 0x123456789ABCDEFu, .stream = RT_STREAM_INIT, .epoch = 2, .index = (uint64_t)9 << 32};
    static double whole[COUNT], pieces[COUNT];
    rt_random_normal(&key, whole, COUNT);
    for (size_t i = 0; i < COUNT; ++i) {
        uint32_t words[4];
        rt_random_block(&key, (uint32_t)(i / 2), words);
        const double u = ((double)((uint64_t)words[0] << 21 ^ words[1] >> 11) + 0.5) * 0x1p-53;
        const double angle = 6.283185307179586 * ((double)((uint64_t)words[2] << 21 ^ words[3] >> 11) * 0x1p-53);
        assert_true(whole[i] == sqrt(-2.0 * log(u)) * (i % 2 ? sin(angle) : cos(angle)));
    }
    for (size_t first = 0, count = 2; first < COUNT; first += count, count += 2)
        rt_random_normal_from(&key, first, pieces + first, COUNT - first < count ? COUNT - first : count);
    assert_memory_equal(whole, pieces, sizeof whole);
}

static void suggestions_are_near_or_none(void **state)
{
    (void)state;
    const char *const keys[] = {"temperature", "weight", "cross_entropy", "kl"};
    assert_string_equal(rt_suggest("temprature", keys, 4), "temperature");
    assert_string_equal(rt_suggest("wieght", keys, 4), "weight");
    assert_null(rt_suggest("banana", keys, 4));
    assert_null(rt_suggest("x", keys, 4));
}

static void file_is_written_whole(void **state)
{
    (void)state;
    char folder[] = "/tmp/retort-test-XXXXXX";
    assert_non_null(mkdtemp(folder));
    char path[64];
    snprintf(path, sizeof path, "%s/file", folder);
    rt_error err = {0};
    assert_int_equal(rt_file_write(path, (rt_piece[]){{"one ", 4}, {"two", 3}}, 2, &err), RT_OK);
    rt_bytes bytes;
    assert_int_equal(rt_file_read(path, 100, &bytes, &err), RT_OK);
    assert_int_equal(bytes.size, 7);
    assert_string_equal((char *)bytes.data, "one two");
    rt_bytes_free(&bytes);
    assert_int_equal(rt_file_read(path, 6, &bytes, &err), RT_ERROR_FORMAT);
    assert_non_null(strstr(err.message, "7 bytes; at most 6"));
    assert_int_equal(rt_file_write("/nonexistent/x", NULL, 0, &err), RT_ERROR_FILE);
    unlink(path);
    assert_int_equal(rmdir(folder), 0); /* no temporary is left behind */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_gives_the_published_numbers), cmocka_unit_test(permutation_holds_each_number_once),
        cmocka_unit_test(normal_variates_have_their_moments), cmocka_unit_test(normal_variates_come_in_pieces),
        cmocka_unit_test(suggestions_are_near_or_none),       cmocka_unit_test(file_is_written_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
