/* Who lives where: every value, workspace and gradient of a plan gets its life in steps, and one arena holds them all.
 */
#include <stdlib.h>

#include "base/cpu.h"
#include "engine/plan_state.h"
#include "graph/memory.h"

/* Buffer numbers while the arena is planned. */
struct places {
    rt_buffer *buffers;
    size_t count;
    int *workspace;              /* [nodes], -1 for none */
    int *sum;                    /* [nodes], -1 for none */
    int (*diff)[RT_MAX_SOURCES]; /* [nodes][slot], -1 for none */
    int output_gradient;
    int *tap_gradient; /* [taps], -1 for none */
};

static int add(struct places *places, size_t bytes, int first, int last)
{
    places->buffers[places->count] = (rt_buffer){.bytes = bytes, .first = first, .last = last};
    return (int)places->count++;
}

static size_t bytes_of(const rt_plan *plan, size_t i)
{
    return plan->batch * rt_extent_floats(plan->graph->nodes[i].shape) * sizeof(float);
}

/* The last step at which anything reads the values that node i holds. */
static int last_read(const rt_plan *plan, size_t i)
{
    int last = (int)i, losses = (int)plan->graph->node_count;
    for (size_t c = i + 1; c < plan->graph->node_count; ++c)
        for (size_t s = 0; s < plan->graph->nodes[c].source_count; ++s) {
            if (rt_plan_holder(plan, (size_t)plan->graph->nodes[c].sources[s]) != i)
                continue;
            int read = plan->kernels[c].keeps_src && plan->nodes[c].active ? rt_backward_step(plan, c) : (int)c;
            last = read > last ? read : last;
        }
    if (plan->kernels[i].keeps_dst && plan->nodes[i].active && rt_backward_step(plan, i) > last)
        last = rt_backward_step(plan, i);
    /* The output stays until the next forward: losses read it, and metrics after the backward. */
    int end = 2 * (int)plan->graph->node_count;
    if ((int)i == plan->graph->output)
        last = end;
    return rt_graph_keeps(plan->graph, i) && losses > last ? losses : last;
}

/* A frozen convolution adds to its residual in place when nobody reads the residual later. */
static bool takes_residuals_place(const rt_plan *plan, size_t i)
{
    const rt_node *node = &plan->graph->nodes[i];
    if (node->kind != RT_NODE_CONVOLUTION || node->source_count != 2)
        return false;
    size_t residual = rt_plan_holder(plan, (size_t)node->sources[1]);
    return plan->nodes[residual].value >= 0 && plan->value_last[residual] == (int)i &&
           rt_plan_holder(plan, (size_t)node->sources[0]) != residual;
}

static void place_values(rt_plan *plan, struct places *places)
{
    for (size_t i = 0; i < plan->graph->node_count; ++i)
        plan->value_last[i] = last_read(plan, i);
    for (size_t i = 0; i < plan->graph->node_count; ++i) {
        rt_plan_node *node = &plan->nodes[i];
        if (plan->graph->nodes[i].kind == RT_NODE_INPUT) {
            node->value = -1;
        } else if (rt_plan_holder(plan, i) != i) {
            node->value = plan->nodes[rt_plan_holder(plan, i)].value;
        } else if (takes_residuals_place(plan, i)) {
            node->value = plan->nodes[plan->graph->nodes[i].sources[1]].value;
            places->buffers[node->value].last = plan->value_last[i];
        } else {
            node->value = add(places, bytes_of(plan, i), (int)i, plan->value_last[i]);
        }
        places->workspace[i] = -1;
        if (plan->kernels[i].workspace_bytes > 0)
            places->workspace[i] = add(places, plan->kernels[i].workspace_bytes, (int)i,
                                       plan->nodes[i].active ? rt_backward_step(plan, i) : (int)i);
    }
}

/* The gradient that node i writes for source `slot` lives until that source's backward. */
static void place_gradients(rt_plan *plan, struct places *places)
{
    for (size_t i = 0; i < plan->graph->node_count; ++i) {
        const rt_node *node = &plan->graph->nodes[i];
        int written = rt_backward_step(plan, i);
        places->sum[i] = -1;
        for (size_t s = 0; s < RT_MAX_SOURCES; ++s)
            places->diff[i][s] = -1;
        if (!plan->nodes[i].active)
            continue;
        if (plan->nodes[i].summed_by_plan)
            places->sum[i] = add(places, bytes_of(plan, i), written, written);
        for (size_t s = 0; s < node->source_count; ++s) {
            size_t source = (size_t)node->sources[s];
            bool wanted = plan->nodes[source].active;
            if (!wanted)
                continue;
            int last = rt_backward_step(plan, source);
            int *place = &places->diff[i][s];
            if (plan->kernels[i].shares_diff_src && s > 0 && places->diff[i][0] >= 0)
                *place = places->diff[i][0];
            if (*place < 0)
                *place = add(places, bytes_of(plan, source), written, last);
            if (plan->kernels[i].shares_diff_src)
                places->diff[i][0] = *place;
            if (places->buffers[*place].last < last)
                places->buffers[*place].last = last;
        }
    }
    int output = plan->graph->output;
    places->output_gradient = -1;
    if (plan->mode != RT_MODE_FROZEN)
        places->output_gradient =
            add(places, bytes_of(plan, (size_t)output), 0, rt_backward_step(plan, (size_t)output));
    for (size_t t = 0; t < plan->graph->tap_count; ++t) {
        const rt_tap *tap = &plan->graph->taps[t];
        size_t node = (size_t)tap->node;
        places->tap_gradient[t] = -1;
        if (tap->kept && plan->nodes[node].active)
            places->tap_gradient[t] =
                add(places, bytes_of(plan, node), (int)plan->graph->node_count, rt_backward_step(plan, node));
    }
}

static float *address(const rt_plan *plan, const struct places *places, int buffer)
{
    return buffer < 0 ? NULL : (float *)(void *)((char *)plan->arena + places->buffers[buffer].offset);
}

/* Where the contribution is written. */
static const float *contribution(const rt_plan *plan, const struct places *places, rt_contribution from)
{
    if (from.reader == RT_OUTPUT_READER)
        return plan->output_gradient;
    if (from.reader == RT_TAP_READER)
        return plan->tap_gradients[from.slot];
    return address(plan, places, places->diff[from.reader][from.slot]);
}

static void write_addresses(rt_plan *plan, const struct places *places)
{
    plan->output_gradient = address(plan, places, places->output_gradient);
    for (size_t t = 0; t < plan->graph->tap_count; ++t)
        plan->tap_gradients[t] = address(plan, places, places->tap_gradient[t]);
    for (size_t i = 0; i < plan->graph->node_count; ++i) {
        const rt_node *node = &plan->graph->nodes[i];
        rt_kernel_io *io = &plan->io[i];
        io->dst = address(plan, places, plan->nodes[i].value);
        io->workspace = address(plan, places, places->workspace[i]);
        io->scratch = plan->scratch;
        for (size_t s = 0; s < node->source_count; ++s) {
            io->src[s] = address(plan, places, plan->nodes[node->sources[s]].value);
            io->diff_src[s] = address(plan, places, places->diff[i][s]);
        }
        rt_plan_node *about = &plan->nodes[i];
        about->sum = address(plan, places, places->sum[i]);
        for (size_t k = 0; k < about->contribution_count; ++k)
            about->terms[k] = contribution(plan, places, about->contributions[k]);
        io->diff_dst_count = about->contribution_count ? 1 : 0;
        io->diff_dst[0] = about->sum;
        if (!about->summed_by_plan) {
            io->diff_dst_count = about->contribution_count;
            for (size_t k = 0; k < about->contribution_count; ++k)
                io->diff_dst[k] = about->terms[k];
        }
    }
}

rt_status rt_plan_place(rt_plan *plan, rt_error *err)
{
    size_t nodes = plan->graph->node_count, scratch_bytes = 0;
    struct places places = {
        .buffers = calloc(nodes * (3 + RT_MAX_SOURCES) + 1 + plan->graph->tap_count, sizeof(rt_buffer)),
        .workspace = calloc(nodes, sizeof(int)),
        .sum = calloc(nodes, sizeof(int)),
        .diff = calloc(nodes, sizeof *places.diff),
        .tap_gradient = calloc(plan->graph->tap_count + 1, sizeof(int)),
    };
    rt_status status = RT_OK;
    if (!places.buffers || !places.workspace || !places.sum || !places.diff || !places.tap_gradient) {
        status = rt_fail(err, RT_ERROR_MEMORY, "no memory to plan %zu layers", nodes);
        goto done;
    }
    for (size_t i = 0; i < nodes; ++i)
        if (plan->kernels[i].scratch_bytes > scratch_bytes)
            scratch_bytes = plan->kernels[i].scratch_bytes;
    place_values(plan, &places);
    place_gradients(plan, &places);
    status = rt_memory_plan(places.buffers, places.count, &plan->arena_bytes, err);
    if (status != RT_OK)
        goto done;
    size_t available;
    if (!rt_memory_has_room(plan->arena_bytes, &available)) {
        status = rt_fail(err, RT_ERROR_MEMORY,
                         "no memory for the activations of a batch of %zu: %zu MB, and %zu MB are free", plan->batch,
                         plan->arena_bytes >> 20, available >> 20);
        goto done;
    }
    plan->arena = rt_aligned_zeros(plan->arena_bytes);
    plan->scratch = rt_aligned_zeros(scratch_bytes);
    if (!plan->arena || !plan->scratch) {
        status = rt_fail(err, RT_ERROR_MEMORY, "no memory for the activations of a batch of %zu: %zu MB", plan->batch,
                         (plan->arena_bytes + scratch_bytes) >> 20);
        goto done;
    }
    write_addresses(plan, &places);
done:
    free(places.buffers);
    free(places.workspace);
    free(places.sum);
    free(places.diff);
    free(places.tap_gradient);
    return status;
}
