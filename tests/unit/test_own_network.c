/* Networks of one's own: what they are called, what is refused, and that nothing damaged does harm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/network.h"
#include "models/own_network.h"
#include "recipe/layers.h"
#include "recipe_text.h"
#include "retort/random.h"

enum { ROUNDS = 20000 };

static const rt_model_input images = {32, 32, 3, 10};

#define BEGIN "retort: 1\ndata: {reader: synthetic, samples: 64}\nstudent:\n  model:\n    layers:\n"
#define END "loss: [cross_entropy]\ntrain: {epochs: 1}\n"

static const char *layers_of(const rt_recipe *recipe)
{
    return ((const rt_layers_settings *)recipe->student.settings)->layers;
}

static rt_graph *graph_of(const char *text, const rt_model_input *input)
{
    rt_graph *graph = rt_graph_new();
    const rt_layers_settings settings = {text};
    assert_non_null(graph);
    rt_model_family_layers.build(graph, "layers", &settings, input);
    return graph;
}

static const char residual[] = BEGIN "      - conv: {channels: 8, kernel: 3, padding: 1}\n"
                                     "      - batch_norm: {name: norm}\n"
                                     "      - residual:\n"
                                     "          body: [relu, {conv: {channels: 8, kernel: 1, bias: false}}]\n"
                                     "      - repeat:\n"
                                     "          times: 2\n"
                                     "          name: stage\n"
                                     "          layers:\n"
                                     "            - conv: {channels: 8, kernel: 1, name: inner}\n"
                                     "            - add: [inner, norm, images_as_they_are]\n"
                                     "      - global_avg_pool\n"
                                     "      - linear: {features: 10}\n" END;

static void names_are_those_of_sequential(void **state)
{
    (void)state;
    static const char *const expected[] = {"0.weight",
                                           "0.bias",
                                           "norm.weight",
                                           "norm.bias",
                                           "norm.running_mean",
                                           "norm.running_var",
                                           "2.body.1.weight",
                                           "stage.0.inner.weight",
                                           "stage.0.inner.bias",
                                           "stage.1.inner.weight",
                                           "stage.1.inner.bias",
                                           "5.weight",
                                           "5.bias"};
    char text[sizeof residual];
    memcpy(text, residual, sizeof text);
    memcpy(strstr(text, "images_as_they_are"), "0                 ", strlen("images_as_they_are"));
    rt_recipe *recipe = recipe_of(text);
    rt_graph *graph = graph_of(layers_of(recipe), &images);
    assert_int_equal(rt_graph_finish(graph, NULL), RT_OK);
    assert_int_equal(graph->parameter_count, sizeof expected / sizeof *expected);
    for (size_t i = 0; i < graph->parameter_count; ++i)
        assert_string_equal(graph->parameters[i].name, expected[i]);
    /* torch.nn.Conv2d begins within 1 / sqrt(fan-in): 3 channels of 3 x 3. */
    assert_int_equal(graph->parameters[0].initialization, RT_INITIALIZE_UNIFORM);
    assert_true(fabs(graph->parameters[0].spread - 1.0 / sqrt(27.0)) < 1e-12);
    /* Within the stage place 0 has a name, so that the sum's "0" is found outside. */
    const rt_node *sum = &graph->nodes[rt_graph_find(graph, "stage.1.1")];
    assert_string_equal(graph->nodes[sum->sources[1]].name, "0");
    assert_string_equal(rt_graph_usual_tap(graph, true), "stage");
    assert_string_equal(rt_graph_usual_tap(graph, false), "penultimate");
    assert_true(rt_graph_find_tap(graph, "norm") >= 0);
    assert_int_equal(rt_layers_classes(layers_of(recipe)), 10);
    rt_graph_free(graph);
    rt_recipe_free(recipe);
}

static void resolved_layers_read_back(void **state)
{
    (void)state;
    rt_recipe *first = recipe_of(residual);
    char *resolved = rt_recipe_resolve(first);
    rt_recipe *second = recipe_of(resolved);
    assert_string_equal(layers_of(first), layers_of(second));
    char *again = rt_recipe_resolve(second);
    assert_string_equal(again, resolved);
    free(again);
    free(resolved);
    rt_recipe_free(second);
    rt_recipe_free(first);
}

static void shapes_are_refused_all_at_once(void **state)
{
    (void)state;
    rt_recipe *recipe =
        recipe_of(BEGIN "      - conv: {channels: 16, kernel: 33, name: c1}\n"
                        "      - conv: {channels: 16, kernel: 3, groups: 3, padding: 1}\n"
                        "      - conv: {channels: 8, kernel: 3, stride: 2, padding: 1, name: second}\n"
                        "      - relu\n"
                        "      - add: [c1, second]\n"
                        "      - add: [c1, secnod]\n"
                        "      - add: last\n"
                        "      - max_pool: {kernel: 3, padding: 2}\n"
                        "      - relu: {name: c1}\n"
                        "      - relu: {name: loss}\n"
                        "      - repeat: {times: 3, layers: [conv: {channels: 16, kernel: 17, stride: 2}]}\n"
                        "      - linear: {features: 100}\n"
                        "      - linear: {features: 12, name: last}\n" END);
    static const char *const expected[] = {
        "6:38: conv 'c1': kernel 33 is larger than its map of 32 x 32 with padding 0",
        "7:49: conv '1': groups 3; they must divide its 16 input and 16 output channels",
        "10:9: add '4': it adds 32 x 32 x 16 and 16 x 16 x 8; the shapes must be equal",
        "11:14: there is no layer 'secnod' before this one; did you mean 'second'?",
        "12:14: layer 'last' comes later; a layer reads what stands before it",
        "13:40: max_pool '7': padding 2; at most half of its kernel of 3",
        "14:22: another layer is called 'c1'",
        "15:22: 'loss': weights whose names begin so are passed over when a file is read",
        "16:66: conv '10.1.0': kernel 17 is larger than its map of 8 x 8 with padding 0",
        "17:9: linear '11': its input is 8 x 8 x 16; pool or flatten it first",
        "18:28: the last layer gives 12 numbers; the data has 10 classes",
    };
    rt_diagnostics diagnostics = {0};
    rt_recipe_check_layers(recipe, &images, &diagnostics);
    for (size_t i = 0; i < diagnostics.count && i < sizeof expected / sizeof *expected; ++i) {
        char line[1200];
        const rt_diagnostic *d = &diagnostics.items[i];
        snprintf(line, sizeof line, "%d:%d: %s", d->mark.line, d->mark.column, d->message);
        assert_string_equal(line, expected[i]);
    }
    assert_int_equal(diagnostics.count, sizeof expected / sizeof *expected);
    rt_error err = {0};
    assert_int_equal(rt_recipe_refuse_layers(recipe, &images, &err), RT_ERROR_USAGE);
    assert_non_null(strstr(err.message, "the recipe's layers do not fit images of 32 x 32 x 3 and 10 classes\n"
                                        "test.yaml:6:38: conv 'c1'"));
    rt_diagnostics_free(&diagnostics);
    rt_recipe_free(recipe);
    /* What there is no room for is counted. */
    char many[8000] = BEGIN;
    for (int i = 0; i < 60; ++i)
        strcat(many, "      - conv: {channels: 4, kernel: 99}\n");
    strcat(many, "      - flatten\n      - linear: {features: 10}\n" END);
    recipe = recipe_of(many);
    assert_int_equal(rt_recipe_refuse_layers(recipe, &images, &err), RT_ERROR_USAGE);
    int more = 0;
    assert_int_equal(sscanf(strrchr(err.message, '\n'), "\nand %d more", &more), 1);
    int told = 0;
    for (const char *line = err.message; (line = strchr(line, '\n')); ++line)
        ++told;
    assert_int_equal(told - 1 + more, 60);
    rt_recipe_free(recipe);
}

static void hostile_layers_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "its layers are not a list in JSON"},
        {"{}", "its layers are not a list in JSON"},
        {"[", "its layers are not a list in JSON"},
        {"[]", "a list of layers is empty"},
        {"[3]", "layer 0: it is not one name with its settings"},
        {"[{}]", "layer 0: it is not one name with its settings"},
        {"[{\"relu\":{},\"add\":{}}]", "layer 0: it is not one name with its settings"},
        {"[{\"relu\":{}},{\"relu\":3}]", "layer 1: it is not one name with its settings"},
        {"[{\"relv\":{}}]", "layer 0: there is no such kind of layer"},
        {"[{\"relu\":{\"x\":1}}]", "layer 0: relu 'x' is wrong"},
        {"[{\"relu\":{\"name\":\"a b\"}}]", "layer 0: relu 'name' is wrong"},
        {"[{\"relu\":{\"name\":1}}]", "layer 0: relu 'name' is wrong"},
        {"[{\"relu\":{\"from\":[]}}]", "layer 0: relu 'from' is wrong"},
        {"[{\"relu\":{\"from\":[1]}}]", "layer 0: relu 'from' is wrong"},
        {"[{\"add\":{}}]", "layer 0: add has no 'from'"},
        {"[{\"conv\":{\"channels\":8}}]", "layer 0: conv has no 'kernel'"},
        {"[{\"conv\":{\"channels\":-8,\"kernel\":1}}]", "layer 0: conv 'channels' is wrong"},
        {"[{\"conv\":{\"channels\":8.5,\"kernel\":1}}]", "layer 0: conv 'channels' is wrong"},
        {"[{\"conv\":{\"channels\":8,\"kernel\":1,\"bias\":1}}]", "layer 0: conv 'bias' is wrong"},
        {"[{\"dropout\":{\"probability\":1e99}}]", "layer 0: dropout 'probability' is wrong"},
        {"[{\"residual\":{}}]", "layer 0: residual has no 'body'"},
        {"[{\"residual\":{\"body\":{}}}]", "layer 0: residual 'body' is wrong"},
        {"[{\"residual\":{\"body\":[]}}]", "a list of layers is empty"},
        {"[{\"conv\":{\"channels\":4294967296,\"kernel\":1}}]",
         "conv '0': its output of 32 x 32 x 4294967296 is too large"},
        {"[{\"conv\":{\"channels\":65536,\"kernel\":32,\"padding\":0}}]", NULL},
        {"[{\"conv\":{\"channels\":65536,\"kernel\":32}},{\"conv\":{\"channels\":1048576,\"kernel\":1}}]",
         "conv '1': '1.weight': it would have more than 4294967296 values"},
        {"[{\"repeat\":{\"times\":1000,\"layers\":[{\"repeat\":{\"times\":1000,\"layers\":[{\"repeat\":{\"times\":1000,"
         "\"layers\":"
         "[{\"relu\":{}}]}}]}}]}}]",
         "the network has more than 4096 layers"},
        {"[{\"global_avg_pool\":{}},{\"repeat\":{\"times\":9,\"layers\":[{\"linear\":{\"features\":30000}}]}}]",
         "with it the network has 4500"},
        {"[{\"repeat\":{\"times\":60,\"layers\":[{\"resize\":{\"height\":9000,\"width\":9000}}]}}]",
         "with it the outputs of all layers are"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        rt_error err = {0};
        rt_graph *graph = graph_of(cases[i].text, &images);
        const rt_status status = rt_graph_finish(graph, &err);
        if ((status == RT_OK) != !cases[i].message || (status != RT_OK && !strstr(err.message, cases[i].message)))
            fail_msg("case %zu: '%s' lacks '%s'", i, err.message, cases[i].message ? cases[i].message : "");
        rt_graph_free(graph);
    }
    char deep[2000] = "[{\"relu\":{}}]";
    for (int i = 0; i < RT_LAYERS_DEPTH; ++i) {
        char inner[sizeof deep];
        memcpy(inner, deep, sizeof inner);
        snprintf(deep, sizeof deep, "[{\"block\":{\"layers\":%.1900s}}]", inner);
    }
    rt_graph *graph = graph_of(deep, &images);
    assert_non_null(strstr(graph->error.message, "more than 12 deep"));
    rt_graph_free(graph);
}

static void classes_are_the_datas(void **state)
{
    (void)state;
    const rt_layers_settings settings = {"[{\"flatten\":{}},{\"linear\":{\"features\":9}}]"};
    rt_network *network = NULL;
    rt_error err = {0};
    assert_int_equal(rt_network_new("layers", &settings, &images, false, &network, &err), RT_ERROR_SHAPE);
    assert_string_equal(err.message, "model 'layers': the last layer gives 9 numbers; the data has 10 classes");
    const rt_model_input nine = {32, 32, 3, 9};
    assert_int_equal(rt_network_new("layers", &settings, &nine, false, &network, &err), RT_OK);
    assert_ptr_not_equal(((const rt_layers_settings *)network->settings)->layers, settings.layers);
    rt_network_free(network);
    assert_int_equal(rt_network_new("layers", NULL, &images, false, &network, &err), RT_ERROR_SHAPE);
}

/* A message is a line, and a graph that is taken has sizes that fit each other. */
static bool is_taken(rt_graph *graph)
{
    rt_error err = {0};
    const bool good = rt_graph_finish(graph, &err) == RT_OK;
    assert_true(good || (err.message[0] && !strchr(err.message, '\n')));
    for (size_t i = 0; good && i < graph->node_count; ++i) {
        assert_true(rt_extent_floats(graph->nodes[i].shape) > 0);
        for (size_t s = 0; s < graph->nodes[i].source_count; ++s)
            assert_true(graph->nodes[i].sources[s] >= 0 && (size_t)graph->nodes[i].sources[s] < i);
    }
    for (size_t t = 0; good && t < graph->tap_count; ++t)
        assert_true(graph->taps[t].node > 0 && (size_t)graph->taps[t].node < graph->node_count);
    rt_graph_free(graph);
    return good;
}

static void pass_over(void *context, size_t layer, const char *setting, const char *message)
{
    (void)setting;
    assert_true(layer <= RT_LAYERS_MOST && message[0] && !strchr(message, '\n'));
    ++*(size_t *)context;
}

/* Changes one to three letters; digits become others more often than not, so that much of it is still JSON. */
static void damage(char *text, size_t size, rt_key key)
{
    static const char letters[] = "{}[]\":,0123456789.-eabcstf";
    uint32_t draw = 0;
    const uint32_t times = 1 + rt_random_below(&key, draw++, 3);
    for (uint32_t t = 0; t < times; ++t) {
        size_t place = rt_random_below(&key, draw++, (uint32_t)size);
        const bool digits = rt_random_below(&key, draw++, 3) > 0;
        while (digits && place + 1 < size && !(text[place] >= '0' && text[place] <= '9'))
            ++place;
        text[place] = digits ? (char)('0' + (int)rt_random_below(&key, draw, 10))
                             : letters[rt_random_below(&key, draw, sizeof letters - 1)];
        ++draw;
    }
}

static void damaged_layers_do_no_harm(void **state)
{
    (void)state;
    rt_recipe *recipe = recipe_of(
        BEGIN
        "      - conv: {channels: 12, kernel: 5, stride: 2, padding: 2, name: stem}\n"
        "      - residual: {body: [{conv: {channels: 12, kernel: 3, padding: 1, groups: 12}}, batch_norm], name: r1}\n"
        "      - repeat: {times: 2, name: s, layers: [{conv: {channels: 12, kernel: 1, name: c}}, {add: [c, stem, "
        "r1]}]}\n"
        "      - squeeze_excite: {channels: 3}\n"
        "      - concat: [s, stem]\n"
        "      - slice: {first: 3, channels: 12}\n"
        "      - shuffle: {groups: 3}\n"
        "      - subsample: {stride: 2, channels: 14}\n"
        "      - max_pool: {kernel: 3, stride: 2, padding: 1}\n"
        "      - resize: {height: 3, width: 3}\n"
        "      - tokens\n"
        "      - token_linear: {features: 36}\n"
        "      - attention: {heads: 4}\n"
        "      - layer_norm\n"
        "      - first_token\n"
        "      - dropout\n"
        "      - linear: {features: 10}\n" END);
    const char *good = layers_of(recipe);
    const size_t size = strlen(good);
    assert_true(is_taken(graph_of(good, &images)));
    char *text = malloc(size + 1);
    size_t taken = 0, mistakes = 0;
    for (uint64_t round = 0; round < ROUNDS; ++round) {
        memcpy(text, good, size + 1);
        damage(text, size, (rt_key){.seed = 5, .index = round});
        const bool whole = is_taken(graph_of(text, &images));
        const size_t before = mistakes;
        assert_true(rt_layers_check(text, &images, pass_over, &mistakes) || !whole);
        /* Of what is taken, only the number of classes can be wrong. */
        assert_true(!whole || mistakes - before <= 1);
        taken += whole;
    }
    print_message("%zu of %d damaged networks were still good, %zu mistakes told\n", taken, (int)ROUNDS, mistakes);
    assert_true(taken > ROUNDS / 50 && taken < ROUNDS / 2);
    free(text);
    rt_recipe_free(recipe);
}

/* The same in YAML: what is read comes back from the resolved recipe, and is checked and built without harm. */
static void damaged_recipes_do_no_harm(void **state)
{
    (void)state;
    const size_t size = strlen(residual);
    char *text = malloc(size + 1);
    size_t taken = 0;
    for (uint64_t round = 0; round < ROUNDS / 4; ++round) {
        rt_recipe *recipe;
        rt_diagnostics diagnostics = {0};
        memcpy(text, residual, size + 1);
        const size_t layers = strlen(BEGIN);
        damage(text + layers, size - layers, (rt_key){.seed = 6, .index = round});
        if (rt_recipe_parse("test.yaml", text, size, NULL, 0, RT_RECIPE_TRAIN, NULL, &recipe, &diagnostics) == RT_OK) {
            char *resolved = rt_recipe_resolve(recipe);
            rt_recipe *again = recipe_of(resolved);
            if (recipe->student.family == &rt_model_family_layers)
                assert_string_equal(layers_of(recipe), layers_of(again));
            rt_recipe_check_layers(recipe, &images, &diagnostics);
            for (size_t i = 0; i < diagnostics.count; ++i)
                assert_true(diagnostics.items[i].mark.line > 0 && !strchr(diagnostics.items[i].message, '\n'));
            free(resolved);
            rt_recipe_free(again);
            ++taken;
        }
        rt_recipe_free(recipe);
        rt_diagnostics_free(&diagnostics);
    }
    print_message("%zu of %d damaged recipes were still good\n", taken, (int)ROUNDS / 4);
    assert_true(taken > ROUNDS / 100 && taken < ROUNDS / 5);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_those_of_sequential),  cmocka_unit_test(resolved_layers_read_back),
        cmocka_unit_test(shapes_are_refused_all_at_once), cmocka_unit_test(hostile_layers_are_refused),
        cmocka_unit_test(classes_are_the_datas),          cmocka_unit_test(damaged_layers_do_no_harm),
        cmocka_unit_test(damaged_recipes_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
