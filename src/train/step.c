#include "train/step.h"

#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"

/* Every array that a loss can name, for the plan at hand. */
static rt_status bind_terms(rt_step *step, rt_plan *plan, rt_error *err)
{
    if (step->bound == plan)
        return RT_OK;
    size_t count = rt_plan_batch(plan);
    const rt_loss_array arrays[] = {
        {"student.logits",
         {.shape = {2, {count, step->classes}},
          .values = rt_plan_output(plan),
          .gradient = rt_plan_output_gradient(plan)}},
        {"labels", {.shape = {1, {count}}, .indices = step->labels}},
        {"teacher.logits", {.shape = {2, {count, step->classes}}, .values = step->teacher_logits}},
    };
    size_t array_count = sizeof arrays / sizeof *arrays - (step->teacher ? 0 : 1);
    for (size_t i = 0; i < step->term_count; ++i) {
        if (step->terms[i].loss)
            RT_TRY(rt_loss_term_bind(&step->terms[i], arrays, array_count, err));
        else
            RT_TRY(rt_loss_term_open(
                &step->terms[i], step->recipes[i].loss, step->recipes[i].settings, step->recipes[i].weight,
                &(rt_loss_training){.samples = step->samples, .seed = step->seed, .term = (uint32_t)i}, arrays,
                array_count, err));
    }
    step->bound = plan;
    return RT_OK;
}

static rt_status open_all(rt_step *step, const rt_step_options *options, rt_error *err)
{
    size_t rest = options->samples % step->batch;
    step->terms = calloc(step->term_count + 1, sizeof *step->terms);
    step->losses = calloc(step->term_count + 1, sizeof *step->losses);
    step->labels = rt_aligned_zeros(step->batch * sizeof *step->labels);
    step->teacher_logits = rt_aligned_zeros(step->batch * step->classes * sizeof(float));
    if (!step->terms || !step->losses || !step->labels || !step->teacher_logits)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for a step of %zu images", step->batch);
    const rt_arithmetic arithmetic = {.precision = (rt_precision)options->train->precision};
    RT_TRY(rt_plan_new_in(&arithmetic, step->engine, step->graph, step->parameters, step->batch, RT_MODE_TRAIN,
                          &step->plan, err));
    if (rest > 0)
        RT_TRY(rt_plan_new_in(&arithmetic, step->engine, step->graph, step->parameters, rest, RT_MODE_TRAIN,
                              &step->last_plan, err));
    RT_TRY(bind_terms(step, step->plan, err));
    size_t steps_per_epoch = (options->samples + step->batch - 1) / step->batch;
    return rt_update_open(&step->update, options->train, step->parameters, (int64_t)steps_per_epoch, err);
}

rt_status rt_step_open(rt_step *step, const rt_step_options *options, rt_error *err)
{
    size_t batch = (size_t)options->train->batch;
    *step = (rt_step){
        .engine = options->engine,
        .graph = options->graph,
        .parameters = options->parameters,
        .teacher = options->teacher,
        .recipes = options->losses,
        .term_count = options->loss_count,
        .batch = options->samples < batch ? options->samples : batch,
        .classes = options->graph->nodes[options->graph->output].shape.channels,
        .samples = options->samples,
        .seed = options->seed,
    };
    rt_status status = open_all(step, options, err);
    if (status != RT_OK)
        rt_step_close(step);
    return status;
}

void rt_step_close(rt_step *step)
{
    for (size_t i = 0; step->terms && i < step->term_count; ++i)
        rt_loss_term_close(&step->terms[i]);
    free(step->terms);
    free(step->losses);
    free(step->labels);
    free(step->teacher_logits);
    rt_plan_free(step->plan);
    rt_plan_free(step->last_plan);
    rt_update_close(&step->update);
    *step = (rt_step){0};
}

/* A term does not know which step it is part of. */
static rt_status name_step(rt_status status, int64_t step, rt_error *err)
{
    if (status != RT_ERROR_NUMERIC || !err)
        return status;
    const rt_error cause = *err;
    return rt_fail(err, status, "%s (step %lld)", cause.message, (long long)step);
}

rt_status rt_step_run(rt_step *step, const rt_batch *batch, rt_error *err)
{
    rt_plan *plan = batch->count == step->batch ? step->plan : step->last_plan;
    memcpy(step->labels, batch->labels, batch->count * sizeof *step->labels);

    double started = rt_seconds();
    if (step->teacher)
        RT_TRY(rt_teacher_logits(step->teacher, batch, step->teacher_logits, err));
    double taught = rt_seconds();
    RT_TRY(rt_plan_forward(plan, batch->images, step->seed, (uint64_t)step->update.step, err));
    double forwarded = rt_seconds();
    RT_TRY(bind_terms(step, plan, err));
    step->loss = 0.0;
    for (size_t i = 0; i < step->term_count; ++i) {
        RT_TRY(name_step(rt_loss_term_run(&step->terms[i], step->update.step, &step->losses[i], err), step->update.step,
                         err));
        step->loss += step->terms[i].io.weight * step->losses[i];
    }
    double judged = rt_seconds();
    RT_TRY(rt_plan_backward(plan, err));
    double reversed = rt_seconds();
    RT_TRY(rt_update_apply(&step->update, err));
    step->logits = rt_plan_output(plan);
    step->times = (rt_step_times){taught - started, forwarded - taught, judged - forwarded, reversed - judged,
                                  rt_seconds() - reversed};
    return RT_OK;
}
