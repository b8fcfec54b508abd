#include "graph/passes.h"

#include <stdlib.h>
#include <string.h>

void rt_graph_count_readers(const rt_graph *graph, int *counts)
{
    memset(counts, 0, graph->node_count * sizeof *counts);
    for (size_t i = 0; i < graph->node_count; ++i)
        for (size_t s = 0; s < graph->nodes[i].source_count; ++s)
            ++counts[graph->nodes[i].sources[s]];
    ++counts[graph->output];
    for (size_t t = 0; t < graph->tap_count; ++t)
        counts[graph->taps[t].node] += graph->taps[t].kept;
}

/* A rule looks at node `at` and may absorb it into an earlier one: it changes that one and returns its number; -1 keeps
 * the node. Sources are already renumbered when a rule sees them. */
typedef int absorb_rule(rt_node *nodes, int at, const int *readers);

/* Copies the graph without the nodes that the rule absorbs. `readers` counts readers of the nodes kept so far, by their
 * new numbers. */
static rt_graph *rewrite(const rt_graph *graph, absorb_rule *rule)
{
    rt_graph *made = rt_graph_copy(graph);
    int *renamed = malloc(graph->node_count * sizeof *renamed);
    int *old_readers = malloc(graph->node_count * sizeof *old_readers);
    int *readers = malloc(graph->node_count * sizeof *readers);
    if (!made || !renamed || !old_readers || !readers) {
        rt_graph_free(made);
        made = NULL;
        goto done;
    }
    rt_graph_count_readers(graph, old_readers);
    int kept = 0;
    for (int i = 0; i < (int)graph->node_count; ++i) {
        rt_node *node = &made->nodes[kept];
        *node = graph->nodes[i];
        for (size_t s = 0; s < node->source_count; ++s)
            node->sources[s] = renamed[node->sources[s]];
        int into = rule(made->nodes, kept, readers);
        renamed[i] = into >= 0 ? into : kept;
        /* Who absorbs a reader gains the reader's own readers for it. */
        if (into >= 0)
            readers[into] += old_readers[i] - 1;
        else
            readers[kept++] = old_readers[i];
    }
    made->node_count = (size_t)kept;
    made->output = renamed[graph->output];
    for (size_t t = 0; t < made->tap_count; ++t)
        made->taps[t].node = renamed[graph->taps[t].node];
done:
    free(renamed);
    free(old_readers);
    free(readers);
    return made;
}

static bool alone(const rt_node *nodes, int at, const int *readers, rt_node_kind kind)
{
    int source = nodes[at].sources[0];
    return nodes[source].kind == kind && readers[source] == 1 && nodes[source].activation == RT_ACTIVATION_NONE;
}

static int fuse_relu_for_training(rt_node *nodes, int at, const int *readers)
{
    if (nodes[at].kind != RT_NODE_RELU ||
        !(alone(nodes, at, readers, RT_NODE_BATCH_NORM) || alone(nodes, at, readers, RT_NODE_ADD)))
        return -1;
    nodes[nodes[at].sources[0]].activation = RT_ACTIVATION_RELU;
    return nodes[at].sources[0];
}

static int fold_norm(rt_node *nodes, int at, const int *readers)
{
    if (nodes[at].kind == RT_NODE_DROPOUT)
        return nodes[at].sources[0];
    if (nodes[at].kind != RT_NODE_BATCH_NORM || !alone(nodes, at, readers, RT_NODE_CONVOLUTION))
        return -1;
    rt_node *convolution = &nodes[nodes[at].sources[0]];
    if (convolution->norm.weight >= 0)
        return -1;
    convolution->norm = nodes[at].norm;
    return nodes[at].sources[0];
}

/* x + convolution(y): the addition joins whichever operand is computed last, if that is a convolution read by nobody
 * else; the other operand is then complete when the convolution runs. */
static int fuse_addition(rt_node *nodes, int at, const int *readers)
{
    if (nodes[at].kind != RT_NODE_ADD || nodes[at].sources[0] == nodes[at].sources[1])
        return -1;
    int a = nodes[at].sources[0], b = nodes[at].sources[1];
    int last = a > b ? a : b, other = a > b ? b : a;
    rt_node *convolution = &nodes[last];
    if (convolution->kind != RT_NODE_CONVOLUTION || readers[last] != 1 || convolution->source_count != 1 ||
        convolution->activation != RT_ACTIVATION_NONE)
        return -1;
    convolution->sources[convolution->source_count++] = other;
    return last;
}

static int fuse_activation(rt_node *nodes, int at, const int *readers)
{
    rt_node_kind kind = nodes[at].kind;
    if (kind != RT_NODE_RELU && kind != RT_NODE_RELU6)
        return -1;
    bool after_convolution = alone(nodes, at, readers, RT_NODE_CONVOLUTION);
    bool after_own_kernel = kind == RT_NODE_RELU &&
                            (alone(nodes, at, readers, RT_NODE_ADD) || alone(nodes, at, readers, RT_NODE_BATCH_NORM));
    if (!after_convolution && !after_own_kernel)
        return -1;
    nodes[nodes[at].sources[0]].activation = kind == RT_NODE_RELU ? RT_ACTIVATION_RELU : RT_ACTIVATION_RELU6;
    return nodes[at].sources[0];
}

rt_graph *rt_graph_for_training(const rt_graph *graph)
{
    return rewrite(graph, fuse_relu_for_training);
}

rt_graph *rt_graph_for_inference(const rt_graph *graph)
{
    absorb_rule *const rules[] = {fold_norm, fuse_addition, fuse_activation};
    rt_graph *made = rt_graph_copy(graph);
    for (size_t i = 0; made && i < sizeof rules / sizeof *rules; ++i) {
        rt_graph *shorter = rewrite(made, rules[i]);
        rt_graph_free(made);
        made = shorter;
    }
    return made;
}
