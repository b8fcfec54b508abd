/* results.csv: its columns, its rows, and rows taken back after a stop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "recipe_text.h"
#include "scratch_file.h"
#include "train/log.h"
#include "train/results.h"

static int make_folder(void **state)
{
    (void)state;
    return scratch_make("results.csv");
}

static void assert_file(const char *expected)
{
    rt_bytes bytes = {0};
    assert_int_equal(rt_file_read(path, 1 << 20, &bytes, NULL), RT_OK);
    assert_string_equal((const char *)bytes.data, expected);
    rt_bytes_free(&bytes);
}

static void write_file(const char *text)
{
    assert_int_equal(rt_file_write(path, &(rt_piece){text, strlen(text)}, 1, NULL), RT_OK);
}

/* Three terms, two of one kind. */
static rt_recipe *three_terms(void)
{
    return recipe_of("retort: 1\n"
                     "data: {reader: synthetic}\n"
                     "teacher: {model: mlp, weights: absent}\n"
                     "student: {model: mlp}\n"
                     "loss: [kl: {weight: 0.5}, cross_entropy, kl: {weight: 0.25, temperature: 1}]\n"
                     "train: {epochs: 3}\n");
}

#define COLUMNS "epoch,lr,loss,kl,cross_entropy,kl_2,train_top1,train_top5,"
#define HEADER COLUMNS "test_top1,test_top5,test_cross_entropy,images_per_s,seconds\n"
#define ROW_1 "1,0.1,1.5,2,0.333333333,4,50.0000,75.0000,25.0000,100.0000,0.5,1234.6,0.250\n"
#define ROW_2 "2,0.1,1.5,2,0.333333333,4,50.0000,75.0000,25.0000,100.0000,0.5,1234.6,0.250\n"

static const double losses[] = {2.0, 1.0 / 3.0, 4.0}, weights[] = {0.5, 1.0, 0.125};
static const rt_metrics train_metrics = {.samples = 8, .top1 = 4, .top5 = 6, .cross_entropy_sum = 8.0};
static const rt_metrics test_metrics = {.samples = 4, .top1 = 1, .top5 = 4, .cross_entropy_sum = 2.0};

static rt_epoch_row row_of(int64_t epoch)
{
    return (rt_epoch_row){.epoch = epoch,
                          .learning_rate = 0.1,
                          .loss = 1.5,
                          .losses = losses,
                          .weights = weights,
                          .train = &train_metrics,
                          .test = &test_metrics,
                          .images_per_s = 1234.56,
                          .seconds = 0.25};
}

static void rows_have_their_columns(void **state)
{
    (void)state;
    rt_recipe *recipe = three_terms();
    rt_results results;
    rt_epoch_row row = row_of(1);
    assert_int_equal(rt_results_open(&results, path, recipe->loss, 3, false, 0, NULL), RT_OK);
    assert_int_equal(rt_results_add(&results, &row, 3, NULL), RT_OK);
    assert_file(HEADER ROW_1);
    row.epoch = 2;
    assert_int_equal(rt_results_add(&results, &row, 3, NULL), RT_OK);
    assert_file(HEADER ROW_1 ROW_2);
    rt_results_close(&results);
    rt_results_close(&results);

    const rt_metrics validation = {.samples = 3, .top1 = 2, .top5 = 3, .cross_entropy_sum = 1.0};
    row.validation = &validation;
    assert_int_equal(rt_results_open(&results, path, recipe->loss, 3, true, 0, NULL), RT_OK);
    assert_int_equal(rt_results_add(&results, &row, 3, NULL), RT_OK);
    assert_file(COLUMNS "validation_top1,validation_top5,validation_cross_entropy,test_top1,test_top5,"
                        "test_cross_entropy,images_per_s,seconds\n"
                        "2,0.1,1.5,2,0.333333333,4,50.0000,75.0000,66.6667,100.0000,0.333333333,25.0000,100.0000,0.5,"
                        "1234.6,0.250\n");
    rt_results_close(&results);
    rt_recipe_free(recipe);
}

static void earlier_rows_are_taken_back(void **state)
{
    (void)state;
    rt_recipe *recipe = three_terms();
    rt_results results;
    /* The second row was written, but not the checkpoint after it. */
    write_file(HEADER ROW_1 "2,this row will be written again\n");
    assert_int_equal(rt_results_open(&results, path, recipe->loss, 3, false, 1, NULL), RT_OK);
    const rt_epoch_row row = row_of(2);
    assert_int_equal(rt_results_add(&results, &row, 3, NULL), RT_OK);
    assert_file(HEADER ROW_1 ROW_2);
    rt_results_close(&results);

    /* A long row comes back whole. */
    char long_row[4000], whole[5000];
    memset(long_row, '7', sizeof long_row - 1);
    long_row[sizeof long_row - 1] = '\0';
    snprintf(whole, sizeof whole, HEADER "%s\n", long_row);
    write_file(whole);
    assert_int_equal(rt_results_open(&results, path, recipe->loss, 3, false, 1, NULL), RT_OK);
    assert_string_equal(results.text, whole);
    rt_results_close(&results);
    rt_recipe_free(recipe);
}

static void assert_refused(const rt_recipe *recipe, int64_t epochs, const char *message)
{
    rt_error err = {0};
    rt_results results;
    assert_int_not_equal(rt_results_open(&results, path, recipe->loss, 3, false, epochs, &err), RT_OK);
    assert_non_null(strstr(err.message, message));
    assert_true(results.text == NULL && results.path == NULL);
}

static void tables_of_other_runs_are_refused(void **state)
{
    (void)state;
    rt_recipe *recipe = three_terms();
    write_file(HEADER ROW_1);
    assert_refused(recipe, 2, "' ends before epoch 2");
    write_file(HEADER "1,0.1");
    assert_refused(recipe, 1, "' ends before epoch 1");
    write_file("epoch,lr,loss,kl\n" ROW_1);
    assert_refused(recipe, 1, "' has other columns than this run");
    write_file("");
    assert_refused(recipe, 1, "' has other columns than this run");
    unlink(path);
    assert_refused(recipe, 1, "cannot open");
    rt_recipe_free(recipe);
}

/* A value that no column was made for must not be cut short. */
static void names_that_are_too_long_are_refused(void **state)
{
    (void)state;
    char name[400];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    const rt_loss loss = {.name = name};
    const rt_loss_recipe term = {.loss = &loss};
    rt_error err = {0};
    rt_results results;
    assert_int_equal(rt_results_open(&results, path, &term, 1, false, 0, &err), RT_ERROR_USAGE);
    assert_non_null(strstr(err.message, "a value of 400 characters"));
}

/* A term that does not count has no value: an empty cell, null. */
static void idle_terms_have_no_value(void **state)
{
    (void)state;
    rt_recipe *recipe = three_terms();
    rt_results results;
    rt_epoch_row row = row_of(1);
    rt_bytes bytes = {0};
    row.losses = (const double[]){2.0, NAN, 4.0};
    row.weights = (const double[]){0.5, 0.0, 0.125};
    assert_int_equal(rt_results_open(&results, path, recipe->loss, 3, false, 0, NULL), RT_OK);
    assert_int_equal(rt_results_add(&results, &row, 3, NULL), RT_OK);
    assert_file(HEADER "1,0.1,1.5,2,,4,50.0000,75.0000,25.0000,100.0000,0.5,1234.6,0.250\n");
    rt_results_close(&results);
    write_file("");
    assert_int_equal(rt_log_epoch(path, &row, recipe->loss, 3, NULL), RT_OK);
    assert_int_equal(rt_file_read(path, 1 << 20, &bytes, NULL), RT_OK);
    assert_non_null(strstr((const char *)bytes.data, "{\"name\":\"cross_entropy\",\"weight\":0.0,\"value\":null}"));
    rt_bytes_free(&bytes);
    rt_recipe_free(recipe);
}

/* Figures that JSON has no words for, and a line that a kill cut in two. */
static void log_lines_stay_whole(void **state)
{
    (void)state;
    rt_recipe *recipe = three_terms();
    const rt_metrics broken = {.samples = 4, .not_finite = 1, .cross_entropy_sum = NAN};
    rt_epoch_row row = row_of(1);
    row.test = &broken;
    write_file("{\"time\": 1, \"eve");
    assert_int_equal(rt_log_event(path, "started", "a \"label\"\n", NULL), RT_OK);
    assert_int_equal(rt_log_epoch(path, &row, recipe->loss, 3, NULL), RT_OK);
    rt_bytes bytes = {0};
    assert_int_equal(rt_file_read(path, 1 << 20, &bytes, NULL), RT_OK);
    const char *text = (const char *)bytes.data;
    assert_non_null(strstr(text, "eve\n{\"time\":"));
    assert_non_null(strstr(text, "\"event\":\"started\",\"detail\":\"a \\\"label\\\"\\n\"}\n{\"time\":"));
    assert_non_null(strstr(text, "{\"name\":\"kl_2\",\"weight\":0.125,\"value\":4.0}]"));
    assert_non_null(strstr(text, "\"test\":{\"top1\":0.0,\"top5\":0.0,\"cross_entropy\":null},"));
    assert_int_equal(text[bytes.size - 1], '\n');
    rt_bytes_free(&bytes);
    assert_int_equal(rt_log_event("/nonexistent/log", "started", NULL, NULL), RT_ERROR_FILE);
    rt_recipe_free(recipe);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_have_their_columns),          cmocka_unit_test(earlier_rows_are_taken_back),
        cmocka_unit_test(tables_of_other_runs_are_refused), cmocka_unit_test(names_that_are_too_long_are_refused),
        cmocka_unit_test(idle_terms_have_no_value),         cmocka_unit_test(log_lines_stay_whole),
    };
    return cmocka_run_group_tests(tests, make_folder, scratch_remove);
}
