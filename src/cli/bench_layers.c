/* The second table of `retort bench --kernels`: layers other than convolutions, ours beside oneDNN's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/threads.h"
#include "cli/bench_kernels.h"
#include "engine/comparison.h"
#include "graph/passes.h"
#include "report/table.h"

enum { MOST_LAYERS = 512, NAME_CAPACITY = 64, SHAPE_CAPACITY = 128 };

/* Ours counts as slower from here on: less is the machine's mood. */
static const double tolerance = 0.10;

static const char *const pass_names[RT_COMPARISON_PASSES] = {"forward", "backward", "frozen"};

struct rt_bench_layers {
    rt_layer layers[MOST_LAYERS]; /* those of one kind side by side */
    rt_comparison comparisons[MOST_LAYERS];
    size_t count;
    bool left_out[RT_NODE_KINDS]; /* kinds that occur and have no peer */
};

/* Passes of kernels of our own, and those of them in which oneDNN's is the faster. */
struct verdict {
    size_t passes, slower;
};

rt_bench_layers *rt_bench_layers_new(void)
{
    return calloc(1, sizeof(rt_bench_layers));
}

void rt_bench_layers_free(rt_bench_layers *all)
{
    free(all);
}

static bool alike(const rt_layer *a, const rt_layer *b)
{
    return a->kind == b->kind && a->activation == b->activation;
}

/* Behind the last of its kind, or of all. */
static rt_status add_layer(rt_bench_layers *all, const rt_layer *layer, rt_error *err)
{
    size_t at = all->count;
    for (size_t i = 0; i < all->count; ++i) {
        if (rt_layer_equal(&all->layers[i], layer)) {
            all->layers[i].trained |= layer->trained;
            all->layers[i].frozen |= layer->frozen;
            return RT_OK;
        }
        if (alike(&all->layers[i], layer))
            at = i + 1;
    }
    if (all->count == MOST_LAYERS)
        return rt_fail(err, RT_ERROR_USAGE, "the networks have more than %d layers that differ", MOST_LAYERS);
    memmove(&all->layers[at + 1], &all->layers[at], (all->count++ - at) * sizeof *all->layers);
    all->layers[at] = *layer;
    return RT_OK;
}

static rt_status add_nodes(rt_bench_layers *all, const rt_graph *graph, bool frozen, rt_error *err)
{
    for (size_t i = 0; i < graph->node_count; ++i) {
        const rt_node *node = &graph->nodes[i];
        rt_layer layer;
        if (rt_layer_of(graph, node, frozen, &layer))
            RT_TRY(add_layer(all, &layer, err));
        else if (node->kind != RT_NODE_INPUT && node->kind != RT_NODE_CONVOLUTION)
            all->left_out[node->kind] = true;
    }
    return RT_OK;
}

rt_status rt_bench_layers_add(rt_bench_layers *all, const rt_graph *graph, rt_error *err)
{
    for (int frozen = 0; frozen < 2; ++frozen) {
        rt_graph *fused = frozen ? rt_graph_for_inference(graph) : rt_graph_for_training(graph);
        if (!fused)
            return rt_fail(err, RT_ERROR_MEMORY, "no memory for a copy of a network");
        rt_status status = add_nodes(all, fused, frozen, err);
        rt_graph_free(fused);
        RT_TRY(status);
    }
    return RT_OK;
}

rt_status rt_bench_layers_run(rt_bench_layers *all, rt_engine *engine, size_t batch, size_t rounds, rt_error *err)
{
    for (size_t i = 0; i < all->count; ++i)
        RT_TRY(rt_comparison_run(engine, &all->layers[i], batch, rounds, &all->comparisons[i], err));
    return RT_OK;
}

/* How many times as fast as oneDNN's ours is; 0 where there is one of them only. */
static double ratio(const rt_comparison *comparison, int pass)
{
    const bool both = comparison->passes[pass].runs && !comparison->passes[pass].is_peer;
    return both ? comparison->passes[pass].peer.milliseconds / comparison->passes[pass].own.milliseconds : 0.0;
}

static struct verdict judge(const rt_bench_layers *all)
{
    struct verdict verdict = {0};
    for (size_t i = 0; i < all->count; ++i)
        for (int pass = 0; pass < RT_COMPARISON_PASSES; ++pass) {
            const double times = ratio(&all->comparisons[i], pass);
            verdict.passes += times > 0.0;
            verdict.slower += times > 0.0 && times * (1.0 + tolerance) < 1.0;
        }
    return verdict;
}

static void name_layer(const rt_layer *layer, char name[NAME_CAPACITY])
{
    snprintf(name, NAME_CAPACITY, "%s%s", rt_node_kind_name(layer->kind), rt_bench_activation(layer->activation));
}

static void name_extent(rt_extent e, char name[SHAPE_CAPACITY])
{
    if (e.height * e.width == 1)
        snprintf(name, SHAPE_CAPACITY, "%zu", e.channels);
    else
        snprintf(name, SHAPE_CAPACITY, "%zux%zux%zu", e.height, e.width, e.channels);
}

/* "32x32x16"; of a layer that changes it "32x32x16 > 16x16x16, 2x2 /2". */
static void add_shape(rt_table *table, const rt_layer *layer)
{
    char src[SHAPE_CAPACITY], dst[SHAPE_CAPACITY], window[SHAPE_CAPACITY] = "";
    const rt_window *w = &layer->window;
    name_extent(layer->src, src);
    name_extent(layer->dst, dst);
    if (w->kernel > 0)
        snprintf(window, sizeof window, ", %zux%zu /%zu", w->kernel, w->kernel, w->stride);
    if (w->kernel > 0 || strcmp(src, dst) != 0)
        rt_table_cell(table, "%s > %s%s", src, dst, window);
    else
        rt_table_cell(table, "%s", src);
}

static void add_pass(rt_table *table, const rt_comparison *comparison, int pass)
{
    if (!comparison->passes[pass].runs) {
        rt_table_cell(table, "-"), rt_table_cell(table, "-"), rt_table_cell(table, "-");
        return;
    }
    rt_table_cell(table, "%.3f", comparison->passes[pass].own.milliseconds);
    if (comparison->passes[pass].is_peer) {
        rt_table_cell(table, "same"), rt_table_cell(table, "-");
        return;
    }
    rt_table_cell(table, "%.3f", comparison->passes[pass].peer.milliseconds);
    rt_table_cell(table, "%.2f", ratio(comparison, pass));
}

static void print_left_out(const rt_bench_layers *all)
{
    const char *between = "Without a peer:";
    for (int kind = 0; kind < RT_NODE_KINDS; ++kind)
        if (all->left_out[kind]) {
            printf("%s %s", between, rt_node_kind_name((rt_node_kind)kind));
            between = ",";
        }
    if (*between == ',')
        putchar('\n');
}

rt_status rt_bench_layers_print(const rt_bench_layers *all, size_t batch, rt_error *err)
{
    rt_table *table = rt_table_new("llrrrrrrrrr");
    rt_table_cell(table, "other layer"), rt_table_cell(table, "shape");
    for (int pass = 0; pass < RT_COMPARISON_PASSES; ++pass) {
        rt_table_cell(table, "%s", pass_names[pass]);
        rt_table_cell(table, "oneDNN"), rt_table_cell(table, "x");
    }
    rt_table_rule(table);
    for (size_t i = 0; i < all->count; ++i) {
        char name[NAME_CAPACITY];
        name_layer(&all->layers[i], name);
        rt_table_cell(table, "%s", name);
        add_shape(table, &all->layers[i]);
        for (int pass = 0; pass < RT_COMPARISON_PASSES; ++pass)
            add_pass(table, &all->comparisons[i], pass);
    }
    putchar('\n');
    rt_status status = rt_table_print(table, stdout, 0, err);
    rt_table_free(table);
    RT_TRY(status);
    struct verdict verdict = judge(all);
    printf(
        "\nFastest milliseconds for %zu images, %d threads, %s, each layer alone: in a plan, ours share passes over\n"
        "memory with their neighbours. x is times as fast as oneDNN's primitives for the same work; `same`: a plan\n"
        "takes those. Of %zu passes of our own, oneDNN's are faster by more than %.0f %% in %zu.\n",
        batch, rt_threads_count(), rt_engine_isa(), verdict.passes, 100.0 * tolerance, verdict.slower);
    print_left_out(all);
    return RT_OK;
}

static json_t *side_json(const rt_comparison_side *side)
{
    return json_pack("{s:f, s:s}", "ms", side->milliseconds, "implementation", side->implementation);
}

static json_t *pass_json(const rt_comparison *comparison, int pass)
{
    if (!comparison->passes[pass].runs)
        return json_null();
    const bool is_peer = comparison->passes[pass].is_peer;
    return json_pack("{s:o, s:b, s:o, s:o}", "retort", side_json(&comparison->passes[pass].own), "same", is_peer,
                     "onednn", is_peer ? json_null() : side_json(&comparison->passes[pass].peer), "ratio",
                     is_peer ? json_null() : json_real(ratio(comparison, pass)));
}

static json_t *layer_json(const rt_layer *layer, const rt_comparison *comparison)
{
    char name[NAME_CAPACITY];
    name_layer(layer, name);
    const rt_window *w = &layer->window;
    json_t *object = json_pack("{s:s, s:I, s:I, s:I, s:I}", "layer", name, "height", (json_int_t)layer->src.height,
                               "width", (json_int_t)layer->src.width, "channels_in", (json_int_t)layer->src.channels,
                               "channels_out", (json_int_t)layer->dst.channels);
    if (w->kernel > 0)
        json_object_update_new(object, json_pack("{s:I, s:I, s:I}", "window", (json_int_t)w->kernel, "stride",
                                                 (json_int_t)w->stride, "padding", (json_int_t)w->padding));
    for (int pass = 0; pass < RT_COMPARISON_PASSES; ++pass)
        json_object_set_new(object, pass_names[pass], pass_json(comparison, pass));
    return object;
}

void rt_bench_layers_json(const rt_bench_layers *all, json_t *object)
{
    json_t *list = json_array(), *left_out = json_array();
    for (size_t i = 0; i < all->count; ++i)
        json_array_append_new(list, layer_json(&all->layers[i], &all->comparisons[i]));
    for (int kind = 0; kind < RT_NODE_KINDS; ++kind)
        if (all->left_out[kind])
            json_array_append_new(left_out, json_string(rt_node_kind_name((rt_node_kind)kind)));
    struct verdict verdict = judge(all);
    json_object_set_new(object, "layers", list);
    json_object_set_new(object, "layers_without_peer", left_out);
    json_object_set_new(object, "layer_passes", json_integer((json_int_t)verdict.passes));
    json_object_set_new(object, "layer_passes_slower", json_integer((json_int_t)verdict.slower));
}
