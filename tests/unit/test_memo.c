/* The memo's file: what is written comes back to the bit, whatever is damaged does not, whatever is of other logits is
 * refused by name, and neither a kill nor a second writer can spoil it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "formats/half.h"
#include "retort/random.h"
#include "scratch_file.h"
#include "train/memo.h"

enum { SAMPLES = 50, VARIANTS = 18, CLASSES = 7, ENTRIES = SAMPLES * VARIANTS, STRIDE = 40 };

static int make_folder(void **state)
{
    (void)state;
    return scratch_make("test.memo");
}

static int remove_file(void **state)
{
    (void)state;
    unlink(path);
    return 0;
}

static rt_memo_key make_key(void)
{
    rt_memo_key key = {.samples = SAMPLES, .variants = VARIANTS, .classes = CLASSES};
    for (int i = 0; i < RT_MEMO_INGREDIENTS; ++i)
        snprintf(key.values[i], RT_MEMO_VALUE_CAPACITY, "value %d", i);
    return key;
}

static rt_memo *open_memo(const rt_memo_key *key)
{
    rt_memo *memo = NULL;
    rt_error err = {0};
    if (rt_memo_open(path, key, &memo, &err) != RT_OK)
        fail_msg("%s", err.message);
    return memo;
}

/* What a teacher says of an entry: any function of it. */
static void teach(uint64_t entry, float logits[CLASSES])
{
    for (uint32_t c = 0; c < CLASSES; ++c)
        logits[c] = (float)(20.0 * rt_random_uniform(&(rt_key){.seed = 5, .index = entry}, c) - 10.0);
}

static bool write_entry(rt_memo *memo, uint64_t entry)
{
    float logits[CLASSES];
    teach(entry, logits);
    return rt_memo_write(memo, entry / VARIANTS, entry % VARIANTS, logits);
}

static rt_memo_found read_entry(const rt_memo *memo, uint64_t entry, float logits[CLASSES])
{
    return rt_memo_read(memo, entry / VARIANTS, entry % VARIANTS, logits);
}

static void assert_right(const rt_memo *memo, uint64_t entry)
{
    float expected[CLASSES], logits[CLASSES];
    teach(entry, expected);
    assert_int_equal(read_entry(memo, entry, logits), RT_MEMO_PRESENT);
    assert_memory_equal(logits, expected, sizeof logits);
}

static rt_memo_count count(const rt_memo *memo)
{
    rt_memo_count found;
    assert_int_equal(rt_memo_count_entries(memo, &found, NULL), RT_OK);
    return found;
}

static void entries_come_back_to_the_bit(void **state)
{
    (void)state;
    rt_memo_key key = make_key();
    rt_memo *memo = open_memo(&key);
    float logits[CLASSES] = {3.0f};
    assert_int_equal(rt_memo_file_of(memo)->stride, STRIDE);
    assert_int_equal(count(memo).present, 0);
    for (uint64_t entry = 0; entry < ENTRIES; entry += 3)
        assert_true(write_entry(memo, entry));
    const float special[CLASSES] = {0.0f, -0.0f, 1e-45f, -3e38f, INFINITY, NAN, 1.0f};
    assert_true(rt_memo_write(memo, 0, 1, special));
    for (int again = 0; again < 2; ++again) {
        for (uint64_t entry = 0; entry < ENTRIES; ++entry) {
            logits[0] = 3.0f;
            if (entry % 3 == 0) {
                assert_right(memo, entry);
            } else if (entry != 1) {
                assert_int_equal(read_entry(memo, entry, logits), RT_MEMO_ABSENT);
                assert_true(logits[0] == 3.0f);
            }
        }
        assert_int_equal(read_entry(memo, 1, logits), RT_MEMO_PRESENT);
        assert_memory_equal(logits, special, sizeof special);
        assert_int_equal(count(memo).present, ENTRIES / 3 + 1);
        rt_memo_close(memo);
        memo = open_memo(&key);
    }
    /* What is outside is not there and is not written. */
    assert_int_equal(rt_memo_read(memo, SAMPLES, 0, logits), RT_MEMO_ABSENT);
    assert_int_equal(rt_memo_read(memo, 0, VARIANTS, logits), RT_MEMO_ABSENT);
    assert_int_equal(rt_memo_read(memo, UINT64_MAX, 0, logits), RT_MEMO_ABSENT);
    assert_false(rt_memo_write(memo, SAMPLES, 0, special));
    assert_false(rt_memo_write(memo, 0, VARIANTS, special));
    rt_memo_close(memo);
}

static void files_are_sparse_and_walked_over_their_holes(void **state)
{
    (void)state;
    rt_memo_key key = make_key();
    key.samples = 1000000;
    rt_memo *memo = open_memo(&key);
    float logits[CLASSES] = {0};
    const uint64_t samples[] = {0, 1, 777, 500000, 999999};
    for (size_t i = 0; i < sizeof samples / sizeof *samples; ++i)
        assert_true(rt_memo_write(memo, samples[i], (i * 5) % VARIANTS, logits));
    rt_memo_count found = count(memo);
    assert_int_equal(found.present, 5);
    assert_int_equal(found.damaged, 0);
    assert_true(found.disk_bytes < 1000000 && rt_memo_file_of(memo)->size > 700000000);
    rt_memo_close(memo);
}

static void other_logits_are_refused_by_name(void **state)
{
    (void)state;
    rt_memo_key key = make_key();
    rt_memo *memo = open_memo(&key), *other = NULL;
    write_entry(memo, 5);
    rt_memo_close(memo);
    for (int i = 0; i < RT_MEMO_INGREDIENTS; ++i) {
        rt_memo_key changed = key;
        rt_error err = {0};
        char expected[256];
        strcpy(changed.values[i], "another");
        assert_int_equal(rt_memo_open(path, &changed, &other, &err), RT_ERROR_USAGE);
        snprintf(expected, sizeof expected,
                 "memo '%s' is of other logits: %s differs: 'value %d' there, 'another' here; move", path,
                 rt_memo_ingredient_name((rt_memo_ingredient)i), i);
        if (strncmp(err.message, expected, strlen(expected)) != 0)
            fail_msg("%s instead of %s", err.message, expected);
        assert_null(other);
    }
    rt_error err = {0};
    rt_memo_key changed = key;
    strcpy(changed.values[RT_MEMO_WEIGHTS], "x");
    strcpy(changed.values[RT_MEMO_THREADS], "x");
    strcpy(changed.values[RT_MEMO_BITS], "x");
    assert_int_equal(rt_memo_open(path, &changed, &other, &err), RT_ERROR_USAGE);
    assert_non_null(strstr(err.message, ": teacher weights differs: 'value 1' there, 'x' here; so do: threads, computed"
                                        " bits; move the file away, or name another"));
    changed = key;
    changed.precision = RT_MEMO_FP16;
    assert_int_equal(rt_memo_open(path, &changed, &other, &err), RT_ERROR_USAGE);
    assert_non_null(strstr(err.message, "precision differs: fp32 there, fp16 here"));
    uint64_t *const numbers[] = {&changed.samples, &changed.variants, &changed.classes};
    for (size_t i = 0; i < 3; ++i) {
        changed = key;
        ++*numbers[i];
        assert_int_equal(rt_memo_open(path, &changed, &other, &err), RT_ERROR_USAGE);
        assert_non_null(strstr(err.message, "50 images x 18 variants x 7 classes there"));
    }
    memo = open_memo(&key);
    assert_right(memo, 5);
    rt_memo_close(memo);

    /* Keys that differ anywhere have files of different names. */
    char first[17], second[17];
    rt_memo_key_digest(&key, first);
    for (int i = 0; i < RT_MEMO_INGREDIENTS + 4; ++i) {
        changed = key;
        if (i < RT_MEMO_INGREDIENTS)
            changed.values[i][0] = 'V';
        else if (i == RT_MEMO_INGREDIENTS)
            changed.precision = RT_MEMO_FP16;
        else
            ++*numbers[i - RT_MEMO_INGREDIENTS - 1];
        rt_memo_key_digest(&changed, second);
        assert_string_not_equal(first, second);
    }
}

/* Changes one byte of the file. */
static void spoil(off_t place)
{
    int file = open(path, O_RDWR);
    unsigned char byte;
    assert_int_equal(pread(file, &byte, 1, place), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(file, &byte, 1, place), 1);
    close(file);
}

static void damage_is_found_and_mended(void **state)
{
    (void)state;
    rt_memo_key key = make_key();
    rt_memo *memo = open_memo(&key);
    float logits[CLASSES];
    for (uint64_t entry = 0; entry < ENTRIES; ++entry)
        write_entry(memo, entry);
    /* Each byte of an entry that counts: checksum and logits; 4 bytes of padding do not. */
    for (off_t byte = 0; byte < STRIDE - 4; ++byte) {
        spoil(RT_MEMO_PAGE + 30 * STRIDE + byte);
        assert_int_equal(read_entry(memo, 30, logits), RT_MEMO_DAMAGED);
        assert_right(memo, 29);
        assert_right(memo, 31);
        assert_int_equal(count(memo).damaged, 1);
        write_entry(memo, 30);
        assert_right(memo, 30);
    }
    /* A good entry in another's place. */
    int file = open(path, O_RDWR);
    char entry[STRIDE];
    assert_int_equal(pread(file, entry, STRIDE, RT_MEMO_PAGE + 7 * STRIDE), STRIDE);
    assert_int_equal(pwrite(file, entry, STRIDE, RT_MEMO_PAGE + 8 * STRIDE), STRIDE);
    close(file);
    assert_int_equal(read_entry(memo, 8, logits), RT_MEMO_DAMAGED);
    assert_right(memo, 7);
    rt_memo_close(memo);
}

static void assert_refused(const char *words)
{
    rt_memo_key key = make_key();
    rt_memo *memo = NULL;
    rt_error err = {0};
    assert_int_equal(rt_memo_look(path, &memo, &err), RT_ERROR_FORMAT);
    if (!strstr(err.message, words))
        fail_msg("'%s' lacks '%s'", err.message, words);
    assert_int_equal(rt_memo_open(path, &key, &memo, &err), RT_ERROR_FORMAT);
    assert_null(memo);
}

static void files_that_are_no_memos_are_refused(void **state)
{
    (void)state;
    rt_memo_key key = make_key();
    rt_memo_close(open_memo(&key));
    for (off_t byte = 0; byte < RT_MEMO_PAGE; byte += byte < 32 ? 1 : 97) {
        spoil(byte);
        assert_refused(byte < 8 ? "it does not begin as one" : "its header is damaged");
        spoil(byte);
    }
    struct stat about;
    assert_int_equal(stat(path, &about), 0);
    const off_t sizes[] = {about.st_size - 1, about.st_size / 2, RT_MEMO_PAGE, about.st_size + 1};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; ++i) {
        assert_int_equal(truncate(path, sizes[i]), 0);
        assert_refused("bytes; its header asks for");
    }
    assert_int_equal(truncate(path, 100), 0);
    assert_refused("it has only 100 bytes");
    assert_int_equal(truncate(path, 0), 0);
    assert_refused("it has only 0 bytes");
    unlink(path);
    rt_error err = {0};
    rt_memo *memo = NULL;
    assert_int_equal(rt_memo_look(path, &memo, &err), RT_ERROR_FILE);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(rt_memo_open(path, &key, &memo, &err), RT_ERROR_FILE);
    assert_non_null(strstr(err.message, "is not a regular file"));
}

static void sizes_that_no_file_has_are_refused(void **state)
{
    (void)state;
    rt_memo_key key = make_key();
    const uint64_t sizes[][3] = {{UINT64_MAX, 2, 2}, {1 << 30, (uint64_t)1 << 33, 10}, {3, 3, UINT64_MAX / 2}};
    for (size_t i = 0; i < 3; ++i) {
        key.samples = sizes[i][0], key.variants = sizes[i][1], key.classes = sizes[i][2];
        rt_memo *memo = NULL;
        rt_error err = {0};
        assert_int_equal(rt_memo_file_bytes(&key), 0);
        assert_int_equal(rt_memo_open(path, &key, &memo, &err), RT_ERROR_USAGE);
        assert_false(rt_path_exists(path));
    }
    key = make_key();
    assert_int_equal(rt_memo_file_bytes(&key), RT_MEMO_PAGE + ENTRIES * STRIDE);
}

static void files_for_reading_are_read(void **state)
{
    (void)state;
    rt_memo_key key = make_key();
    rt_memo *memo = open_memo(&key);
    write_entry(memo, 4);
    rt_memo_close(memo);
    assert_int_equal(rt_memo_look(path, &memo, NULL), RT_OK);
    assert_right(memo, 4);
    assert_false(write_entry(memo, 9));
    assert_int_equal(count(memo).present, 1);
    rt_memo_close(memo);
}

/* Processes that begin at the same moment, make the same file, and write all of its entries in different orders while
 * they read each other's. */
static void writers_do_not_disturb_each_other(void **state)
{
    (void)state;
    enum { WRITERS = 4 };
    static const uint64_t steps[WRITERS] = {1, 7, 11, 899};
    rt_memo_key key = make_key();
    pid_t children[WRITERS];
    for (int w = 0; w < WRITERS; ++w) {
        children[w] = fork();
        assert_true(children[w] >= 0);
        if (children[w] > 0)
            continue;
        rt_memo *memo = NULL;
        int wrong = rt_memo_open(path, &key, &memo, NULL) != RT_OK;
        for (int pass = 0; !wrong && pass < 20; ++pass)
            for (uint64_t i = 0; i < ENTRIES; ++i) {
                uint64_t entry = i * steps[w] % ENTRIES;
                float logits[CLASSES], expected[CLASSES];
                teach(entry, expected);
                if (read_entry(memo, entry, logits) == RT_MEMO_PRESENT)
                    wrong |= memcmp(logits, expected, sizeof logits) != 0;
                wrong |= !write_entry(memo, entry);
            }
        _exit(wrong);
    }
    for (int w = 0; w < WRITERS; ++w) {
        int result;
        assert_int_equal(waitpid(children[w], &result, 0), children[w]);
        assert_true(WIFEXITED(result) && WEXITSTATUS(result) == 0);
    }
    rt_memo *memo = open_memo(&key);
    rt_memo_count found = count(memo);
    assert_int_equal(found.present, ENTRIES);
    assert_int_equal(found.damaged, 0);
    for (uint64_t entry = 0; entry < ENTRIES; ++entry)
        assert_right(memo, entry);
    rt_memo_close(memo);
}

/* Killed at any moment, from before the file exists: what is there then is right, and the next goes on. */
static void kills_leave_only_right_entries(void **state)
{
    (void)state;
    rt_memo_key key = make_key();
    uint64_t before = 0;
    for (int kills = 0; kills < 30; ++kills) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            rt_memo *memo = NULL;
            if (rt_memo_open(path, &key, &memo, NULL) != RT_OK)
                _exit(1);
            float logits[CLASSES];
            for (uint64_t i = 0;; ++i)
                if (read_entry(memo, i * 7 % ENTRIES, logits) != RT_MEMO_PRESENT || i > ENTRIES)
                    write_entry(memo, i * 7 % ENTRIES);
        }
        usleep((useconds_t)(kills * 300));
        kill(child, SIGKILL);
        int result;
        assert_int_equal(waitpid(child, &result, 0), child);
        assert_true(WIFSIGNALED(result) && WTERMSIG(result) == SIGKILL);
        char temporary[128]; /* a kill while the file was being made */
        snprintf(temporary, sizeof temporary, "%s.%ld.tmp", path, (long)child);
        unlink(temporary);
        rt_memo *memo = open_memo(&key);
        uint64_t present = 0;
        float logits[CLASSES];
        for (uint64_t entry = 0; entry < ENTRIES; ++entry)
            if (read_entry(memo, entry, logits) == RT_MEMO_PRESENT) {
                assert_right(memo, entry);
                ++present;
            }
        assert_true(present + count(memo).damaged >= before);
        before = present;
        rt_memo_close(memo);
    }
    assert_true(before > 0);
}

/* A disk that takes no more: an error to be told, not the end, and entries that are there stay. */
static void full_disks_end_the_writing_alone(void **state)
{
    (void)state;
    rt_memo_key key = make_key();
    rt_memo *memo = open_memo(&key);
    assert_true(write_entry(memo, 3));
    struct rlimit limit, before;
    getrlimit(RLIMIT_FSIZE, &before);
    limit = before;
    limit.rlim_cur = RT_MEMO_PAGE + 100 * STRIDE + STRIDE / 2;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    assert_int_equal(rt_memo_failure(memo), 0);
    bool written = write_entry(memo, 100), after = write_entry(memo, 50);
    setrlimit(RLIMIT_FSIZE, &before);
    float logits[CLASSES];
    assert_false(written);
    assert_false(after);
    assert_int_not_equal(rt_memo_failure(memo), 0);
    assert_right(memo, 3);
    assert_int_not_equal(read_entry(memo, 100, logits), RT_MEMO_PRESENT);
    rt_memo_close(memo);
}

static void halves_round_to_the_nearest(void **state)
{
    (void)state;
    /* Every half is itself; between two neighbours the nearest is taken, and the even one in the middle. */
    for (uint32_t half = 0; half < 0x7C00; ++half) {
        float value = rt_float_of_half((uint16_t)half), next = rt_float_of_half((uint16_t)(half + 1));
        assert_int_equal(rt_half_of_float(value), half);
        assert_int_equal(rt_half_of_float(-value), half | 0x8000u);
        if (half + 1 == 0x7C00)
            next = 65536.0f;
        float middle = (float)(0.5 * ((double)value + (double)next));
        assert_int_equal(rt_half_of_float(middle), half % 2 ? half + 1 : half);
        assert_int_equal(rt_half_of_float(nextafterf(middle, 0.0f)), half);
        assert_int_equal(rt_half_of_float(nextafterf(middle, INFINITY)), half + 1);
    }
    assert_int_equal(rt_half_of_float(INFINITY), 0x7C00);
    assert_int_equal(rt_half_of_float(-1e30f), 0xFC00);
    assert_true(isnan(rt_float_of_half(rt_half_of_float(NAN))));
}

static void fp16_is_off_by_at_most_its_bound(void **state)
{
    (void)state;
    rt_memo_key key = make_key();
    key.precision = RT_MEMO_FP16;
    rt_memo *memo = open_memo(&key);
    float logits[CLASSES], rounded[CLASSES], back[CLASSES];
    double largest = 0.0;
    for (uint64_t entry = 0; entry < ENTRIES; ++entry) {
        teach(entry, logits);
        memcpy(rounded, logits, sizeof rounded);
        assert_true(rt_memo_round(RT_MEMO_FP16, rounded, CLASSES));
        for (size_t c = 0; c < CLASSES; ++c) {
            double error = fabs((double)rounded[c] - (double)logits[c]);
            assert_true(error <= fmax(ldexp(fabs((double)logits[c]), -11), ldexp(1.0, -25)));
            largest = fmax(largest, error);
        }
        assert_true(rt_memo_write(memo, entry / VARIANTS, entry % VARIANTS, rounded));
        assert_int_equal(read_entry(memo, entry, back), RT_MEMO_PRESENT);
        assert_memory_equal(back, rounded, sizeof back);
    }
    assert_true(largest > 1e-3);
    assert_int_equal(rt_memo_file_of(memo)->stride, 24);
    rt_memo_close(memo);
    /* Beyond the largest half nothing is rounded at all; in fp32 nothing ever is. */
    float beyond[CLASSES] = {0.1f, 65520.0f, 0.3f}, before[CLASSES];
    memcpy(before, beyond, sizeof before);
    assert_false(rt_memo_round(RT_MEMO_FP16, beyond, CLASSES));
    assert_memory_equal(before, beyond, sizeof before);
    assert_true(rt_memo_round(RT_MEMO_FP32, beyond, CLASSES));
    assert_memory_equal(before, beyond, sizeof before);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, remove_file)
    const struct CMUnitTest tests[] = {
        TEST(entries_come_back_to_the_bit),        TEST(files_are_sparse_and_walked_over_their_holes),
        TEST(other_logits_are_refused_by_name),    TEST(damage_is_found_and_mended),
        TEST(files_that_are_no_memos_are_refused), TEST(sizes_that_no_file_has_are_refused),
        TEST(files_for_reading_are_read),          TEST(writers_do_not_disturb_each_other),
        TEST(kills_leave_only_right_entries),      TEST(full_disks_end_the_writing_alone),
        TEST(halves_round_to_the_nearest),         TEST(fp16_is_off_by_at_most_its_bound),
    };
    return cmocka_run_group_tests(tests, make_folder, scratch_remove);
}
