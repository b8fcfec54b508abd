#include "engine/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "engine/plan_state.h"
#include "graph/passes.h"

static bool trained(const rt_graph *graph, const rt_node *node)
{
    (void)graph;
    return node->weight >= 0 || node->norm.weight >= 0;
}

static void mark_gradients(rt_plan *plan)
{
    const rt_graph *graph = plan->graph;
    for (size_t i = 0; i < graph->node_count; ++i) {
        plan->nodes[i].needs_gradient = trained(graph, &graph->nodes[i]);
        for (size_t s = 0; s < graph->nodes[i].source_count; ++s)
            plan->nodes[i].needs_gradient |= plan->nodes[graph->nodes[i].sources[s]].needs_gradient;
    }
    plan->nodes[graph->output].active = plan->mode != RT_MODE_FROZEN;
    for (size_t t = 0; t < graph->tap_count; ++t)
        if (graph->taps[t].kept)
            plan->nodes[graph->taps[t].node].active = plan->mode != RT_MODE_FROZEN;
    for (size_t i = graph->node_count; i-- > 0;) {
        plan->nodes[i].active = plan->nodes[i].active && plan->nodes[i].needs_gradient;
        for (size_t s = 0; plan->nodes[i].active && s < graph->nodes[i].source_count; ++s)
            plan->nodes[graph->nodes[i].sources[s]].active = true;
    }
}

static rt_status plan_kernels(rt_plan *plan, const rt_calibration *calibration, rt_error *err)
{
    const rt_graph *graph = plan->graph;
    for (size_t i = 0; i < graph->node_count; ++i) {
        rt_kernel *kernel = &plan->kernels[i];
        const rt_node *node = &graph->nodes[i];
        *kernel = (rt_kernel){
            .engine = plan->engine,
            .graph = graph,
            .node = node,
            .number = (int)i,
            .batch = plan->batch,
            .mode = plan->mode,
            .precision = plan->precision,
            .source_range = calibration ? &calibration->ranges[i] : NULL,
            .wants_diff_src = node->source_count > 0 && plan->nodes[node->sources[0]].active,
            .parameters = plan->parameters,
        };
        if (node->kind == RT_NODE_INPUT)
            continue;
        kernel->class = rt_kernel_choose(kernel);
        if (!kernel->class)
            return rt_fail(err, RT_ERROR_SHAPE, "%s '%s': no kernel can compute it", rt_node_kind_name(node->kind),
                           node->name);
        RT_TRY(kernel->class->plan(kernel, err));
        kernel->source_range = NULL; /* borrowed until here */
    }
    return RT_OK;
}

/* Lists, for each node, the readers that send it a gradient, in order of their backward. */
static rt_status gather_contributions(rt_plan *plan, rt_error *err)
{
    const rt_graph *graph = plan->graph;
    for (size_t i = 0; i < graph->node_count; ++i) {
        rt_plan_node *node = &plan->nodes[i];
        if (!node->active)
            continue;
        size_t room = 1 + graph->tap_count;
        for (size_t c = i + 1; c < graph->node_count; ++c)
            room += graph->nodes[c].source_count;
        node->contributions = calloc(room, sizeof *node->contributions);
        node->terms = calloc(room, sizeof *node->terms);
        if (!node->contributions || !node->terms)
            return rt_fail(err, RT_ERROR_MEMORY, "no memory to plan gradients");
        if ((int)i == graph->output)
            node->contributions[node->contribution_count++] = (rt_contribution){RT_OUTPUT_READER, 0};
        for (size_t t = 0; t < graph->tap_count; ++t)
            if (graph->taps[t].kept && graph->taps[t].node == (int)i)
                node->contributions[node->contribution_count++] = (rt_contribution){RT_TAP_READER, (int)t};
        for (size_t c = graph->node_count; c-- > i + 1;)
            for (size_t s = 0; plan->nodes[c].active && s < graph->nodes[c].source_count; ++s)
                if (graph->nodes[c].sources[s] == (int)i)
                    node->contributions[node->contribution_count++] = (rt_contribution){(int)c, (int)s};
        bool kernel_sums = plan->kernels[i].sums_diff_dst && node->contribution_count <= RT_MAX_SOURCES;
        node->summed_by_plan = node->contribution_count > 1 && !kernel_sums;
    }
    return RT_OK;
}

rt_status rt_plan_new(rt_engine *engine, const rt_graph *graph, rt_parameters *parameters, size_t batch, rt_mode mode,
                      rt_plan **plan, rt_error *err)
{
    return rt_plan_new_in(NULL, engine, graph, parameters, batch, mode, plan, err);
}

rt_status rt_plan_new_in(const rt_arithmetic *arithmetic, rt_engine *engine, const rt_graph *graph,
                         rt_parameters *parameters, size_t batch, rt_mode mode, rt_plan **plan, rt_error *err)
{
    rt_plan *made = calloc(1, sizeof *made);
    if (!made)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for a plan");
    made->engine = engine;
    made->parameters = parameters;
    made->batch = batch;
    made->mode = mode;
    made->precision = rt_precision_resolve(arithmetic ? arithmetic->precision : RT_PRECISION_FP32);
    made->graph = mode == RT_MODE_FROZEN ? rt_graph_for_inference(graph) : rt_graph_for_training(graph);
    rt_status status = RT_OK;
    if (made->graph) {
        made->kernels = calloc(made->graph->node_count, sizeof *made->kernels);
        made->io = calloc(made->graph->node_count, sizeof *made->io);
        made->nodes = calloc(made->graph->node_count, sizeof *made->nodes);
        made->value_last = calloc(made->graph->node_count, sizeof *made->value_last);
        made->tap_gradients = calloc(made->graph->tap_count + 1, sizeof *made->tap_gradients);
    }
    if (!made->graph || !made->kernels || !made->io || !made->nodes || !made->value_last || !made->tap_gradients)
        status = rt_fail(err, RT_ERROR_MEMORY, "no memory for a plan of %zu layers", graph->node_count);
    if (status == RT_OK) {
        mark_gradients(made);
        status = plan_kernels(made, arithmetic ? arithmetic->calibration : NULL, err);
    }
    if (status == RT_OK)
        status = gather_contributions(made, err);
    if (status == RT_OK)
        rt_plan_link_norms(made);
    if (status == RT_OK)
        status = rt_plan_place(made, err);
    if (status != RT_OK) {
        rt_plan_free(made);
        return status;
    }
    *plan = made;
    return RT_OK;
}

void rt_plan_free(rt_plan *plan)
{
    if (!plan)
        return;
    size_t nodes = plan->graph ? plan->graph->node_count : 0;
    for (size_t i = 0; i < nodes; ++i) {
        if (plan->kernels && plan->kernels[i].class && plan->kernels[i].class->done)
            plan->kernels[i].class->done(&plan->kernels[i]);
        if (plan->nodes) {
            free(plan->nodes[i].contributions);
            free(plan->nodes[i].terms);
        }
    }
    free(plan->kernels);
    free(plan->io);
    free(plan->nodes);
    free(plan->value_last);
    free(plan->tap_gradients);
    free(plan->arena);
    free(plan->scratch);
    rt_graph_free(plan->graph);
    free(plan);
}

static double clock_if_traced(const rt_plan *plan)
{
    return plan->trace ? rt_seconds() : 0.0;
}

static rt_status prepare_weights(rt_plan *plan, rt_error *err)
{
    double started = rt_seconds();
    for (size_t i = 0; i < plan->graph->node_count; ++i) {
        rt_kernel *kernel = &plan->kernels[i];
        if (!kernel->class || !kernel->class->prepare)
            continue;
        double began = clock_if_traced(plan);
        RT_TRY(kernel->class->prepare(kernel, err));
        if (plan->trace)
            plan->trace->nodes[i].prepare += rt_seconds() - began;
    }
    plan->version = plan->parameters->version;
    plan->prepare_seconds = rt_seconds() - started;
    return RT_OK;
}

/* The images come from outside the arena, at another address each time. */
static void point_at_images(rt_plan *plan, const float *images)
{
    for (size_t i = 0; i < plan->graph->node_count; ++i)
        for (size_t s = 0; s < plan->graph->nodes[i].source_count; ++s)
            if (plan->nodes[plan->graph->nodes[i].sources[s]].value < 0)
                plan->io[i].src[s] = images;
}

/* Their memory may have been another's until here. */
static void zero_tap_gradients(const rt_plan *plan)
{
    const rt_graph *graph = plan->graph;
    for (size_t t = 0; t < graph->tap_count; ++t)
        if (plan->tap_gradients[t])
            memset(plan->tap_gradients[t], 0,
                   plan->batch * rt_extent_floats(graph->nodes[graph->taps[t].node].shape) * sizeof(float));
}

rt_status rt_plan_forward(rt_plan *plan, const float *images, uint64_t seed, uint64_t step, rt_error *err)
{
    plan->prepare_seconds = 0.0;
    if (plan->version != plan->parameters->version)
        RT_TRY(prepare_weights(plan, err));
    point_at_images(plan, images);
    if (plan->output_gradient)
        memset(plan->output_gradient, 0,
               plan->batch * plan->graph->nodes[plan->graph->output].shape.channels * sizeof(float));
    for (size_t i = 0; i < plan->graph->node_count; ++i) {
        rt_kernel *kernel = &plan->kernels[i];
        if (!kernel->class)
            continue;
        plan->io[i].seed = seed;
        plan->io[i].step = step;
        double began = clock_if_traced(plan);
        RT_TRY(kernel->class->forward(kernel, &plan->io[i], err));
        if (plan->trace)
            rt_trace_forward(plan->trace, kernel, &plan->io[i], rt_seconds() - began);
    }
    zero_tap_gradients(plan);
    if (plan->trace)
        plan->trace->images += plan->batch;
    /* Running statistics have moved: plans that folded them into weights must prepare again, this one need not. */
    if (plan->mode == RT_MODE_TRAIN && plan->graph->buffer_floats > 0)
        plan->version = ++plan->parameters->version;
    return RT_OK;
}

static void sum_contributions(rt_plan *plan, size_t i)
{
    const rt_plan_node *node = &plan->nodes[i];
    size_t total = rt_kernel_elements(&plan->kernels[i]);
#pragma omp parallel for schedule(static)
    for (size_t e = 0; e < total; ++e) {
        float sum = node->terms[0][e];
        for (size_t k = 1; k < node->contribution_count; ++k)
            sum += node->terms[k][e];
        node->sum[e] = sum;
    }
}

rt_status rt_plan_backward(rt_plan *plan, rt_error *err)
{
    for (size_t i = plan->graph->node_count; i-- > 0;) {
        rt_kernel *kernel = &plan->kernels[i];
        if (!kernel->class || !plan->nodes[i].active)
            continue;
        double began = clock_if_traced(plan);
        if (plan->nodes[i].summed_by_plan)
            sum_contributions(plan, i);
        RT_TRY(kernel->class->backward(kernel, &plan->io[i], err));
        if (plan->trace)
            rt_trace_backward(plan->trace, kernel, &plan->io[i], rt_seconds() - began);
    }
    return RT_OK;
}

const float *rt_plan_output(const rt_plan *plan)
{
    return plan->io[plan->graph->output].dst;
}

float *rt_plan_output_gradient(const rt_plan *plan)
{
    return plan->output_gradient;
}

const float *rt_plan_tap(const rt_plan *plan, int tap)
{
    return plan->io[plan->graph->taps[tap].node].dst;
}

float *rt_plan_tap_gradient(const rt_plan *plan, int tap)
{
    return plan->tap_gradients[tap];
}

size_t rt_plan_batch(const rt_plan *plan)
{
    return plan->batch;
}

size_t rt_plan_bytes(const rt_plan *plan)
{
    return plan->arena_bytes;
}

void rt_plan_trace(rt_plan *plan, rt_trace *trace)
{
    plan->trace = trace;
}

const float *rt_plan_values(const rt_plan *plan, const char *name)
{
    int i = rt_graph_find(plan->graph, name);
    if (i < 0 || plan->value_last[i] < (int)plan->graph->node_count || rt_plan_holder(plan, (size_t)i) != (size_t)i)
        return NULL;
    return plan->io[i].dst;
}
