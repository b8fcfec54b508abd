/* Layers taken out of their networks, and who takes part where one is timed beside its peer. No times are checked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/threads.h"
#include "engine/comparison.h"
#include "engine/peers.h"
#include "graph/passes.h"

static rt_engine *engine;

static void must(rt_status status, const rt_error *err)
{
    if (status != RT_OK)
        fail_msg("%s", err->message);
}

/* Most kinds of nodes, in a network that can be trained and frozen. */
static rt_graph *network(void)
{
    rt_graph *graph = rt_graph_new();
    int x = rt_graph_input(graph, 8, 6, 3);
    x = rt_graph_convolution(graph, "conv", x, (rt_window){.channels = 4, .kernel = 3, .padding = 1});
    x = rt_graph_relu(graph, "relu", rt_graph_batch_norm(graph, "bn", x));
    int y = rt_graph_max_pool(graph, "pool", x, (rt_window){.kernel = 2, .stride = 2});
    y = rt_graph_add(graph, "add", y, rt_graph_channel_shuffle(graph, "shuffle", y, 2));
    y = rt_graph_relu(graph, "relu2", rt_graph_batch_norm(graph, "bn2", y));
    y = rt_graph_global_average_pool(graph, "end", rt_graph_relu6(graph, "relu6", y));
    rt_graph_output(graph, rt_graph_linear(graph, "fc", y, 5, true));
    rt_error err = {0};
    must(rt_graph_finish(graph, &err), &err);
    return graph;
}

/* Each layer becomes a graph whose node is what the network's was. */
static void layers_keep_what_counts(void **state)
{
    (void)state;
    static const char *const names[2][8] = {{"bn", "pool", "add", "bn2", "relu6", "end", "fc"},
                                            {"pool", "add", "bn2", "relu6", "end", "fc"}};
    rt_graph *whole = network();
    for (int frozen = 0; frozen < 2; ++frozen) {
        rt_graph *graph = frozen ? rt_graph_for_inference(whole) : rt_graph_for_training(whole);
        size_t found = 0;
        for (size_t i = 0; i < graph->node_count; ++i) {
            const rt_node *node = &graph->nodes[i];
            rt_layer layer, again;
            rt_graph *alone;
            rt_error err = {0};
            if (!rt_layer_of(graph, node, frozen, &layer))
                continue;
            assert_string_equal(node->name, names[frozen][found++]);
            assert_int_equal(layer.kind, node->kind);
            assert_int_equal(layer.activation, node->activation);
            assert_true(layer.trained == !frozen && layer.frozen == frozen);
            must(rt_layer_graph(&layer, &alone, &err), &err);
            assert_true(rt_layer_of(alone, &alone->nodes[rt_graph_find(alone, "layer")], frozen, &again));
            assert_true(rt_layer_equal(&layer, &again));
            rt_graph_free(alone);
        }
        assert_null(names[frozen][found]);
        rt_graph_free(graph);
    }
    rt_graph_free(whole);
}

static void what_has_no_peer_is_refused(void **state)
{
    (void)state;
    rt_error err = {0};
    rt_graph *graph = NULL;
    for (int kind = 0; kind < RT_NODE_KINDS; ++kind) {
        const rt_layer layer = {
            .kind = (rt_node_kind)kind, .src = {4, 4, 8}, .dst = {4, 4, 8}, .window = {.kernel = 2, .stride = 2}};
        rt_status status = rt_layer_graph(&layer, &graph, &err);
        if (rt_peer_of((rt_node_kind)kind)) {
            must(status, &err);
            rt_graph_free(graph);
        } else {
            assert_int_equal(status, RT_ERROR_SHAPE);
            assert_non_null(strstr(err.message, rt_node_kind_name((rt_node_kind)kind)));
        }
    }
}

/* What runs, and who is timed beside whom. */
static void comparisons_know_who_takes_part(void **state)
{
    (void)state;
    const struct {
        rt_layer layer;
        bool peer_trained, peer_frozen;
    } cases[] = {
        {{.kind = RT_NODE_BATCH_NORM, .activation = RT_ACTIVATION_RELU, .src = {4, 4, 8}}, true, true},
        {{.kind = RT_NODE_ADD, .src = {4, 4, 8}}, true, true},
        {{.kind = RT_NODE_MAX_POOL, .src = {4, 4, 8}, .window = {.kernel = 2, .stride = 2}}, false, false},
        {{.kind = RT_NODE_AVERAGE_POOL, .src = {4, 4, 8}, .window = {.kernel = 2, .stride = 2}}, false, false},
        {{.kind = RT_NODE_LINEAR, .src = {1, 1, 8}, .dst = {1, 1, 5}, .bias = true}, false, true},
        {{.kind = RT_NODE_LINEAR, .src = {1, 7, 8}, .dst = {1, 7, 5}}, false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i)
        for (int forms = 1; forms <= 3; ++forms) {
            rt_error err = {0};
            rt_comparison comparison;
            rt_layer layer = cases[i].layer;
            layer.trained = forms & 1, layer.frozen = forms & 2;
            must(rt_comparison_run(engine, &layer, 2, 2, &comparison, &err), &err);
            for (int pass = 0; pass < RT_COMPARISON_PASSES; ++pass) {
                const bool frozen = pass == RT_COMPARISON_FROZEN, runs = frozen ? layer.frozen : layer.trained;
                const bool has_peer = runs && (frozen ? cases[i].peer_frozen : cases[i].peer_trained);
                assert_int_equal(comparison.passes[pass].runs, runs);
                assert_int_equal(comparison.passes[pass].is_peer, runs && !has_peer);
                assert_int_equal(comparison.passes[pass].own.milliseconds > 0.0, runs);
                assert_int_equal(comparison.passes[pass].peer.milliseconds > 0.0, has_peer);
                assert_int_equal(strcmp(comparison.passes[pass].own.implementation, "retort") == 0, has_peer);
                assert_int_equal(strlen(comparison.passes[pass].peer.implementation) > 0, has_peer);
            }
        }
}

static void layers_are_equal_by_their_work(void **state)
{
    (void)state;
    const rt_layer layer = {.kind = RT_NODE_AVERAGE_POOL,
                            .src = {8, 6, 4},
                            .dst = {4, 3, 4},
                            .window = {.kernel = 2, .stride = 2, .padding = 1, .dilation = 1}};
    rt_layer other = layer;
    other.trained = other.frozen = true;
    assert_true(rt_layer_equal(&layer, &other));
    size_t *fields[] = {&other.src.height,     &other.src.width,      &other.src.channels,  &other.dst.height,
                        &other.dst.width,      &other.dst.channels,   &other.window.kernel, &other.window.stride,
                        &other.window.padding, &other.window.dilation};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; ++i) {
        ++*fields[i];
        assert_false(rt_layer_equal(&layer, &other));
        --*fields[i];
    }
    other.kind = RT_NODE_MAX_POOL;
    assert_false(rt_layer_equal(&layer, &other));
    other = layer, other.activation = RT_ACTIVATION_RELU;
    assert_false(rt_layer_equal(&layer, &other));
    other = layer, other.bias = true;
    assert_false(rt_layer_equal(&layer, &other));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_keep_what_counts),
        cmocka_unit_test(what_has_no_peer_is_refused),
        cmocka_unit_test(comparisons_know_who_takes_part),
        cmocka_unit_test(layers_are_equal_by_their_work),
    };
    rt_error err = {0};
    rt_threads_start(2);
    if (rt_engine_new(&engine, &err) != RT_OK) {
        print_error("%s\n", err.message);
        return EXIT_FAILURE;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rt_engine_free(engine);
    return failed;
}
