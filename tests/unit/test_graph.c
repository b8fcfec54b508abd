/* Building graphs: every mistake is named, and shapes follow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "graph/graph.h"
#include <math.h>

static const rt_window window3 = {.channels = 4, .kernel = 3, .padding = 1};

/* One mistake each, behind an input `x` of 8 x 6 with 4 channels. */
static void no_channels(rt_graph *g, int x)
{
    rt_graph_convolution(g, "conv", x, (rt_window){.kernel = 3});
}
static void no_kernel(rt_graph *g, int x)
{
    rt_graph_convolution(g, "conv", x, (rt_window){.channels = 4});
}
static void kernel_too_large(rt_graph *g, int x)
{
    rt_graph_convolution(g, "conv", x, (rt_window){.channels = 4, .kernel = 7});
}
static void groups_do_not_divide(rt_graph *g, int x)
{
    rt_graph_convolution(g, "conv", x, (rt_window){.channels = 6, .kernel = 1, .groups = 4});
}
static void stride_huge(rt_graph *g, int x)
{
    rt_graph_max_pool(g, "pool", x, (rt_window){.kernel = 2, .stride = SIZE_MAX});
}
static void padding_beyond_half(rt_graph *g, int x)
{
    rt_graph_max_pool(g, "pool", x, (rt_window){.kernel = 3, .padding = 2});
}
static void output_too_large(rt_graph *g, int x)
{
    rt_graph_convolution(g, "conv", x, (rt_window){.channels = SIZE_MAX, .kernel = 1});
}
static void weight_too_large(rt_graph *g, int x)
{
    rt_graph_linear(g, "fc", rt_graph_global_average_pool(g, "avgpool", x), (size_t)1 << 31, false);
}
static void source_missing(rt_graph *g, int x)
{
    rt_graph_relu(g, "relu", x + 7);
}
static void shapes_differ(rt_graph *g, int x)
{
    rt_graph_add(g, "add", x, rt_graph_convolution(g, "conv", x, (rt_window){.channels = 4, .kernel = 3}));
}
static void linear_on_a_map(rt_graph *g, int x)
{
    rt_graph_linear(g, "fc", x, 10, true);
}
static void concat_of_nothing(rt_graph *g, int x)
{
    (void)x;
    rt_graph_concat(g, "both", NULL, 0);
}
static void concat_of_too_many(rt_graph *g, int x)
{
    rt_graph_concat(g, "all", (int[]){x, x, x, x, x, x, x, x, x}, 9);
}
static void concat_of_sizes(rt_graph *g, int x)
{
    rt_graph_concat(g, "both", (int[]){x, rt_graph_global_average_pool(g, "avgpool", x)}, 2);
}
static void slice_beyond(rt_graph *g, int x)
{
    rt_graph_channel_slice(g, "slice", x, 3, 2);
}
static void slice_of_nothing(rt_graph *g, int x)
{
    rt_graph_channel_slice(g, "slice", x, 3, 0);
}
static void shuffle_uneven(rt_graph *g, int x)
{
    rt_graph_channel_shuffle(g, "shuffle", x, 3);
}
static void subsample_odd(rt_graph *g, int x)
{
    rt_graph_subsample(g, "shortcut", x, 2, 7);
}
static void dropout_of_all(rt_graph *g, int x)
{
    rt_graph_dropout(g, "dropout", x, 1.0);
}
static void dropout_of_nan(rt_graph *g, int x)
{
    rt_graph_dropout(g, "dropout", x, (double)NAN);
}
static void convolution_reaches_over(rt_graph *g, int x)
{
    rt_graph_convolution(g, "conv", x, (rt_window){.channels = 4, .kernel = 3, .reaches_over = true});
}
static void scale_of_a_map(rt_graph *g, int x)
{
    rt_graph_scale(g, "scale", x, x);
}
static void heads_do_not_divide(rt_graph *g, int x)
{
    rt_graph_attention(g, "attn", rt_graph_linear_each(g, "qkv", x, 12, true), 3);
}
static void no_heads(rt_graph *g, int x)
{
    rt_graph_attention(g, "attn", rt_graph_linear_each(g, "qkv", x, 12, true), 0);
}
static void too_many_tokens(rt_graph *g, int x)
{
    x = rt_graph_resize(g, "resize", x, 200, 200);
    rt_graph_attention(g, "attn", rt_graph_linear_each(g, "qkv", x, 12, true), 2);
}
static void name_twice(rt_graph *g, int x)
{
    rt_graph_relu(g, "relu", rt_graph_relu(g, "relu", x));
}
static void two_inputs(rt_graph *g, int x)
{
    (void)x;
    rt_graph_input(g, 8, 6, 4);
}
static void name_long(rt_graph *g, int x)
{
    rt_graph_relu(g, "a23456789 b23456789 c23456789 d23456789 e23456789 f23456789 g23456789 h23456789 i23456789 j23456",
                  x);
}
static void parameter_name_long(rt_graph *g, int x)
{
    rt_graph_batch_norm(g, "a23456789 b23456789 c23456789 d23456789 e23456789 f23456789 g23456789 h23456789 i23", x);
}
static void no_output(rt_graph *g, int x)
{
    rt_graph_relu(g, "relu", x);
}
static void output_is_a_map(rt_graph *g, int x)
{
    rt_graph_output(g, x);
}
static void refused(rt_graph *g, int x)
{
    (void)x;
    rt_graph_refuse(g, "depth %d: no such network", 21);
}

static void mistakes_are_named(void **state)
{
    (void)state;
    static const struct {
        void (*make)(rt_graph *graph, int x);
        const char *message;
    } mistakes[] = {
        {no_channels, "convolution 'conv': its output would be 6 x 4 x 0; every size must be at least 1"},
        {no_kernel,
         "convolution 'conv': kernel 0, stride 1, padding 0, dilation 1; each must be 1 (padding 0) to 65536"},
        {kernel_too_large, "convolution 'conv': its output would be 2 x 0 x 4; every size must be at least 1"},
        {groups_do_not_divide, "convolution 'conv': 4 groups; they must divide its 4 inputs and 6 outputs"},
        {stride_huge, "max pool 'pool': kernel 2, stride 18446744073709551615, padding 0, dilation 1; each must be 1 "
                      "(padding 0) to 65536"},
        {padding_beyond_half, "max pool 'pool': padding 2; at most half of the kernel's 3"},
        {output_too_large, "convolution 'conv': its output of 8 x 6 x 18446744073709551615 is too large"},
        {weight_too_large, "'fc.weight': it would have more than 4294967296 values"},
        {source_missing, "relu 'relu': source 7 is not a layer"},
        {shapes_differ, "add 'add': 8 x 6 x 4 and 6 x 4 x 4; the shapes must be equal"},
        {linear_on_a_map, "linear 'fc': its source is 8 x 6; pool or flatten it first"},
        {convolution_reaches_over, "convolution 'conv': only a max pool can reach over"},
        {scale_of_a_map, "scale 'scale': factors of 8 x 6 x 4; they must be 1 x 1 x 4"},
        {heads_do_not_divide,
         "attention 'attn': 12 channels for 3 heads; they must be three times a multiple of the heads"},
        {no_heads, "attention 'attn': 12 channels for 0 heads; they must be three times a multiple of the heads"},
        {too_many_tokens, "attention 'attn': 40000 tokens; at most 16384"},
        {concat_of_nothing, "concat 'both': its output would be 0 x 0 x 0; every size must be at least 1"},
        {concat_of_too_many, "concat 'all': 9 sources; at most 8"},
        {concat_of_sizes, "concat 'both': source 1 is 1 x 1 and the first 8 x 6; they must be equal"},
        {slice_beyond, "channel slice 'slice': channels 3 to 5 of 4"},
        {slice_of_nothing, "channel slice 'slice': its output would be 8 x 6 x 0; every size must be at least 1"},
        {shuffle_uneven, "channel shuffle 'shuffle': 3 groups; they must divide 4 channels"},
        {subsample_odd, "subsample 'shortcut': stride 2 from 4 to 7 channels; the stride must be at least 1 and the "
                        "channels grow by an even number"},
        {dropout_of_all, "dropout 'dropout': probability 1; it must be in [0, 1)"},
        {dropout_of_nan, "dropout 'dropout': probability nan; it must be in [0, 1)"},
        {name_twice, "relu 'relu': another layer has that name"},
        {two_inputs, "input 'images': another layer has that name"},
        {name_long, "relu 'a23456789 b23456789 c23456789 d23456789 e23456789 f23456789 g23456789 h23456789 i23456789 "
                    "j23456': the name is longer than 95 bytes"},
        {parameter_name_long, "'a23456789 b23456789 c23456789 d23456789 e23456789 f23456789 g23456789 h23456789 i23."
                              "running_mean': the name is too long"},
        {no_output, "a network needs an output"},
        {output_is_a_map, "the output is 8 x 6 x 4; logits must be 1 x 1 x classes"},
        {refused, "depth 21: no such network"},
    };
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; ++i) {
        rt_error err = {0};
        rt_graph *graph = rt_graph_new();
        mistakes[i].make(graph, rt_graph_input(graph, 8, 6, 4));
        assert_int_not_equal(rt_graph_finish(graph, &err), RT_OK);
        assert_string_equal(err.message, mistakes[i].message);
        rt_graph_free(graph);
    }
}

static void the_first_error_sticks(void **state)
{
    (void)state;
    rt_error err = {0};
    rt_graph *graph = rt_graph_new();
    int x = rt_graph_input(graph, 8, 6, 4);
    assert_int_equal(rt_graph_linear(graph, "fc", x, 10, true), -1);
    size_t nodes = graph->node_count, parameters = graph->parameter_count;
    assert_int_equal(rt_graph_convolution(graph, "conv", x, window3), -1);
    assert_int_equal(rt_graph_channel_shuffle(graph, "shuffle", x, 3), -1);
    rt_graph_output(graph, 0);
    assert_int_equal(graph->node_count, nodes);
    assert_int_equal(graph->parameter_count, parameters);
    assert_int_equal(rt_graph_finish(graph, &err), RT_ERROR_SHAPE);
    assert_string_equal(err.message, "linear 'fc': its source is 8 x 6; pool or flatten it first");
    rt_graph_free(graph);
    rt_graph_free(NULL);
}

static void shapes_follow_from_windows(void **state)
{
    (void)state;
    static const struct {
        rt_window window;
        size_t height, width;
    } cases[] = {
        {{.channels = 2, .kernel = 3, .padding = 1}, 7, 5},
        {{.channels = 2, .kernel = 3, .padding = 1, .stride = 2}, 4, 3},
        {{.channels = 2, .kernel = 1, .stride = 2}, 4, 3},
        {{.channels = 2, .kernel = 3, .padding = 2, .dilation = 2}, 7, 5},
        {{.channels = 2, .kernel = 5}, 3, 1},
        {{.channels = 2, .kernel = 2, .stride = 2}, 3, 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        rt_graph *graph = rt_graph_new();
        int x = rt_graph_convolution(graph, "conv", rt_graph_input(graph, 7, 5, 3), cases[i].window);
        assert_int_equal(x, 1);
        assert_int_equal(graph->nodes[x].shape.height, cases[i].height);
        assert_int_equal(graph->nodes[x].shape.width, cases[i].width);
        size_t area = cases[i].window.kernel * cases[i].window.kernel;
        assert_int_equal(rt_graph_macs(graph), 2 * 3 * area * cases[i].height * cases[i].width);
        rt_graph_free(graph);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(the_first_error_sticks),
        cmocka_unit_test(shapes_follow_from_windows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
