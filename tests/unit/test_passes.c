/* What fusing leaves of a graph, in training and in inference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "graph/passes.h"
#include "models/models.h"

static const rt_window window3 = {.channels = 4, .kernel = 3, .padding = 1};

static rt_graph *build(const char *name, const char *shortcut)
{
    _Alignas(max_align_t) unsigned char settings[256] = {0};
    rt_error err = {0};
    const rt_model_family *family = rt_model_find(name);
    rt_param_defaults(family->params, settings);
    const rt_param *choice = rt_param_find(family->params, "shortcut");
    for (int i = 0; choice && choice->choices[i]; ++i)
        if (strcmp(choice->choices[i], shortcut) == 0)
            *(int *)(void *)(settings + choice->offset) = i;
    rt_graph *graph = rt_graph_new();
    family->build(graph, name, settings, &(rt_model_input){32, 32, 3, 100});
    if (rt_graph_finish(graph, &err) != RT_OK)
        fail_msg("%s", err.message);
    return graph;
}

static size_t count_kind(const rt_graph *graph, rt_node_kind kind)
{
    size_t count = 0;
    for (size_t i = 0; i < graph->node_count; ++i)
        count += graph->nodes[i].kind == kind;
    return count;
}

static void training_fuses_every_relu(void **state)
{
    (void)state;
    rt_graph *graph = build("resnet20", "projection"), *fused = rt_graph_for_training(graph);
    assert_int_equal(count_kind(graph, RT_NODE_RELU), 19);
    assert_int_equal(count_kind(fused, RT_NODE_RELU), 0);
    assert_int_equal(count_kind(fused, RT_NODE_BATCH_NORM), 21);
    assert_int_equal(count_kind(fused, RT_NODE_ADD), 9);
    assert_int_equal(graph->node_count - fused->node_count, 19);
    for (size_t i = 0; i < fused->node_count; ++i) {
        const rt_node *node = &fused->nodes[i];
        bool last_of_branch = strstr(node->name, "bn2") || strstr(node->name, "downsample");
        bool rectified = node->kind == RT_NODE_ADD || (node->kind == RT_NODE_BATCH_NORM && !last_of_branch);
        assert_int_equal(node->activation, rectified ? RT_ACTIVATION_RELU : RT_ACTIVATION_NONE);
        for (size_t s = 0; s < node->source_count; ++s)
            assert_true(node->sources[s] < (int)i);
    }
    rt_graph_free(fused);
    rt_graph_free(graph);
}

static void inference_leaves_convolutions_alone(void **state)
{
    (void)state;
    rt_graph *graph = build("resnet20", "projection"), *fused = rt_graph_for_inference(graph);
    assert_int_equal(fused->node_count, 1 + 21 + 2);
    assert_int_equal(count_kind(fused, RT_NODE_CONVOLUTION), 21);
    assert_int_equal(count_kind(fused, RT_NODE_GLOBAL_AVERAGE_POOL), 1);
    assert_int_equal(count_kind(fused, RT_NODE_LINEAR), 1);
    size_t residuals = 0;
    for (size_t i = 0; i < fused->node_count; ++i)
        if (fused->nodes[i].kind == RT_NODE_CONVOLUTION) {
            assert_true(fused->nodes[i].norm.weight >= 0);
            residuals += fused->nodes[i].source_count == 2;
        }
    assert_int_equal(residuals, 9);
    rt_graph_free(fused);
    rt_graph_free(graph);

    graph = build("resnet20", "identity");
    fused = rt_graph_for_inference(graph);
    assert_int_equal(count_kind(fused, RT_NODE_CONVOLUTION), 19);
    assert_int_equal(count_kind(fused, RT_NODE_SUBSAMPLE), 2);
    assert_int_equal(count_kind(fused, RT_NODE_ADD), 2); /* a subsampling comes last, and adds nothing by itself */
    assert_int_equal(fused->node_count, 1 + 19 + 2 + 2 + 2);
    rt_graph_free(fused);
    rt_graph_free(graph);
}

/* Of wrn_16_1, which has two blocks a stage, training keeps 13 norms with their ReLUs. Frozen, a norm stays where a sum
 * comes before it, or a sum as well as itself reads the convolution before it: all but the second of each block. Every
 * sum joins a convolution, and none has an activation. */
static void pre_activation_keeps_the_norms_behind_sums(void **state)
{
    (void)state;
    rt_graph *graph = build("wrn_16_1", "");
    rt_graph *training = rt_graph_for_training(graph), *frozen = rt_graph_for_inference(graph);
    assert_int_equal(count_kind(training, RT_NODE_RELU), 0);
    assert_int_equal(count_kind(training, RT_NODE_BATCH_NORM), 13);
    assert_int_equal(count_kind(training, RT_NODE_ADD), 6);
    assert_int_equal(count_kind(frozen, RT_NODE_BATCH_NORM), 7);
    assert_int_equal(frozen->node_count, 1 + 15 + 7 + 2);
    size_t residuals = 0;
    for (size_t i = 0; i < frozen->node_count; ++i) {
        const rt_node *node = &frozen->nodes[i];
        if (node->kind == RT_NODE_BATCH_NORM)
            assert_int_equal(node->activation, RT_ACTIVATION_RELU);
        if (node->kind != RT_NODE_CONVOLUTION)
            continue;
        bool first = strstr(node->name, ".conv1");
        assert_true((node->norm.weight >= 0) == first);
        assert_int_equal(node->activation, first ? RT_ACTIVATION_RELU : RT_ACTIVATION_NONE);
        residuals += node->source_count == 2;
    }
    assert_int_equal(residuals, 6);
    rt_graph_free(frozen);
    rt_graph_free(training);

    rt_graph_free(graph);
    graph = build("wrn_16_2", "");
    frozen = rt_graph_for_inference(graph); /* the first block's shortcut reads the norm, and the stem's norm folds */
    assert_int_equal(count_kind(frozen, RT_NODE_BATCH_NORM), 6);
    assert_true(frozen->nodes[rt_graph_find(frozen, "conv1")].norm.weight >= 0);
    rt_graph_free(frozen);
    rt_graph_free(graph);
}

static void frozen_inverted_residuals_are_three_convolutions(void **state)
{
    (void)state;
    rt_graph *graph = build("mobilenetv2", ""), *frozen = rt_graph_for_inference(graph);
    assert_int_equal(frozen->node_count, 1 + 53 + 2);
    size_t residuals = 0;
    for (size_t i = 0; i < frozen->node_count; ++i) {
        const rt_node *node = &frozen->nodes[i];
        if (node->kind != RT_NODE_CONVOLUTION)
            continue;
        assert_true(node->norm.weight >= 0);
        bool last_of_block = strstr(node->name, ".conv.6");
        assert_int_equal(node->activation, last_of_block ? RT_ACTIVATION_NONE : RT_ACTIVATION_RELU);
        residuals += node->source_count == 2;
    }
    assert_int_equal(residuals, 10);
    rt_graph_free(frozen);
    rt_graph_free(graph);
}

/* A value that several nodes read must stay what it is. */
static void passes_respect_other_readers(void **state)
{
    (void)state;
    rt_graph *graph = rt_graph_new();
    int conv = rt_graph_convolution(graph, "conv", rt_graph_input(graph, 8, 6, 4), window3);
    int norm = rt_graph_batch_norm(graph, "bn", rt_graph_dropout(graph, "dropout", conv, 0.5));
    int relu = rt_graph_relu(graph, "relu", norm);
    int sum = rt_graph_add(graph, "sum", relu, conv);
    int twice = rt_graph_add(graph, "twice", rt_graph_relu(graph, "last", sum), sum);
    rt_graph_output(graph, rt_graph_global_average_pool(graph, "avgpool", twice));
    assert_int_equal(rt_graph_finish(graph, NULL), RT_OK);
    rt_graph *training = rt_graph_for_training(graph), *inference = rt_graph_for_inference(graph);
    assert_int_equal(rt_graph_find(training, "relu"), -1);
    assert_true(rt_graph_find(training, "last") >= 0);
    assert_true(rt_graph_find(training, "dropout") >= 0);

    assert_int_equal(rt_graph_find(inference, "dropout"), -1);
    int kept = rt_graph_find(inference, "conv");
    assert_int_equal(inference->nodes[kept].norm.weight, -1);
    assert_int_equal(inference->nodes[kept].activation, RT_ACTIVATION_NONE);
    assert_true(rt_graph_find(inference, "bn") >= 0);
    assert_true(rt_graph_find(inference, "last") >= 0);
    rt_graph_free(inference);
    rt_graph_free(training);
    rt_graph_free(graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(training_fuses_every_relu),
        cmocka_unit_test(inference_leaves_convolutions_alone),
        cmocka_unit_test(pre_activation_keeps_the_norms_behind_sums),
        cmocka_unit_test(frozen_inverted_residuals_are_three_convolutions),
        cmocka_unit_test(passes_respect_other_readers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
