/* retort bench --by-kind, --by-node: what each layer costs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench.h"
#include "report/table.h"

enum { KIND_CAPACITY = 40, MOST_KINDS = 64, SLOWEST = 20 };

/* Milliseconds a step, and operations a step, of all nodes of one kind. */
struct kind {
    char name[KIND_CAPACITY];
    size_t nodes;
    double teacher, forward, backward, packs, flops;
};

/* One pass of one node. */
struct cost {
    const rt_kernel *kernel;
    const char *network, *pass, *implementation;
    double milliseconds, flops;
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
    const char *activation = node->activation == RT_ACTIVATION_RELU    ? " + relu"
                             : node->activation == RT_ACTIVATION_RELU6 ? " + relu6"
                                                                       : "";
    if (node->kind == RT_NODE_CONVOLUTION)
        snprintf(name, KIND_CAPACITY, "convolution %zux%zu%s", w->kernel, w->kernel,
                 w->groups == 1                                      ? ""
                 : w->groups == rt_kernel_source(kernel, 0).channels ? " depthwise"
                                                                     : " grouped");
    else
        snprintf(name, KIND_CAPACITY, "%s%s", rt_node_kind_name(node->kind), activation);
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

static size_t gather_kinds(const rt_bench_profile *profile, struct kind kinds[MOST_KINDS])
{
    const rt_inference *teacher = profile->rehearsal->teacher_inference;
    const rt_plan *plans[2] = {profile->rehearsal->step.plan, teacher ? rt_inference_plan(teacher) : NULL};
    const rt_trace *traces[2] = {&profile->student, &profile->teacher};
    const double each = 1e3 / (double)profile->steps;
    size_t count = 0;
    memset(kinds, 0, MOST_KINDS * sizeof *kinds);
    for (int network = 0; network < 2; ++network)
        for (size_t i = 0; i < traces[network]->count; ++i) {
            const rt_kernel *kernel = rt_plan_kernel(plans[network], i);
            const rt_node_trace *node = &traces[network]->nodes[i];
            if (!kernel->class)
                continue;
            struct kind *kind = kind_of(kernel, kinds, &count);
            ++kind->nodes;
            *(network == 0 ? &kind->forward : &kind->teacher) += each * node->forward;
            kind->backward += each * node->backward;
            kind->packs += each * node->prepare;
            kind->flops += forward_flops(kernel, traces[network], profile->steps);
            if (node->backward > 0.0)
                kind->flops += backward_flops(kernel, traces[network], profile->steps);
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
    struct kind kinds[MOST_KINDS];
    size_t count = gather_kinds(profile, kinds);
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

static size_t gather_costs(const rt_bench_profile *profile, struct cost *costs)
{
    const rt_inference *teacher = profile->rehearsal->teacher_inference;
    const rt_plan *plans[2] = {profile->rehearsal->step.plan, teacher ? rt_inference_plan(teacher) : NULL};
    const rt_trace *traces[2] = {&profile->student, &profile->teacher};
    static const char *const networks[2] = {"student", "teacher"};
    const double each = 1e3 / (double)profile->steps;
    size_t count = 0;
    for (int network = 0; network < 2; ++network)
        for (size_t i = 0; i < traces[network]->count; ++i) {
            const rt_kernel *kernel = rt_plan_kernel(plans[network], i);
            const rt_node_trace *node = &traces[network]->nodes[i];
            if (!kernel->class)
                continue;
            costs[count++] = (struct cost){.kernel = kernel,
                                           .network = networks[network],
                                           .pass = "forward",
                                           .implementation = kernel->implementation[0],
                                           .milliseconds = each * node->forward,
                                           .flops = forward_flops(kernel, traces[network], profile->steps)};
            if (node->backward > 0.0)
                costs[count++] = (struct cost){.kernel = kernel,
                                               .network = networks[network],
                                               .pass = "backward",
                                               .implementation = kernel->implementation[2],
                                               .milliseconds = each * node->backward,
                                               .flops = backward_flops(kernel, traces[network], profile->steps)};
        }
    qsort(costs, count, sizeof *costs, by_milliseconds);
    return count;
}

static void add_cost(rt_table *table, const struct cost *cost, double all)
{
    char kind[KIND_CAPACITY];
    const rt_extent from = rt_kernel_source(cost->kernel, 0), to = cost->kernel->node->shape;
    name_kind(cost->kernel, kind);
    rt_table_cell(table, "%s", cost->network);
    rt_table_cell(table, "%s", cost->kernel->node->name);
    rt_table_cell(table, "%s", kind);
    rt_table_cell(table, "%zux%zux%zu > %zux%zux%zu", from.height, from.width, from.channels, to.height, to.width,
                  to.channels);
    rt_table_cell(table, "%s", cost->pass);
    rt_table_cell(table, "%s", cost->implementation ? cost->implementation : cost->kernel->class->name);
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
    struct cost *costs = calloc(2 * (profile->student.count + profile->teacher.count), sizeof *costs);
    if (!costs)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory to sort layers by their time");
    size_t count = gather_costs(profile, costs), shown = count < SLOWEST ? count : SLOWEST;
    double all = 0.0, top = 0.0;
    for (size_t i = 0; i < count; ++i) {
        all += costs[i].milliseconds;
        top += i < shown ? costs[i].milliseconds : 0.0;
    }
    rt_table *table = rt_table_new("llllllrrr");
    for (size_t i = 0; i < sizeof headings / sizeof *headings; ++i)
        rt_table_cell(table, "%s", headings[i]);
    rt_table_rule(table);
    for (size_t i = 0; i < shown; ++i)
        add_cost(table, &costs[i], all);
    printf("\nThe %zu slowest of %zu passes of layers, %.0f %% of their %.2f ms\n\n", shown, count, 100.0 * top / all,
           all);
    rt_status status = rt_table_print(table, stdout, 0, err);
    rt_table_free(table);
    free(costs);
    return status;
}

json_t *rt_bench_kinds_json(const rt_bench_profile *profile)
{
    struct kind kinds[MOST_KINDS];
    size_t count = gather_kinds(profile, kinds);
    json_t *list = json_array();
    for (size_t i = 0; i < count; ++i)
        json_array_append_new(list, json_pack("{s:s, s:I, s:f, s:f, s:f, s:f, s:f}", "name", kinds[i].name, "layers",
                                              (json_int_t)kinds[i].nodes, "teacher_ms", kinds[i].teacher, "forward_ms",
                                              kinds[i].forward, "backward_ms", kinds[i].backward, "pack_ms",
                                              kinds[i].packs, "gflops", 1e-6 * kinds[i].flops / total_of(&kinds[i])));
    return list;
}

static json_t *text_or_null(const char *text)
{
    return text ? json_string(text) : json_null();
}

json_t *rt_bench_nodes_json(const rt_plan *plan, const rt_trace *trace, size_t steps)
{
    json_t *nodes = json_array();
    for (size_t i = 0; i < rt_plan_kernel_count(plan); ++i) {
        const rt_kernel *kernel = rt_plan_kernel(plan, i);
        if (!kernel->class)
            continue;
        json_t *node = json_pack(
            "{s:s, s:s, s:s, s:o, s:o, s:o}", "node", kernel->node->name, "kind", rt_node_kind_name(kernel->node->kind),
            "kernel", kernel->class->name, "forward", text_or_null(kernel->implementation[0]), "backward_data",
            text_or_null(kernel->implementation[1]), "backward_weights", text_or_null(kernel->implementation[2]));
        if (trace) {
            const double each = 1e3 / (double)steps;
            json_object_set_new(node, "forward_ms", json_real(each * trace->nodes[i].forward));
            json_object_set_new(node, "backward_ms", json_real(each * trace->nodes[i].backward));
            json_object_set_new(node, "pack_ms", json_real(each * trace->nodes[i].prepare));
            json_object_set_new(node, "gflop", json_real(1e-9 * forward_flops(kernel, trace, steps)));
        }
        json_array_append_new(nodes, node);
    }
    return nodes;
}
