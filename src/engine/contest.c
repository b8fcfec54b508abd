#include "engine/contest.h"

#include <stdio.h>

#include "engine/arithmetic.h"
#include "engine/lone_kernel.h"
#include "graph/passes.h"

/* The three ways in which a plan asks for a convolution. */
enum form { FORM_TRAINED, FORM_FROZEN, FORM_WEIGHTS, FORMS };

struct trial {
    rt_lone_kernel lone;
    rt_contestant *contestant; /* NULL: does not take part */
};

struct contest {
    rt_graph *graph, *frozen; /* input, convolution, batch norm, ReLU and an end; `frozen` is fused */
    rt_parameters *parameters;
    struct trial trials[FORMS][RT_KERNEL_CLASSES_A_KIND];
    rt_lone_arrays arrays;
    double seconds[RT_CONTEST_PASSES][RT_KERNEL_CLASSES_A_KIND]; /* the fastest round's */
    size_t rounds;
    rt_precision precision;
};

bool rt_contest_shape_equal(const rt_contest_shape *a, const rt_contest_shape *b)
{
    const rt_window *v = &a->window, *w = &b->window;
    return a->src.height == b->src.height && a->src.width == b->src.width && a->src.channels == b->src.channels &&
           v->channels == w->channels && v->kernel == w->kernel && v->stride == w->stride && v->padding == w->padding &&
           v->dilation == w->dilation && v->groups == w->groups;
}

double rt_contestant_cost(const rt_contestant *contestant, const rt_contest_shape *shape, bool frozen)
{
    const double *ms = contestant->milliseconds;
    if (frozen)
        return ms[RT_CONTEST_FROZEN];
    double backward = ms[shape->reads_images ? RT_CONTEST_WEIGHTS : RT_CONTEST_BACKWARD];
    return ms[RT_CONTEST_FORWARD] > 0.0 && backward > 0.0 ? ms[RT_CONTEST_FORWARD] + backward : 0.0;
}

double rt_contest_regret(const rt_contest *contest, const rt_contest_shape *shape, bool frozen)
{
    size_t fitting = 0;
    double picked = 0.0, fastest = 0.0;
    for (size_t i = 0; i < contest->count; ++i) {
        const rt_contestant *contestant = &contest->contestants[i];
        double cost = rt_contestant_cost(contestant, shape, frozen);
        if (!(cost > 0.0))
            continue;
        if (frozen ? contestant->picked_frozen : contestant->picked_trained)
            picked = cost;
        fastest = fitting++ == 0 || cost < fastest ? cost : fastest;
    }
    return fitting > 1 ? picked / fastest : 0.0;
}

static rt_status build(struct contest *c, const rt_contest_shape *shape, rt_error *err)
{
    c->graph = rt_graph_new();
    if (!c->graph)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for a convolution");
    int x = rt_graph_input(c->graph, shape->src.height, shape->src.width, shape->src.channels);
    x = rt_graph_convolution(c->graph, "convolution", x, shape->window);
    x = rt_graph_relu(c->graph, "relu", rt_graph_batch_norm(c->graph, "norm", x));
    rt_graph_output(c->graph, rt_graph_global_average_pool(c->graph, "end", x));
    RT_TRY(rt_graph_finish(c->graph, err));
    c->frozen = rt_graph_for_inference(c->graph);
    if (!c->frozen)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for a convolution");
    RT_TRY(rt_parameters_new(c->graph, true, &c->parameters, err));
    rt_parameters_initialize(c->parameters, 1);
    return RT_OK;
}

/* Where the class is among the contestants; it joins them when it is new. */
static rt_contestant *enter(rt_contest *contest, const rt_kernel_class *class)
{
    for (size_t i = 0; i < contest->count; ++i)
        if (contest->contestants[i].class == class)
            return &contest->contestants[i];
    rt_contestant *added = &contest->contestants[contest->count++];
    *added = (rt_contestant){.class = class};
    return added;
}

static rt_status plan_form(struct contest *c, rt_engine *engine, const rt_contest_shape *shape, size_t batch,
                           enum form form, rt_contest *contest, size_t *scratch_bytes, rt_error *err)
{
    const rt_graph *graph = form == FORM_FROZEN ? c->frozen : c->graph;
    const int number = rt_graph_find(graph, "convolution");
    const rt_kernel proto = {
        .engine = engine,
        .graph = graph,
        .node = &graph->nodes[number],
        .number = number,
        .batch = batch,
        .mode = form == FORM_FROZEN ? RT_MODE_FROZEN : RT_MODE_TRAIN,
        .precision = c->precision,
        .wants_diff_src = form == FORM_TRAINED && !shape->reads_images,
        .parameters = c->parameters,
    };
    const rt_kernel_class *classes[RT_KERNEL_CLASSES_A_KIND];
    const rt_kernel_class *picked = rt_kernel_choose(&proto);
    size_t count = rt_kernel_candidates(&proto, classes);
    for (size_t i = 0; i < count; ++i) {
        rt_contestant *contestant = enter(contest, classes[i]);
        struct trial *trial = &c->trials[form][contestant - contest->contestants];
        trial->contestant = contestant;
        contestant->picked_trained |= classes[i] == picked && form == FORM_TRAINED;
        contestant->picked_frozen |= classes[i] == picked && form == FORM_FROZEN;
        RT_TRY(rt_lone_kernel_open(&trial->lone, &proto, classes[i], err));
        if (trial->lone.kernel.scratch_bytes > *scratch_bytes)
            *scratch_bytes = trial->lone.kernel.scratch_bytes;
    }
    return RT_OK;
}

/* Which form answers for a pass, and whether it is that form's backward. */
static const struct {
    enum form form;
    bool backward;
} passes[RT_CONTEST_PASSES] = {
    [RT_CONTEST_FORWARD] = {FORM_TRAINED, false},
    [RT_CONTEST_FROZEN] = {FORM_FROZEN, false},
    [RT_CONTEST_BACKWARD] = {FORM_TRAINED, true},
    [RT_CONTEST_WEIGHTS] = {FORM_WEIGHTS, true},
};

/* Backward may read what its own forward left in the workspace. */
static rt_status warm_up(struct contest *c, rt_error *err)
{
    for (int form = 0; form < FORMS; ++form)
        for (size_t k = 0; k < RT_KERNEL_CLASSES_A_KIND; ++k) {
            struct trial *trial = &c->trials[form][k];
            double seconds;
            if (!trial->contestant)
                continue;
            RT_TRY(rt_lone_kernel_run(&trial->lone, &c->arrays, false, &seconds, err));
            if (form != FORM_FROZEN)
                RT_TRY(rt_lone_kernel_run(&trial->lone, &c->arrays, true, &seconds, err));
        }
    return RT_OK;
}

static rt_status run_rounds(struct contest *c, const rt_contest_shape *shape, rt_contest *contest, rt_error *err)
{
    RT_TRY(warm_up(c, err));
    for (size_t round = 0; round < c->rounds; ++round)
        for (size_t pass = 0; pass < RT_CONTEST_PASSES; ++pass)
            for (size_t k = 0; k < contest->count; ++k) {
                struct trial *trial = &c->trials[passes[pass].form][k];
                double seconds;
                if (!trial->contestant)
                    continue;
                RT_TRY(rt_lone_kernel_run(&trial->lone, &c->arrays, passes[pass].backward, &seconds, err));
                if (round == 0 || seconds < c->seconds[pass][k])
                    c->seconds[pass][k] = seconds;
            }
    for (size_t pass = 0; pass < RT_CONTEST_PASSES; ++pass)
        for (size_t k = 0; k < contest->count; ++k) {
            const struct trial *trial = &c->trials[passes[pass].form][k];
            if (!trial->contestant || (pass == RT_CONTEST_BACKWARD && shape->reads_images))
                continue;
            static const int directions[RT_CONTEST_PASSES] = {0, 0, 1, 2};
            const char *implementation = trial->lone.kernel.implementation[directions[pass]];
            rt_contestant *contestant = &contest->contestants[k];
            contestant->milliseconds[pass] = 1e3 * c->seconds[pass][k];
            snprintf(contestant->implementation[pass], sizeof contestant->implementation[pass], "%s",
                     implementation ? implementation : "");
        }
    return RT_OK;
}

static void close_all(struct contest *c)
{
    for (int form = 0; form < FORMS; ++form)
        for (size_t k = 0; k < RT_KERNEL_CLASSES_A_KIND; ++k)
            rt_lone_kernel_close(&c->trials[form][k].lone);
    rt_lone_arrays_close(&c->arrays);
    rt_parameters_free(c->parameters);
    rt_graph_free(c->frozen);
    rt_graph_free(c->graph);
}

rt_status rt_contest_run(rt_engine *engine, rt_precision precision, const rt_contest_shape *shape, size_t batch,
                         size_t rounds, rt_contest *contest, rt_error *err)
{
    struct contest c = {.rounds = rounds, .precision = rt_precision_resolve(precision)};
    size_t scratch_bytes = 0;
    *contest = (rt_contest){0};
    rt_status status = build(&c, shape, err);
    for (int form = 0; status == RT_OK && form < FORMS; ++form)
        status = plan_form(&c, engine, shape, batch, (enum form)form, contest, &scratch_bytes, err);
    if (status == RT_OK) /* whoever is first entered in the trained form */
        status = rt_lone_arrays_open(&c.arrays, &c.trials[FORM_TRAINED][0].lone.kernel, scratch_bytes, err);
    if (status == RT_OK)
        status = run_rounds(&c, shape, contest, err);
    if (status == RT_OK) {
        const rt_node *node = &c.graph->nodes[rt_graph_find(c.graph, "convolution")];
        double once = 2.0 * (double)rt_node_macs(c.graph, node) * (double)batch;
        for (size_t pass = 0; pass < RT_CONTEST_PASSES; ++pass)
            contest->flops[pass] = pass == RT_CONTEST_BACKWARD ? 2.0 * once : once;
    }
    close_all(&c);
    return status;
}
