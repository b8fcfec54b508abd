/* Checkpoints: exact to the bit and back, and whatever else the file holds is refused with nothing changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "formats/safetensors.h"
#include "models/network.h"
#include "recipe_text.h"
#include "retort/random.h"
#include "train/checkpoint.h"

static char folder[] = "/tmp/retort-test-XXXXXX";
static char path[64], other_path[64];

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/checkpoint", folder);
    snprintf(other_path, sizeof other_path, "%s/other", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    unlink(other_path);
    return rmdir(folder);
}

/* A run in its third epoch of five steps each. */
struct run {
    rt_recipe *recipe;
    rt_network *network;
    rt_update update;
    rt_training_state state;
};

static const rt_training_state third_epoch = {
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

static void fill(float *values, size_t count, uint64_t stream)
{
    for (size_t i = 0; i < count; ++i) {
        double draw = rt_random_uniform(&(rt_key){.seed = 1, .stream = (uint32_t)stream}, (uint32_t)i);
        values[i] = (float)(draw - 0.5);
    }
}

/* `seed` decides on every number. */
static struct run begin(const char *train, uint32_t seed)
{
    char text[512];
    snprintf(text, sizeof text,
             "retort: 1\n"
             "data: {reader: synthetic}\n"
             "student: {model: convnet, hidden: 2}\n"
             "loss: [cross_entropy, cross_entropy]\n"
             "train: %s\n",
             train);
    struct run run = {.recipe = recipe_of(text), .state = third_epoch};
    const rt_model_input input = {4, 4, 1, 3};
    assert_int_equal(rt_network_new("convnet", run.recipe->student.settings, &input, true, &run.network, NULL), RT_OK);
    rt_parameters *parameters = run.network->parameters;
    assert_int_equal(rt_update_open(&run.update, &run.recipe->train, parameters, parameters->graph, 5, NULL), RT_OK);
    size_t trained = run.network->graph->trained_floats, buffers = run.network->graph->buffer_floats;
    fill(parameters->values, trained, seed);
    fill(parameters->buffers, buffers, seed + 1);
    for (size_t m = 0; m < RT_OPTIMIZER_MAX_MOMENTS; ++m)
        if (run.update.moments[m])
            fill(run.update.moments[m], trained, seed + 2 + m);
    if (run.update.average) {
        fill(run.update.average->values, trained, seed + 4);
        fill(run.update.average->buffers, buffers, seed + 5);
    }
    return run;
}

static void end(struct run *run)
{
    rt_update_close(&run->update);
    rt_network_free(run->network);
    rt_recipe_free(run->recipe);
}

/* Gaps between parameters are nobody's. */
static bool blocks_agree(const rt_graph *graph, bool buffers, const float *a, const float *b)
{
    if (!a || !b)
        return a == b;
    for (size_t p = 0; p < graph->parameter_count; ++p) {
        const rt_parameter *parameter = &graph->parameters[p];
        if (rt_parameter_is_buffer(parameter) == buffers &&
            memcmp(a + parameter->offset, b + parameter->offset, parameter->count * sizeof *a) != 0)
            return false;
    }
    return true;
}

static bool runs_agree(const struct run *a, const struct run *b)
{
    const rt_graph *graph = a->network->graph;
    const rt_parameters *one = a->update.average, *other = b->update.average;
    return memcmp(&a->state, &b->state, sizeof a->state) == 0 && a->update.step == b->update.step &&
           blocks_agree(graph, false, a->network->parameters->values, b->network->parameters->values) &&
           blocks_agree(graph, true, a->network->parameters->buffers, b->network->parameters->buffers) &&
           blocks_agree(graph, false, a->update.moments[0], b->update.moments[0]) &&
           blocks_agree(graph, false, a->update.moments[1], b->update.moments[1]) && !one == !other &&
           (!one || (blocks_agree(graph, false, one->values, other->values) &&
                     blocks_agree(graph, true, one->buffers, other->buffers)));
}

static void save(const struct run *run, const char *where)
{
    rt_error err = {0};
    if (rt_checkpoint_save(where, &run->update, &run->state, 2, "the run", &err) != RT_OK)
        fail_msg("%s", err.message);
}

static rt_status load(struct run *run, const char *where, rt_error *err)
{
    *err = (rt_error){0};
    return rt_checkpoint_load(where, &run->update, &run->state, 2, "the run", err);
}

static const char plain[] = "{epochs: 4, optimizer: {sgd: {momentum: 0.9}}}";
static const char rich[] = "{epochs: 4, ema: 0.9, optimizer: adamw, schedule: cosine}";

static void every_bit_comes_back(void **state)
{
    (void)state;
    const char *const trains[] = {plain, rich};
    for (int i = 0; i < 2; ++i) {
        struct run saved = begin(trains[i], 10), loaded = begin(trains[i], 20);
        rt_error err;
        save(&saved, path);
        loaded.state = (rt_training_state){.loss = -1.0};
        uint64_t version = loaded.network->parameters->version;
        assert_false(runs_agree(&saved, &loaded));
        if (load(&loaded, path, &err) != RT_OK)
            fail_msg("%s", err.message);
        saved.update.step = saved.state.step;
        assert_true(runs_agree(&saved, &loaded));
        assert_true(loaded.network->parameters->version > version);
        assert_true(loaded.update.learning_rate > 0.0);
        end(&saved);
        end(&loaded);
    }
}

/* Loading fails with these words, and the run is as it was. */
static void assert_refused(struct run *run, const char *where, const char *message)
{
    struct run before = begin(run->update.average ? rich : plain, 20);
    before.update.step = run->update.step = 77;
    run->state.loss = before.state.loss = 0.25;
    assert_true(runs_agree(&before, run));
    rt_error err;
    assert_int_not_equal(load(run, where, &err), RT_OK);
    if (!strstr(err.message, message))
        fail_msg("'%s' does not say '%s'", err.message, message);
    assert_null(strpbrk(err.message, "\n\033"));
    assert_true(runs_agree(&before, run));
    end(&before);
}

static void checkpoints_of_other_runs_are_refused(void **state)
{
    (void)state;
    struct run saved = begin(rich, 10), loaded = begin(rich, 20), other = begin(plain, 20);
    rt_error err = {0};
    assert_int_equal(rt_checkpoint_save(path, &saved.update, &saved.state, 2, "an\033other\n", &err), RT_OK);
    assert_refused(&loaded, path, "belongs to another recipe (an?other?; this one is the run)");
    save(&saved, path);
    assert_refused(&other, path, "tensors; this run has");
    assert_refused(&loaded, other_path, "cannot open");
    /* A weights file is none; nor is a checkpoint with another number of terms. */
    rt_tensors file;
    assert_int_equal(rt_tensors_open(path, &file, &err), RT_OK);
    assert_int_equal(rt_safetensors_write(other_path, file.items, file.count, NULL, 0, &err), RT_OK);
    assert_refused(&loaded, other_path, "is not a checkpoint of a run");
    rt_tensors_close(&file);
    assert_int_equal(rt_checkpoint_save(path, &saved.update, &saved.state, 3, "the run", &err), RT_OK);
    assert_refused(&loaded, path, "the saved state of the training cannot be read: '2 3 13");
    end(&saved);
    end(&loaded);
    end(&other);
}

/* Places where a run of 4 epochs of 5 steps cannot stand. */
static void impossible_states_are_refused(void **state)
{
    (void)state;
    struct run saved = begin(plain, 10), loaded = begin(plain, 20);
    rt_training_state states[14];
    for (size_t i = 0; i < sizeof states / sizeof *states; ++i)
        states[i] = third_epoch;
    states[0].epoch = 5, states[0].step = 28;
    states[1].epoch = 4, states[1].step = 23;
    states[2].batch = 6, states[2].step = 16;
    states[3].step = 12;
    states[4].best_epoch = 3;
    states[5].best_epoch = 0;
    states[6].train.samples = 0;
    states[7].batch = 0, states[7].step = 10;
    states[8].train.top1 = 81;
    states[9].train.top5 = 97;
    states[10].train.not_finite = 97;
    states[11].epoch = INT64_MAX / 4;
    states[12].batch = INT64_MAX;
    states[13].step = INT64_MAX;
    for (size_t i = 0; i < sizeof states / sizeof *states; ++i) {
        saved.state = states[i];
        save(&saved, path);
        assert_refused(&loaded, path, "cannot be where a run of 4 epochs of 5 steps stood");
    }
    end(&saved);
    end(&loaded);
}

static void write_piece(const char *where, const void *bytes, size_t size)
{
    FILE *file = fopen(where, "wb"); /* not rt_file_write(): thousands of fsyncs take their time */
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void damaged_files_are_refused(void **state)
{
    (void)state;
    struct run saved = begin(plain, 10), loaded = begin(plain, 20);
    rt_bytes bytes = {0};
    rt_error err;
    save(&saved, path);
    assert_int_equal(rt_file_read(path, 1 << 20, &bytes, NULL), RT_OK);
    for (size_t length = 0; length < bytes.size; length += length < 64 ? 1 : 61) {
        write_piece(other_path, bytes.data, length);
        assert_refused(&loaded, other_path, " ");
    }
    /* One bit wrong: seen, or (in a name that nobody asks for) of no consequence. */
    saved.update.step = saved.state.step;
    size_t unseen = 0;
    for (size_t i = 0; i < bytes.size; i += i < 2048 ? 1 : 17) {
        bytes.data[i] ^= (unsigned char)(1u << (i % 7));
        write_piece(other_path, bytes.data, bytes.size);
        bytes.data[i] ^= (unsigned char)(1u << (i % 7));
        struct run fresh = begin(plain, 20);
        if (load(&fresh, other_path, &err) == RT_OK) {
            ++unseen;
            if (!runs_agree(&saved, &fresh))
                fail_msg("byte %zu is wrong and nobody sees it", i);
        } else if (!err.message[0]) {
            fail_msg("byte %zu is wrong and nobody says so", i);
        }
        end(&fresh);
    }
    assert_true(unseen < 40);
    write_piece(other_path, bytes.data, bytes.size);
    assert_int_equal(load(&loaded, other_path, &err), RT_OK);
    rt_bytes_free(&bytes);
    end(&saved);
    end(&loaded);
}

static void unwritable_folders_are_errors(void **state)
{
    (void)state;
    struct run saved = begin(plain, 10);
    rt_error err = {0};
    assert_int_equal(rt_checkpoint_save("/nonexistent/checkpoint", &saved.update, &saved.state, 2, "the run", &err),
                     RT_ERROR_FILE);
    end(&saved);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bit_comes_back),          cmocka_unit_test(checkpoints_of_other_runs_are_refused),
        cmocka_unit_test(impossible_states_are_refused), cmocka_unit_test(damaged_files_are_refused),
        cmocka_unit_test(unwritable_folders_are_errors),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
