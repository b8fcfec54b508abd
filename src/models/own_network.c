#include "models/own_network.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/initialization.h"
#include "models/own_builder.h"

/* What a layer adds to the graph, to be taken back. */
typedef struct extent {
    size_t nodes, parameters, trained, buffers;
} extent;

static extent measure(const rt_graph *graph)
{
    return (extent){graph->node_count, graph->parameter_count, graph->trained_floats, graph->buffer_floats};
}

static void take_back(rt_graph *graph, extent to)
{
    graph->node_count = to.nodes;
    graph->parameter_count = to.parameters;
    graph->trained_floats = to.trained;
    graph->buffer_floats = to.buffers;
    graph->error = (rt_error){0};
}

/* The graph's own words without the kind and the name that they begin with, which the caller says. */
static const char *bare_message(const rt_error *error, const char *name)
{
    const char *found = strstr(error->message, rt_layer("'%s': ", name).text);
    return found ? found + strlen(name) + strlen("'': ") : error->message;
}

/* Where all of it would not fit into any memory, each of the layers may still be small enough. */
static void check_sums(rt_own_builder *b, extent before)
{
    const uint64_t most = (uint64_t)1 << 32;
    const rt_graph *graph = b->graph;
    for (size_t i = before.nodes; i < graph->node_count; ++i)
        b->outputs += rt_extent_floats(graph->nodes[i].shape);
    if (b->too_large)
        return;
    if (graph->trained_floats + graph->buffer_floats > most)
        rt_graph_refuse(b->graph, "with it the network has %zu numbers to train; at most %llu", graph->trained_floats,
                        (unsigned long long)most);
    else if (b->outputs > most)
        rt_graph_refuse(b->graph, "with it the outputs of all layers are %llu numbers an image; at most %llu",
                        (unsigned long long)b->outputs, (unsigned long long)most);
    b->too_large = rt_own_failed(b);
}

static int build_node(rt_own_builder *b, const rt_described_layer *layer, rt_layer_site *site)
{
    rt_graph *graph = b->graph;
    const extent before = measure(graph);
    const uint64_t outputs = b->outputs;
    int made = layer->kind->build(site, layer->settings);
    if (!rt_own_failed(b))
        check_sums(b, before);
    if (!rt_own_failed(b))
        return made;
    if (graph->error.status == RT_ERROR_MEMORY)
        return -1;
    const rt_error error = graph->error;
    take_back(graph, before);
    b->outputs = outputs;
    rt_own_refuse(b, site->blamed, "%s '%s': %s", layer->kind->name, site->name, bare_message(&error, site->name));
    if (rt_own_failed(b))
        return -1;
    made = layer->kind->mend ? layer->kind->mend(site, layer->settings) : site->sources[0];
    if (!rt_own_failed(b))
        return made;
    take_back(graph, before);
    return site->sources[0];
}

static int build_list(rt_own_builder *b, const rt_own_scope *within, int source);

/* A list within the layer called `name`: its layers' names begin with NAME.PART. */
static int build_within(rt_own_builder *b, const rt_own_scope *outer, const char *name, const char *part, json_t *list,
                        int source)
{
    const rt_layer_name prefix = rt_layer("%s%s%s.", name, part ? "." : "", part ? part : "");
    const rt_own_scope within = {outer, prefix.text, list, outer->depth + 1};
    if (within.depth > RT_LAYERS_DEPTH) {
        rt_own_refuse(b, NULL, "lists of layers stand more than %d deep in each other", RT_LAYERS_DEPTH);
        return source;
    }
    return build_list(b, &within, source);
}

static int build_repeat(rt_own_builder *b, const rt_own_scope *outer, const rt_described_layer *layer, const char *name,
                        int source)
{
    rt_layer_repeat repeat;
    memcpy(&repeat, layer->settings, sizeof repeat);
    const size_t first = b->next, mistakes = b->mistakes;
    /* A mistake is told once. */
    for (int64_t i = 0; i < repeat.times && b->mistakes == mistakes && !rt_own_failed(b); ++i) {
        char part[24];
        snprintf(part, sizeof part, "%lld", (long long)i);
        b->next = first;
        source = build_within(b, outer, name, part, layer->lists[0], source);
    }
    return source;
}

static int build_residual(rt_own_builder *b, const rt_own_scope *outer, const rt_described_layer *layer,
                          const char *name, int source)
{
    const size_t self = b->layer;
    int sources[] = {build_within(b, outer, name, "body", layer->lists[0], source), source};
    if (layer->lists[1] && !rt_own_failed(b))
        sources[1] = build_within(b, outer, name, "shortcut", layer->lists[1], source);
    b->layer = self;
    if (rt_own_failed(b))
        return -1;
    const rt_described_layer sum = {.kind = rt_layer_kind_find("add")};
    return build_node(b, &sum, &(rt_layer_site){b->graph, name, sources, 2, NULL});
}

static int build_lists(rt_own_builder *b, const rt_own_scope *outer, const rt_described_layer *layer, const char *name,
                       int source)
{
    if (strcmp(layer->kind->name, "repeat") == 0)
        return build_repeat(b, outer, layer, name, source);
    if (strcmp(layer->kind->name, "residual") == 0)
        return build_residual(b, outer, layer, name, source);
    return build_within(b, outer, name, NULL, layer->lists[0], source);
}

static int build_layer(rt_own_builder *b, const rt_own_scope *within, size_t index, int source)
{
    char message[160];
    rt_described_layer layer;
    rt_layer_name name;
    int sources[RT_MAX_SOURCES] = {source};
    b->layer = b->next++;
    if (++b->made > RT_LAYERS_MOST) {
        if (b->made == RT_LAYERS_MOST + 1)
            rt_own_refuse(b, NULL, "the network has more than %d layers", RT_LAYERS_MOST);
        return source;
    }
    if (!rt_described_layer_read(json_array_get(within->list, index), &layer, message, sizeof message)) {
        rt_own_refuse(b, NULL, "layer %zu: %s", b->layer, message);
        return source;
    }
    const bool named = rt_own_name_layer(b, within, &layer, index, &name);
    const size_t before = layer.kind->joins_last && layer.source_count == 1;
    for (size_t i = 0; i < layer.source_count; ++i)
        sources[before + i] = rt_own_find_source(b, within, layer.sources[i], source);
    if (rt_own_failed(b))
        return -1;
    rt_layer_site site = {b->graph, name.text, sources, layer.source_count ? before + layer.source_count : 1, NULL};
    const int made =
        layer.kind->lists ? build_lists(b, within, &layer, name.text, sources[0]) : build_node(b, &layer, &site);
    if (named && !rt_own_failed(b))
        rt_own_remember(b, name.text, made, layer.name != NULL);
    return made;
}

static int build_list(rt_own_builder *b, const rt_own_scope *within, int source)
{
    if (json_array_size(within->list) == 0)
        rt_own_refuse(b, NULL, "a list of layers is empty");
    for (size_t i = 0; i < json_array_size(within->list) && !rt_own_failed(b) && b->made <= RT_LAYERS_MOST; ++i)
        source = build_layer(b, within, i, source);
    return source;
}

/* What the classifier reads: before the last linear layer, and the dropout before that. */
static int penultimate(const rt_graph *graph, int output)
{
    int node = output;
    if (graph->nodes[node].kind == RT_NODE_LINEAR)
        node = graph->nodes[node].sources[0];
    while (graph->nodes[node].kind == RT_NODE_DROPOUT)
        node = graph->nodes[node].sources[0];
    return node;
}

static int last_map(const rt_graph *graph, int node)
{
    while (graph->nodes[node].kind != RT_NODE_INPUT &&
           graph->nodes[node].shape.height * graph->nodes[node].shape.width == 1)
        node = graph->nodes[node].sources[0];
    return node;
}

static void tap(rt_own_builder *b, const char *name, int node)
{
    if (rt_graph_find_tap(b->graph, name) < 0)
        rt_graph_tap(b->graph, name, node);
}

/* Layers with names are taps, in their order; the last map of all and what the classifier reads come last. */
static void tap_layers(rt_own_builder *b, int output)
{
    const int vector = penultimate(b->graph, output), map = last_map(b->graph, vector);
    const char *last = b->graph->nodes[map].name;
    for (size_t i = 0; i < b->place_count; ++i)
        if (b->places[i].given && b->places[i].node == map)
            last = b->places[i].name;
    for (size_t i = 0; i < b->place_count; ++i)
        if (b->places[i].given && b->places[i].node != map && b->places[i].node != vector &&
            b->places[i].node != output)
            tap(b, b->places[i].name, b->places[i].node);
    if (map > 0 && map != vector)
        tap(b, last, map);
    if (rt_graph_find(b->graph, "penultimate") < 0 && rt_own_find_place(b, "penultimate") < 0)
        tap(b, "penultimate", vector);
    else
        tap(b, b->graph->nodes[vector].name, vector);
}

static int build_all(rt_own_builder *b, const char *text, const rt_model_input *input)
{
    json_error_t where;
    const int images = rt_graph_input(b->graph, input->height, input->width, input->channels);
    json_t *list = text ? json_loads(text, JSON_REJECT_DUPLICATES, &where) : NULL;
    int output = -1;
    if (!json_is_array(list))
        rt_graph_refuse(b->graph, "its layers are not a list in JSON");
    else if (!rt_own_failed(b))
        output = build_list(b, &(rt_own_scope){NULL, "", list, 1}, images);
    json_decref(list);
    return output;
}

static void build(rt_graph *graph, const char *variant, const void *settings, const rt_model_input *input)
{
    (void)variant;
    rt_own_builder b = {.graph = graph};
    const int output = build_all(&b, ((const rt_layers_settings *)settings)->layers, input);
    if (!rt_own_failed(&b)) {
        rt_graph_output(graph, output);
        tap_layers(&b, output);
        rt_uniform_weights(graph, RT_NODE_CONVOLUTION, 1.0); /* as torch.nn's layers begin */
    }
    free(b.places);
}

bool rt_layers_check(const char *text, const rt_model_input *input, rt_layers_report *report, void *context)
{
    rt_own_builder b = {.graph = rt_graph_new(), .report = report, .context = context};
    if (!b.graph)
        return false;
    const int output = build_all(&b, text, input);
    const bool whole = !rt_own_failed(&b);
    if (whole && b.made <= RT_LAYERS_MOST) {
        const rt_extent e = b.graph->nodes[output].shape;
        if (e.height != 1 || e.width != 1)
            rt_own_refuse(&b, NULL,
                          "the last layer gives %zu x %zu x %zu; it must give 1 x 1 x %zu, one number for each class",
                          e.height, e.width, e.channels, input->classes);
        else if (e.channels != input->classes)
            rt_own_refuse(&b, "features", "the last layer gives %zu numbers; the data has %zu classes", e.channels,
                          input->classes);
    }
    free(b.places);
    rt_graph_free(b.graph);
    return whole;
}

size_t rt_layers_classes(const char *text)
{
    static const rt_model_input inputs[] = {{32, 32, 3, 1}, {224, 224, 3, 1}, {28, 28, 1, 1}};
    const rt_layers_settings settings = {text};
    size_t classes = 0;
    for (size_t i = 0; classes == 0 && i < sizeof inputs / sizeof *inputs; ++i) {
        rt_graph *graph = rt_graph_new();
        if (!graph)
            return 0;
        build(graph, NULL, &settings, &inputs[i]);
        if (rt_graph_finish(graph, NULL) == RT_OK)
            classes = graph->nodes[graph->output].shape.channels;
        rt_graph_free(graph);
    }
    return classes;
}

static const rt_param params[] = {
    RT_REQUIRED_STRING(rt_layers_settings, layers, "its layers, as JSON without spaces"),
    RT_PARAM_END,
};

static const char *const variants[] = {"layers", NULL};

const rt_model_family rt_model_family_layers = {
    .name = "layers",
    .summary = "a network of your own: model: {layers: [...]}",
    .reference = NULL,
    .params = params,
    .settings_size = sizeof(rt_layers_settings),
    .variants = variants,
    .usual = RT_INPUT_CIFAR,
    .build = build,
};
