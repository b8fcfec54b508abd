/* A teacher's logits: the same bits without a memo, with an empty one, a full one, and one filled in part or damaged;
 * whatever the batches. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "allocations.h"
#include "base/threads.h"
#include "formats/half.h"
#include "recipe_text.h"
#include "train/memo.h"
#include "train/memo_choice.h"
#include "train/teacher.h"

enum { SAMPLES = 150, CLASSES = 5, EPOCHS = 4 };

static rt_engine *engine;
static char folder[] = "/tmp/retort-test-XXXXXX";
static char path[64];

static int start(void **state)
{
    (void)state;
    rt_threads_start(2);
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/test.memo", folder);
    return rt_engine_new(&engine, NULL) == RT_OK ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    rt_engine_free(engine);
    return rmdir(folder);
}

static int remove_file(void **state)
{
    (void)state;
    unlink(path);
    return 0;
}

/* A teacher without weights of its own, on made-up data. */
struct school {
    rt_recipe *recipe;
    rt_run_data data;
    rt_network *network;
};

static void found(struct school *school, const char *model, const char *memo, const char *precision)
{
    char text[1024];
    snprintf(text, sizeof text,
             "retort: 1\n"
             "data: {reader: synthetic, shape: [3, 8, 8], classes: %d, samples: %d, test_samples: 5,\n"
             "       augment: {crop: {pad: 1}, flip: true}}\n"
             "teacher: {model: %s, weights: not opened, memo: %s, memo_precision: %s}\n"
             "student: {model: mlp}\n"
             "loss: [kl]\n"
             "train: {epochs: 1}\n",
             CLASSES, SAMPLES, model, memo, precision);
    school->recipe = recipe_of(text);
    rt_error err = {0};
    if (rt_run_data_open(school->recipe, &school->data, &err) != RT_OK)
        fail_msg("%s", err.message);
    const rt_model_input input = rt_run_data_input(&school->data);
    if (rt_network_new(model, NULL, &input, false, &school->network, &err) != RT_OK)
        fail_msg("%s", err.message);
    rt_parameters_initialize(school->network->parameters, 4);
}

static void dissolve(struct school *school)
{
    rt_network_free(school->network);
    rt_run_data_close(&school->data);
    rt_recipe_free(school->recipe);
}

static rt_teacher *hire(const struct school *school, bool with_memo)
{
    rt_teacher *teacher = NULL;
    rt_error err = {0};
    if (rt_teacher_open(engine, school->network, &school->data, with_memo ? &school->recipe->teacher : NULL, &teacher,
                        &err) != RT_OK)
        fail_msg("%s", err.message);
    assert_int_equal(rt_teacher_memo_path(teacher) != NULL, with_memo);
    return teacher;
}

typedef struct lessons {
    float logits[EPOCHS][SAMPLES][CLASSES]; /* by sample, whatever the order of the batches */
} lessons;

/* What the teacher says of all images, epoch by epoch. Returns how often it asked for memory meanwhile. */
static int attend(const struct school *school, rt_teacher *teacher, size_t batch_size, uint32_t epochs, lessons *heard)
{
    rt_loader *loader = NULL;
    rt_error err = {0};
    float logits[SAMPLES * CLASSES];
    if (rt_run_data_train_loader(&school->data, batch_size, &loader, &err) != RT_OK)
        fail_msg("%s", err.message);
    int allocated = 0;
    for (uint32_t epoch = 0; epoch < epochs; ++epoch) {
        rt_loader_seek(loader, epoch, 0);
        for (const rt_batch *batch; (batch = rt_loader_next(loader));) {
            int before = allocations_made;
            if (rt_teacher_logits(teacher, batch, logits, &err) != RT_OK)
                fail_msg("%s", err.message);
            allocated += allocations_made - before;
            for (size_t i = 0; i < batch->count; ++i)
                memcpy(heard->logits[epoch][batch->samples[i]], logits + i * CLASSES, CLASSES * sizeof(float));
        }
    }
    rt_loader_close(loader);
    return allocated;
}

static void assert_same_lessons(const lessons *a, const lessons *b, uint32_t epochs)
{
    assert_memory_equal(a, b, epochs * sizeof a->logits[0]);
}

static void memos_do_not_change_a_bit(void **state)
{
    (void)state;
    static const char *const models[] = {"resnet8", "convnet", "mlp"};
    static lessons without, with;
    for (size_t m = 0; m < sizeof models / sizeof *models; ++m) {
        struct school school;
        found(&school, models[m], path, "fp32");
        rt_teacher *teacher = hire(&school, false);
        attend(&school, teacher, 64, EPOCHS, &without);
        rt_teacher_close(teacher);
        assert_memory_not_equal(without.logits[0], without.logits[1], sizeof without.logits[0]);

        /* Empty, with batches that leave something over; then filled for two epochs of four; then full. */
        static const size_t batches[] = {41, 64, 7, 150};
        for (size_t b = 0; b < sizeof batches / sizeof *batches; ++b) {
            uint32_t epochs = b == 0 ? 2 : EPOCHS;
            teacher = hire(&school, true);
            attend(&school, teacher, batches[b], epochs, &with);
            assert_same_lessons(&without, &with, epochs);
            rt_teacher_counts counts = rt_teacher_count(teacher);
            assert_int_equal(counts.hits + counts.misses, epochs * SAMPLES);
            assert_int_equal(counts.kept, counts.misses);
            assert_int_equal(counts.damaged, 0);
            assert_true(b == 0   ? counts.misses > SAMPLES
                        : b == 1 ? counts.hits > SAMPLES && counts.misses > SAMPLES
                                 : counts.misses == 0);
            rt_teacher_close(teacher);
        }
        dissolve(&school);
        unlink(path);
    }
}

static void damaged_entries_are_computed_again(void **state)
{
    (void)state;
    static lessons without, with;
    struct school school;
    found(&school, "resnet8", path, "fp32");
    rt_teacher *teacher = hire(&school, true);
    attend(&school, teacher, 50, 1, &without);
    rt_teacher_close(teacher);
    int file = open(path, O_RDWR);
    enum { STRIDE = 32 }; /* checksum, five floats, padding */
    for (off_t entry = 0; entry < SAMPLES * 18; ++entry) {
        const off_t place = RT_MEMO_PAGE + entry * STRIDE + 9;
        unsigned char bytes[STRIDE], one;
        assert_int_equal(pread(file, bytes, STRIDE, RT_MEMO_PAGE + entry * STRIDE), STRIDE);
        one = (unsigned char)(bytes[9] ^ 1);
        if (entry % 2 == 0 && (bytes[0] || bytes[1] || bytes[2]))
            assert_int_equal(pwrite(file, &one, 1, place), 1);
    }
    close(file);
    for (int again = 0; again < 2; ++again) {
        teacher = hire(&school, true);
        attend(&school, teacher, 50, 1, &with);
        assert_same_lessons(&without, &with, 1);
        rt_teacher_counts counts = rt_teacher_count(teacher);
        assert_int_equal(counts.misses, counts.damaged);
        assert_true(again ? counts.damaged == 0 : counts.damaged > 30);
        char words[RT_TEACHER_WORDS];
        rt_teacher_count_words(teacher, &counts, words);
        assert_int_equal(strstr(words, "of them for entries that were damaged") != NULL, !again);
        rt_teacher_close(teacher);
    }
    dissolve(&school);
}

/* fp16: each logit is the nearest half, whether it was kept, or found, or could be neither. */
static void fp16_rounds_hits_and_misses_alike(void **state)
{
    (void)state;
    static lessons without, cold, warm;
    struct school school;
    found(&school, "resnet8", path, "fp16");
    rt_teacher *teacher = hire(&school, false);
    attend(&school, teacher, 64, EPOCHS, &without);
    rt_teacher_close(teacher);
    teacher = hire(&school, true);
    attend(&school, teacher, 64, EPOCHS, &cold);
    rt_teacher_close(teacher);
    teacher = hire(&school, true);
    attend(&school, teacher, 31, EPOCHS, &warm);
    assert_int_equal(rt_teacher_count(teacher).misses, 0);
    rt_teacher_close(teacher);
    assert_same_lessons(&cold, &warm, EPOCHS);
    const float *exact = &without.logits[0][0][0], *rounded = &cold.logits[0][0][0];
    size_t changed = 0;
    for (size_t i = 0; i < EPOCHS * SAMPLES * CLASSES; ++i) {
        assert_true(rounded[i] == rt_float_of_half(rt_half_of_float(exact[i])));
        changed += rounded[i] != exact[i];
    }
    assert_true(changed > EPOCHS * SAMPLES);
    dissolve(&school);
}

/* Logits beyond the largest half are never kept, and never rounded. */
static void fp16_leaves_alone_what_it_cannot_hold(void **state)
{
    (void)state;
    static lessons without, with;
    struct school school;
    found(&school, "mlp", path, "fp16");
    float *bias = rt_parameter_values(school.network->parameters, (int)school.network->graph->parameter_count - 1);
    bias[2] = 1e6f;
    ++school.network->parameters->version;
    rt_teacher *teacher = hire(&school, false);
    attend(&school, teacher, 64, 1, &without);
    rt_teacher_close(teacher);
    for (int again = 0; again < 2; ++again) {
        teacher = hire(&school, true);
        attend(&school, teacher, 64, 1, &with);
        assert_same_lessons(&without, &with, 1);
        assert_int_equal(rt_teacher_count(teacher).misses, SAMPLES);
        assert_int_equal(rt_teacher_count(teacher).kept, 0);
        rt_teacher_close(teacher);
    }
    dissolve(&school);
}

static void nothing_is_allocated(void **state)
{
    (void)state;
    static lessons heard;
    struct school school;
    found(&school, "convnet", path, "fp32");
    for (int again = 0; again < 2; ++again) {
        rt_teacher *teacher = hire(&school, true);
        attend(&school, teacher, 64, 1, &heard); /* the library's own first use */
        assert_int_equal(attend(&school, teacher, 64, EPOCHS, &heard), 0);
        rt_teacher_close(teacher);
    }
    dissolve(&school);
}

static void other_teachers_are_refused(void **state)
{
    (void)state;
    struct school school;
    rt_error err = {0};
    rt_teacher *teacher = NULL;
    found(&school, "convnet", path, "fp32");
    rt_teacher_close(hire(&school, true));
    const rt_network_recipe *recipe = &school.recipe->teacher;
    assert_int_equal(rt_teacher_check_memo(engine, school.network, &school.data, recipe, true, &err), RT_OK);
    rt_parameter_values(school.network->parameters, 0)[0] += 0.01f;
    ++school.network->parameters->version;
    assert_int_equal(rt_teacher_open(engine, school.network, &school.data, recipe, &teacher, &err), RT_ERROR_USAGE);
    assert_non_null(strstr(err.message, "teacher weights differs"));
    assert_int_equal(rt_teacher_check_memo(engine, school.network, &school.data, recipe, true, &err), RT_ERROR_USAGE);
    /* Weights that are not known yet are not compared; pixels are. */
    assert_int_equal(rt_teacher_check_memo(engine, school.network, &school.data, recipe, false, &err), RT_OK);
    ((uint8_t *)(uintptr_t)school.data.train.pixels)[1234] ^= 1;
    assert_int_equal(rt_teacher_check_memo(engine, school.network, &school.data, recipe, false, &err), RT_ERROR_USAGE);
    assert_non_null(strstr(err.message, "training images differs"));
    dissolve(&school);
}

static void some_teachers_can_have_none(void **state)
{
    (void)state;
    static const struct {
        uint32_t variants;
        bool independent;
        const char *words;
    } cases[] = {{0, true, "the augmentation has no finite number of variants"},
                 {18, false, "with this engine an image's logits depend on its place in a batch"}};
    for (size_t i = 0; i < 2; ++i) {
        rt_memo_key key = {.samples = 10, .variants = cases[i].variants, .classes = 3};
        rt_memo_choice choice;
        rt_error err = {0};
        assert_int_equal(rt_memo_choose("auto", &key, cases[i].independent, &choice, &err), RT_OK);
        assert_null(choice.path);
        assert_string_equal(choice.reason, cases[i].words);
        assert_int_equal(rt_memo_choose("x.memo", &key, cases[i].independent, &choice, &err), RT_ERROR_USAGE);
        assert_non_null(strstr(err.message, "memo 'x.memo' is of no use here: "));
        assert_non_null(strstr(err.message, cases[i].words));
    }
}

/* Layers are those of the network itself, whatever the order in which they are asked for; a memo has none of them. */
static void features_are_handed_out_and_close_the_memo(void **state)
{
    (void)state;
    enum { BATCH = 40 };
    struct school school;
    rt_error err = {0};
    rt_extent extent = {0};
    rt_loader *loader;
    float logits[BATCH * CLASSES];
    found(&school, "convnet", path, "fp32");
    rt_teacher *teacher = hire(&school, true);
    const rt_inference *without = rt_teacher_inference(teacher);
    assert_null(rt_teacher_features(teacher, "layer1", &extent));
    assert_int_equal(rt_teacher_keep(teacher, "layer2", BATCH, &err), RT_OK);
    const float *features = rt_teacher_features(teacher, "layer2", &extent);
    assert_int_equal(rt_teacher_keep(teacher, "penultimate", BATCH, &err), RT_OK);
    assert_int_equal(rt_teacher_keep(teacher, "layer2", BATCH, &err), RT_OK);
    assert_ptr_equal(rt_teacher_features(teacher, "layer2", &extent), features);
    assert_true(extent.height == 4 && extent.width == 4 && extent.channels == 64);
    assert_null(rt_teacher_memo_path(teacher));
    assert_string_equal(rt_teacher_memo_words(teacher), "no memo: a loss reads features, which it does not hold");
    const float *pooled = rt_teacher_features(teacher, "penultimate", &extent);
    assert_int_equal(extent.channels, 64);
    assert_int_equal(rt_teacher_keep(teacher, "layer9", BATCH, &err), RT_ERROR_USAGE);
    assert_string_equal(err.message, "the teacher has no layer 'layer9'");
    assert_int_equal(rt_teacher_keep(teacher, "layer1", BATCH + 1, &err), RT_ERROR_USAGE);

    /* However many layers: one plan, when they are all known. */
    assert_ptr_equal(rt_teacher_inference(teacher), without);
    assert_int_equal(rt_teacher_settle(teacher, &err), RT_OK);
    const rt_inference *with = rt_teacher_inference(teacher);
    assert_ptr_not_equal(with, without);
    assert_int_equal(rt_teacher_settle(teacher, &err), RT_OK);
    assert_ptr_equal(rt_teacher_inference(teacher), with);

    assert_int_equal(rt_run_data_train_loader(&school.data, BATCH, &loader, &err), RT_OK);
    for (const rt_batch *batch; (batch = rt_loader_next(loader));) {
        int before = allocations_made;
        if (rt_teacher_logits(teacher, batch, logits, &err) != RT_OK)
            fail_msg("%s", err.message);
        assert_true(batch->count < BATCH || allocations_made == before || rt_teacher_count(teacher).misses == BATCH);
        const rt_parameter *bias = &school.network->graph->parameters[school.network->graph->parameter_count - 1];
        const float *weights =
            rt_parameter_values(school.network->parameters, (int)(bias - 1 - school.network->graph->parameters));
        const float *shift =
            rt_parameter_values(school.network->parameters, (int)(bias - school.network->graph->parameters));
        for (size_t n = 0; n < batch->count; ++n) {
            double sum = (double)shift[1];
            for (size_t k = 0; k < 64; ++k) {
                double mean = 0.0;
                for (size_t pixel = 0; pixel < 16; ++pixel)
                    mean += (double)features[(n * 16 + pixel) * 64 + k] / 16.0;
                assert_true(fabs(mean - (double)pooled[n * 64 + k]) <= 1e-5);
                sum += mean * (double)weights[64 + k];
            }
            assert_true(fabs(sum - (double)logits[n * CLASSES + 1]) <= 1e-4);
        }
    }
    rt_loader_close(loader);
    rt_teacher_close(teacher);
    dissolve(&school);
}

/* What `auto` says of it. */
static void features_turn_auto_off(void **state)
{
    (void)state;
    struct school school;
    rt_error err = {0};
    rt_teacher *teacher = NULL;
    found(&school, "convnet", "auto", "fp32");
    school.recipe->teacher.features_for = "fitnet";
    assert_int_equal(rt_teacher_open(engine, school.network, &school.data, &school.recipe->teacher, &teacher, &err),
                     RT_OK);
    assert_string_equal(rt_teacher_memo_words(teacher),
                        "no memo: loss 'fitnet' reads the teacher's features, which a memo does not hold");
    rt_teacher_close(teacher);
    dissolve(&school);
}

enum { MEMBERS = 3 };

/* Opens teachers of one network each, with weights of their own. */
static void hire_several(const struct school *school, rt_network *networks[MEMBERS], rt_teacher *members[MEMBERS])
{
    static const char *const models[MEMBERS] = {"convnet", "mlp", "convnet"};
    const rt_model_input input = rt_run_data_input(&school->data);
    for (size_t m = 0; m < MEMBERS; ++m) {
        rt_error err = {0};
        if (rt_network_new(models[m], NULL, &input, false, &networks[m], &err) != RT_OK)
            fail_msg("%s", err.message);
        rt_parameters_initialize(networks[m]->parameters, 10 + m);
        if (rt_teacher_open(engine, networks[m], &school->data, NULL, &members[m], &err) != RT_OK)
            fail_msg("%s", err.message);
    }
}

/* softmax(logits)[k], written down as it is. */
static double probability(const float *logits, size_t k)
{
    double sum = 0.0;
    for (size_t i = 0; i < CLASSES; ++i)
        sum += exp((double)logits[i]);
    return exp((double)logits[k]) / sum;
}

static void several_teachers_agree_on_a_mean(void **state)
{
    (void)state;
    enum { BATCH = 40 };
    static const double weights[MEMBERS] = {2, 0, 6}, shares[MEMBERS] = {0.25, 0, 0.75};
    struct school school;
    rt_network *networks[MEMBERS];
    rt_teacher *members[MEMBERS], *joint;
    rt_error err = {0};
    float agreed[BATCH * CLASSES], own[MEMBERS][BATCH * CLASSES];
    found(&school, "convnet", "off", "fp32");
    hire_several(&school, networks, members);
    for (int agreement = RT_AGREE_PROBABILITIES; agreement <= RT_AGREE_LOGITS; ++agreement) {
        rt_loader *loader;
        assert_int_equal(rt_teacher_join(members, weights, MEMBERS, agreement, BATCH, &joint, &err), RT_OK);
        assert_int_equal(rt_teacher_members(joint), MEMBERS);
        assert_ptr_equal(rt_teacher_member(joint, 2), members[2]);
        assert_ptr_equal(rt_teacher_member(members[1], 0), members[1]);
        assert_null(rt_teacher_all(members[0]));
        assert_int_equal(rt_run_data_train_loader(&school.data, BATCH, &loader, &err), RT_OK);
        rt_teacher_counts before = rt_teacher_count(joint);
        size_t images = 0;
        for (const rt_batch *batch; (batch = rt_loader_next(loader)); images += batch->count) {
            int allocated = allocations_made;
            if (rt_teacher_logits(joint, batch, agreed, &err) != RT_OK)
                fail_msg("%s", err.message);
            assert_true(images == 0 || allocations_made == allocated);
            for (size_t m = 0; m < MEMBERS; ++m) {
                assert_int_equal(rt_teacher_logits(members[m], batch, own[m], &err), RT_OK);
                assert_memory_equal(own[m], rt_teacher_all(joint) + m * batch->count * CLASSES,
                                    batch->count * CLASSES * sizeof(float));
            }
            for (size_t n = 0; n < batch->count; ++n)
                for (size_t k = 0; k < CLASSES; ++k) {
                    double mean = 0.0;
                    for (size_t m = 0; m < MEMBERS; ++m)
                        mean += shares[m] * (agreement == RT_AGREE_LOGITS ? (double)own[m][n * CLASSES + k]
                                                                          : probability(own[m] + n * CLASSES, k));
                    double expected = agreement == RT_AGREE_LOGITS ? mean : log(mean);
                    if (!(fabs((double)agreed[n * CLASSES + k] - expected) <= 1e-6))
                        fail_msg("%g instead of %g", (double)agreed[n * CLASSES + k], expected);
                }
        }
        assert_int_equal(images, SAMPLES);
        assert_int_equal(rt_teacher_count_since(joint, &before).misses, 2 * MEMBERS * SAMPLES); /* asked twice */
        assert_string_equal(rt_teacher_memo_words(joint),
                            "teacher 0: no memo: none is wanted; teacher 1: no memo: none "
                            "is wanted; teacher 2: no memo: none is wanted");
        rt_loader_close(loader);
        rt_teacher_close(joint);
    }
    for (size_t m = 0; m < MEMBERS; ++m) {
        rt_teacher_close(members[m]);
        rt_network_free(networks[m]);
    }
    dissolve(&school);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, remove_file)
    const struct CMUnitTest tests[] = {
        TEST(memos_do_not_change_a_bit),
        TEST(damaged_entries_are_computed_again),
        TEST(fp16_rounds_hits_and_misses_alike),
        TEST(fp16_leaves_alone_what_it_cannot_hold),
        TEST(nothing_is_allocated),
        TEST(other_teachers_are_refused),
        TEST(some_teachers_can_have_none),
        TEST(features_are_handed_out_and_close_the_memo),
        TEST(features_turn_auto_off),
        TEST(several_teachers_agree_on_a_mean),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
