#include "train/step.h"

#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "train/term_weight.h"

enum { SHARED_ARRAYS = 4, TEACHER_ARRAYS = 2, MOST_ARRAYS = SHARED_ARRAYS + TEACHER_ARRAYS + RT_EXTENSION_ARRAYS };

/* The arrays that all losses can name, of `batch` images: the plan's, or, without one, such as have their shapes alone.
 * Returns how many. */
static size_t list_shared(const rt_step *step, rt_plan *plan, size_t batch, rt_loss_array *arrays)
{
    static const float nothing;
    const rt_shape logits = {2, {batch, step->classes}}, indices = {1, {batch}};
    const rt_loss_array shared[] = {
        {"student.logits",
         {.shape = logits,
          .values = plan ? rt_plan_output(plan) : &nothing,
          .gradient = plan ? rt_plan_output_gradient(plan) : NULL}},
        {"labels", {.shape = indices, .indices = step->labels}},
    };
    size_t count = sizeof shared / sizeof *shared;
    memcpy(arrays, shared, sizeof shared);
    if (step->mixed) {
        arrays[count++] = (rt_loss_array){"mixed.labels", {.shape = indices, .indices = step->mixed_labels}};
        arrays[count++] = (rt_loss_array){"mixed.shares", {.shape = indices, .values = step->mixed_shares}};
    } else {
        arrays[count++] = (rt_loss_array){"indices", {.shape = indices, .indices = step->indices}};
    }
    return count;
}

/* What a term gets of the teachers: what they agree on, or the one that it names; and all of them. Returns how many
 * arrays there are with these. */
static size_t add_teachers(const rt_step *step, size_t term, size_t batch, rt_loss_array *arrays, size_t count)
{
    if (!step->teacher)
        return count;
    const size_t members = rt_teacher_members(step->teacher);
    const float *all = rt_teacher_all(step->teacher), *one = step->teacher_logits;
    const int number = step->recipes[term].teacher_number;
    if (all && number >= 0)
        one = all + (size_t)number * batch * step->classes;
    arrays[count++] = (rt_loss_array){"teacher.logits", {.shape = {2, {batch, step->classes}}, .values = one}};
    arrays[count++] = (rt_loss_array){
        "teachers.logits", {.shape = {3, {members, batch, step->classes}}, .values = all ? all : step->teacher_logits}};
    return count;
}

/* Opens the terms on shapes alone: what they declare is part of what a plan is made for. */
static rt_status open_terms(rt_step *step, rt_error *err)
{
    static const rt_own_data placed_later[RT_LOSS_MAX_OWN];
    rt_loss_array arrays[MOST_ARRAYS];
    size_t shared = list_shared(step, NULL, step->batch, arrays);
    for (size_t i = 0; i < step->term_count; ++i) {
        const rt_loss_recipe *recipe = &step->recipes[i];
        const rt_loss_training training = {
            .samples = step->file_samples, .seed = step->seed, .term = (uint32_t)i, .own = placed_later};
        size_t count = add_teachers(step, i, step->batch, arrays, shared);
        count = rt_extension_arrays(&step->extension, i, NULL, step->batch, arrays, count);
        rt_status status = rt_loss_term_open(&step->terms[i], recipe->loss, recipe->settings, recipe->weight, &training,
                                             arrays, count, err);
        RT_TRY(rt_term_place(status, recipe, err));
    }
    return RT_OK;
}

static rt_status bind_terms(rt_step *step, rt_plan *plan, rt_error *err)
{
    rt_loss_array arrays[MOST_ARRAYS];
    if (step->bound == plan)
        return RT_OK;
    size_t batch = rt_plan_batch(plan), shared = list_shared(step, plan, batch, arrays);
    for (size_t i = 0; i < step->term_count; ++i) {
        size_t count = add_teachers(step, i, batch, arrays, shared);
        count = rt_extension_arrays(&step->extension, i, plan, batch, arrays, count);
        RT_TRY(rt_loss_term_bind(&step->terms[i], arrays, count, err));
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
    step->indices = rt_aligned_zeros(step->batch * sizeof *step->indices);
    step->mixed_labels = rt_aligned_zeros(step->batch * sizeof *step->mixed_labels);
    step->mixed_shares = rt_aligned_zeros(step->batch * sizeof *step->mixed_shares);
    step->teacher_logits = rt_aligned_zeros(step->batch * step->classes * sizeof(float));
    if (!step->terms || !step->losses || !step->labels || !step->indices || !step->mixed_labels ||
        !step->mixed_shares || !step->teacher_logits)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for a step of %zu images", step->batch);
    RT_TRY(rt_extension_open(&step->extension, options->graph, options->teacher, options->losses, options->loss_count,
                             step->batch, err));
    RT_TRY(open_terms(step, err));
    RT_TRY(rt_extension_fill(&step->extension, options->parameters, step->terms, step->seed, err));
    const rt_graph *graph = step->extension.graph;
    step->parameters = step->extension.parameters;
    const rt_arithmetic arithmetic = {.precision = (rt_precision)options->train->precision};
    RT_TRY(rt_plan_new_in(&arithmetic, step->engine, graph, step->parameters, step->batch, RT_MODE_TRAIN, &step->plan,
                          err));
    if (rest > 0)
        RT_TRY(rt_plan_new_in(&arithmetic, step->engine, graph, step->parameters, rest, RT_MODE_TRAIN, &step->last_plan,
                              err));
    /* A loss that cannot work on so few images says so now, and not at the end of the first epoch. */
    if (rest > 0)
        RT_TRY(bind_terms(step, step->last_plan, err));
    RT_TRY(bind_terms(step, step->plan, err));
    size_t features = rt_extension_largest(&step->extension);
    RT_TRY(rt_monitor_open(&step->monitor, options->train, step->recipes, step->term_count, step->batch * step->classes,
                           step->batch * features, err));
    size_t steps_per_epoch = (options->samples + step->batch - 1) / step->batch;
    return rt_update_open(&step->update, options->train, step->parameters, options->graph, (int64_t)steps_per_epoch,
                          err);
}

rt_status rt_step_open(rt_step *step, const rt_step_options *options, rt_error *err)
{
    size_t batch = (size_t)options->train->batch;
    *step = (rt_step){
        .engine = options->engine,
        .teacher = options->teacher,
        .recipes = options->losses,
        .term_count = options->loss_count,
        .batch = options->samples < batch ? options->samples : batch,
        .classes = options->graph->nodes[options->graph->output].shape.channels,
        .file_samples = options->file_samples,
        .seed = options->seed,
        .mixed = options->mixed,
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
    free(step->indices);
    free(step->mixed_labels);
    free(step->mixed_shares);
    free(step->teacher_logits);
    rt_plan_free(step->plan);
    rt_plan_free(step->last_plan);
    rt_extension_close(&step->extension);
    rt_monitor_close(&step->monitor);
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

/* The losses of the terms that count in this epoch. */
static rt_status judge(rt_step *step, rt_error *err)
{
    const int64_t number = step->update.step, epoch = number / step->update.steps_per_epoch + 1;
    const bool monitored = rt_monitor_begin(&step->monitor, number);
    step->loss = 0.0;
    for (size_t i = 0; i < step->term_count; ++i) {
        rt_loss_term *term = &step->terms[i];
        step->losses[i] = 0.0;
        if (!rt_term_counts(&step->recipes[i], epoch))
            continue;
        term->io.weight = rt_term_weight(&step->recipes[i], epoch, step->update.recipe->epochs);
        if (monitored)
            rt_monitor_before(&step->monitor, term->loss, &term->io);
        RT_TRY(name_step(rt_loss_term_run(term, number, &step->losses[i], err), number, err));
        if (monitored)
            rt_monitor_after(&step->monitor, i, term->loss, &term->io);
        step->loss += term->io.weight * step->losses[i];
    }
    if (monitored)
        rt_monitor_end(&step->monitor);
    return RT_OK;
}

rt_status rt_step_run(rt_step *step, const rt_batch *batch, rt_error *err)
{
    double started = rt_seconds();
    if (step->teacher)
        RT_TRY(rt_teacher_logits(step->teacher, batch, step->teacher_logits, err));
    double taught = rt_seconds();
    RT_TRY(rt_step_learn(step, batch, step->teacher ? step->teacher_logits : NULL, err));
    step->times.teacher = taught - started;
    return RT_OK;
}

rt_status rt_step_learn(rt_step *step, const rt_batch *batch, const float *teacher_logits, rt_error *err)
{
    rt_plan *plan = batch->count == step->batch ? step->plan : step->last_plan;
    memcpy(step->labels, batch->labels, batch->count * sizeof *step->labels);
    memcpy(step->indices, batch->samples, batch->count * sizeof *step->indices);
    if (step->mixed) {
        memcpy(step->mixed_labels, batch->mixed_labels, batch->count * sizeof *step->mixed_labels);
        memcpy(step->mixed_shares, batch->mixed_shares, batch->count * sizeof *step->mixed_shares);
    }
    if (teacher_logits && teacher_logits != step->teacher_logits)
        memcpy(step->teacher_logits, teacher_logits, batch->count * step->classes * sizeof *teacher_logits);

    double started = rt_seconds();
    RT_TRY(rt_plan_forward(plan, batch->images, step->seed, (uint64_t)step->update.step, err));
    double forwarded = rt_seconds();
    RT_TRY(bind_terms(step, plan, err));
    rt_extension_zero(&step->extension);
    RT_TRY(judge(step, err));
    double judged = rt_seconds();
    RT_TRY(rt_plan_backward(plan, err));
    double reversed = rt_seconds();
    RT_TRY(rt_update_apply(&step->update, err));
    step->logits = rt_plan_output(plan);
    step->times = (rt_step_times){.forward = forwarded - started,
                                  .loss = judged - forwarded,
                                  .backward = reversed - judged,
                                  .update = rt_seconds() - reversed};
    return RT_OK;
}
