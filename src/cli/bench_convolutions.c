/* The first table of `retort bench --kernels`: all kernels that can compute a convolution, against each other. */
#include <stdio.h>
#include <stdlib.h>

#include "base/threads.h"
#include "cli/bench_kernels.h"
#include "engine/contest.h"
#include "report/table.h"

enum { MOST_SHAPES = 256 };

/* A choice is wrong where another class is faster by more than this: less is the machine's mood. */
static const double tolerance = 0.10;

static const char *const pass_names[RT_CONTEST_PASSES] = {"forward", "frozen", "backward", "weights"};

struct rt_bench_convolutions {
    rt_contest_shape shapes[MOST_SHAPES];
    rt_contest contests[MOST_SHAPES];
    size_t count;
};

/* How the rule did where it had a choice. */
struct verdict {
    size_t choices, wrong;
};

rt_bench_convolutions *rt_bench_convolutions_new(void)
{
    return calloc(1, sizeof(rt_bench_convolutions));
}

void rt_bench_convolutions_free(rt_bench_convolutions *all)
{
    free(all);
}

rt_status rt_bench_convolutions_add(rt_bench_convolutions *all, const rt_graph *graph, rt_error *err)
{
    for (size_t i = 0; i < graph->node_count; ++i) {
        const rt_node *node = &graph->nodes[i];
        if (node->kind != RT_NODE_CONVOLUTION)
            continue;
        const rt_node *source = &graph->nodes[node->sources[0]];
        const rt_contest_shape shape = {source->shape, node->window, source->kind == RT_NODE_INPUT};
        size_t at = 0;
        while (at < all->count && !rt_contest_shape_equal(&all->shapes[at], &shape))
            ++at;
        if (at == MOST_SHAPES)
            return rt_fail(err, RT_ERROR_USAGE, "the networks have more than %d shapes of convolutions", MOST_SHAPES);
        if (at == all->count)
            all->shapes[all->count++] = shape;
        else
            all->shapes[at].reads_images &= shape.reads_images;
    }
    return RT_OK;
}

static bool is_wrong(const rt_bench_convolutions *all, size_t i, bool frozen)
{
    return rt_contest_regret(&all->contests[i], &all->shapes[i], frozen) > 1.0 + tolerance;
}

static struct verdict judge(const rt_bench_convolutions *all)
{
    struct verdict verdict = {0};
    for (size_t i = 0; i < all->count; ++i)
        for (int frozen = 0; frozen < 2; ++frozen) {
            verdict.choices += rt_contest_regret(&all->contests[i], &all->shapes[i], frozen) > 0.0;
            verdict.wrong += is_wrong(all, i, frozen);
        }
    return verdict;
}

/* How many times as fast as oneDNN's direct convolution a contestant is; 0 where one of them cannot. */
static double ratio(const rt_contest *contest, const rt_contestant *contestant, int pass)
{
    for (size_t i = 0; i < contest->count; ++i)
        if (contest->contestants[i].class == &rt_kernel_convolution && contestant->milliseconds[pass] > 0.0)
            return contest->contestants[i].milliseconds[pass] / contestant->milliseconds[pass];
    return 0.0;
}

static json_t *contestant_json(const rt_contest *contest, const rt_contestant *contestant)
{
    json_t *object = json_pack("{s:s, s:b, s:b}", "kernel", contestant->class->name, "picked_trained",
                               contestant->picked_trained, "picked_frozen", contestant->picked_frozen);
    for (int pass = 0; pass < RT_CONTEST_PASSES; ++pass) {
        double milliseconds = contestant->milliseconds[pass];
        if (milliseconds > 0.0)
            json_object_set_new(object, pass_names[pass],
                                json_pack("{s:f, s:f, s:f, s:s}", "ms", milliseconds, "gflops",
                                          1e-6 * contest->flops[pass] / milliseconds, "ratio",
                                          ratio(contest, contestant, pass), "implementation",
                                          contestant->implementation[pass]));
        else
            json_object_set_new(object, pass_names[pass], json_null());
    }
    return object;
}

void rt_bench_convolutions_json(const rt_bench_convolutions *all, json_t *object)
{
    json_t *list = json_array();
    for (size_t i = 0; i < all->count; ++i) {
        const rt_contest_shape *shape = &all->shapes[i];
        const rt_contest *contest = &all->contests[i];
        const rt_window *w = &shape->window;
        json_t *contestants = json_array();
        for (size_t k = 0; k < contest->count; ++k)
            json_array_append_new(contestants, contestant_json(contest, &contest->contestants[k]));
        json_array_append_new(
            list, json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:b, s:b, s:o}", "height",
                            (json_int_t)shape->src.height, "width", (json_int_t)shape->src.width, "channels_in",
                            (json_int_t)shape->src.channels, "channels_out", (json_int_t)w->channels, "window",
                            (json_int_t)w->kernel, "stride", (json_int_t)w->stride, "padding", (json_int_t)w->padding,
                            "groups", (json_int_t)w->groups, "reads_images", shape->reads_images, "wrong_trained",
                            is_wrong(all, i, false), "wrong_frozen", is_wrong(all, i, true), "kernels", contestants));
    }
    struct verdict verdict = judge(all);
    json_object_set_new(object, "shapes", list);
    json_object_set_new(object, "choices", json_integer((json_int_t)verdict.choices));
    json_object_set_new(object, "wrong", json_integer((json_int_t)verdict.wrong));
}

/* The shape on its first line: "32x32x16 > 16, 3x3 /2 g16". */
static void add_shape(rt_table *table, const rt_contest_shape *shape)
{
    const rt_window *w = &shape->window;
    char stride[24] = "", groups[24] = "";
    if (w->stride > 1)
        snprintf(stride, sizeof stride, " /%zu", w->stride);
    if (w->groups > 1)
        snprintf(groups, sizeof groups, " g%zu", w->groups);
    rt_table_cell(table, "%zux%zux%zu > %zu, %zux%zu%s%s", shape->src.height, shape->src.width, shape->src.channels,
                  w->channels, w->kernel, w->kernel, stride, groups);
}

static void add_contestant(rt_table *table, const rt_contest *contest, const rt_contestant *contestant)
{
    rt_table_cell(table, "%s", contestant->class->name);
    for (int pass = 0; pass < RT_CONTEST_PASSES; ++pass) {
        double milliseconds = contestant->milliseconds[pass];
        bool picked = pass == RT_CONTEST_FROZEN ? contestant->picked_frozen : contestant->picked_trained;
        if (milliseconds > 0.0) {
            rt_table_cell(table, "%.3f%s", milliseconds, picked ? "*" : " ");
            rt_table_cell(table, "%.0f", 1e-6 * contest->flops[pass] / milliseconds);
            rt_table_cell(table, "%.2f", ratio(contest, contestant, pass));
        } else {
            rt_table_cell(table, "- "), rt_table_cell(table, "-"), rt_table_cell(table, "-");
        }
    }
}

rt_status rt_bench_convolutions_print(const rt_bench_convolutions *all, size_t batch, rt_error *err)
{
    static const char *const verdicts[2][2] = {{"", "frozen"}, {"trained", "trained, frozen"}};
    rt_table *table = rt_table_new("llrrrrrrrrrrrrl");
    rt_table_cell(table, "convolution"), rt_table_cell(table, "kernel");
    for (int pass = 0; pass < RT_CONTEST_PASSES; ++pass) {
        rt_table_cell(table, "%s ", pass_names[pass]);
        rt_table_cell(table, "GF/s"), rt_table_cell(table, "x");
    }
    rt_table_cell(table, "rule is wrong");
    rt_table_rule(table);
    for (size_t i = 0; i < all->count; ++i) {
        const rt_contest *contest = &all->contests[i];
        bool wrong_trained = is_wrong(all, i, false), wrong_frozen = is_wrong(all, i, true);
        for (size_t k = 0; k < contest->count; ++k) {
            if (k == 0)
                add_shape(table, &all->shapes[i]);
            else
                rt_table_cell(table, "%s", "");
            add_contestant(table, contest, &contest->contestants[k]);
            rt_table_cell(table, "%s", k > 0 ? "" : verdicts[wrong_trained][wrong_frozen]);
        }
    }
    rt_status status = rt_table_print(table, stdout, 0, err);
    rt_table_free(table);
    RT_TRY(status);
    struct verdict verdict = judge(all);
    printf("\nFastest milliseconds for %zu images, %d threads, %s; * is what a plan picks; x is times as fast as "
           "oneDNN direct.\n"
           "Of %zu choices between kernels (a trained and a frozen plan for each of %zu shapes, where more than one\n"
           "can compute it) the rule is not the fastest by more than %.0f %% in %zu.\n",
           batch, rt_threads_count(), rt_engine_isa(), verdict.choices, all->count, 100.0 * tolerance, verdict.wrong);
    return RT_OK;
}

rt_status rt_bench_convolutions_run(rt_bench_convolutions *all, rt_engine *engine, rt_precision precision, size_t batch,
                                    size_t rounds, rt_error *err)
{
    for (size_t i = 0; i < all->count; ++i)
        RT_TRY(rt_contest_run(engine, precision, &all->shapes[i], batch, rounds, &all->contests[i], err));
    return RT_OK;
}
