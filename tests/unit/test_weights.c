/* Weights: every tensor of a file and every parameter of a network is accounted for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "formats/weights.h"

enum { MOST = 1200 };

/* A network and a file with all of its tensors, which tests then spoil. */
struct fixture {
    rt_graph *graph;
    rt_parameters *source, *target;
    rt_tensor items[MOST];
    char names[MOST][200];
    rt_tensors file;
};

static struct fixture fixture;

/* Finishes the fixture's graph, and fills the rest to fit. */
static void set_up_graph(void)
{
    assert_int_equal(rt_graph_finish(fixture.graph, NULL), RT_OK);
    assert_int_equal(rt_parameters_new(fixture.graph, false, &fixture.source, NULL), RT_OK);
    assert_int_equal(rt_parameters_new(fixture.graph, false, &fixture.target, NULL), RT_OK);
    rt_parameters_initialize(fixture.source, 7);
    rt_weights_list(fixture.source, fixture.items);
    fixture.file = (rt_tensors){.items = fixture.items, .count = fixture.graph->parameter_count};
}

static int set_up(void **state)
{
    (void)state;
    fixture = (struct fixture){.graph = rt_graph_new()};
    rt_graph *graph = fixture.graph;
    int x = rt_graph_input(graph, 4, 4, 3);
    x = rt_graph_convolution(graph, "conv1", x, (rt_window){.channels = 2, .kernel = 3, .padding = 1, .bias = true});
    x = rt_graph_batch_norm(graph, "bn1", x);
    x = rt_graph_convolution(graph, "layer2.0.downsample.0", x, (rt_window){.channels = 4, .kernel = 1, .stride = 2});
    x = rt_graph_global_average_pool(graph, "avgpool", x);
    rt_graph_output(graph, rt_graph_linear(graph, "fc", x, 5, true));
    set_up_graph();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rt_parameters_free(fixture.source);
    rt_parameters_free(fixture.target);
    rt_graph_free(fixture.graph);
    return 0;
}

static rt_tensor *item(const char *name)
{
    for (size_t i = 0; i < fixture.file.count; ++i)
        if (strcmp(fixture.items[i].name, name) == 0)
            return &fixture.items[i];
    fail_msg("no tensor %s", name);
    return NULL;
}

static void add(const char *name, rt_dtype dtype, rt_shape shape, const void *data)
{
    assert_true(fixture.file.count < MOST);
    fixture.items[fixture.file.count++] = (rt_tensor){name, dtype, shape, data};
}

static void drop(const char *name)
{
    rt_tensor *gone = item(name);
    *gone = fixture.items[--fixture.file.count];
}

static void assert_loaded(void)
{
    rt_error err = {0};
    if (rt_weights_load(&fixture.file, "w.safetensors", fixture.target, &err) != RT_OK)
        fail_msg("%s", err.message);
    assert_memory_equal(fixture.source->values, fixture.target->values, fixture.graph->trained_floats * sizeof(float));
    assert_memory_equal(fixture.source->buffers, fixture.target->buffers, fixture.graph->buffer_floats * sizeof(float));
}

/* Refused in these words (all of the message but "cannot load" and the path), and nothing has been touched. */
static void assert_refused(rt_status status, const char *message)
{
    rt_error err = {0};
    uint64_t version = fixture.target->version;
    assert_int_equal(rt_weights_load(&fixture.file, "w.safetensors", fixture.target, &err), status);
    assert_string_equal(err.message, message);
    assert_int_equal(fixture.target->version, version);
    for (size_t i = 0; i < fixture.graph->trained_floats; ++i)
        assert_true(fixture.target->values[i] == 0.0f);
    for (size_t i = 0; i < fixture.graph->buffer_floats; ++i)
        assert_true(fixture.target->buffers[i] == 0.0f);
}

static void what_is_listed_loads(void **state)
{
    (void)state;
    uint64_t version = fixture.target->version;
    assert_loaded();
    assert_true(fixture.target->version > version);
    const rt_tensor *fc = item("fc.weight");
    assert_int_equal(fc->shape.count, 2);
    assert_int_equal(fc->shape.dims[0], 5);
    assert_int_equal(fc->shape.dims[1], 4);
}

static void other_projects_names_are_understood(void **state)
{
    (void)state;
    for (size_t i = 0; i < fixture.file.count; ++i) {
        const char *name = fixture.items[i].name;
        const char *rest = strstr(name, "downsample.");
        if (strncmp(name, "fc.", 3) == 0)
            snprintf(fixture.names[i], sizeof *fixture.names, "module.linear.%s", name + 3);
        else if (rest)
            snprintf(fixture.names[i], sizeof *fixture.names, "module.%.*sshortcut.%s", (int)(rest - name), name,
                     rest + strlen("downsample."));
        else
            snprintf(fixture.names[i], sizeof *fixture.names, "module.%s", name);
        fixture.items[i].name = fixture.names[i];
    }
    assert_loaded();
}

static void wrappers_are_dropped(void **state)
{
    (void)state;
    static const char *const wrappers[] = {"module.", "model.", "net.", "_orig_mod.", "model._orig_mod.module."};
    for (size_t w = 0; w < sizeof wrappers / sizeof *wrappers; ++w) {
        rt_weights_hints hints;
        rt_weights_list(fixture.source, fixture.items);
        for (size_t i = 0; i < fixture.file.count; ++i) {
            snprintf(fixture.names[i], sizeof *fixture.names, "%s%s", wrappers[w], fixture.items[i].name);
            fixture.items[i].name = fixture.names[i];
        }
        assert_loaded();
        assert_int_equal(rt_weights_look(&fixture.file, "w", &hints, NULL), RT_OK);
        assert_true(hints.classes == 5 && hints.channels == 3 && hints.stem_bias && hints.projection);
    }
}

static void a_wrappers_name_yields_to_the_networks_own(void **state)
{
    tear_down(state);
    fixture = (struct fixture){.graph = rt_graph_new()};
    int x = rt_graph_input(fixture.graph, 1, 1, 3);
    x = rt_graph_linear(fixture.graph, "model.fc", x, 3, true);
    rt_graph_output(fixture.graph, rt_graph_linear(fixture.graph, "fc", x, 3, true));
    set_up_graph();
    assert_loaded();
}

static void what_is_no_part_of_a_network_is_passed_over(void **state)
{
    (void)state;
    const int64_t steps = 3;
    add("bn1.num_batches_tracked", RT_DTYPE_I64, (rt_shape){0}, &steps);
    add("module.layer9.bn1.num_batches_tracked", RT_DTYPE_I64, (rt_shape){0}, &steps);
    add("optimizer.fc.weight", RT_DTYPE_F32, (rt_shape){1, {1}}, &steps);
    add("ema.fc.weight", RT_DTYPE_F32, (rt_shape){1, {1}}, &steps);
    assert_loaded();
}

static void an_alias_yields_to_the_networks_own_names(void **state)
{
    tear_down(state);
    fixture = (struct fixture){.graph = rt_graph_new()};
    rt_graph *graph = fixture.graph;
    int x = rt_graph_linear(graph, "linear", rt_graph_input(graph, 1, 1, 3), 4, false);
    rt_graph_output(graph, rt_graph_linear(graph, "fc", x, 5, true));
    set_up_graph();
    item("fc.bias")->name = "linear.bias";
    assert_refused(RT_ERROR_SHAPE, "weights 'w.safetensors' do not fit the network: 1 missing: 'fc.bias'; "
                                   "1 unexpected: 'linear.bias'");
}

static void everything_that_is_wrong_is_in_one_error(void **state)
{
    (void)state;
    const float number = 1;
    drop("bn1.running_mean");
    add("layer3.0.conv1.weight", RT_DTYPE_F32, (rt_shape){1, {1}}, &number);
    add("linear.bias", RT_DTYPE_F32, (rt_shape){1, {5}}, item("fc.bias")->data);
    item("fc.weight")->shape.dims[0] = 10;
    assert_refused(RT_ERROR_SHAPE, "weights 'w.safetensors' do not fit the network: 1 missing: 'bn1.running_mean'; "
                                   "1 unexpected: 'layer3.0.conv1.weight'; 1 there twice: 'linear.bias'; "
                                   "1 of another shape: 'fc.weight' is F32 [10, 4], not [5, 4]");
}

static void a_long_list_names_the_first_and_counts_all(void **state)
{
    (void)state;
    fixture.file.count = 0;
    for (size_t i = 0; i < 1000; ++i) {
        snprintf(fixture.names[i], sizeof *fixture.names, "layer9.%zu.weight", i);
        add(fixture.names[i], RT_DTYPE_F32, (rt_shape){0}, NULL);
    }
    assert_refused(RT_ERROR_SHAPE, "weights 'w.safetensors' do not fit the network: "
                                   "9 missing: 'conv1.weight', 'conv1.bias', 'bn1.weight', ...; "
                                   "1000 unexpected: 'layer9.0.weight', 'layer9.1.weight', 'layer9.2.weight', ...");
}

static void hostile_names_make_a_short_printable_line(void **state)
{
    (void)state;
    rt_error err = {0};
    fixture.file.count = 0;
    for (size_t i = 0; i < 4; ++i) {
        memset(fixture.names[i], i % 2 ? '\n' : 'a', sizeof *fixture.names - 1);
        add(fixture.names[i], RT_DTYPE_F32, (rt_shape){0}, NULL);
    }
    memcpy(fixture.names[0], "shortcut.linear.module.", 23);
    char path[3000];
    memset(path, 'p', sizeof path);
    path[sizeof path - 1] = '\0';
    assert_int_equal(rt_weights_load(&fixture.file, path, fixture.target, &err), RT_ERROR_SHAPE);
    assert_true(strlen(err.message) < 600);
    assert_null(strchr(err.message, '\n'));
    assert_non_null(strstr(err.message, "; 4 unexpected: 'shortcut.linear."));
    size_t quotes = 0;
    for (const char *at = err.message; *at; ++at)
        quotes += *at == '\'';
    assert_int_equal(quotes % 2, 0); /* no name is cut */
}

static void shapes_that_lie_are_refused(void **state)
{
    (void)state;
    rt_tensor *fc = item("fc.weight");
    const rt_tensor good = *fc;
    fc->shape = (rt_shape){4, {SIZE_MAX, SIZE_MAX, SIZE_MAX, SIZE_MAX}};
    assert_refused(RT_ERROR_SHAPE,
                   "weights 'w.safetensors' do not fit the network: 1 of another shape: 'fc.weight' is F32 "
                   "[18446744073709551615, 18446744073709551615, 18446744073709551615, 18446744073709551615], not "
                   "[5, 4]");
    fc->shape = (rt_shape){3, {5, 4, 1}};
    assert_refused(RT_ERROR_SHAPE, "weights 'w.safetensors' do not fit the network: 1 of another shape: 'fc.weight' is "
                                   "F32 [5, 4, 1], not [5, 4]");
    fc->shape = (rt_shape){0};
    assert_refused(RT_ERROR_SHAPE, "weights 'w.safetensors' do not fit the network: 1 of another shape: 'fc.weight' is "
                                   "F32 [], not [5, 4]");
    *fc = good;
    fc->dtype = RT_DTYPE_I32;
    assert_refused(RT_ERROR_SHAPE, "weights 'w.safetensors' do not fit the network: 1 of another shape: 'fc.weight' is "
                                   "I32 [5, 4], not [5, 4]");
}

static void numbers_that_are_not_finite_are_refused(void **state)
{
    (void)state;
    float bias[5] = {0, 1, NAN, 3, 4};
    rt_tensor *fc = item("fc.bias"); /* the last: everything before it must stay untouched as well */
    fc->data = bias;
    assert_refused(RT_ERROR_FORMAT,
                   "cannot load 'w.safetensors': tensor 'fc.bias': element 2 is nan; it must be finite");
    const double huge[5] = {0, 1e300, 2, 3, 4};
    fc->data = huge;
    fc->dtype = RT_DTYPE_F64;
    assert_refused(RT_ERROR_NUMERIC,
                   "cannot load 'w.safetensors': tensor 'fc.bias': element 1 is 1e+300; too large for "
                   "a 32-bit float");
}

static void doubles_and_halves_are_converted(void **state)
{
    (void)state;
    const double bias[5] = {0.5, 1, -2, 3, 4};
    const uint16_t norm[2] = {0x3C00, 0x3800};
    item("fc.bias")->data = bias;
    item("fc.bias")->dtype = RT_DTYPE_F64;
    item("bn1.running_var")->data = norm;
    item("bn1.running_var")->dtype = RT_DTYPE_F16;
    assert_int_equal(rt_weights_load(&fixture.file, "w", fixture.target, NULL), RT_OK);
    for (size_t i = 0; i < fixture.graph->parameter_count; ++i) {
        const float *values = rt_parameter_values(fixture.target, (int)i);
        if (strcmp(fixture.graph->parameters[i].name, "fc.bias") == 0)
            assert_true(values[0] == 0.5f && values[2] == -2.0f && values[4] == 4.0f);
        if (strcmp(fixture.graph->parameters[i].name, "bn1.running_var") == 0)
            assert_true(values[0] == 1.0f && values[1] == 0.5f);
    }
}

static void a_look_finds_classes_channels_bias_and_projections(void **state)
{
    (void)state;
    rt_weights_hints hints;
    rt_error err = {0};
    assert_int_equal(rt_weights_look(&fixture.file, "w", &hints, &err), RT_OK);
    assert_int_equal(hints.classes, 5);
    assert_int_equal(hints.channels, 3);
    assert_true(hints.stem_bias && hints.projection);
    drop("conv1.bias");
    drop("layer2.0.downsample.0.weight");
    item("conv1.weight")->name = "module.conv1.weight";
    item("fc.weight")->name = "module.linear.weight";
    add("optimizer.conv1.bias", RT_DTYPE_F32, (rt_shape){1, {1}}, NULL);
    add("optimizer.layer2.0.downsample.0.weight", RT_DTYPE_F32, (rt_shape){1, {1}}, NULL);
    assert_int_equal(rt_weights_look(&fixture.file, "w", &hints, &err), RT_OK);
    assert_int_equal(hints.classes, 5);
    assert_int_equal(hints.channels, 3);
    assert_false(hints.stem_bias || hints.projection);
    const char *const first_and_last[][2] = {{"block0.0.weight", "classifier.weight"},
                                             {"conv1.0.weight", "classifier.0.weight"},
                                             {"features.0.weight", "classifier.6.weight"},
                                             {"features.0.0.weight", "classifier.3.weight"},
                                             {"patch_embed.proj.weight", "head.weight"}};
    const char *first = "module.conv1.weight", *last = "module.linear.weight";
    for (size_t i = 0; i < sizeof first_and_last / sizeof *first_and_last; ++i) {
        item(first)->name = first_and_last[i][0];
        item(last)->name = first_and_last[i][1];
        first = first_and_last[i][0];
        last = first_and_last[i][1];
        assert_int_equal(rt_weights_look(&fixture.file, "w", &hints, &err), RT_OK);
        assert_true(hints.classes == 5 && hints.channels == 3);
    }
    /* VGG's three linear layers, in the order that the file happens to have; a convolution that tells classes. */
    static const float hidden[2 * 7];
    item(last)->name = "classifier.6.weight";
    last = "classifier.6.weight";
    add("classifier.0.weight", RT_DTYPE_F32, (rt_shape){2, {7, 2}}, hidden);
    assert_int_equal(rt_weights_look(&fixture.file, "w", &hints, &err), RT_OK);
    assert_int_equal(hints.classes, 5);
    add("classifier.7.weight", RT_DTYPE_F32, (rt_shape){4, {7, 2, 1, 1}}, hidden);
    assert_int_equal(rt_weights_look(&fixture.file, "w", &hints, &err), RT_OK);
    assert_int_equal(hints.classes, 7);
    drop("classifier.7.weight");
    drop("classifier.0.weight");
    rt_tensor *fc = item(last);
    fc->shape = (rt_shape){2, {(size_t)1 << 60, 0}}; /* fits into a file of any size */
    assert_int_equal(rt_weights_look(&fixture.file, "w", &hints, &err), RT_ERROR_FORMAT);
    assert_string_equal(err.message, "cannot tell the classes of 'w': it has no 'fc.weight', 'linear.weight' or "
                                     "'classifier.weight' of two dimensions");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_is_listed_loads),
        TEST(wrappers_are_dropped),
        TEST(a_wrappers_name_yields_to_the_networks_own),
        TEST(other_projects_names_are_understood),
        TEST(what_is_no_part_of_a_network_is_passed_over),
        TEST(an_alias_yields_to_the_networks_own_names),
        TEST(everything_that_is_wrong_is_in_one_error),
        TEST(a_long_list_names_the_first_and_counts_all),
        TEST(hostile_names_make_a_short_printable_line),
        TEST(shapes_that_lie_are_refused),
        TEST(numbers_that_are_not_finite_are_refused),
        TEST(doubles_and_halves_are_converted),
        TEST(a_look_finds_classes_channels_bias_and_projections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
