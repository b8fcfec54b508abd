/* retort bench RECIPE: the phases of a step, its speed beside the machine's own, and what could slow it down unseen. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/denormal.h"
#include "base/fma_peak.h"
#include "base/threads.h"
#include "cli/bench.h"
#include "cli/command.h"
#include "report/table.h"

enum { WARM_STEPS = 3, DEFAULT_STEPS = 20, MOST_PROFILED = 10, PHASES = 8 };

/* Among parameters and their gradients, the outputs of all of the student's layers, and the gradients between them. */
struct denormals {
    uint64_t as_it_runs, unflushed, values;
};

/* What a run of steps came to. */
struct figures {
    rt_rehearsal rehearsal;
    const rt_recipe *recipe;
    rt_rehearsal_times median;
    double images_per_s;      /* of the median step */
    double mean_images_per_s; /* of all steps together, as a training has it */
    double flops, gflops, peak_rss_mb;
    double loader_images_per_s;     /* on one core */
    double start_ms, first_step_ms; /* from the process's beginning to the first step's, and to its end; 0: not known */
    rt_fma_peak peak;
    struct denormals denormals;
    rt_bench_profile profile;
    size_t steps;
};

struct phase {
    const char *name, *key;
    double milliseconds;
};

static void list_phases(const rt_rehearsal_times *m, struct phase phases[PHASES])
{
    const struct phase rows[PHASES] = {{"data (waiting)", "data", m->data},   {"teacher", "teacher", m->teacher},
                                       {"weight packs", "pack", m->packs},    {"forward", "forward", m->forward},
                                       {"losses", "loss", m->loss},           {"backward", "backward", m->backward},
                                       {"optimizer", "optimizer", m->update}, {"other", "other", m->other}};
    memcpy(phases, rows, sizeof rows);
}

/* Medians of phases do not add up to the median step exactly, so shares are of their sum. */
static double sum_of(const struct phase phases[PHASES])
{
    double sum = 0.0;
    for (size_t i = 0; i < PHASES; ++i)
        sum += phases[i].milliseconds;
    return sum;
}

static int add_up(const struct figures *f, int (*count)(const rt_plan *plan))
{
    const rt_inference *teacher = f->rehearsal.teacher_inference;
    return count(f->rehearsal.step.plan) + (teacher ? count(rt_inference_plan(teacher)) : 0);
}

static json_t *denormals_json(const struct denormals *denormals)
{
    return json_pack("{s:I, s:I, s:I}", "as_it_runs", (json_int_t)denormals->as_it_runs, "unflushed",
                     (json_int_t)denormals->unflushed, "values", (json_int_t)denormals->values);
}

static json_t *text_or_null(const char *text)
{
    return text ? json_string(text) : json_null();
}

/* A plan's nodes with the implementation of each; with milliseconds a step where `trace` is not NULL. */
static json_t *list_nodes(const rt_plan *plan, const rt_trace *trace, size_t steps)
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
            const double macs = (double)rt_node_macs(kernel->graph, kernel->node);
            json_object_set_new(node, "forward_ms", json_real(each * trace->nodes[i].forward));
            json_object_set_new(node, "backward_ms", json_real(each * trace->nodes[i].backward));
            json_object_set_new(node, "pack_ms", json_real(each * trace->nodes[i].prepare));
            json_object_set_new(node, "gflop", json_real(2e-9 * macs * (double)trace->images / (double)steps));
        }
        json_array_append_new(nodes, node);
    }
    return nodes;
}

static json_t *precision_json(const struct figures *f)
{
    char student[RT_PLAN_PRECISION_WORDS], teacher[RT_PLAN_PRECISION_WORDS];
    rt_plan_precision(f->rehearsal.step.plan, student);
    if (!f->rehearsal.teacher_inference)
        return json_pack("{s:s, s:n}", "student", student, "teacher");
    rt_plan_precision(rt_inference_plan(f->rehearsal.teacher_inference), teacher);
    return json_pack("{s:s, s:s}", "student", student, "teacher", teacher);
}

static int print_json(const struct figures *f)
{
    const rt_inference *teacher = f->rehearsal.teacher_inference;
    const rt_plan *plan = f->rehearsal.step.plan;
    struct phase phases[PHASES];
    list_phases(&f->median, phases);
    json_t *object = json_object(), *shares = json_object();
    for (size_t i = 0; i < PHASES; ++i) {
        char key[32];
        snprintf(key, sizeof key, "%s_ms", phases[i].key);
        json_object_set_new(object, key, json_real(phases[i].milliseconds));
        json_object_set_new(shares, phases[i].key, json_real(phases[i].milliseconds / sum_of(phases)));
    }
    json_object_set_new(object, "step_ms", json_real(f->median.total));
    json_object_set_new(object, "shares", shares);
    json_object_set_new(object, "images_per_s", json_real(f->images_per_s));
    json_object_set_new(object, "mean_images_per_s", json_real(f->mean_images_per_s));
    json_object_set_new(object, "gflop_per_step", json_real(1e-9 * f->flops));
    json_object_set_new(object, "gflops", json_real(f->gflops));
    json_object_set_new(object, "peak_gflops", json_real(f->peak.gflops));
    json_object_set_new(object, "peak_isa", json_string(f->peak.isa));
    json_object_set_new(object, "share_of_peak", json_real(f->gflops / f->peak.gflops));
    json_object_set_new(object, "loader_images_per_s", json_real(f->loader_images_per_s));
    json_object_set_new(object, "start_ms", f->start_ms > 0.0 ? json_real(f->start_ms) : json_null());
    json_object_set_new(object, "first_step_ms", f->first_step_ms > 0.0 ? json_real(f->first_step_ms) : json_null());
    json_object_set_new(object, "peak_rss_mb", json_real(f->peak_rss_mb));
    json_object_set_new(object, "threads", json_integer(rt_threads_count()));
    json_object_set_new(object, "isa", json_string(rt_engine_isa()));
    json_object_set_new(object, "engine", json_string(rt_engine_version()));
    json_object_set_new(object, "precision", precision_json(f));
    json_object_set_new(object, "batch", json_integer((json_int_t)f->rehearsal.step.batch));
    json_object_set_new(object, "steps", json_integer((json_int_t)f->steps));
    json_object_set_new(object, "teacher",
                        f->recipe->teacher.present ? json_string(f->recipe->teacher.model) : json_null());
    json_object_set_new(object, "student", json_string(f->recipe->student.model));
    json_object_set_new(object, "reorders", json_integer(add_up(f, rt_plan_reorders)));
    json_object_set_new(object, "weight_packs", json_integer(rt_plan_weight_packs(plan)));
    json_object_set_new(object, "reference_kernels", json_integer(add_up(f, rt_plan_reference_kernels)));
    json_object_set_new(object, "denormals", denormals_json(&f->denormals));
    if (f->profile.steps)
        json_object_set_new(object, "kinds", rt_bench_kinds_json(&f->profile));
    const rt_trace *student_trace = f->profile.steps ? &f->profile.student : NULL;
    const rt_trace *teacher_trace = f->profile.steps ? &f->profile.teacher : NULL;
    json_object_set_new(object, "nodes", list_nodes(plan, student_trace, f->profile.steps));
    if (teacher)
        json_object_set_new(object, "teacher_nodes",
                            list_nodes(rt_inference_plan(teacher), teacher_trace, f->profile.steps));
    return rt_bench_print_json(object);
}

static void print_references(const char *network, const rt_plan *plan)
{
    for (size_t i = 0; i < rt_plan_kernel_count(plan); ++i) {
        const rt_kernel *kernel = rt_plan_kernel(plan, i);
        for (size_t pass = 0; pass < 3; ++pass)
            if (kernel->implementation[pass] && strncmp(kernel->implementation[pass], "ref", 3) == 0)
                printf("    %s's %s: %s\n", network, kernel->node->name, kernel->implementation[pass]);
    }
}

static rt_status print_phases(const struct figures *f, rt_error *err)
{
    struct phase phases[PHASES];
    list_phases(&f->median, phases);
    rt_table *table = rt_table_new("lrr");
    rt_table_cell(table, "phase"), rt_table_cell(table, "ms"), rt_table_cell(table, "share");
    rt_table_rule(table);
    for (size_t i = 0; i < PHASES; ++i) {
        rt_table_cell(table, "%s", phases[i].name);
        rt_table_cell(table, "%.2f", phases[i].milliseconds);
        rt_table_cell(table, "%.1f %%", 100.0 * phases[i].milliseconds / sum_of(phases));
    }
    rt_table_cell(table, "step"), rt_table_cell(table, "%.2f", f->median.total), rt_table_cell(table, "100.0 %%");
    rt_status status = rt_table_print(table, stdout, 0, err);
    rt_table_free(table);
    return status;
}

static int print_panel(const struct figures *f, const rt_bench_options *options, rt_error *err)
{
    if (print_phases(f, err) != RT_OK)
        return rt_command_failed(&rt_command_bench, err);
    const rt_inference *teacher = f->rehearsal.teacher_inference;
    printf("\n%.0f images/s, %.0f GFLOP/s, batch %zu, %d threads, %s, peak memory %.0f MB\n", f->images_per_s,
           f->gflops, f->rehearsal.step.batch, rt_threads_count(), rt_engine_isa(), f->peak_rss_mb);
    printf("%.3g GFLOP a step; multiply-adds alone reach %.0f GFLOP/s here (%s, measured), the step %.0f %% of that\n",
           1e-9 * f->flops, f->peak.gflops, f->peak.isa, 100.0 * f->gflops / f->peak.gflops);
    char words[RT_PLAN_PRECISION_WORDS];
    rt_plan_precision(f->rehearsal.step.plan, words);
    printf("precision: student %s", words);
    if (teacher)
        rt_plan_precision(rt_inference_plan(teacher), words);
    printf(teacher ? ", teacher %s\n" : "\n", words);
    printf("%d reorders of activations in a step, %d weight packs after an update, %d reference kernels\n",
           add_up(f, rt_plan_reorders), rt_plan_weight_packs(f->rehearsal.step.plan),
           add_up(f, rt_plan_reference_kernels));
    print_references("student", f->rehearsal.step.plan);
    if (teacher)
        print_references("teacher", rt_inference_plan(teacher));
    printf("%llu denormals among the %.3g million values of a step, %llu where they are not flushed to zero\n",
           (unsigned long long)f->denormals.as_it_runs, 1e-6 * (double)f->denormals.values,
           (unsigned long long)f->denormals.unflushed);
    printf("the loader makes %.0f images/s on one core: %.2f %% of a step\n", f->loader_images_per_s,
           100.0 * f->images_per_s / f->loader_images_per_s);
    if (f->first_step_ms > 0.0)
        printf("first step begun %.0f ms after the process, done %.0f ms after it\n", f->start_ms, f->first_step_ms);
    if (options->by_kind && rt_bench_print_kinds(&f->profile, err) != RT_OK)
        return rt_command_failed(&rt_command_bench, err);
    if (options->by_node && rt_bench_print_nodes(&f->profile, err) != RT_OK)
        return rt_command_failed(&rt_command_bench, err);
    return RT_EXIT_OK;
}

/* One step in which the student's plan looks at everything it writes. */
static rt_status count_denormals(rt_rehearsal *r, uint64_t *denormals, uint64_t *values, rt_error *err)
{
    rt_trace trace;
    RT_TRY(rt_trace_open(&trace, r->step.plan, err));
    trace.counts_denormals = true;
    rt_plan_trace(r->step.plan, &trace);
    rt_status status = rt_rehearsal_run(r, 1, 0, NULL, err);
    rt_plan_trace(r->step.plan, NULL);
    const rt_parameters *p = r->student->parameters;
    size_t trained = r->student->graph->trained_floats;
    *denormals = trace.denormals + rt_denormal_count(p->values, trained) + rt_denormal_count(p->gradients, trained);
    *values = trace.values + 2 * trained;
    rt_trace_close(&trace);
    return status;
}

/* With FTZ and DAZ set no arithmetic shows a denormal, hence the second step without them; it must be the last. */
static rt_status meet_denormals(rt_rehearsal *r, struct denormals *denormals, rt_error *err)
{
    RT_TRY(count_denormals(r, &denormals->as_it_runs, &denormals->values, err));
    rt_threads_flush_denormals(false);
    rt_status status = count_denormals(r, &denormals->unflushed, &denormals->values, err);
    rt_threads_flush_denormals(true);
    return status;
}

static double sum_of_totals(const rt_rehearsal_times *times, size_t count)
{
    double sum = 0.0;
    for (size_t i = 0; i < count; ++i)
        sum += times[i].total;
    return sum;
}

static rt_status measure(struct figures *f, const rt_bench_options *options, rt_engine *engine,
                         rt_rehearsal_times *times, rt_error *err)
{
    rt_rehearsal *r = &f->rehearsal;
    RT_TRY(rt_rehearsal_open(r, engine, f->recipe, options->synthetic, err));
    f->start_ms = fmax(0.0, 1e3 * rt_process_age());
    RT_TRY(rt_rehearsal_run(r, 1, 0, NULL, err));
    f->first_step_ms = fmax(0.0, 1e3 * rt_process_age());
    f->peak = rt_fma_peak_measure(rt_engine_lanes());
    RT_TRY(rt_rehearsal_run(r, WARM_STEPS - 1, f->steps, times, err));
    f->peak_rss_mb = (double)rt_peak_memory() / 1048576.0;
    f->median = rt_rehearsal_median(times, f->steps);
    f->images_per_s = 1e3 * (double)r->step.batch / f->median.total;
    f->mean_images_per_s = 1e3 * (double)(r->step.batch * f->steps) / sum_of_totals(times, f->steps);
    f->flops = rt_rehearsal_flops(r);
    RT_TRY(rt_rehearsal_loader_speed(r, &f->loader_images_per_s, err));
    f->gflops = f->flops / (1e6 * f->median.total);
    /* Once more: what slows the machine down for a moment must not pass for its limit. */
    rt_fma_peak again = rt_fma_peak_measure(rt_engine_lanes());
    f->peak = again.gflops > f->peak.gflops ? again : f->peak;
    if (options->by_kind || options->by_node)
        RT_TRY(rt_bench_profile_run(r, f->steps < MOST_PROFILED ? f->steps : MOST_PROFILED, &f->profile, err));
    return meet_denormals(r, &f->denormals, err);
}

int rt_bench_panel(const rt_bench_options *options, const rt_recipe *recipe)
{
    rt_error err = {0};
    rt_engine *engine = NULL;
    struct figures figures = {.recipe = recipe, .steps = options->steps ? options->steps : DEFAULT_STEPS};
    rt_threads_start(options->threads ? options->threads : (int)recipe->threads);
    rt_rehearsal_times *times = calloc(figures.steps, sizeof *times);
    rt_status status = times ? rt_engine_new(&engine, &err) : rt_fail(&err, RT_ERROR_MEMORY, "no memory for the times");
    if (status == RT_OK)
        status = measure(&figures, options, engine, times, &err);
    int code;
    if (status != RT_OK)
        code = rt_command_failed(&rt_command_bench, &err);
    else
        code = options->json ? print_json(&figures) : print_panel(&figures, options, &err);
    rt_bench_profile_close(&figures.profile);
    rt_rehearsal_close(&figures.rehearsal);
    rt_engine_free(engine);
    free(times);
    return code;
}
