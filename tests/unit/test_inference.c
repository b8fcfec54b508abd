/* Frozen networks: an image's logits do not depend on where it stands, beside which others, or beside how many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/threads.h"
#include "engine/place_probe.h"
#include "models/network.h"
#include "retort/random.h"

static rt_engine *engine;

static rt_network *open_network_of_width(const char *variant, double width, const rt_model_input *input)
{
    rt_network *network = NULL;
    rt_error err = {0};
    const rt_model_family *family = rt_model_find(variant);
    char *settings = calloc(1, family->settings_size + 1);
    rt_param_defaults(family->params, settings);
    const rt_param *option = rt_param_find(family->params, "width");
    if (option && width > 0.0)
        memcpy(settings + option->offset, &width, sizeof width);
    if (rt_network_new(variant, settings, input, false, &network, &err) != RT_OK)
        fail_msg("%s", err.message);
    rt_parameters_initialize(network->parameters, 3);
    free(settings);
    return network;
}

static rt_network *open_network(const char *variant, const rt_model_input *input)
{
    return open_network_of_width(variant, 0.0, input);
}

static rt_inference *open_inference(rt_network *network, size_t micro_batch)
{
    rt_inference *inference = NULL;
    rt_error err = {0};
    if (rt_inference_new(engine, network->graph, network->parameters, micro_batch, &inference, &err) != RT_OK)
        fail_msg("%s", err.message);
    return inference;
}

static void probe_network(rt_network *network, size_t micro_batch)
{
    const rt_model_input *input = &network->input;
    rt_inference *inference = open_inference(network, micro_batch);
    rt_place_probe found;
    rt_error err = {0};
    bool small = rt_graph_macs(network->graph) < 50000000; /* the large ones are made of the same layers */
    if (rt_place_probe_run(inference, small ? RT_PLACES_ALL : RT_PLACES_SOME, &found, &err) != RT_OK)
        fail_msg("%s", err.message);
    if (!found.independent)
        fail_msg("%s of %zu x %zu images: logits depend on the place in a micro-batch of %zu, %d threads",
                 network->variant, input->height, input->width, rt_inference_images(inference), rt_threads_count());
    rt_inference_free(inference);
    rt_network_free(network);
}

static void probe(const char *variant, const rt_model_input *input, size_t micro_batch)
{
    probe_network(open_network(variant, input), micro_batch);
}

/* The largest networks are made of the same layers as others. Of ImageNet's, those with layers of their own are probed,
 * narrow where they can be; but no vision transformer: its products of matrices are oneDNN's, which on some CPUs adds
 * up a row otherwise where it stands elsewhere. The probe tells there that such logits cannot be kept. */
static void places_do_not_matter_in_any_model(void **state)
{
    (void)state;
    static const char *const narrow[] = {"shufflenet_v2_x0_5", "mobilenet_v3_small", "efficientnet_b0"};
    const rt_model_input input = {32, 32, 3, 100};
    for (size_t i = 0; i < sizeof narrow / sizeof *narrow; ++i)
        probe_network(open_network_of_width(narrow[i], 0.25, &input), 0);
    for (size_t f = 0; f < rt_model_family_count; ++f)
        for (const char *const *variant = rt_model_families[f]->variants; *variant; ++variant) {
            if (rt_model_families[f]->usual.height > input.height)
                continue;
            rt_network *network = open_network(*variant, &input);
            if (rt_graph_macs(network->graph) < 500000000)
                probe_network(network, 0);
            else
                rt_network_free(network);
        }
}

static void nor_for_odd_shapes_and_threads(void **state)
{
    (void)state;
    static const char *const variants[] = {"resnet8", "mlp", "convnet"};
    for (int threads = 1; threads <= 3; ++threads) {
        rt_threads_start(threads);
        for (size_t v = 0; v < sizeof variants / sizeof *variants; ++v) {
            probe(variants[v], &(rt_model_input){28, 28, 1, 10}, 0);
            probe(variants[v], &(rt_model_input){8, 8, 3, 5}, 13);
        }
    }
    rt_threads_start(2);
}

/* Any number of images, whole micro-batches or not, gives each its own logits, and leaves the others alone. */
static void numbers_do_not_matter(void **state)
{
    (void)state;
    enum { IMAGES = 41, FLOATS = 8 * 8 * 3, CLASSES = 7 };
    rt_network *network = open_network("resnet8", &(rt_model_input){8, 8, 3, CLASSES});
    rt_inference *inference = open_inference(network, 16);
    static float images[IMAGES * FLOATS], logits[IMAGES * CLASSES], other[IMAGES * CLASSES];
    for (size_t i = 0; i < IMAGES * FLOATS; ++i)
        images[i] = (float)rt_random_uniform(&(rt_key){.seed = 1}, (uint32_t)i);
    assert_int_equal(rt_inference_run(inference, images, IMAGES, logits, NULL), RT_OK);
    for (size_t count = 1; count < IMAGES; ++count) {
        memset(other, 0, sizeof other);
        assert_int_equal(rt_inference_run(inference, images, count, other, NULL), RT_OK);
        assert_memory_equal(other, logits, count * CLASSES * sizeof(float));
        for (size_t i = count * CLASSES; i < IMAGES * CLASSES; ++i)
            assert_true(other[i] == 0.0f);
    }
    for (uint32_t stride = 1; stride <= 5; ++stride) {
        uint32_t places[IMAGES], count = 0;
        for (uint32_t place = stride - 1; place < IMAGES; place += stride)
            places[count++] = place;
        memset(other, 0, sizeof other);
        assert_int_equal(rt_inference_run_some(inference, images, places, count, other, NULL), RT_OK);
        for (size_t i = 0; i < IMAGES; ++i)
            for (size_t c = 0; c < CLASSES; ++c)
                assert_true(other[i * CLASSES + c] == ((i + 1) % stride == 0 ? logits[i * CLASSES + c] : 0.0f));
    }
    rt_inference_free(inference);
    rt_network_free(network);
}

/* The probe's fingerprint is another when a single weight is, and the same when it is asked again. */
static void fingerprints_follow_the_weights(void **state)
{
    (void)state;
    rt_network *network = open_network("resnet8", &(rt_model_input){8, 8, 3, 4});
    rt_inference *inference = open_inference(network, 0);
    rt_place_probe first, second, changed;
    assert_int_equal(rt_place_probe_run(inference, RT_PLACES_SOME, &first, NULL), RT_OK);
    assert_int_equal(rt_place_probe_run(inference, RT_PLACES_ALL, &second, NULL), RT_OK);
    assert_true(first.fingerprint == second.fingerprint);
    rt_parameter_values(network->parameters, 0)[5] += 0.001f;
    ++network->parameters->version;
    assert_int_equal(rt_place_probe_run(inference, RT_PLACES_SOME, &changed, NULL), RT_OK);
    assert_true(first.fingerprint != changed.fingerprint);
    rt_inference_free(inference);
    rt_network_free(network);
}

static int start(void **state)
{
    (void)state;
    rt_threads_start(2);
    return rt_engine_new(&engine, NULL) == RT_OK ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    rt_engine_free(engine);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_do_not_matter_in_any_model),
        cmocka_unit_test(nor_for_odd_shapes_and_threads),
        cmocka_unit_test(numbers_do_not_matter),
        cmocka_unit_test(fingerprints_follow_the_weights),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
