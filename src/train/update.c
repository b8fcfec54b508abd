#include "train/update.h"

#include <math.h>
#include <stdlib.h>

#include "base/vector.h"
#include "optim/spans.h"

/* The gradients' norm is added up in pieces of so many elements, each in so many lanes. */
enum { PIECE = 1 << 14, LANES = 16 };

rt_status rt_update_open(rt_update *update, const rt_train_recipe *recipe, rt_parameters *parameters,
                         const rt_graph *network, int64_t steps_per_epoch, rt_error *err)
{
    *update = (rt_update){.recipe = recipe, .parameters = parameters, .steps_per_epoch = steps_per_epoch};
    size_t bytes = parameters->graph->trained_floats * sizeof(float);
    update->squares = calloc(parameters->graph->trained_floats / PIECE + 1, sizeof *update->squares);
    rt_status status = update->squares ? RT_OK : rt_fail(err, RT_ERROR_MEMORY, "optimizer: no memory for its norm");
    for (size_t m = 0; m < recipe->optimizer.optimizer->moments && status == RT_OK; ++m) {
        update->moments[m] = rt_aligned_zeros(bytes);
        if (!update->moments[m])
            status = rt_fail(err, RT_ERROR_MEMORY, "optimizer: no memory for its moments");
    }
    if (status == RT_OK && recipe->ema > 0.0) {
        status = rt_parameters_new(network, false, &update->average, err);
        if (status == RT_OK)
            rt_parameters_copy(update->average, parameters);
    }
    if (status != RT_OK)
        rt_update_close(update);
    return status;
}

void rt_update_close(rt_update *update)
{
    for (size_t m = 0; m < RT_OPTIMIZER_MAX_MOMENTS; ++m)
        free(update->moments[m]);
    free(update->squares);
    rt_parameters_free(update->average);
    *update = (rt_update){0};
}

RT_WIDE static double squares_of_piece(const float *values, size_t count)
{
    double lanes[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= count; i += LANES)
        for (size_t j = 0; j < LANES; ++j)
            lanes[j] += (double)values[i + j] * (double)values[i + j];
    for (size_t j = 0; i + j < count; ++j)
        lanes[j] += (double)values[i + j] * (double)values[i + j];
    for (size_t j = 1; j < LANES; ++j)
        lanes[0] += lanes[j];
    return lanes[0];
}

/* Partial sums over fixed pieces and lanes, added in order: the same bits for any number of threads and any width of
 * vectors. */
static double sum_of_squares(const rt_update *update)
{
    const float *gradients = update->parameters->gradients;
    size_t count = update->parameters->graph->trained_floats;
#pragma omp parallel for schedule(static) if (count >= RT_SPAN_PARALLEL)
    for (size_t start = 0; start < count; start += PIECE)
        update->squares[start / PIECE] =
            squares_of_piece(gradients + start, start + PIECE < count ? PIECE : count - start);
    double total = 0.0;
    for (size_t piece = 0; piece * PIECE < count; ++piece)
        total += update->squares[piece];
    return total;
}

static rt_status refuse_gradient(const rt_update *update, rt_error *err)
{
    const rt_graph *graph = update->parameters->graph;
    for (size_t p = 0; p < graph->parameter_count; ++p) {
        const rt_parameter *parameter = &graph->parameters[p];
        if (rt_parameter_is_buffer(parameter))
            continue;
        const float *gradient = rt_parameter_gradients(update->parameters, (int)p);
        for (size_t i = 0; i < parameter->count; ++i)
            if (!isfinite(gradient[i]))
                return rt_fail(err, RT_ERROR_NUMERIC,
                               "the gradient of '%s' is %s at element %zu in step %lld; a smaller learning rate or "
                               "clip_norm may help",
                               parameter->name, isnan(gradient[i]) ? "NaN" : "infinite", i, (long long)update->step);
    }
    return rt_fail(err, RT_ERROR_NUMERIC, "the gradients' norm overflows in step %lld", (long long)update->step);
}

static void clip(const rt_update *update, double norm)
{
    float *gradients = update->parameters->gradients;
    size_t count = update->parameters->graph->trained_floats;
    float limit = (float)update->recipe->clip_value;
    if (limit > 0.0f)
        for (size_t i = 0; i < count; ++i)
            gradients[i] = gradients[i] > limit ? limit : gradients[i] < -limit ? -limit : gradients[i];
    if (update->recipe->clip_norm <= 0.0)
        return;
    if (limit > 0.0f)
        norm = sqrt(sum_of_squares(update));
    if (norm <= update->recipe->clip_norm)
        return;
    float scale = (float)(update->recipe->clip_norm / (norm + 1e-6)); /* torch.nn.utils.clip_grad_norm_'s epsilon */
    for (size_t i = 0; i < count; ++i)
        gradients[i] *= scale;
}

static bool decays(const rt_parameter *parameter, bool norm_and_bias_too)
{
    return norm_and_bias_too || parameter->kind == RT_PARAMETER_WEIGHT;
}

/* Neighbours in the flat block that share the decay rule are updated as one span. */
static void update_spans(rt_update *update)
{
    const rt_optimizer *optimizer = update->recipe->optimizer.optimizer;
    const void *settings = update->recipe->optimizer.settings;
    const rt_graph *graph = update->parameters->graph;
    bool all_decay = optimizer->decays_norm_and_bias(settings);
    size_t p = 0;
    while (p < graph->parameter_count) {
        const rt_parameter *first = &graph->parameters[p];
        if (rt_parameter_is_buffer(first)) {
            ++p;
            continue;
        }
        bool decay = decays(first, all_decay);
        size_t end = first->offset + first->count;
        for (++p; p < graph->parameter_count; ++p) {
            const rt_parameter *next = &graph->parameters[p];
            if (rt_parameter_is_buffer(next))
                continue;
            if (decays(next, all_decay) != decay)
                break;
            end = next->offset + next->count;
        }
        rt_optimizer_span span = {
            .values = update->parameters->values + first->offset,
            .gradients = update->parameters->gradients + first->offset,
            .count = end - first->offset,
            .learning_rate = update->learning_rate,
            .step = update->step,
            .decay = decay,
        };
        for (size_t m = 0; m < optimizer->moments; ++m)
            span.moments[m] = update->moments[m] + first->offset;
        optimizer->update(settings, &span);
    }
}

static double learning_rate(const rt_update *update, int64_t step)
{
    const rt_train_recipe *recipe = update->recipe;
    double epoch = (double)step / (double)update->steps_per_epoch;
    return recipe->optimizer.optimizer->learning_rate(recipe->optimizer.settings) *
           recipe->schedule.schedule->factor(recipe->schedule.settings, epoch, (double)recipe->epochs);
}

static void average(float *to, const float *from, size_t count, float decay)
{
#pragma omp simd
    for (size_t i = 0; i < count; ++i)
        to[i] = decay * to[i] + (1.0f - decay) * from[i];
}

rt_status rt_update_apply(rt_update *update, rt_error *err)
{
    const rt_train_recipe *recipe = update->recipe;
    double norm = sqrt(sum_of_squares(update));
    if (!isfinite(norm))
        return refuse_gradient(update, err);
    clip(update, norm);
    update->learning_rate = learning_rate(update, update->step);
    update_spans(update);
    ++update->step;
    ++update->parameters->version;
    if (update->average) {
        const rt_graph *graph = update->average->graph;
        average(update->average->values, update->parameters->values, graph->trained_floats, (float)recipe->ema);
        average(update->average->buffers, update->parameters->buffers, graph->buffer_floats, (float)recipe->ema);
        ++update->average->version;
    }
    return RT_OK;
}

void rt_update_resume(rt_update *update, int64_t step)
{
    update->step = step;
    update->learning_rate = step > 0 ? learning_rate(update, step - 1) : 0.0;
    ++update->parameters->version;
    if (update->average)
        ++update->average->version;
}

rt_parameters *rt_update_result(const rt_update *update)
{
    return update->average ? update->average : update->parameters;
}
