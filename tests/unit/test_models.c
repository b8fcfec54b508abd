/* Model families: what their options make of them, and the sizes of images that they take. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/inference.h"
#include "models/network.h"
#include "recipe/recipe.h"

/* PyTorch's weights as they begin: standard deviation, about 0, and largest element. */
static const struct beginning {
    const char *variant, *parameter;
    size_t count;
    double deviation, largest;
} beginnings[] = {
#include "../golden/initialization.inc"
};
enum { BEGINNINGS = sizeof beginnings / sizeof *beginnings };

static rt_status open_network(const char *variant, const char *option, rt_model_input input, rt_network **network,
                              rt_error *err)
{
    const rt_model_family *family = rt_model_find(variant);
    assert_non_null(family);
    void *settings = calloc(1, family->settings_size + 1);
    assert_int_equal(rt_settings_parse(variant, family->params, &option, option ? 1 : 0, settings, NULL), RT_OK);
    rt_status status = rt_network_new(variant, settings, &input, false, network, err);
    free(settings);
    return status;
}

static size_t parameters(const char *variant, const char *option)
{
    rt_network *network;
    rt_error err = {0};
    if (open_network(variant, option, (rt_model_input){32, 32, 3, 100}, &network, &err) != RT_OK)
        fail_msg("%s", err.message);
    size_t count = rt_graph_trained_count(network->graph);
    rt_network_free(network);
    return count;
}

/* Graphs alone: the weights of some networks take half a gigabyte. */
static rt_status build(const rt_model_family *family, const char *variant, const rt_model_input *input, rt_error *err)
{
    void *settings = calloc(1, family->settings_size + 1);
    rt_graph *graph = rt_graph_new();
    assert_true(settings && graph);
    rt_param_defaults(family->params, settings);
    family->build(graph, variant, settings, input);
    rt_status status = rt_graph_finish(graph, err);
    if (status == RT_OK)
        assert_int_equal(graph->nodes[graph->output].shape.channels, input->classes);
    rt_graph_free(graph);
    free(settings);
    return status;
}

static void every_variant_takes_images_of_many_sizes(void **state)
{
    (void)state;
    const rt_model_input inputs[] = {
        {32, 32, 3, 10}, {33, 47, 1, 10}, {64, 48, 3, 2}, {224, 224, 3, 1000}, {9, 8, 4, 1000}};
    for (size_t f = 0; f < rt_model_family_count; ++f)
        for (const char *const *variant = rt_model_families[f]->variants; *variant; ++variant)
            for (size_t i = 0; i < sizeof inputs / sizeof *inputs; ++i) {
                rt_error err = {0};
                const bool large = rt_model_families[f]->usual.height > 32, small = inputs[i].height < 32;
                rt_status status = build(rt_model_families[f], *variant, &inputs[i], &err);
                if (status != RT_OK && !(large && small && status == RT_ERROR_SHAPE))
                    fail_msg("%s: %s", *variant, err.message);
            }
}

static void images_that_are_too_small_are_refused(void **state)
{
    (void)state;
    rt_network *network;
    rt_error err = {0};
    assert_int_equal(open_network("vgg8", NULL, (rt_model_input){32, 7, 3, 10}, &network, &err), RT_ERROR_SHAPE);
    assert_string_equal(err.message, "model 'vgg8': images of 32 x 7 are too small for 3 max pools: each side must be "
                                     "at least 8");
    assert_int_equal(open_network("vgg11_bn", NULL, (rt_model_input){31, 32, 3, 10}, &network, &err), RT_ERROR_SHAPE);
    assert_string_equal(err.message,
                        "model 'vgg11_bn': images of 31 x 32 are too small for 5 max pools: each side must "
                        "be at least 32");
    assert_int_equal(open_network("vit_tiny", NULL, (rt_model_input){32, 15, 3, 10}, &network, &err), RT_ERROR_SHAPE);
    assert_string_equal(err.message, "model 'vit_tiny': images of 32 x 15 are smaller than a patch of 16 x 16");
    assert_int_equal(open_network("vgg8", "pools=2", (rt_model_input){4, 4, 3, 10}, &network, &err), RT_OK);
    rt_network_free(network);
}

static void options_widen_and_narrow(void **state)
{
    (void)state;
    assert_int_equal(parameters("wrn_16_1", "width=2"), parameters("wrn_16_2", NULL));
    assert_int_equal(parameters("wrn_16_1", "width=0.5"), 48180);
    assert_int_equal(parameters("wrn_16_1", "dropout=0.3"), parameters("wrn_16_1", NULL));
    assert_int_equal(parameters("vgg8", "pools=5"), parameters("vgg8", NULL));
    assert_true(parameters("vgg8", "width=0.5") < parameters("vgg8", NULL) / 3);
    assert_true(parameters("mobilenetv2", "expansion=3") < parameters("mobilenetv2", NULL));
    /* torchvision's mobilenet_v2 has 2,351,972 for 100 classes; the first block's expansion adds 32 * 32 + 2 * 32. */
    assert_int_equal(parameters("mobilenetv2", "width=1"), 2351972 + 1088);
    assert_int_equal(parameters("mobilenet_v2", NULL), 2351972);
    assert_true(parameters("shufflenetv1", "width=0.5") < parameters("shufflenetv1", NULL) / 3);
    assert_true(parameters("shufflenetv2", "width=0.5") < parameters("shufflenetv2", NULL) / 3);
    assert_int_equal(parameters("vit_tiny", "drop_path=0.1"), parameters("deit_tiny", NULL));
    assert_true(parameters("vit_tiny", "depth=6") < parameters("vit_tiny", NULL));
    assert_true(parameters("mobilenet_v2", "width=0.5") < 2351972 / 2);
    assert_true(parameters("cifar_resnet18", "width=0.5") < parameters("cifar_resnet18", NULL) / 3);
}

/* Both shortcuts of a wide residual network, of which the projection comes behind the norm and its ReLU. */
static void wide_shortcuts_start_where_the_header_says(void **state)
{
    (void)state;
    rt_network *network;
    assert_int_equal(open_network("wrn_16_1", NULL, (rt_model_input){32, 32, 3, 10}, &network, NULL), RT_OK);
    const rt_graph *graph = network->graph;
    const rt_node *nodes = graph->nodes;
    assert_int_equal(nodes[rt_graph_find(graph, "block1.layer.0.add")].sources[1], rt_graph_find(graph, "conv1"));
    assert_int_equal(nodes[rt_graph_find(graph, "block2.layer.0.convShortcut")].sources[0],
                     rt_graph_find(graph, "block2.layer.0.relu1"));
    assert_int_equal(nodes[rt_graph_find(graph, "block2.layer.1.add")].sources[1],
                     rt_graph_find(graph, "block2.layer.0.add"));
    assert_int_equal(rt_graph_find(graph, "block2.layer.1.convShortcut"), -1);
    rt_network_free(network);
}

/* Whether PyTorch can have drawn what it has from the distribution that the parameter is said to begin with. */
static void expect_beginning(const rt_parameter *p, const struct beginning *golden)
{
    const double n = (double)golden->count, spread = p->spread;
    bool right = p->count == golden->count;
    switch (p->initialization) {
    case RT_INITIALIZE_ZERO:
        right = right && golden->largest == 0.0;
        break;
    case RT_INITIALIZE_ONE:
        right = false;
        break;
    case RT_INITIALIZE_NORMAL: /* a deviation of n numbers is off by 1 / sqrt(2 n) of itself */
        right = right && fabs(golden->deviation / spread - 1.0) <= 5.0 / sqrt(2.0 * n) &&
                golden->largest <= 6.5 * spread && (n < 100.0 || golden->largest > 2.0 * spread);
        break;
    case RT_INITIALIZE_UNIFORM: /* by 1 / sqrt(5 n) */
        right = right && fabs(golden->deviation * sqrt(3.0) / spread - 1.0) <= 5.0 / sqrt(5.0 * n) &&
                golden->largest <= spread * (1.0 + 1e-6) && golden->largest >= spread * (1.0 - 20.0 / n);
        break;
    }
    if (!right)
        fail_msg("%s: '%s' [%zu] begins as %d with %g; PyTorch's has a deviation of %g, and at most %g",
                 golden->variant, p->name, p->count, (int)p->initialization, spread, golden->deviation,
                 golden->largest);
}

static const struct beginning *find_beginning(const char *variant, const char *parameter)
{
    for (size_t i = 0; i < BEGINNINGS; ++i)
        if (strcmp(beginnings[i].variant, variant) == 0 && strcmp(beginnings[i].parameter, parameter) == 0)
            return &beginnings[i];
    return NULL;
}

static bool is_of_a_norm(const rt_parameter *p)
{
    return p->kind != RT_PARAMETER_WEIGHT && p->kind != RT_PARAMETER_BIAS;
}

static void weights_begin_as_pytorchs(void **state)
{
    (void)state;
    size_t families = 0;
    for (size_t f = 0; f < rt_model_family_count; ++f)
        for (const char *const *variant = rt_model_families[f]->variants; *variant; ++variant) {
            const rt_model_family *family = rt_model_families[f];
            const rt_model_input *input = &family->usual;
            void *settings = calloc(1, family->settings_size + 1);
            rt_graph *graph = rt_graph_new();
            size_t expected = 0, found = 0;
            rt_param_defaults(family->params, settings);
            for (size_t i = 0; i < BEGINNINGS; ++i)
                expected += strcmp(beginnings[i].variant, *variant) == 0;
            if (expected > 0)
                family->build(graph, *variant, settings, input);
            for (size_t i = 0; i < graph->parameter_count; ++i) {
                const rt_parameter *p = &graph->parameters[i];
                if (is_of_a_norm(p)) {
                    const bool one = p->kind == RT_PARAMETER_NORM_WEIGHT || p->kind == RT_PARAMETER_RUNNING_VAR;
                    assert_int_equal(p->initialization, one ? RT_INITIALIZE_ONE : RT_INITIALIZE_ZERO);
                    continue;
                }
                const struct beginning *golden = find_beginning(*variant, p->name);
                if (!golden)
                    fail_msg("%s: PyTorch has no '%s'", *variant, p->name);
                expect_beginning(p, golden);
                ++found;
            }
            assert_int_equal(found, expected);
            families += expected > 0;
            rt_graph_free(graph);
            free(settings);
        }
    assert_int_equal(families, 15);
}

/* Without norms it is weights alone that keep the activations' size; logits begin near 0, and not beyond float. */
static void squeezenets_logits_begin_small(void **state)
{
    (void)state;
    rt_engine *engine;
    rt_network *network;
    rt_inference *inference;
    rt_error err = {0};
    enum { IMAGES = 4, SIDE = 64, CLASSES = 100 };
    static float images[IMAGES * SIDE * SIDE * 3], logits[IMAGES * CLASSES];
    assert_int_equal(open_network("squeezenet1_1", NULL, (rt_model_input){SIDE, SIDE, 3, CLASSES}, &network, &err),
                     RT_OK);
    rt_parameters_initialize(network->parameters, 1);
    assert_int_equal(rt_engine_new(&engine, &err), RT_OK);
    assert_int_equal(rt_inference_new(engine, network->graph, network->parameters, 0, &inference, &err), RT_OK);
    for (size_t i = 0; i < sizeof images / sizeof *images; ++i)
        images[i] = (float)((i * 37 + i / 91 * 11) % 256) / 64.0f - 2.0f;
    assert_int_equal(rt_inference_run(inference, images, IMAGES, logits, &err), RT_OK);
    double squares = 0.0;
    for (size_t i = 0; i < IMAGES * CLASSES; ++i)
        squares += (double)logits[i] * (double)logits[i];
    squares = sqrt(squares / (IMAGES * CLASSES));
    assert_true(squares > 1e-3 && squares < 1.0);
    rt_inference_free(inference);
    rt_engine_free(engine);
    rt_network_free(network);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_variant_takes_images_of_many_sizes),
        cmocka_unit_test(images_that_are_too_small_are_refused),
        cmocka_unit_test(options_widen_and_narrow),
        cmocka_unit_test(wide_shortcuts_start_where_the_header_says),
        cmocka_unit_test(weights_begin_as_pytorchs),
        cmocka_unit_test(squeezenets_logits_begin_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
