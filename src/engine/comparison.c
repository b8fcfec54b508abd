#include "engine/comparison.h"

#include <stdio.h>

#include "engine/lone_kernel.h"
#include "engine/peers.h"

enum form { TRAINED, FROZEN, FORMS };
enum side { OWN, PEER, SIDES };

struct comparison {
    rt_graph *graph;
    rt_parameters *parameters;
    rt_lone_kernel kernels[FORMS][SIDES]; /* without a class where there is nothing to run */
    rt_lone_arrays arrays;
    size_t scratch_bytes;
};

static rt_status plan_form(struct comparison *c, rt_engine *engine, size_t batch, enum form form, rt_error *err)
{
    const int number = rt_graph_find(c->graph, "layer");
    const rt_node *node = &c->graph->nodes[number];
    const rt_kernel proto = {
        .engine = engine,
        .graph = c->graph,
        .node = node,
        .number = number,
        .batch = batch,
        .mode = form == FROZEN ? RT_MODE_FROZEN : RT_MODE_TRAIN,
        .wants_diff_src = form == TRAINED,
        .parameters = c->parameters,
    };
    const rt_kernel_class *classes[SIDES] = {rt_kernel_choose(&proto), rt_peer_of(node->kind)};
    for (int side = 0; side < (classes[OWN] == classes[PEER] ? 1 : SIDES); ++side) {
        RT_TRY(rt_lone_kernel_open(&c->kernels[form][side], &proto, classes[side], err));
        const size_t wanted = c->kernels[form][side].kernel.scratch_bytes;
        c->scratch_bytes = wanted > c->scratch_bytes ? wanted : c->scratch_bytes;
    }
    return RT_OK;
}

/* Runs a pass of both sides; each keeps its fastest time. A side's second run in a row counts: the first of one side
 * would find the caches as another pass left them, and that of the other side as this one did. */
static rt_status run_pass(struct comparison *c, rt_comparison_pass pass, rt_comparison *comparison, rt_error *err)
{
    rt_lone_kernel *sides = c->kernels[pass == RT_COMPARISON_FROZEN ? FROZEN : TRAINED];
    rt_comparison_side *const times[SIDES] = {&comparison->passes[pass].own, &comparison->passes[pass].peer};
    for (int side = 0; side < SIDES; ++side) {
        double seconds;
        if (!sides[side].kernel.class)
            continue;
        for (int again = 0; again < 2; ++again)
            RT_TRY(rt_lone_kernel_run(&sides[side], &c->arrays, pass == RT_COMPARISON_BACKWARD, &seconds, err));
        if (!(times[side]->milliseconds > 0.0 && times[side]->milliseconds <= 1e3 * seconds))
            times[side]->milliseconds = 1e3 * seconds;
    }
    return RT_OK;
}

/* Each backward follows a forward of its own side: the passes are in that order. */
static rt_status run_round(struct comparison *c, const rt_layer *layer, rt_comparison *comparison, rt_error *err)
{
    for (int pass = 0; pass < RT_COMPARISON_PASSES; ++pass)
        if (pass == RT_COMPARISON_FROZEN ? layer->frozen : layer->trained)
            RT_TRY(run_pass(c, (rt_comparison_pass)pass, comparison, err));
    return RT_OK;
}

/* What each pass was done by. */
static void describe(const struct comparison *c, rt_comparison *comparison)
{
    for (int pass = 0; pass < RT_COMPARISON_PASSES; ++pass) {
        const rt_lone_kernel *sides = c->kernels[pass == RT_COMPARISON_FROZEN ? FROZEN : TRAINED];
        rt_comparison_side *const of[SIDES] = {&comparison->passes[pass].own, &comparison->passes[pass].peer};
        comparison->passes[pass].runs = sides[OWN].kernel.class != NULL;
        comparison->passes[pass].is_peer = comparison->passes[pass].runs && !sides[PEER].kernel.class;
        for (int side = 0; side < SIDES; ++side) {
            const char *implementation = sides[side].kernel.implementation[pass == RT_COMPARISON_BACKWARD];
            snprintf(of[side]->implementation, sizeof of[side]->implementation, "%s",
                     implementation ? implementation : "");
        }
    }
}

rt_status rt_comparison_run(rt_engine *engine, const rt_layer *layer, size_t batch, size_t rounds,
                            rt_comparison *comparison, rt_error *err)
{
    struct comparison c = {0};
    rt_status status = rt_layer_graph(layer, &c.graph, err);
    if (status == RT_OK)
        status = rt_parameters_new(c.graph, true, &c.parameters, err);
    if (status == RT_OK)
        rt_parameters_initialize(c.parameters, 1);
    if (status == RT_OK && layer->trained)
        status = plan_form(&c, engine, batch, TRAINED, err);
    if (status == RT_OK && layer->frozen)
        status = plan_form(&c, engine, batch, FROZEN, err);
    if (status == RT_OK)
        status = rt_lone_arrays_open(&c.arrays, &c.kernels[layer->trained ? TRAINED : FROZEN][OWN].kernel,
                                     c.scratch_bytes, err);
    *comparison = (rt_comparison){0};
    for (size_t round = 0; status == RT_OK && round < rounds; ++round)
        status = run_round(&c, layer, comparison, err);
    if (status == RT_OK)
        describe(&c, comparison);
    for (int form = 0; form < FORMS; ++form)
        for (int side = 0; side < SIDES; ++side)
            rt_lone_kernel_close(&c.kernels[form][side]);
    rt_lone_arrays_close(&c.arrays);
    rt_parameters_free(c.parameters);
    rt_graph_free(c.graph);
    return status;
}
