/* Networks out of weights files: what a file says of itself, what its tensors give away, and who has the last word. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "formats/safetensors.h"
#include "recipe/recipe.h"
#include "scratch_file.h"
#include "train/pretrained.h"

static const rt_model_input input = {8, 8, 3, 5};

static int make_folder(void **state)
{
    (void)state;
    return scratch_make("w");
}

static void *settings_of(const char *variant, const char *const *values, size_t count)
{
    const rt_model_family *family = rt_model_find(variant);
    void *settings = calloc(1, family->settings_size);
    assert_int_equal(rt_settings_parse(variant, family->params, values, count, settings, NULL), RT_OK);
    return settings;
}

/* The words that describe a network of `input`. */
static const rt_text_pair described[RT_DESCRIPTION_PAIRS] = {
    {"retort.model", "resnet8"}, {"retort.options", "width=0.25 shortcut=identity stem_bias=true"},
    {"retort.input", "8x8x3"},   {"retort.classes", "5"},
    {"retort.mean", "0.5,0,1"},  {"retort.std", "0.25,1,1e-3"},
};

/* Writes a network with these options, and returns its trained parameters' count. */
static size_t write_network(const char *variant, const char *const *values, size_t count, const rt_text_pair *pairs,
                            size_t pair_count)
{
    rt_network *network;
    void *settings = settings_of(variant, values, count);
    assert_int_equal(rt_network_new(variant, settings, &input, false, &network, NULL), RT_OK);
    rt_parameters_initialize(network->parameters, 1);
    size_t items = network->graph->parameter_count, trained = rt_graph_trained_count(network->graph);
    rt_tensor *tensors = calloc(items, sizeof *tensors);
    rt_weights_list(network->parameters, tensors);
    assert_int_equal(rt_safetensors_write(path, tensors, items, pairs, pair_count, NULL), RT_OK);
    free(tensors);
    free(settings);
    rt_network_free(network);
    return trained;
}

static size_t write_described(void)
{
    const char *const values[] = {"width=0.25", "shortcut=identity", "stem_bias=true"};
    return write_network("resnet8", values, 3, described, RT_DESCRIPTION_PAIRS);
}

static rt_status open_network(const rt_pretrained_wish *wish, rt_network **network, rt_error *err)
{
    rt_pretrained file;
    rt_status status = rt_pretrained_open(path, NULL, &file, err);
    *network = NULL;
    if (status == RT_OK)
        status = rt_pretrained_network(&file, wish, network, err);
    rt_pretrained_close(&file);
    return status;
}

static void assert_opens(const rt_pretrained_wish *wish, size_t trained)
{
    rt_network *network;
    rt_error err = {0};
    if (open_network(wish, &network, &err) != RT_OK)
        fail_msg("%s", err.message);
    assert_int_equal(rt_graph_trained_count(network->graph), trained);
    assert_int_equal(network->input.classes, 5);
    assert_null(network->parameters->gradients);
    rt_network_free(network);
}

/* `message` begins behind the path in quotes. */
static void assert_refused(const rt_pretrained_wish *wish, rt_status status, const char *message)
{
    rt_network *network;
    rt_error err = {0};
    assert_int_equal(open_network(wish, &network, &err), status);
    assert_null(network);
    const char *quoted = strstr(err.message, path);
    assert_non_null(quoted);
    assert_string_equal(quoted + strlen(path) + 1, message);
}

static const rt_extent extent = {8, 8, 3};

static void a_described_file_needs_no_words(void **state)
{
    (void)state;
    size_t trained = write_described();
    assert_opens(&(rt_pretrained_wish){.input = extent}, trained);
    assert_opens(&(rt_pretrained_wish){.model = "resnet8", .input = {32, 16, 3}, .classes = 5}, trained);
    rt_pretrained file;
    assert_int_equal(rt_pretrained_open(path, NULL, &file, NULL), RT_OK);
    assert_true(file.described);
    const rt_description *d = &file.description;
    assert_string_equal(d->model, "resnet8");
    assert_true(d->input.height == 8 && d->input.width == 8 && d->input.channels == 3 && d->classes == 5);
    assert_true(d->mean[0] == 0.5f && d->mean[1] == 0.0f && d->mean[2] == 1.0f);
    assert_true(d->std[0] == 0.25f && d->std[1] == 1.0f && d->std[2] == 1e-3f);
    rt_pretrained_close(&file);
    rt_pretrained_close(&file);
}

static void tensors_give_options_away(void **state)
{
    (void)state;
    const char *const values[] = {"stem_bias=true"};
    for (size_t count = 0; count <= 1; ++count) {
        size_t trained = write_network("resnet8", values, count, NULL, 0);
        assert_opens(&(rt_pretrained_wish){.model = "resnet8", .input = extent}, trained);
        rt_network *network;
        void *settings = settings_of("resnet8", NULL, 0); /* of a recipe that leaves both at their defaults */
        const rt_network_recipe recipe = {.model = "resnet8", .settings = settings, .weights = path, .strict = true};
        assert_int_equal(rt_network_open(&recipe, &input, NULL, &network, NULL), RT_OK);
        rt_network_free(network);
        free(settings);
    }
    const char *const without[] = {"mlp", "wrn_10_1", "vgg8", "mobilenetv2"}; /* such options */
    for (size_t i = 0; i < sizeof without / sizeof *without; ++i) {
        size_t trained = write_network(without[i], NULL, 0, NULL, 0);
        assert_opens(&(rt_pretrained_wish){.model = without[i], .input = extent}, trained);
    }
}

static void what_no_tensor_shows_is_asked_for(void **state)
{
    (void)state;
    const char *const identity[] = {"shortcut=identity"};
    size_t trained = write_network("resnet8", identity, 1, NULL, 0);
    assert_refused(&(rt_pretrained_wish){.model = "resnet8", .input = extent}, RT_ERROR_USAGE,
                   " has no weights for shortcuts (downsample or shortcut tensors), so that it does not show what its "
                   "shortcuts do where the shape changes; if they subsample and pad with zero channels (option A), say "
                   "shortcut: identity in a recipe, or --set shortcut=identity");
    assert_opens(&(rt_pretrained_wish){.model = "resnet8", .input = extent, .values = identity, .value_count = 1},
                 trained);
    void *settings = settings_of("resnet8", identity, 1);
    assert_opens(&(rt_pretrained_wish){.model = "resnet8", .input = extent, .settings = settings}, trained);
    free(settings);
}

/* A network whose tensors have other names; one of them is missing, one too many. */
static void names_can_be_changed_and_gaps_be_let_pass(void **state)
{
    (void)state;
    rt_pretrained file;
    rt_network *network;
    rt_error err = {0};
    char *gaps;
    write_network("resnet8", NULL, 0, NULL, 0);
    const rt_rename away[] = {{"layer1.", "stage1."}, {"fc.bias", "head.bias"}}, back[] = {{"stage1.", "layer1."}};
    const rt_rename slip[] = {{"layer9.", "x"}};
    const rt_pretrained_wish wish = {.model = "resnet8", .input = extent, .gaps = &gaps};
    assert_int_equal(rt_pretrained_open(path, &(rt_weights_reading){away, 2, false, 0}, &file, NULL), RT_OK);
    assert_int_equal(rt_pretrained_network(&file, &wish, &network, &err), RT_ERROR_SHAPE);
    assert_non_null(strstr(err.message, "'stage1.0."));
    assert_int_equal(rt_tensors_rename(&file.tensors, path, back, 1, NULL), RT_OK);
    assert_int_equal(rt_pretrained_network(&file, &wish, &network, &err), RT_ERROR_SHAPE);
    assert_non_null(strstr(err.message, "1 missing: 'fc.bias'; 1 unexpected: 'head.bias'"));
    file.lenient = true;
    assert_int_equal(rt_pretrained_network(&file, &wish, &network, &err), RT_OK);
    assert_string_equal(gaps, "'head.bias' unexpected, 'fc.bias' missing");
    free(gaps);
    rt_network_free(network);
    assert_int_equal(rt_tensors_rename(&file.tensors, path, slip, 1, &err), RT_ERROR_USAGE);
    assert_non_null(strstr(err.message, "' begins with 'layer9.', which is to be renamed"));
    rt_pretrained_close(&file);
    /* What has another shape is no gap. */
    const rt_rename swap[] = {{"fc.bias", "bn1.bias"}, {"bn1.bias", "fc.bias"}};
    assert_int_equal(rt_pretrained_open(path, &(rt_weights_reading){swap, 2, true, 0}, &file, NULL), RT_OK);
    assert_int_equal(rt_pretrained_network(&file, &wish, &network, &err), RT_ERROR_SHAPE);
    assert_null(gaps);
    rt_pretrained_close(&file);
}

static void the_user_has_the_last_word(void **state)
{
    (void)state;
    const char *const bias[] = {"stem_bias=false"};
    write_described();
    const char *const message = " do not fit the network: 1 unexpected: 'conv1.bias'";
    assert_refused(&(rt_pretrained_wish){.input = extent, .values = bias, .value_count = 1}, RT_ERROR_SHAPE, message);
    const char *const values[] = {"stem_bias=true"};
    write_network("resnet8", values, 1, NULL, 0);
    assert_refused(&(rt_pretrained_wish){.model = "resnet8", .input = extent, .values = bias, .value_count = 1},
                   RT_ERROR_SHAPE, message);
    /* A recipe's options count where they are not the default. */
    write_network("resnet8", NULL, 0, NULL, 0);
    void *settings = settings_of("resnet8", values, 1);
    assert_refused(&(rt_pretrained_wish){.model = "resnet8", .input = extent, .settings = settings}, RT_ERROR_SHAPE,
                   " do not fit the network: 1 missing: 'conv1.bias'");
    free(settings);
}

static void what_no_option_can_fit_is_said_plainly(void **state)
{
    (void)state;
    write_described();
    assert_refused(&(rt_pretrained_wish){.model = "resnet20", .input = extent}, RT_ERROR_USAGE,
                   " holds model 'resnet8', not 'resnet20'");
    assert_refused(&(rt_pretrained_wish){.input = {8, 8, 1}}, RT_ERROR_SHAPE,
                   " is for images of 3 channels; these have 1");
    assert_refused(&(rt_pretrained_wish){.input = extent, .classes = 10}, RT_ERROR_SHAPE,
                   " tells 5 classes apart; the data has 10");
    write_network("resnet8", NULL, 0, NULL, 0);
    assert_refused(&(rt_pretrained_wish){.input = extent}, RT_ERROR_USAGE,
                   " does not say which model it holds; it must be named");
    assert_refused(&(rt_pretrained_wish){.model = "resnet8", .input = {8, 8, 4}}, RT_ERROR_SHAPE,
                   " is for images of 3 channels; these have 4");
}

/* The file's own words are as hostile as any. */
static void a_wrong_description_is_refused(void **state)
{
    (void)state;
    static char endless[(1 << 20) + 2];
    memset(endless, 'a', sizeof endless - 1);
    const struct {
        size_t pair;
        const char *value, *message;
    } cases[] = {
        {0, "", "; its metadata 'retort.model' is ''; it must be the name of a model"},
        {0, endless, "it must be the name of a model"},
        {1, endless, "it must be a line of key=value"},
        {1, "width=99", ": its metadata 'retort.options': 'width' in resnet is 99; it must be from 0.0625 to 16"},
        {1, "depth=3",
         ": its metadata 'retort.options': unknown key 'depth' in resnet; known keys: width, shortcut, stem_bias"},
        {1, "width=[[[[", "'retort.options'"},
        {2, "8x8", "it must be height x width x channels, as in 32x32x3"},
        {2, "8x8x3x", "it must be height x width x channels"},
        {2, "0x8x3", "it must be height x width x channels"},
        {2, "8x8x17", "it must be height x width x channels"},
        {2, "99999999999999999999x8x3", "it must be height x width x channels"},
        {3, "", "it must be a number of classes"},
        {3, "-5", "it must be a number of classes"},
        {3, "99999999999999999999", "it must be a number of classes"},
        {3, "6", ": its metadata 'retort.classes' is 6, its last layer has 5 outputs"},
        {4, "0.5,0", "it must be a number for each channel, separated by commas"},
        {4, "0.5,0,1,", "it must be a number for each channel"},
        {4, "0.5,,1", "it must be a number for each channel"},
        {4, "nan,0,1", "it must be a number for each channel"},
        {4, "1e99,0,1", "it must be a number for each channel"},
        {5, "0.5,0,1", "it must be a number above 0 for each channel"},
        {5, "0.5,-1,1", "it must be a number above 0 for each channel"},
    };
    const char *const values[] = {"width=0.25", "shortcut=identity", "stem_bias=true"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        rt_text_pair pairs[RT_DESCRIPTION_PAIRS];
        memcpy(pairs, described, sizeof pairs);
        pairs[cases[i].pair].value = cases[i].value;
        write_network("resnet8", values, 3, pairs, RT_DESCRIPTION_PAIRS);
        rt_network *network;
        rt_error err = {0};
        assert_int_equal(open_network(&(rt_pretrained_wish){.input = extent}, &network, &err), RT_ERROR_FORMAT);
        const char *expected = cases[i].message + (cases[i].message[0] == ';' ? 2 : 0);
        if (!strstr(err.message, expected) || strlen(err.message) > 600)
            fail_msg("case %zu: \"%s\" lacks \"%s\"", i, err.message, expected);
    }
    write_network("resnet8", values, 3, described, 3);
    rt_network *network;
    rt_error err = {0};
    assert_int_equal(open_network(&(rt_pretrained_wish){.input = extent}, &network, &err), RT_ERROR_FORMAT);
    assert_non_null(strstr(err.message, "its metadata has 'retort.model' but not 'retort.classes'"));
}

static void a_description_reads_back_to_the_bit(void **state)
{
    (void)state;
    const rt_description written = {.model = "convnet",
                                    .options = "hidden=3",
                                    .input = {28, 28, 3},
                                    .classes = 10,
                                    .mean = {0.28604f, -1.0f / 3, 0},
                                    .std = {0.35302f, 1e-30f, 16777217.0f}};
    rt_description_text text;
    rt_description read;
    bool found;
    rt_description_write(&written, &text);
    assert_string_equal(text.pairs[2].value, "28x28x3");
    assert_string_equal(text.pairs[4].value, "0.28604,-0.33333334,0");
    assert_int_equal(rt_description_read(text.pairs, RT_DESCRIPTION_PAIRS, "w", &read, &found, NULL), RT_OK);
    assert_true(found);
    assert_string_equal(read.model, "convnet");
    assert_string_equal(read.options, "hidden=3");
    assert_memory_equal(&read.input, &written.input, sizeof read.input);
    assert_int_equal(read.classes, 10);
    assert_memory_equal(read.mean, written.mean, sizeof read.mean);
    assert_memory_equal(read.std, written.std, sizeof read.std);
}

static void options_are_written_as_they_are_read(void **state)
{
    (void)state;
    const rt_param *params = rt_model_find("resnet20")->params;
    const char *const values[] = {"width=0.1", "shortcut=identity"};
    void *settings = settings_of("resnet20", values, 2);
    char *text;
    assert_int_equal(rt_options_write(params, settings, false, &text, NULL), RT_OK);
    assert_string_equal(text, "width=0.1 shortcut=identity stem_bias=false");
    free(text);
    assert_int_equal(rt_options_write(params, settings, true, &text, NULL), RT_OK);
    assert_string_equal(text, "width=0.1 shortcut=identity");
    free(text);
    free(settings);

    struct every {
        int64_t whole;
        rt_int_list sizes;
        rt_float_list scales;
    } every = {-3, {2, {1, 2}}, {1, {0.5}}};
    const rt_param table[] = {
        RT_INT(struct every, whole, 0, -9, 9, "a"),
        RT_INT_LIST(struct every, sizes, 0, 9, "b"),
        RT_FLOAT_LIST(struct every, scales, 0, 9, "c"),
        RT_PARAM_END,
    };
    assert_int_equal(rt_options_write(table, &every, true, &text, NULL), RT_OK);
    assert_string_equal(text, "whole=-3 sizes=[1,2] scales=[0.5]");
    free(text);
    every = (struct every){0};
    assert_int_equal(rt_options_write(table, &every, true, &text, NULL), RT_OK);
    assert_string_equal(text, "");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_described_file_needs_no_words),
        cmocka_unit_test(tensors_give_options_away),
        cmocka_unit_test(what_no_tensor_shows_is_asked_for),
        cmocka_unit_test(names_can_be_changed_and_gaps_be_let_pass),
        cmocka_unit_test(the_user_has_the_last_word),
        cmocka_unit_test(what_no_option_can_fit_is_said_plainly),
        cmocka_unit_test(a_wrong_description_is_refused),
        cmocka_unit_test(a_description_reads_back_to_the_bit),
        cmocka_unit_test(options_are_written_as_they_are_read),
    };
    return cmocka_run_group_tests(tests, make_folder, scratch_remove);
}
