/* recipe: what good recipes mean, that resolved ones read back, and that damaged ones do no harm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recipe/number.h"
#include "recipe/recipe.h"
#include "retort/random.h"

static const char smallest[] = "retort: 1\n"
                               "data: {reader: synthetic}\n"
                               "student: {model: resnet8}\n"
                               "loss: [cross_entropy]\n"
                               "train: {epochs: 3}\n";

static const char largest[] = "retort: 1\n"
                              "data:\n"
                              "  reader: cifar\n"
                              "  root: \"/da\\ta \\\"x\\\" \\xe4\\u2028\"\n"
                              "  labels: coarse\n"
                              "  limit: 4096\n"
                              "  validation: 0.1\n"
                              "  mean: [0.507, 0.4865, .4409]\n"
                              "  std: [0.2673, 0.2564, 2.762e-1]\n"
                              "  workers: 0\n"
                              "  prefetch: 2\n"
                              "  augment: {crop: {pad: 4}, flip: true}\n"
                              "teacher:\n"
                              "  model: resnet56\n"
                              "  width: 0.5\n"
                              "  train: &train\n"
                              "    epochs: 20\n"
                              "    batch: 64\n"
                              "    optimizer: {adamw: {lr: 1e-5}}\n"
                              "    schedule: &schedule {multi_step: {milestones: [10, 15], gamma: 0.2, warmup: 1}}\n"
                              "    clip_norm: 5\n"
                              "  loss: [cross_entropy: {label_smoothing: 0.1}]\n"
                              "student: {model: resnet20, shortcut: identity, weights: 'yes'}\n"
                              "loss:\n"
                              "  - cross_entropy: {weight: 0.1}\n"
                              "  - kl: {weight: 0.9, temperature: 2.5, temperature_squared: false}\n"
                              "train:\n"
                              "  <<: *train\n"
                              "  epochs: 7\n"
                              "  ema: 0.999\n"
                              "baseline: true\n"
                              "seed: 9007199254740992\n"
                              "threads: 2\n";

static rt_recipe *load_with(const char *text, rt_recipe_use use, const char *const *overrides, size_t count)
{
    rt_recipe *recipe = NULL;
    rt_diagnostics diagnostics = {0};
    rt_status status =
        rt_recipe_parse("recipe", text, strlen(text), overrides, count, use, NULL, &recipe, &diagnostics);
    if (status != RT_OK)
        rt_diagnostics_print(&diagnostics, stderr);
    rt_diagnostics_free(&diagnostics);
    assert_int_equal(status, RT_OK);
    return recipe;
}

static rt_recipe *load(const char *text)
{
    return load_with(text, RT_RECIPE_TRAIN, NULL, 0);
}

/* A setting of something that the recipe chose. */
static const void *setting(const rt_param *params, const void *settings, const char *name)
{
    const rt_param *param = rt_param_find(params, name);
    assert_non_null(param);
    return (const char *)settings + param->offset;
}

static double number(const rt_param *params, const void *settings, const char *name)
{
    return *(const double *)setting(params, settings, name);
}

static void absent_keys_have_their_defaults(void **state)
{
    (void)state;
    rt_recipe *recipe = load(smallest);
    assert_string_equal(recipe->path, "recipe");
    assert_string_equal(recipe->data.reader->name, "synthetic");
    assert_null(recipe->data.root);
    assert_int_equal(recipe->data.limit, 0);
    assert_true(recipe->data.validation == 0.0);
    assert_int_equal(recipe->data.mean.count, 0);
    assert_int_equal(recipe->data.workers, 1);
    assert_int_equal(recipe->data.prefetch, 4);
    assert_int_equal(recipe->data.augment.crop_pad, 0);
    assert_false(recipe->data.augment.flip);
    assert_false(recipe->teacher.present);
    assert_true(recipe->student.present);
    assert_string_equal(recipe->student.model, "resnet8");
    assert_string_equal(recipe->student.family->name, "resnet");
    assert_null(recipe->student.weights);
    assert_true(number(recipe->student.family->params, recipe->student.settings, "width") == 1.0);
    assert_int_equal(recipe->loss_count, 1);
    assert_string_equal(recipe->loss[0].loss->name, "cross_entropy");
    assert_true(recipe->loss[0].weight == 1.0);
    assert_int_equal(recipe->loss[0].mark.line, 4);
    assert_int_equal(recipe->loss[0].mark.column, 8);
    assert_int_equal(recipe->train.epochs, 3);
    assert_int_equal(recipe->train.batch, 128);
    assert_string_equal(recipe->train.optimizer.optimizer->name, "sgd");
    assert_string_equal(recipe->train.schedule.schedule->name, "constant");
    assert_true(recipe->train.clip_norm == 0.0 && recipe->train.clip_value == 0.0 && recipe->train.ema == 0.0);
    assert_false(recipe->baseline);
    assert_int_equal(recipe->seed, 0);
    assert_int_equal(recipe->threads, 0);
    rt_recipe_free(recipe);
}

static void given_keys_have_their_values(void **state)
{
    (void)state;
    rt_recipe *recipe = load(largest);
    const rt_data_recipe *data = &recipe->data;
    assert_string_equal(data->root, "/da\ta \"x\" \xc3\xa4\xe2\x80\xa8");
    assert_int_equal(data->root_mark.line, 4);
    assert_int_equal(data->root_mark.column, 9);
    assert_int_equal(*(const int *)setting(data->reader->params, data->settings, "labels"), 1);
    assert_int_equal(data->limit, 4096);
    assert_int_equal(data->mean.count, 3);
    assert_true(data->mean.values[2] == 0.4409 && data->std.values[2] == 0.2762);
    assert_int_equal(data->augment.crop_pad, 4);
    assert_true(data->augment.flip);

    const rt_network_recipe *teacher = &recipe->teacher;
    assert_true(teacher->present && teacher->train_present);
    assert_true(number(teacher->family->params, teacher->settings, "width") == 0.5);
    assert_int_equal(teacher->train.epochs, 20);
    assert_int_equal(teacher->loss_count, 1);
    assert_true(number(teacher->loss->loss->params, teacher->loss->settings, "label_smoothing") == 0.1);
    assert_string_equal(recipe->student.weights, "yes");

    /* The merged mapping's own keys win over those it merges. */
    assert_int_equal(recipe->train.epochs, 7);
    assert_int_equal(recipe->train.batch, 64);
    assert_true(recipe->train.ema == 0.999 && recipe->train.clip_norm == 5.0 && teacher->train.ema == 0.0);
    const rt_optimizer *optimizer = recipe->train.optimizer.optimizer;
    assert_string_equal(optimizer->name, "adamw");
    assert_true(number(optimizer->params, recipe->train.optimizer.settings, "lr") == 1e-5);
    const rt_schedule *schedule = recipe->train.schedule.schedule;
    const rt_int_list *milestones = setting(schedule->params, recipe->train.schedule.settings, "milestones");
    assert_int_equal(milestones->count, 2);
    assert_int_equal(milestones->values[1], 15);
    assert_int_equal(recipe->loss_count, 2);
    assert_true(recipe->loss[1].weight == 0.9);
    assert_true(number(recipe->loss[1].loss->params, recipe->loss[1].settings, "temperature") == 2.5);
    assert_true(recipe->baseline);
    assert_int_equal(recipe->seed, 9007199254740992);
    rt_recipe_free(recipe);
}

static void a_trained_teacher_learns_from_labels_by_default(void **state)
{
    (void)state;
    const char *overrides[] = {"teacher.model=resnet20", "teacher.train.epochs=2"};
    rt_recipe *recipe = load_with(smallest, RT_RECIPE_TRAIN, overrides, 2);
    assert_int_equal(recipe->teacher.loss_count, 1);
    assert_string_equal(recipe->teacher.loss->loss->name, "cross_entropy");
    assert_true(recipe->teacher.loss->weight == 1.0);
    assert_string_equal(recipe->teacher.train.optimizer.optimizer->name, "sgd");
    rt_recipe_free(recipe);
}

static void overrides_change_values(void **state)
{
    (void)state;
    const char *overrides[] = {
        "train.epochs=40",           "train.epochs=41",
        "loss.kl.temperature=2",     "loss.0.cross_entropy.weight=0.25",
        "loss.kl.weight=7",          "data.augment={flip: false}",
        "data.root=a = b",           "train.optimizer=sgd",
        "train.optimizer.sgd.lr=.5", "train.schedule={cosine: {warmup: 2}}",
        "teacher.train.batch=32",    "data.mean.0=0.125",
    };
    size_t count = sizeof overrides / sizeof *overrides;
    rt_recipe *recipe = load_with(largest, RT_RECIPE_TRAIN, overrides, count);
    assert_int_equal(recipe->train.epochs, 41);
    assert_true(number(recipe->loss[1].loss->params, recipe->loss[1].settings, "temperature") == 2.0);
    assert_true(recipe->loss[0].weight == 0.25 && recipe->loss[1].weight == 7.0);
    assert_false(recipe->data.augment.flip);
    assert_int_equal(recipe->data.augment.crop_pad, 0);
    assert_string_equal(recipe->data.root, "a = b");
    assert_string_equal(recipe->data.root_mark.source, "command line");
    assert_int_equal(recipe->data.root_mark.line, 7);
    assert_int_equal(recipe->data.root_mark.column, 11);
    const rt_optimizer *optimizer = recipe->train.optimizer.optimizer;
    assert_string_equal(optimizer->name, "sgd");
    assert_true(number(optimizer->params, recipe->train.optimizer.settings, "lr") == 0.5);
    assert_string_equal(recipe->train.schedule.schedule->name, "cosine");
    /* An alias is a copy: what changes the anchored value does not change it. */
    assert_int_equal(recipe->teacher.train.batch, 32);
    assert_int_equal(recipe->train.batch, 64);
    assert_true(recipe->data.mean.values[0] == 0.125);
    rt_recipe_free(recipe);

    const char *bare[] = {"loss.cross_entropy.weight=3"};
    recipe = load_with(smallest, RT_RECIPE_TRAIN, bare, 1);
    assert_true(recipe->loss[0].weight == 3.0);
    rt_recipe_free(recipe);
}

static void expect_round_trip(const char *text, rt_recipe_use use)
{
    rt_recipe *first = load_with(text, use, NULL, 0);
    char *resolved = rt_recipe_resolve(first);
    assert_non_null(resolved);
    rt_recipe *second = load_with(resolved, use, NULL, 0);
    char *again = rt_recipe_resolve(second);
    assert_string_equal(again, resolved);
    free(again);
    free(resolved);
    rt_recipe_free(second);
    rt_recipe_free(first);
}

static void resolved_recipes_read_back(void **state)
{
    (void)state;
    expect_round_trip(smallest, RT_RECIPE_TRAIN);
    expect_round_trip(largest, RT_RECIPE_TRAIN);
    expect_round_trip("student: {model: mlp}\nloss: [cross_entropy]\n", RT_RECIPE_SYNTHETIC);
    static const char *const roots[] = {
        "'5'",        "\"~\"",  "'null'", "a: b", "'a: b'",          "'# c'",  "\"\\x80\\uFEFF\"",
        "/usr/share", "../x y", "'-'",    "'*a'", "\"\\n\\r\\x1b\"", "'.inf'", "0x1F"};
    for (size_t i = 0; i < sizeof roots / sizeof *roots; ++i) {
        char text[256];
        snprintf(text, sizeof text,
                 "retort: 1\ndata:\n  reader: idx\n  root:%s %s\nstudent: {model: resnet8}\nloss: [cross_entropy]\n"
                 "train: {epochs: 3}\n",
                 strcmp(roots[i], "a: b") == 0 ? " >-\n   " : "", roots[i]);
        rt_recipe *first = load(text);
        char *resolved = rt_recipe_resolve(first);
        rt_recipe *second = load(resolved);
        assert_string_equal(first->data.root, second->data.root);
        free(resolved);
        rt_recipe_free(second);
        rt_recipe_free(first);
    }
}

/* Layers that a term does not name are filled in, and read back. */
static void layers_have_defaults(void **state)
{
    (void)state;
    static const char text[] = "retort: 1\ndata: {reader: synthetic}\nteacher: {model: wrn_16_2, weights: x}\n"
                               "student: {model: vgg8}\ntrain: {epochs: 1}\n"
                               "loss: [fitnet, fitnet: {student: block2, teacher: block1.layer.0.conv1}, kl]\n";
    rt_recipe *recipe = load(text);
    assert_string_equal(recipe->loss[0].student, "block4");
    assert_string_equal(recipe->loss[0].teacher, "block3");
    assert_string_equal(recipe->loss[1].student, "block2");
    assert_string_equal(recipe->loss[1].teacher, "block1.layer.0.conv1");
    assert_int_equal(recipe->loss[1].student_mark.line, 6);
    assert_int_equal(recipe->loss[1].teacher_mark.column, 51);
    assert_null(recipe->loss[2].student);
    assert_string_equal(recipe->teacher.features_for, "fitnet");
    rt_recipe_free(recipe);
    expect_round_trip(text, RT_RECIPE_TRAIN);
}

static void teachers_may_be_several(void **state)
{
    (void)state;
    static const char text[] =
        "retort: 1\ndata: {reader: synthetic}\nstudent: {model: vgg8}\ntrain: {epochs: 1}\n"
        "teacher: [{model: wrn_16_2, weights: x}, {model: resnet20, weight: 0.5, train: {epochs: 2}}]\n"
        "agreement: logits\n"
        "loss: [kl, kl: {teacher: 1}, fitnet: {teacher: 1}, fitnet: {teacher: 1.layer2}, fitnet]\n";
    static const struct {
        const char *written, *layer;
        int number;
    } expected[] = {{NULL, NULL, -1},
                    {"1", NULL, 1},
                    {"1.layer3", "layer3", 1},
                    {"1.layer2", "layer2", 1},
                    {"block3", "block3", -1}};
    rt_recipe *recipe = load(text);
    assert_int_equal(rt_recipe_teachers(recipe), 2);
    assert_ptr_equal(rt_recipe_teacher(recipe, 0), &recipe->teacher);
    assert_string_equal(rt_recipe_teacher(recipe, 1)->model, "resnet20");
    assert_true(rt_recipe_teacher(recipe, 1)->weight == 0.5 && recipe->teacher.weight == 1.0);
    assert_int_equal(rt_recipe_teacher(recipe, 1)->train.epochs, 2);
    assert_int_equal(recipe->agreement, RT_AGREE_LOGITS);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; ++i) {
        const rt_loss_recipe *term = &recipe->loss[i];
        assert_int_equal(term->teacher_number, expected[i].number);
        assert_int_equal(term->teacher != NULL, expected[i].written != NULL);
        if (expected[i].written)
            assert_string_equal(term->teacher, expected[i].written);
        assert_int_equal(term->teacher_layer != NULL, expected[i].layer != NULL);
        if (expected[i].layer)
            assert_string_equal(term->teacher_layer, expected[i].layer);
    }
    assert_string_equal(recipe->teacher.features_for, "fitnet");
    rt_recipe_free(recipe);
    expect_round_trip(text, RT_RECIPE_TRAIN);
    recipe = load("retort: 1\ndata: {reader: synthetic}\nstudent: {model: mlp}\nloss: [cross_entropy]\n"
                  "train: {epochs: 1}\n");
    assert_int_equal(rt_recipe_teachers(recipe), 0);
    rt_recipe_free(recipe);
}

static void synthetic_recipes_need_student_and_loss_alone(void **state)
{
    (void)state;
    rt_recipe *recipe =
        load_with("student: {model: resnet20}\nloss: [kl]\nteacher: {model: resnet56}\ntrain: {batch: 64}\n",
                  RT_RECIPE_SYNTHETIC, NULL, 0);
    assert_null(recipe->data.reader);
    assert_true(recipe->teacher.present);
    assert_int_equal(recipe->train.batch, 64);
    assert_int_equal(recipe->train.epochs, 1);
    rt_recipe_free(recipe);

    static const char wrong[] = "student: {width: 2}\ndata: {reader: idx, limit: -1}\ntrain: {batch: 0}\n";
    static const char *const expected[] = {"missing section 'loss'",
                                           "missing key 'model' in student (name of the network)",
                                           "'limit' in data is -1; it must be from 0 to 9007199254740992",
                                           "'batch' in train is 0; it must be from 1 to 65536"};
    rt_diagnostics diagnostics = {0};
    assert_int_equal(
        rt_recipe_parse("recipe", wrong, strlen(wrong), NULL, 0, RT_RECIPE_SYNTHETIC, NULL, &recipe, &diagnostics),
        RT_ERROR_USAGE);
    assert_int_equal(diagnostics.count, 4);
    for (size_t i = 0; i < 4; ++i)
        assert_string_equal(diagnostics.items[i].message, expected[i]);
    rt_diagnostics_free(&diagnostics);
}

static void numbers_are_short_and_exact(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0.1, "0.1"}, {5e-4, "0.0005"},      {1e-5, "1.0e-05"}, {100000, "100000"},
                 {0, "0"},     {1.5e300, "1.5e+300"}, {-2.5, "-2.5"},    {1.0 / 3, "0.3333333333333333"}};
    /* Where the machine has a locale with a decimal comma, it must change nothing. */
    static const char *const locales[] = {"C", "de_DE.UTF-8", "fr_FR.UTF-8"};
    for (size_t l = 0; l < 3; ++l) {
        if (!setlocale(LC_ALL, locales[l]))
            continue;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
            int64_t integer;
            double real = 0;
            assert_string_equal(rt_number_show(cases[i].value).text, cases[i].text);
            assert_true(rt_number_read(cases[i].text, &integer, &real) <= RT_NUMBER_REAL);
            assert_true(real == cases[i].value);
        }
    }
    setlocale(LC_ALL, "C");
}

enum { FAST, SLOW };

struct settings {
    double temperature;
    int64_t steps;
    bool squared;
    int speed;
    const char *file;
    rt_float_list shares;
};

static const char *const speeds[] = {"fast", "slow", NULL};
static const rt_param setting_params[] = {
    RT_FLOAT(struct settings, temperature, 4.0, 0.5, 100.0, "softens"),
    RT_INT(struct settings, steps, 3, 0, 10, "count"),
    RT_BOOL(struct settings, squared, true, "multiply"),
    RT_ENUM(struct settings, speed, FAST, speeds, "how"),
    RT_REQUIRED_STRING(struct settings, file, "where"),
    RT_FLOAT_LIST(struct settings, shares, 0.0, 1.0, "parts"),
    RT_PARAM_END,
};

static void settings_follow_the_same_rules(void **state)
{
    (void)state;
    struct settings settings;
    rt_error err = {0};
    const char *good[] = {"temperature=2.5", "file=a: [b]=c", "shares=[0.25, 1]", "speed=slow"};
    assert_int_equal(rt_settings_parse("loss/x", setting_params, good, 4, &settings, &err), RT_OK);
    assert_true(settings.temperature == 2.5 && settings.steps == 3 && settings.squared && settings.speed == SLOW);
    assert_ptr_equal(settings.file, good[1] + 5);
    assert_true(settings.shares.count == 2 && settings.shares.values[0] == 0.25);

    static const struct {
        const char *text, *message;
    } wrong[] = {
        {"temprature=2", "unknown key 'temprature' in loss/x; did you mean 'temperature'?"},
        {"temperature", "'temperature' has no '='; a setting is key=value"},
        {"temperature=", "nothing is here; a value follows the '='"},
        {"steps=2.5", "'steps' in loss/x is 2.5; it must be an integer from 0 to 10"},
        {"squared=yes", "'squared' in loss/x is 'yes'; it must be true or false"},
        {"speed=slw", "'speed' in loss/x is 'slw'; did you mean 'slow'?"},
        {"shares=[2]", "'shares' in loss/x is 2; it must be from 0 to 1"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; ++i) {
        const char *values[] = {"file=x", wrong[i].text};
        assert_int_equal(rt_settings_parse("loss/x", setting_params, values, 2, &settings, &err), RT_ERROR_USAGE);
        assert_string_equal(err.message, wrong[i].message);
    }
    assert_int_equal(rt_settings_parse("loss/x", setting_params, NULL, 0, &settings, &err), RT_ERROR_USAGE);
    assert_string_equal(err.message, "missing key 'file' in loss/x (where)");
}

/* Damages `size` bytes of `text` in place (room for twice as many); the new size. */
static size_t damage(char *text, size_t size, rt_key key)
{
    static const char *const splices[] = {"&a ",   "*a",     "<<: ",         "[",   "{",    "}",  "\n- ", ": ",
                                          "\"",    "!!x ",   "\t",           "|\n", "\xff", "-1", "1e99", "? ",
                                          "---\n", "loss: ", "\xe2\x80\xa8", "'",   ", "};
    uint32_t draw = 0;
    uint32_t times = 1 + rt_random_below(&key, draw++, 3);
    for (uint32_t t = 0; t < times && size > 0; ++t) {
        size_t place = rt_random_below(&key, draw++, (uint32_t)size);
        uint32_t what = rt_random_below(&key, draw++, 8);
        if (what < 3) {
            text[place] = (char)(text[place] ^ (1 << rt_random_below(&key, draw++, 8)));
        } else if (what == 3) {
            size = place;
        } else if (what < 6) {
            const char *splice = splices[rt_random_below(&key, draw++, sizeof splices / sizeof *splices)];
            memmove(text + place + strlen(splice), text + place, size - place);
            memcpy(text + place, splice, strlen(splice));
            size += strlen(splice);
        } else if (what == 6) {
            size_t length = rt_random_below(&key, draw++, size - place < 20 ? (uint32_t)(size - place) : 20);
            memmove(text + place, text + place + length, size - place - length);
            size -= length;
        } else {
            size_t from = rt_random_below(&key, draw++, (uint32_t)size);
            size_t longest = size - (from > place ? from : place);
            memmove(text + place, text + from, longest < 40 ? longest : 40);
        }
    }
    return size;
}

static void damaged_recipes_do_no_harm(void **state)
{
    (void)state;
    enum { ROUNDS = 12000 };
    char *text = malloc(2 * sizeof largest);
    assert_non_null(text);
    size_t accepted = 0;
    for (uint64_t round = 0; round < ROUNDS; ++round) {
        const char *good = round % 3 ? largest : smallest;
        size_t size = strlen(good);
        memcpy(text, good, size);
        size = damage(text, size, (rt_key){.seed = 1, .index = round});
        char override[64];
        strcpy(override, "loss.kl.temperature={a: [1]}");
        size_t override_size = damage(override, 24, (rt_key){.seed = 2, .index = round});
        override[override_size < 63 ? override_size : 63] = '\0';
        const char *overrides[] = {override};
        rt_recipe *recipe = NULL;
        rt_diagnostics diagnostics = {0};
        rt_status status = rt_recipe_parse("fuzz", text, size, overrides, round % 5 == 0, RT_RECIPE_TRAIN, NULL,
                                           &recipe, &diagnostics);
        assert_true(status == RT_OK ? recipe && diagnostics.count == 0 : !recipe && diagnostics.count > 0);
        if (recipe) {
            char *resolved = rt_recipe_resolve(recipe);
            expect_round_trip(resolved, RT_RECIPE_TRAIN);
            free(resolved);
            ++accepted;
        }
        for (size_t i = 1; i < diagnostics.count; ++i) {
            const rt_mark *a = &diagnostics.items[i - 1].mark, *b = &diagnostics.items[i].mark;
            if (strcmp(a->source, b->source) == 0)
                assert_true(a->line < b->line || (a->line == b->line && a->column <= b->column));
            assert_null(strchr(diagnostics.items[i].message, '\n'));
        }
        rt_diagnostics_free(&diagnostics);
        rt_recipe_free(recipe);
    }
    free(text);
    print_message("%zu of %d damaged recipes were still good\n", accepted, (int)ROUNDS);
    /* Were all refused, or none, the damage would not test much. */
    assert_true(accepted > ROUNDS / 500 && accepted < ROUNDS / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(absent_keys_have_their_defaults),
        cmocka_unit_test(given_keys_have_their_values),
        cmocka_unit_test(a_trained_teacher_learns_from_labels_by_default),
        cmocka_unit_test(overrides_change_values),
        cmocka_unit_test(resolved_recipes_read_back),
        cmocka_unit_test(layers_have_defaults),
        cmocka_unit_test(teachers_may_be_several),
        cmocka_unit_test(synthetic_recipes_need_student_and_loss_alone),
        cmocka_unit_test(numbers_are_short_and_exact),
        cmocka_unit_test(settings_follow_the_same_rules),
        cmocka_unit_test(damaged_recipes_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
