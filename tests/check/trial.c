#include "trial.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "base/threads.h"
#include "engine/plan_state.h"

static rt_engine *engine;
static rt_arithmetic arithmetic;

const char *trial_mode_name(rt_mode mode)
{
    return mode == RT_MODE_TRAIN ? "train" : mode == RT_MODE_EVAL ? "eval" : "frozen";
}

void trial_begin(int threads)
{
    rt_error err = {0};
    rt_threads_start(threads);
    if (rt_engine_new(&engine, &err) != RT_OK) {
        fprintf(stderr, "%s\n", err.message);
        exit(EXIT_FAILURE);
    }
}

void trial_convolve_directly(bool directly)
{
    rt_engine_convolve_directly(engine, directly);
}

/* Whether a plan of one convolution can be made. */
static bool library_can(void)
{
    rt_plan *plan = NULL;
    rt_parameters *parameters = NULL;
    rt_error err = {0};
    rt_graph *graph = rt_graph_new();
    const rt_window window = {.channels = 8, .kernel = 3, .stride = 1, .padding = 1};
    int x = rt_graph_convolution(graph, "convolution", rt_graph_input(graph, 4, 4, 8), window);
    rt_graph_output(graph, rt_graph_global_average_pool(graph, "end", x));
    bool can = rt_graph_finish(graph, &err) == RT_OK && rt_parameters_new(graph, true, &parameters, &err) == RT_OK &&
               rt_plan_new_in(&arithmetic, engine, graph, parameters, 2, RT_MODE_TRAIN, &plan, &err) == RT_OK;
    rt_plan_free(plan);
    rt_parameters_free(parameters);
    rt_graph_free(graph);
    return can;
}

void trial_demand(rt_precision precision)
{
    enum { SKIPPED = 77 };
    const bool native = rt_precision_native(precision);
    arithmetic.precision = precision;
    if (!library_can()) {
        print_message("skipped: neither this CPU (%s) nor oneDNN on it multiplies %s\n", rt_engine_isa(),
                      rt_precision_names[precision]);
        exit(SKIPPED);
    }
    print_message("%s is %s\n", rt_precision_names[precision], native ? "the CPU's own" : "emulated by oneDNN");
}

void trial_end(void)
{
    rt_engine_free(engine);
    engine = NULL;
}

void trial_open(struct trial *trial, const rt_graph *graph, size_t batch, rt_mode mode, rt_parameters *parameters)
{
    rt_error err = {0};
    *trial = (struct trial){.mode = mode, .batch = batch, .parameters = parameters, .owns_parameters = !parameters};
    rt_status status = RT_OK;
    if (!parameters)
        status = rt_parameters_new(graph, mode != RT_MODE_FROZEN, &trial->parameters, &err);
    if (status == RT_OK && !parameters)
        filling_parameters(trial->parameters);
    if (status == RT_OK)
        status = rt_plan_new_in(&arithmetic, engine, graph, trial->parameters, batch, mode, &trial->plan, &err);
    if (status != RT_OK)
        fail_msg("%s", err.message);
    trial->images = rt_aligned_zeros(batch * rt_extent_floats(graph->nodes[0].shape) * sizeof(float));
    assert_non_null(trial->images);
}

void trial_close(struct trial *trial)
{
    rt_plan_free(trial->plan);
    if (trial->owns_parameters)
        rt_parameters_free(trial->parameters);
    free(trial->images);
    *trial = (struct trial){0};
}

void trial_fill_images(struct trial *trial, const char *name)
{
    filling_values(name, trial->images, trial->batch * rt_extent_floats(trial->parameters->graph->nodes[0].shape));
}

void trial_forward(struct trial *trial)
{
    rt_error err = {0};
    if (rt_plan_forward(trial->plan, trial->images, 0, 0, &err) != RT_OK)
        fail_msg("%s", err.message);
}

void trial_backward(struct trial *trial)
{
    rt_error err = {0};
    if (rt_plan_backward(trial->plan, &err) != RT_OK)
        fail_msg("%s", err.message);
}

/* The gradient that reached the output of a node. It outlives backward when the node is the first to have one. */
static const float *gradient_into(const rt_plan *plan, const char *name)
{
    int node = rt_graph_find(plan->graph, name);
    assert_true(node >= 0);
    assert_int_equal(plan->io[node].diff_dst_count, 1);
    return plan->io[node].diff_dst[0];
}

const float *trial_tensor(const struct trial *trial, const struct golden_tensor *tensor)
{
    if (strcmp(tensor->tag, "output") == 0)
        return rt_plan_output(trial->plan);
    if (strcmp(tensor->tag, "into") == 0)
        return gradient_into(trial->plan, tensor->name);
    const rt_graph *graph = trial->parameters->graph;
    for (size_t i = 0; i < graph->parameter_count; ++i) {
        if (strcmp(graph->parameters[i].name, tensor->name) != 0)
            continue;
        assert_int_equal(graph->parameters[i].count, tensor->count);
        return strcmp(tensor->tag, "gradient") == 0 ? rt_parameter_gradients(trial->parameters, (int)i)
                                                    : rt_parameter_values(trial->parameters, (int)i);
    }
    fail_msg("there is no parameter '%s'", tensor->name);
    return NULL;
}
