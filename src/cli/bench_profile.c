/* retort bench --by-kind, --by-node: what each layer costs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench.h"
#include "report/table.h"

enum { KIND_CAPACITY = 40, MOST_KINDS = 64, SLOWEST = 20 };

/* What a node is asked to do in a step. */
enum pass { FORWARD, BACKWARD, PACK };

/* One pass of one node: milliseconds and operations a step. */
struct cost {
    const rt_kernel *kernel;
    bool of_teacher;
    enum pass pass;
    double milliseconds, flops;
};

struct costs {
    struct cost *items; /* owned */
    size_t count;
};

/* The same of all nodes of one kind. */
struct kind {
    char name[KIND_CAPACITY];
    size_t nodes;
    double teacher, forward, backward, packs, flops;
};

rt_status rt_bench_profile_run(rt_rehearsal *rehearsal, size_t steps, rt_bench_profile *profile, rt_error *err)
{
    rt_plan *student = rehearsal->step.plan;
    rt_inference *teacher = rehearsal->teacher_inference;
    *profile = (rt_bench_profile){.rehearsal = rehearsal, .steps = steps};
    RT_TRY(rt_trace_open(&profile->student, student, err));
    if (teacher)
        RT_TRY(rt_trace_open(&profile->teacher, rt_inference_plan(teacher), err));
    rt_plan_trace(student, &profile->student);
    if (teacher)
        rt_inference_trace(teacher, &profile->teacher);
    rt_status status = rt_rehearsal_run(rehearsal, steps, 0, NULL, err);
    rt_plan_trace(student, NULL);
    if (teacher)
        rt_inference_trace(teacher, NULL);
    return status;
}

void rt_bench_profile_close(rt_bench_profile *profile)
{
    rt_trace_close(&profile->student);
    rt_trace_close(&profile->teacher);
    *profile = (rt_bench_profile){0};
}

/* "convolution 3x3", "convolution 3x3 depthwise", "add + relu": what behaves alike. */
static void name_kind(const rt_kernel *kernel, char name[KIND_CAPACITY])
{
    const rt_node *node = kernel->node;
    const rt_window *w = &node->window;
    if (node->kind == RT_NODE_CONVOLUTION)
        snprintf(name, KIND_CAPACITY, "convolution %zux%zu%s", w->kernel, w->kernel,
                 w->groups == 1                                      ? ""
                 : w->groups == rt_kernel_source(kernel, 0).channels ? " depthwise"
                                                                     : " grouped");
    else
        snprintf(name, KIND_CAPACITY, "%s%s", rt_node_kind_name(node->kind), rt_bench_activation(node->activation));
}

/* Operations a step. A teacher may run on other batches than the step's. */
static double forward_flops(const rt_kernel *kernel, const rt_trace *trace, size_t steps)
{
    return 2.0 * (double)rt_node_macs(kernel->graph, kernel->node) * (double)trace->images / (double)steps;
}

/* The weights' gradient, and the source's where it is wanted. */
static double backward_flops(const rt_kernel *kernel, const rt_trace *trace, size_t steps)
{
    return forward_flops(kernel, trace, steps) * (kernel->wants_diff_src ? 2.0 : 1.0);
}

static void add_network(struct costs *costs, const rt_plan *plan, const rt_trace *trace, size_t steps, bool of_teacher)
{
    const double each = 1e3 / (double)steps;
    for (size_t i = 0; i < trace->count; ++i) {
        const rt_kernel *kernel = rt_plan_kernel(plan, i);
        const rt_node_trace *node = &trace->nodes[i];
        if (!kernel->class)
            continue;
        costs->items[costs->count++] =
            (struct cost){kernel, of_teacher, FORWARD, each * node->forward, forward_flops(kernel, trace, steps)};
        if (node->backward > 0.0)
            costs->items[costs->count++] = (struct cost){kernel, of_teacher, BACKWARD, each * node->backward,
                                                         backward_flops(kernel, trace, steps)};
        if (node->prepare > 0.0)
            costs->items[costs->count++] = (struct cost){kernel, of_teacher, PACK, each * node->prepare, 0.0};
    }
}

static rt_status gather(const rt_bench_profile *profile, struct costs *costs, rt_error *err)
{
    const rt_inference *teacher = profile->rehearsal->teacher_inference;
    *costs = (struct costs){calloc(3 * (profile->student.count + profile->teacher.count), sizeof *costs->items), 0};
    if (!costs->items)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory to sort layers by their time");
    add_network(costs, profile->rehearsal->step.plan, &profile->student, profile->steps, false);
    if (teacher)
        add_network(costs, rt_inference_plan(teacher), &profile->teacher, profile->steps, true);
    return RT_OK;
}

static struct kind *kind_of(const rt_kernel *kernel, struct kind *kinds, size_t *count)
{
    char name[KIND_CAPACITY];
    name_kind(kernel, name);
    for (size_t i = 0; i < *count; ++i)
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    struct kind *kind = &kinds[*count < MOST_KINDS ? (*count)++ : MOST_KINDS - 1];
    memcpy(kind->name, name, sizeof name);
    return kind;
}

static double total_of(const struct kind *kind)
{
    return kind->teacher + kind->forward + kind->backward + kind->packs;
}

static int by_total(const void *a, const void *b)
{
    double left = total_of(a), right = total_of(b);
    return (left < right) - (left > right);
}

static size_t add_up_kinds(const struct costs *costs, struct kind kinds[MOST_KINDS])
{
    size_t count = 0;
    memset(kinds, 0, MOST_KINDS * sizeof *kinds);
    for (size_t i = 0; i < costs->count; ++i) {
        const struct cost *cost = &costs->items[i];
        struct kind *kind = kind_of(cost->kernel, kinds, &count);
        kind->nodes += cost->pass == FORWARD;
        *(cost->pass == PACK       ? &kind->packs
          : cost->pass == BACKWARD ? &kind->backward
          : cost->of_teacher       ? &kind->teacher
                                   : &kind->forward) += cost->milliseconds;
        kind->flops += cost->flops;
    }
    qsort(kinds, count, sizeof *kinds, by_total);
    return count;
}

static struct kind add_all(const struct kind *kinds, size_t count)
{
    struct kind sum = {.name = "all layers"};
    for (size_t i = 0; i < count; ++i) {
        sum.nodes += kinds[i].nodes;
        sum.teacher += kinds[i].teacher;
        sum.forward += kinds[i].forward;
        sum.backward += kinds[i].backward;
        sum.packs += kinds[i].packs;
        sum.flops += kinds[i].flops;
    }
    return sum;
}

static void add_kind(rt_table *table, const struct kind *kind, double all)
{
    double total = total_of(kind);
    rt_table_cell(table, "%s", kind->name);
    rt_table_cell(table, "%zu", kind->nodes);
    rt_table_cell(table, "%.2f", kind->teacher);
    rt_table_cell(table, "%.2f", kind->forward);
    rt_table_cell(table, "%.2f", kind->backward);
    rt_table_cell(table, "%.2f", kind->packs);
    rt_table_cell(table, "%.2f", total);
    rt_table_cell(table, "%.1f %%", 100.0 * total / all);
    if (kind->flops > 0.0)
        rt_table_cell(table, "%.0f", 1e-6 * kind->flops / total);
    else
        rt_table_cell(table, "-");
}

rt_status rt_bench_print_kinds(const rt_bench_profile *profile, rt_error *err)
{
    static const char *const headings[] = {"kind of layer", "layers", "teacher ms", "forward ms", "backward ms",
                                           "packs ms",      "all ms", "share",      "GFLOP/s"};
    struct costs costs;
    struct kind kinds[MOST_KINDS];
    RT_TRY(gather(profile, &costs, err));
    size_t count = add_up_kinds(&costs, kinds);
    free(costs.items);
    struct kind sum = add_all(kinds, count);
    rt_table *table = rt_table_new("lrrrrrrrr");
    for (size_t i = 0; i < sizeof headings / sizeof *headings; ++i)
        rt_table_cell(table, "%s", headings[i]);
    rt_table_rule(table);
    for (size_t i = 0; i < count; ++i)
        add_kind(table, &kinds[i], total_of(&sum));
    rt_table_rule(table);
    add_kind(table, &sum, total_of(&sum));
    printf("\nBy kind of layer, mean of %zu more steps with a clock around each layer\n\n", profile->steps);
    rt_status status = rt_table_print(table, stdout, 0, err);
    rt_table_free(table);
    return status;
}

static int by_milliseconds(const void *a, const void *b)
{
    double left = ((const struct cost *)a)->milliseconds, right = ((const struct cost *)b)->milliseconds;
    return (left < right) - (left > right);
}

static void add_cost(rt_table *table, const struct cost *cost, double all)
{
    char kind[KIND_CAPACITY];
    const rt_extent from = rt_kernel_source(cost->kernel, 0), to = cost->kernel->node->shape;
    static const char *const passes[] = {"forward", "backward", "packs"};
    const char *const *implementations = cost->kernel->implementation;
    const char *code = cost->pass == BACKWARD ? implementations[2] : cost->pass == FORWARD ? implementations[0] : NULL;
    name_kind(cost->kernel, kind);
    rt_table_cell(table, cost->of_teacher ? "teacher" : "student");
    rt_table_cell(table, "%s", cost->kernel->node->name);
    rt_table_cell(table, "%s", kind);
    rt_table_cell(table, "%zux%zux%zu > %zux%zux%zu", from.height, from.width, from.channels, to.height, to.width,
                  to.channels);
    rt_table_cell(table, "%s", passes[cost->pass]);
    rt_table_cell(table, "%s", code ? code : cost->kernel->class->name);
    rt_table_cell(table, "%.2f", cost->milliseconds);
    rt_table_cell(table, "%.1f %%", 100.0 * cost->milliseconds / all);
    if (cost->flops > 0.0)
        rt_table_cell(table, "%.0f", 1e-6 * cost->flops / cost->milliseconds);
    else
        rt_table_cell(table, "-");
}

rt_status rt_bench_print_nodes(const rt_bench_profile *profile, rt_error *err)
{
    static const char *const headings[] = {"network", "layer", "kind",  "shape",  "pass",
                                           "code",    "ms",    "share", "GFLOP/s"};
    struct costs costs;
    RT_TRY(gather(profile, &costs, err));
    qsort(costs.items, costs.count, sizeof *costs.items, by_milliseconds);
    size_t count = costs.count, shown = count < SLOWEST ? count : SLOWEST;
    double all = 0.0, top = 0.0;
    for (size_t i = 0; i < count; ++i) {
        all += costs.items[i].milliseconds;
        top += i < shown ? costs.items[i].milliseconds : 0.0;
    }
    rt_table *table = rt_table_new("llllllrrr");
    for (size_t i = 0; i < sizeof headings / sizeof *headings; ++i)
        rt_table_cell(table, "%s", headings[i]);
    rt_table_rule(table);
    for (size_t i = 0; i < shown; ++i)
        add_cost(table, &costs.items[i], all);
    printf("\nThe %zu slowest of %zu passes of layers, %.0f %% of their %.2f ms\n\n", shown, count, 100.0 * top / all,
           all);
    rt_status status = rt_table_print(table, stdout, 0, err);
    rt_table_free(table);
    free(costs.items);
    return status;
}

json_t *rt_bench_kinds_json(const rt_bench_profile *profile)
{
    struct costs costs;
    struct kind kinds[MOST_KINDS];
    if (gather(profile, &costs, NULL) != RT_OK)
        return NULL;
    size_t count = add_up_kinds(&costs, kinds);
    free(costs.items);
    json_t *list = json_array();
    for (size_t i = 0; i < count; ++i)
        json_array_append_new(list, json_pack("{s:s, s:I, s:f, s:f, s:f, s:f, s:f}", "name", kinds[i].name, "layers",
                                              (json_int_t)kinds[i].nodes, "teacher_ms", kinds[i].teacher, "forward_ms",
                                              kinds[i].forward, "backward_ms", kinds[i].backward, "pack_ms",
                                              kinds[i].packs, "gflops", 1e-6 * kinds[i].flops / total_of(&kinds[i])));
    return list;
}
