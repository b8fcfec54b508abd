/* Taps: what models name, what passes leave alone, and that a frozen network hands out the values of a whole batch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/threads.h"
#include "engine/inference.h"
#include "graph/passes.h"
#include "models/models.h"
#include "models/network.h"

static rt_engine *engine;

static rt_graph *build(const char *model, size_t side)
{
    _Alignas(max_align_t) unsigned char settings[256] = {0};
    rt_error err = {0};
    const rt_model_family *family = rt_model_find(model);
    rt_param_defaults(family->params, settings);
    rt_graph *graph = rt_graph_new();
    family->build(graph, model, settings, &(rt_model_input){side, side, 3, 10});
    if (rt_graph_finish(graph, &err) != RT_OK)
        fail_msg("%s", err.message);
    return graph;
}

static const rt_node *tapped(const rt_graph *graph, const char *name)
{
    int tap = rt_graph_find_tap(graph, name);
    assert_true(tap >= 0);
    return &graph->nodes[graph->taps[tap].node];
}

static void every_model_taps_what_its_classifier_reads(void **state)
{
    (void)state;
    for (size_t f = 0; f < rt_model_family_count; ++f)
        for (const char *const *variant = rt_model_families[f]->variants; *variant; ++variant) {
            rt_graph *graph = build(*variant, 32);
            const rt_tap *last = &graph->taps[graph->tap_count - 1];
            assert_string_equal(last->name, "penultimate");
            assert_string_equal(rt_graph_usual_tap(graph, false), "penultimate");
            int read = graph->nodes[graph->output].sources[0];
            if (graph->nodes[read].kind == RT_NODE_DROPOUT) /* features are tapped whole */
                read = graph->nodes[read].sources[0];
            if (strcmp(rt_model_families[f]->name, "squeezenet") != 0) /* its classes come from a map */
                assert_int_equal(read, last->node);
            assert_int_equal(graph->nodes[last->node].shape.height, 1);
            for (size_t t = 0; t < graph->tap_count; ++t) {
                const char *name = graph->taps[t].name;
                assert_false(graph->taps[t].kept);
                assert_int_equal(rt_graph_find_tap(graph, name), t);
                /* A tap that is called as a layer is that layer. */
                int node = rt_graph_find(graph, name);
                assert_true(node < 0 || node == graph->taps[t].node);
            }
            rt_graph_free(graph);
        }
}

static void stages_have_their_usual_names_and_sizes(void **state)
{
    (void)state;
    static const struct {
        const char *model, *map;
        size_t taps, side, channels; /* of the last map */
    } cases[] = {{"resnet20", "layer3", 4, 8, 64},     {"resnet8x4", "layer3", 4, 8, 256},
                 {"wrn_16_2", "block3", 4, 8, 128},    {"vgg8", "block4", 6, 4, 512},
                 {"mobilenetv2", "conv2", 9, 2, 1280}, {"convnet", "layer2", 3, 16, 64},
                 {"resnet50", "layer4", 5, 1, 2048},   {"vgg11_bn", "stage5", 6, 2, 512},
                 {"mobilenet_v2", "features", 9, 1, 1280}, {"squeezenet1_1", "stage4", 5, 1, 512},
                 {"shufflenetv1", "layer3", 4, 4, 960}, {"shufflenet_v2_x1_0", "conv5", 5, 1, 1024},
                 {"efficientnet_b0", "features", 9, 1, 1280}, {"vit_tiny", "blocks.11", 5, 1, 192}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        rt_graph *graph = build(cases[i].model, 32);
        assert_int_equal(graph->tap_count, cases[i].taps);
        assert_string_equal(rt_graph_usual_tap(graph, true), cases[i].map);
        assert_int_equal(tapped(graph, cases[i].map)->shape.height, cases[i].side);
        assert_int_equal(tapped(graph, cases[i].map)->shape.channels, cases[i].channels);
        rt_graph_free(graph);
    }
    rt_graph *graph = build("mlp", 8);
    assert_string_equal(rt_graph_usual_tap(graph, true), "penultimate"); /* it has no map */
    rt_graph_free(graph);
}

static void layers_are_kept_by_either_name(void **state)
{
    (void)state;
    rt_graph *graph = build("resnet20", 32);
    int tap = rt_graph_keep(graph, "layer2"), layer = rt_graph_keep(graph, "layer2.0.bn1");
    assert_int_equal(rt_graph_keep(graph, "layer2"), tap);
    assert_int_equal(rt_graph_keep(graph, "layer2.0.bn1"), layer);
    assert_int_equal(rt_graph_keep(graph, "layer4"), -1);
    assert_int_equal(rt_graph_keep(graph, "images"), -1);
    assert_string_equal(graph->nodes[graph->taps[layer].node].name, "layer2.0.bn1");
    for (size_t i = 0; i < graph->node_count; ++i)
        assert_int_equal(rt_graph_keeps(graph, i),
                         (int)i == graph->taps[tap].node || (int)i == graph->taps[layer].node);
    rt_graph_free(graph);
}

static void wrong_taps_are_refused(void **state)
{
    (void)state;
    const struct {
        const char *name, *words;
        int source;
    } cases[] = {
        {"x", "tap 'x': source 7 is not a layer", 7},
        {"here", "tap 'here': another tap has that name", 0},
        {"a name that is much longer than any that a layer of a network can have, by the rules of this program",
         "tap 'a name that is much longer than any that a layer of a network can have, by the rules of this "
         "program': the name is longer than 95 bytes",
         0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        rt_graph *graph = rt_graph_new();
        rt_graph_tap(graph, "here", rt_graph_input(graph, 1, 1, 4));
        rt_graph_tap(graph, cases[i].name, cases[i].source);
        assert_string_equal(graph->error.message, cases[i].words);
        rt_graph_free(graph);
    }
}

/* A kept place is still there, with nothing fused into it; a tap that nobody wants changes nothing. */
static void passes_leave_kept_places_alone(void **state)
{
    (void)state;
    rt_graph *graph = build("resnet20", 32), *plain = rt_graph_for_training(graph);
    int norm = rt_graph_keep(graph, "layer1.0.bn2"), sum = rt_graph_keep(graph, "layer2.1.add");
    int stage = rt_graph_keep(graph, "layer1");
    rt_graph *trained = rt_graph_for_training(graph), *frozen = rt_graph_for_inference(graph);
    assert_int_equal(trained->node_count, plain->node_count + 1); /* the ReLU behind the sum */
    assert_int_equal(trained->nodes[trained->taps[sum].node].activation, RT_ACTIVATION_NONE);
    assert_string_equal(trained->nodes[trained->taps[norm].node].name, "layer1.0.bn2");
    assert_int_equal(trained->nodes[trained->taps[stage].node].activation, RT_ACTIVATION_RELU);

    /* Frozen, the norm folds into its convolution, but the sum does not. */
    const rt_node *convolution = &frozen->nodes[frozen->taps[norm].node];
    assert_string_equal(convolution->name, "layer1.0.conv2");
    assert_true(convolution->norm.weight >= 0 && convolution->source_count == 1);
    assert_string_equal(frozen->nodes[frozen->taps[sum].node].name, "layer2.1.conv2");
    assert_int_equal(frozen->nodes[frozen->taps[sum].node].activation, RT_ACTIVATION_NONE);
    assert_int_equal(frozen->nodes[frozen->taps[stage].node].activation, RT_ACTIVATION_RELU);
    rt_graph_free(plain);
    rt_graph_free(trained);
    rt_graph_free(frozen);
    rt_graph_free(graph);
}

static void assert_near(const float *values, const float *expected, size_t count)
{
    float largest = 0.0f;
    for (size_t i = 0; i < count; ++i)
        largest = fabsf(expected[i]) > largest ? fabsf(expected[i]) : largest;
    assert_true(largest > 0.1f);
    for (size_t i = 0; i < count; ++i)
        if (!(fabsf(values[i] - expected[i]) <= 1e-4f * largest)) /* Winograd's rounding through 20 layers is 1e-5 */
            fail_msg("%g instead of %g at %zu", (double)values[i], (double)expected[i], i);
}

/* Eleven images in micro-batches of 4, some of them alone: every row of a tap is what a plan of the same weights in
 * evaluation mode has there, which fuses otherwise. */
static void frozen_networks_hand_out_taps(void **state)
{
    (void)state;
    enum { IMAGES = 11, SIDE = 16, PIXELS = SIDE * SIDE * 3 };
    static const char *const places[] = {"layer1", "layer2.0.bn1", "layer2.1.add", "layer3", "penultimate", "fc"};
    enum { PLACES = sizeof places / sizeof *places };
    static float images[IMAGES * PIXELS], logits[IMAGES * 10], first[3 * 10];
    float *rows[PLACES];
    rt_error err = {0};
    rt_graph *graph = build("resnet20", SIDE);
    rt_parameters *parameters;
    rt_plan *plan;
    rt_inference *inference;
    int taps[PLACES];
    for (size_t i = 0; i < IMAGES * PIXELS; ++i)
        images[i] = (float)(i * 7919 % 1009) / 504.0f - 1.0f;
    for (size_t p = 0; p < PLACES; ++p)
        assert_true((taps[p] = rt_graph_keep(graph, places[p])) >= 0);
    assert_int_equal(rt_parameters_new(graph, true, &parameters, &err), RT_OK);
    rt_parameters_initialize(parameters, 3);
    assert_int_equal(rt_plan_new(engine, graph, parameters, IMAGES, RT_MODE_EVAL, &plan, &err), RT_OK);
    assert_int_equal(rt_inference_new(engine, graph, parameters, 4, &inference, &err), RT_OK);
    assert_int_equal(rt_plan_forward(plan, images, 0, 0, &err), RT_OK);
    for (size_t p = 0; p < PLACES; ++p) {
        size_t floats = rt_extent_floats(graph->nodes[graph->taps[taps[p]].node].shape);
        rows[p] = calloc(IMAGES * floats, sizeof(float));
        rt_inference_tap(inference, taps[p], rows[p]);
    }
    assert_int_equal(rt_inference_run(inference, images, IMAGES, logits, &err), RT_OK);
    for (size_t p = 0; p < PLACES; ++p)
        assert_near(rows[p], rt_plan_tap(plan, taps[p]),
                    IMAGES * rt_extent_floats(graph->nodes[graph->taps[taps[p]].node].shape));
    assert_memory_equal(rows[PLACES - 1], logits, sizeof logits);

    /* Some of the rows: only they are written. */
    size_t floats = rt_extent_floats(graph->nodes[graph->taps[taps[0]].node].shape);
    float *all = malloc(IMAGES * floats * sizeof(float));
    memcpy(all, rows[0], IMAGES * floats * sizeof(float));
    memset(rows[0], 0, IMAGES * floats * sizeof(float));
    assert_int_equal(rt_inference_run_some(inference, images, (const uint32_t[]){1, 2, 4, 6, 9}, 5, logits, &err),
                     RT_OK);
    for (size_t i = 0; i < IMAGES; ++i) {
        bool wanted = i == 1 || i == 2 || i == 4 || i == 6 || i == 9;
        for (size_t k = 0; k < floats; ++k)
            assert_true(rows[0][i * floats + k] == (wanted ? all[i * floats + k] : 0.0f));
    }
    rt_inference_tap(inference, taps[0], NULL);
    memset(rows[0], 0, floats * sizeof(float));
    assert_int_equal(rt_inference_run(inference, images, 3, first, &err), RT_OK);
    assert_true(rows[0][0] == 0.0f && rows[0][floats - 1] == 0.0f);
    for (size_t p = 0; p < PLACES; ++p)
        free(rows[p]);
    free(all);
    rt_inference_free(inference);
    rt_plan_free(plan);
    rt_parameters_free(parameters);
    rt_graph_free(graph);
}

int main(void)
{
    rt_error err = {0};
    rt_threads_start(2);
    if (rt_engine_new(&engine, &err) != RT_OK) {
        fprintf(stderr, "%s\n", err.message);
        return EXIT_FAILURE;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_model_taps_what_its_classifier_reads),
        cmocka_unit_test(stages_have_their_usual_names_and_sizes),
        cmocka_unit_test(layers_are_kept_by_either_name),
        cmocka_unit_test(wrong_taps_are_refused),
        cmocka_unit_test(passes_leave_kept_places_alone),
        cmocka_unit_test(frozen_networks_hand_out_taps),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rt_engine_free(engine);
    return failed;
}
