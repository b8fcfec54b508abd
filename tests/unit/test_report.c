/* What people see: tables, durations, and progress on a pipe and on a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cpu.h"
#include "report/duration.h"
#include "report/progress.h"
#include "report/table.h"

static void expect_table(const rt_table *table, size_t indent, const char *expected)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    rt_error err = {0};
    assert_int_equal(rt_table_print(table, file, indent, &err), RT_OK);
    fclose(file);
    assert_string_equal(text, expected);
    free(text);
}

static void table_columns_are_aligned(void **state)
{
    (void)state;
    rt_table *table = rt_table_new("lrl");
    rt_table_cell(table, "model");
    rt_table_cell(table, "parameters");
    rt_table_cell(table, "note");
    rt_table_rule(table);
    rt_table_cell(table, "resnet%d", 20);
    rt_table_cell(table, "%d", 269722);
    rt_table_cell(table, "%s", "");
    rt_table_cell(table, "mlp");
    rt_table_cell(table, "%d", 7);
    rt_table_cell(table, "tiny");
    expect_table(table, 2,
                 "  model     parameters  note\n"
                 "  --------  ----------  ----\n"
                 "  resnet20      269722\n"
                 "  mlp                7  tiny\n");
    rt_table_free(table);
}

static void table_survives_odd_contents(void **state)
{
    (void)state;
    rt_table *table = rt_table_new("lr");
    expect_table(table, 0, "");
    rt_table_cell(table, "two\nlines\033[2J");
    rt_table_cell(table, "1");
    rt_table_cell(table, "na\xc3\xafve");
    rt_table_cell(table, "22");
    rt_table_cell(table, "short row");
    rt_table_rule(table);
    expect_table(table, 0,
                 "two?lines?[2J   1\n"
                 "na\xc3\xafve          22\n"
                 "short row\n"
                 "-------------  --\n");
    rt_table_free(table);

    rt_error err = {0};
    rt_table_cell(NULL, "x");
    rt_table_rule(NULL);
    assert_int_equal(rt_table_print(NULL, stdout, 0, &err), RT_ERROR_MEMORY);
    rt_table_free(NULL);
}

static void table_grows(void **state)
{
    (void)state;
    enum { ROWS = 1000 };
    rt_table *table = rt_table_new("r");
    char expected[ROWS * 5 + 1], *at = expected;
    for (int i = 0; i < ROWS; ++i) {
        rt_table_cell(table, "%d", i);
        at += sprintf(at, "%3d\n", i);
    }
    expect_table(table, 0, expected);
    rt_table_free(table);
}

static void expect_duration(double seconds, const char *expected)
{
    char text[16];
    rt_duration_format(seconds, text, sizeof text);
    assert_string_equal(text, expected);
}

static void durations_are_read_at_a_glance(void **state)
{
    (void)state;
    expect_duration(0.0, "0:00");
    expect_duration(6.6, "0:07");
    expect_duration(59.6, "1:00");
    expect_duration(725.0, "12:05");
    expect_duration(3599.7, "1:00:00");
    expect_duration(10930.0, "3:02:10");
    expect_duration(183780.0, "2d 03:03");
    expect_duration(-1.0, "?");
    expect_duration(NAN, "?");
    expect_duration(INFINITY, "?");
    expect_duration(1e12, "?");
}

static void line_fits_its_columns(void **state)
{
    (void)state;
    rt_progress progress = {
        .label = "student",
        .unit = "images",
        .total = 4000,
        .started = 100.0,
        .rate = 5120.4,
        .point = {.done = 1000, .epoch = 3, .epochs = 15, .loss = 0.83125, .wait_seconds = 0.4},
    };
    char line[256];
    rt_progress_line(&progress, 140.0, false, 255, line, sizeof line);
    assert_string_equal(line, "student  epoch 3/15   25 %  5120 images/s  ETA 2:00  loss 0.8313  data wait 1 %");
    rt_progress_line(&progress, 140.0, true, 91, line, sizeof line);
    assert_string_equal(line,
                        "student  epoch 3/15  [==>     ]   25 %  5120 images/s  ETA 2:00  loss 0.8313  data wait 1 %");
    rt_progress_line(&progress, 140.0, true, 30, line, sizeof line);
    assert_string_equal(line, "student  epoch 3/15   25 %  51");

    progress.point = (rt_progress_point){.done = 4000};
    rt_progress_line(&progress, 140.0, true, 255, line, sizeof line);
    assert_string_equal(line, "student  [==============================]  100 %  5120 images/s  ETA 0:00");
    progress.point.done = 0;
    progress.rate = 0.0;
    progress.unit = "steps";
    rt_progress_line(&progress, 140.0, false, 255, line, sizeof line);
    assert_string_equal(line, "student    0 %  ETA ?");
    progress.total = 0;
    progress.rate = 12.34;
    rt_progress_line(&progress, 140.0, true, 255, line, sizeof line);
    assert_string_equal(line, "student  12.3 steps/s");
}

/* Runs a short piece of work while stderr is `end`. As far as it knows a thousand seconds pass before its third update
 * and none before the others, so that exactly that one is drawn however slow the machine is. */
static void work(int end)
{
    fflush(stderr);
    int saved = dup(STDERR_FILENO);
    dup2(end, STDERR_FILENO);
    rt_progress progress;
    rt_progress_open(&progress, "teacher", "images", 40000);
    progress.started -= 1000.0;
    for (uint64_t i = 1; i <= 4; ++i) {
        progress.drawn = rt_seconds() + (i == 3 ? -1000.0 : 1000.0);
        rt_progress_update(&progress, &(rt_progress_point){.done = 10000 * i, .loss = NAN, .wait_seconds = -1.0});
    }
    rt_progress_say(&progress, "epoch %d done", 1);
    rt_progress_finish(&progress, "teacher: finished");
    dup2(saved, STDERR_FILENO);
    close(saved);
}

static void read_all(int end, char *text, size_t size)
{
    fcntl(end, F_SETFL, O_NONBLOCK);
    ssize_t length = 0, got;
    while ((size_t)length < size - 1 && (got = read(end, text + length, size - 1 - (size_t)length)) > 0)
        length += got;
    text[length] = '\0';
}

static void pipe_gets_plain_lines(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    setenv("TERM", "xterm", 1);
    work(ends[1]);
    char text[4096];
    read_all(ends[0], text, sizeof text);
    assert_string_equal(text, "teacher   75 %  30.0 images/s  ETA 5:33\nepoch 1 done\nteacher: finished\n");
    close(ends[0]);
    close(ends[1]);
}

static void expect_on_terminal(const char *term, const char *no_color, const char *expected)
{
    int reader, writer;
    struct winsize window = {.ws_row = 24, .ws_col = 61};
    if (openpty(&reader, &writer, NULL, NULL, &window) != 0) {
        print_message("no pseudo-terminal can be opened here: %s\n", strerror(errno));
        skip();
    }
    setenv("TERM", term, 1);
    setenv("NO_COLOR", no_color, 1);
    work(writer);
    char text[4096];
    read_all(reader, text, sizeof text);
    assert_string_equal(text, expected);
    close(writer);
    close(reader);
}

static void terminal_gets_one_line_redrawn(void **state)
{
    (void)state;
    expect_on_terminal("xterm", "1",
                       "\rteacher  [============>    ]   75 %  30.0 images/s  ETA 5:33\033[K"
                       "\r\033[Kepoch 1 done\r\nteacher: finished\r\n");
    expect_on_terminal("xterm", "",
                       "\r\033[36mteacher  [============>    ]   75 %  30.0 images/s  ETA 5:33\033[0m\033[K"
                       "\r\033[Kepoch 1 done\r\nteacher: finished\r\n");
    expect_on_terminal("dumb", "", "teacher   75 %  30.0 images/s  ETA 5:33\r\nepoch 1 done\r\nteacher: finished\r\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_columns_are_aligned),
        cmocka_unit_test(table_survives_odd_contents),
        cmocka_unit_test(table_grows),
        cmocka_unit_test(durations_are_read_at_a_glance),
        cmocka_unit_test(line_fits_its_columns),
        cmocka_unit_test(pipe_gets_plain_lines),
        cmocka_unit_test(terminal_gets_one_line_redrawn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
