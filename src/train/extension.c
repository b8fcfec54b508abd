#include "train/extension.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "losses/losses.h"
#include "train/adapter.h"
#include "train/own.h"

/* "N K" as against "N H W K". */
static bool takes_vectors(const rt_port *port)
{
    return strlen(port->shape) <= strlen("N K");
}

/* The recipe has filled in the layers where it could build the network in advance. */
static const char *layer_of(const char *named, const rt_graph *graph, const rt_port *port)
{
    const char *layer = named ? named : rt_graph_usual_tap(graph, !takes_vectors(port));
    return layer ? layer : "";
}

static int find_node(const rt_graph *graph, const char *layer)
{
    int tap = rt_graph_find_tap(graph, layer);
    return tap >= 0 ? graph->taps[tap].node : rt_graph_find(graph, layer);
}

/* The training graph parts from the network's when something is added for the first time. */
static rt_status own_graph(rt_extension *extension, rt_error *err)
{
    if (extension->owned)
        return RT_OK;
    rt_graph *copy = rt_graph_copy(extension->graph);
    if (!copy)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for a network to be trained");
    extension->graph = copy;
    extension->owned = true;
    return RT_OK;
}

static rt_status find_teacher(rt_extension *extension, const rt_loss_recipe *recipe, size_t batch,
                              rt_term_features *term, rt_error *err)
{
    const rt_port *port = rt_loss_port(recipe->loss, "teacher.features");
    if (!port || !extension->teacher)
        return RT_OK;
    term->member = recipe->teacher_number > 0 ? (size_t)recipe->teacher_number : 0;
    rt_teacher *teacher = rt_teacher_member(extension->teacher, term->member);
    const rt_graph *network = rt_inference_graph(rt_teacher_inference(teacher));
    term->teacher = layer_of(recipe->teacher_layer, network, port);
    term->teacher_vectors = takes_vectors(port);
    RT_TRY(rt_teacher_keep(teacher, term->teacher, batch, err));
    rt_teacher_features(teacher, term->teacher, &term->teacher_extent);
    return RT_OK;
}

/* Appends an adapter, if one is needed; the node that has its output. */
static int adapt(rt_extension *extension, size_t number, const rt_port *port, rt_term_features *term, int node)
{
    char prefix[32];
    size_t before = rt_graph_trained_count(extension->graph);
    if (!(port->flags & RT_PORT_ADAPTED) || !term->teacher || term->student_vectors != term->teacher_vectors)
        return node;
    snprintf(prefix, sizeof prefix, "loss.%zu.adapter", number);
    node = rt_adapter_add(extension->graph, prefix, node, term->teacher_extent, term->student_vectors);
    term->adapter_parameters = rt_graph_trained_count(extension->graph) - before;
    return node;
}

static rt_status find_student(rt_extension *extension, size_t number, const rt_loss_recipe *recipe,
                              rt_term_features *term, rt_error *err)
{
    const rt_port *port = rt_loss_port(recipe->loss, "student.features");
    term->tap = -1;
    if (!port)
        return RT_OK;
    RT_TRY(own_graph(extension, err));
    rt_graph *graph = extension->graph;
    term->student = layer_of(recipe->student, graph, port);
    term->student_vectors = takes_vectors(port);
    int layer = find_node(graph, term->student);
    if (layer <= 0)
        return rt_fail(err, RT_ERROR_USAGE, "loss '%s': the student has no layer '%.80s'", recipe->loss->name,
                       term->student);
    term->student_extent = graph->nodes[layer].shape;
    int node = adapt(extension, number, port, term, layer);
    if (graph->error.status != RT_OK)
        return rt_fail(err, graph->error.status, "loss '%s': %s", recipe->loss->name, graph->error.message);
    term->tap = rt_graph_keep(graph, node == layer ? term->student : graph->nodes[node].name);
    if (term->tap < 0)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory to keep layer '%s'", term->student);
    term->extent = graph->nodes[node].shape;
    return RT_OK;
}

rt_status rt_term_place(rt_status status, const rt_loss_recipe *recipe, rt_error *err)
{
    const rt_mark *mark = &recipe->mark;
    if (status == RT_OK || !err || mark->line == 0)
        return status;
    const rt_error cause = *err;
    return rt_fail(err, status, "%.160s:%d:%d: %s", mark->source, mark->line, mark->column, cause.message);
}

rt_status rt_extension_open(rt_extension *extension, const rt_graph *graph, rt_teacher *teacher,
                            const rt_loss_recipe *losses, size_t loss_count, size_t batch, rt_error *err)
{
    *extension = (rt_extension){.graph = (rt_graph *)(uintptr_t)graph,
                                .terms = calloc(loss_count + 1, sizeof *extension->terms),
                                .own = calloc(loss_count + 1, sizeof *extension->own),
                                .own_counts = calloc(loss_count + 1, sizeof *extension->own_counts),
                                .term_count = loss_count,
                                .teacher = teacher};
    rt_status status = extension->terms && extension->own && extension->own_counts
                           ? RT_OK
                           : rt_fail(err, RT_ERROR_MEMORY, "no memory for loss terms");
    for (size_t i = 0; i < loss_count && status == RT_OK; ++i) {
        status = find_teacher(extension, &losses[i], batch, &extension->terms[i], err);
        if (status == RT_OK)
            status = find_student(extension, i, &losses[i], &extension->terms[i], err);
        status = rt_term_place(status, &losses[i], err);
    }
    if (status == RT_OK && teacher)
        status = rt_teacher_settle(teacher, err);
    if (status != RT_OK)
        rt_extension_close(extension);
    return status;
}

void rt_extension_close(rt_extension *extension)
{
    if (extension->owned) {
        rt_parameters_free(extension->parameters);
        rt_graph_free(extension->graph);
    }
    free(extension->terms);
    free(extension->own);
    free(extension->own_counts);
    *extension = (rt_extension){0};
}

static rt_status add_own(rt_extension *extension, const rt_loss_term *terms, rt_error *err)
{
    bool any = false;
    for (size_t i = 0; i < extension->term_count; ++i)
        any |= terms[i].own_count > 0;
    if (any)
        RT_TRY(own_graph(extension, err));
    extension->own_offset = extension->graph->trained_floats;
    for (size_t i = 0; i < extension->term_count; ++i)
        for (size_t k = 0; k < terms[i].own_count; ++k) {
            const rt_own *own = &terms[i].own[k];
            extension->own_counts[i] = k + 1;
            char name[RT_NAME_CAPACITY];
            snprintf(name, sizeof name, "loss.%zu.%.64s", i, own->name);
            extension->own[i][k] = rt_graph_array(extension->graph, name, own->shape, own->trained);
        }
    if (extension->owned && extension->graph->error.status != RT_OK)
        return rt_fail(err, extension->graph->error.status, "%s", extension->graph->error.message);
    return RT_OK;
}

rt_status rt_extension_fill(rt_extension *extension, rt_parameters *network, rt_loss_term *terms, uint64_t seed,
                            rt_error *err)
{
    RT_TRY(add_own(extension, terms, err));
    if (!extension->owned) {
        extension->parameters = network;
        return RT_OK;
    }
    RT_TRY(rt_parameters_new(extension->graph, true, &extension->parameters, err));
    rt_parameters *parameters = extension->parameters;
    rt_parameters_initialize(parameters, seed);
    memcpy(parameters->values, network->values, network->graph->trained_floats * sizeof(float));
    memcpy(parameters->buffers, network->buffers, network->graph->buffer_floats * sizeof(float));
    for (size_t i = 0; i < extension->term_count; ++i)
        for (size_t k = 0; k < terms[i].own_count; ++k) {
            const rt_own *own = &terms[i].own[k];
            int number = extension->own[i][k];
            float *values = rt_parameter_values(parameters, number);
            rt_own_fill(own, seed, (uint32_t)i, (uint32_t)k, values);
            terms[i].io.own[k] =
                (rt_own_data){values, own->trained ? rt_parameter_gradients(parameters, number) : NULL};
        }
    return RT_OK;
}

size_t rt_extension_largest(const rt_extension *extension)
{
    size_t largest = 0;
    for (size_t i = 0; i < extension->term_count; ++i) {
        size_t floats = extension->terms[i].student ? rt_extent_floats(extension->terms[i].extent) : 0;
        largest = floats > largest ? floats : largest;
    }
    return largest;
}

void rt_extension_zero(const rt_extension *extension)
{
    size_t floats = extension->graph->trained_floats - extension->own_offset;
    if (floats > 0)
        memset(extension->parameters->gradients + extension->own_offset, 0, floats * sizeof(float));
}

static rt_shape shape_of(size_t batch, rt_extent extent, bool vectors)
{
    if (vectors)
        return (rt_shape){2, {batch, rt_extent_floats(extent)}};
    return (rt_shape){4, {batch, extent.height, extent.width, extent.channels}};
}

size_t rt_extension_arrays(const rt_extension *extension, size_t term, const rt_plan *plan, size_t batch,
                           rt_loss_array *arrays, size_t count)
{
    static const float nothing;
    const rt_term_features *about = &extension->terms[term];
    if (about->student)
        arrays[count++] = (rt_loss_array){"student.features",
                                          {.shape = shape_of(batch, about->extent, about->student_vectors),
                                           .values = plan ? rt_plan_tap(plan, about->tap) : &nothing,
                                           .gradient = plan ? rt_plan_tap_gradient(plan, about->tap) : NULL}};
    if (about->teacher) {
        rt_extent extent;
        rt_teacher *teacher = rt_teacher_member(extension->teacher, about->member);
        const float *values = rt_teacher_features(teacher, about->teacher, &extent);
        arrays[count++] = (rt_loss_array){"teacher.features",
                                          {.shape = shape_of(batch, extent, about->teacher_vectors), .values = values}};
    }
    return count;
}
