/* Students that learn side by side from one teacher end with the bits that each has alone, also when one of them goes
 * on from a checkpoint ahead of the other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/threads.h"
#include "recipe_text.h"
#include "train/fingerprint.h"
#include "train/lockstep.h"

/* Alike in what makes batches and teacher, unlike in everything else. 44 images: five batches of 8, and a rest of 4. */
#define ALIKE                                                                                                          \
    "retort: 1\n"                                                                                                      \
    "data: {reader: synthetic, shape: [3, 8, 8], classes: 5, samples: 44, test_samples: 6, augment: {flip: true}}\n"   \
    "teacher: {model: mlp, hidden: 8, weights: made here}\n"
static const char *const texts[] = {
    ALIKE "student: {model: convnet, hidden: 4}\n"
          "loss: [cross_entropy, kl: {temperature: 3}]\n"
          "train: {epochs: 3, batch: 8, optimizer: {sgd: {lr: 0.1}}}\n",
    ALIKE "student: {model: mlp, hidden: 3}\n"
          "loss: [js]\n"
          "train: {epochs: 2, batch: 8, ema: 0.5, optimizer: adamw}\n",
    ALIKE "student: {model: mlp, hidden: 5}\n"
          "loss: [cross_entropy, rkd]\n"
          "train: {epochs: 2, batch: 8}\n",
};
enum { STUDENTS = sizeof texts / sizeof *texts };

static rt_engine *engine;
static rt_recipe *recipes[STUDENTS];
static char fingerprints[STUDENTS][RT_FINGERPRINT_CAPACITY];
static rt_run_data data;
static rt_network *teacher_network;
static rt_teacher *teacher;
static char folder[] = "/tmp/retort-test-XXXXXX";

static void must(rt_status status, const rt_error *err)
{
    if (status != RT_OK)
        fail_msg("%s", err->message);
}

static rt_network *network_of(const rt_network_recipe *recipe, uint64_t seed)
{
    rt_network *network = NULL;
    rt_error err = {0};
    const rt_model_input input = rt_run_data_input(&data);
    must(rt_network_new(recipe->model, recipe->settings, &input, true, &network, &err), &err);
    rt_parameters_initialize(network->parameters, seed);
    return network;
}

static int open_all(void **state)
{
    (void)state;
    rt_error err = {0};
    rt_threads_start(2);
    for (size_t i = 0; i < STUDENTS; ++i) {
        recipes[i] = recipe_of(texts[i]);
        must(rt_fingerprint(recipes[i], fingerprints[i], &err), &err);
    }
    must(rt_engine_new(&engine, &err), &err);
    must(rt_run_data_open(recipes[0], &data, &err), &err);
    teacher_network = network_of(&recipes[0]->teacher, 7);
    must(rt_teacher_open(engine, teacher_network, &data, NULL, &teacher, &err), &err);
    return !mkdtemp(folder);
}

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *place)
{
    (void)about, (void)kind, (void)place;
    return remove(path);
}

static int close_all(void **state)
{
    (void)state;
    rt_teacher_close(teacher);
    rt_network_free(teacher_network);
    rt_run_data_close(&data);
    rt_engine_free(engine);
    for (size_t i = 0; i < STUDENTS; ++i)
        rt_recipe_free(recipes[i]);
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static char *path_of(const char *name, size_t student, const char *file)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s%zu%s%s", folder, name, student, *file ? "/" : "", file);
    return strdup(path);
}

/* Trains the students from `first` on side by side, in folders NAME0, NAME1, ... Returns what the loop does. */
static rt_status train(const char *name, size_t first, size_t count, sig_atomic_t stop)
{
    rt_network *networks[STUDENTS] = {0};
    rt_training *trainings[STUDENTS] = {0};
    char *folders[STUDENTS];
    rt_error err = {0};
    for (size_t i = 0; i < count; ++i) {
        const rt_recipe *recipe = recipes[first + i];
        folders[i] = path_of(name, first + i, "");
        must(rt_folder_make(folders[i], &err), &err);
        networks[i] = network_of(&recipe->student, 0);
        must(rt_training_open(&(rt_training_options){.label = "student",
                                                     .folder = folders[i],
                                                     .engine = engine,
                                                     .network = networks[i],
                                                     .teacher = teacher,
                                                     .data = &data,
                                                     .recipe = &recipe->train,
                                                     .losses = recipe->loss,
                                                     .loss_count = recipe->loss_count,
                                                     .fingerprint = fingerprints[first + i],
                                                     .resume = true},
                              &trainings[i], &err),
             &err);
    }
    volatile sig_atomic_t stopped = stop;
    rt_status status = rt_lockstep_run(&(rt_lockstep){.label = "students",
                                                      .data = &data,
                                                      .teacher = teacher,
                                                      .trainings = trainings,
                                                      .count = count,
                                                      .stop = &stopped},
                                       &err);
    for (size_t i = 0; i < count; ++i) {
        rt_training_result result;
        if (status == RT_OK) {
            must(rt_training_finish(trainings[i], &result, &err), &err);
            assert_int_equal(result.epochs, recipes[first + i]->train.epochs);
        }
        rt_training_close(trainings[i]);
        rt_network_free(networks[i]);
        free(folders[i]);
    }
    return status;
}

static void assert_same_files(const char *one, const char *other)
{
    static const char *const files[] = {"best.safetensors", "last.safetensors"};
    for (size_t student = 0; student < STUDENTS; ++student)
        for (size_t f = 0; f < sizeof files / sizeof *files; ++f) {
            char *a = path_of(one, student, files[f]), *b = path_of(other, student, files[f]);
            rt_bytes left = {0}, right = {0};
            rt_error err = {0};
            must(rt_file_read(a, 1 << 20, &left, &err), &err);
            must(rt_file_read(b, 1 << 20, &right, &err), &err);
            assert_int_equal(left.size, right.size);
            assert_memory_equal(left.data, right.data, left.size);
            rt_bytes_free(&left);
            rt_bytes_free(&right);
            free(a);
            free(b);
        }
}

static void each_has_the_bits_of_its_own_run(void **state)
{
    (void)state;
    for (size_t student = 0; student < STUDENTS; ++student)
        assert_int_equal(train("alone", student, 1, 0), RT_OK);
    uint64_t before = rt_teacher_count(teacher).misses;
    assert_int_equal(train("together", 0, STUDENTS, 0), RT_OK);
    assert_int_equal(rt_teacher_count(teacher).misses - before, 3 * 44); /* once, for both */
    assert_same_files("alone", "together");
}

static void one_that_is_ahead_waits(void **state)
{
    (void)state;
    assert_int_equal(train("ahead", 1, 1, 1), RT_ERROR_INTERRUPTED); /* one step */
    assert_int_equal(train("ahead", 0, STUDENTS, 1), RT_ERROR_INTERRUPTED);
    assert_int_equal(train("ahead", 0, STUDENTS, 0), RT_OK);
    assert_same_files("alone", "ahead");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_has_the_bits_of_its_own_run),
        cmocka_unit_test(one_that_is_ahead_waits),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
