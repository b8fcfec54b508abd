#include "engine/winograd_team.h"

#include <stdlib.h>
#include <string.h>

#include "base/threads.h"
#include "graph/parameters.h"

/* Tiles of a block. Few channels: as many as keep the block in the second cache. Many: the weights outgrow it, and each
 * block reads them all again. With stride 2 a tile has more than twice the frequencies, and weights are as many. CPUs
 * without AVX-512 have second caches of 256 to 512 KB. */
static size_t block_of(const rt_winograd_code *code, size_t inputs, size_t outputs, rt_winograd_task task)
{
    const size_t weights = inputs * outputs;
    if (code->form != RT_WINOGRAD_UNIT)
        return task == RT_TEAM_CORRELATES ? weights <= 128 * 128 ? 16 : 256 : weights <= 32 * 32 ? 24 : 12;
    if (code->lanes < 16 && task == RT_TEAM_CORRELATES)
        return weights <= 128 * 128 ? 24 : 256;
    if (code->lanes < 16)
        return weights <= 128 * 256 ? 24 : 48;
    if (task == RT_TEAM_CORRELATES)
        return weights <= 128 * 128 ? 48 : 256;
    return weights <= 16 * 16 ? 48 : weights <= 64 * 64 ? 24 : weights <= 128 * 128 ? 32 : 96;
}

/* Products of a weight gradient are added up over threads, which costs as much as they are large; weights of a
 * convolution are read again for each block. */
static bool splits_outputs(const rt_winograd_team *team, rt_winograd_task task)
{
    const size_t weights = team->shape.inputs * team->shape.outputs;
    const size_t largest = task == RT_TEAM_CORRELATES ? 128 * 128 : 256 * 256;
    return weights > largest && team->shape.outputs >= 2 * team->threads * team->code->lanes;
}

static size_t rounded_up(size_t value, size_t multiple)
{
    return (value + multiple - 1) / multiple * multiple;
}

/* Output parts begin at whole panels of two vectors. */
static rt_winograd_part part_of(const rt_winograd_team *team, size_t thread)
{
    const size_t threads = team->threads, outputs = team->shape.outputs;
    if (!team->splits_outputs)
        return (rt_winograd_part){team->tiles * thread / threads, team->tiles * (thread + 1) / threads, 0, outputs};
    const size_t panel = 2 * team->code->lanes, panels = outputs / panel;
    const size_t first = panels * thread / threads * panel, last = panels * (thread + 1) / threads * panel;
    return (rt_winograd_part){0, team->tiles, first, thread + 1 == threads ? outputs : last};
}

/* Of scratch memory for each thread. */
static size_t floats_of_thread(const rt_winograd_team *team)
{
    const rt_winograd_code *code = team->code;
    if (team->task != RT_TEAM_CORRELATES)
        return team->once ? code->convolve_once_floats(&team->shape) : code->convolve_floats(&team->shape);
    if (!team->once)
        return code->correlate_floats(&team->shape);
    const rt_winograd_part largest = part_of(team, team->threads - 1);
    return code->correlate_once_floats(&team->shape, largest.last_output - largest.first_output);
}

rt_status rt_winograd_team_plan(rt_winograd_team *team, const rt_winograd_code *code, rt_winograd shape, size_t batch,
                                rt_winograd_task task, rt_error *err)
{
    *team = (rt_winograd_team){.code = code, .task = task, .shape = shape, .threads = (size_t)rt_threads_count()};
    team->tiles = batch * rt_winograd_tiles(code, &shape);
    team->splits_outputs = splits_outputs(team, task);
    const size_t share = team->splits_outputs ? team->tiles : (team->tiles + team->threads - 1) / team->threads;
    const size_t block = block_of(code, shape.inputs, shape.outputs, task);
    team->shape.block = block < share ? block : share;
    team->once = team->splits_outputs && team->tiles <= block && task != RT_TEAM_FROZEN;
    const bool correlates = task == RT_TEAM_CORRELATES;
    team->weights_floats = rounded_up(correlates ? code->product_floats(shape.inputs, shape.outputs)
                                                 : code->weights_floats(shape.inputs, shape.outputs),
                                      16);
    team->thread_floats = rounded_up(floats_of_thread(team), 16);
    team->scratch_floats = team->threads * team->thread_floats;
    if (team->once && correlates)
        team->scratch_floats += rounded_up(code->sources_floats(&team->shape), 16);
    else if (!team->once && task != RT_TEAM_FROZEN)
        team->scratch_floats += (correlates && !team->splits_outputs ? team->threads : 1) * team->weights_floats;
    team->sums = rt_aligned_zeros(team->threads * 2 * shape.outputs * sizeof *team->sums);
    return team->sums ? RT_OK : rt_fail(err, RT_ERROR_MEMORY, "no memory to plan a convolution");
}

void rt_winograd_team_done(rt_winograd_team *team)
{
    free(team->sums);
    team->sums = NULL;
}

static void transform(const rt_winograd_team *team, const float *weights, bool turned, float *transformed)
{
    const size_t outputs = team->shape.outputs, lanes = team->code->lanes;
#pragma omp parallel for schedule(static)
    for (size_t first = 0; first < outputs; first += lanes)
        team->code->transform_weights(team->shape.inputs, outputs, weights, turned, first,
                                      first + lanes < outputs ? first + lanes : outputs, transformed);
}

void rt_winograd_team_transform(const rt_winograd_team *team, const float *weights, float *transformed)
{
    transform(team, weights, false, transformed);
}

/* The sum over threads of item k of `stride` ones. */
static double sum_of(const rt_winograd_team *team, size_t stride, size_t k)
{
    double sum = 0.0;
    for (size_t thread = 0; thread < team->threads; ++thread)
        sum += team->sums[thread * stride + k];
    return sum;
}

void rt_winograd_team_convolve(const rt_winograd_team *team, const rt_winograd_source *src, const float *weights,
                               const rt_winograd_target *dst, float *scratch, double *first, double *second)
{
    const rt_winograd_code *code = team->code;
    const size_t outputs = team->shape.outputs, stride = 2 * outputs;
    const bool turned = team->task == RT_TEAM_BACKWARD;
    if (!team->once && team->task != RT_TEAM_FROZEN) {
        float *transformed = scratch + team->threads * team->thread_floats;
        transform(team, weights, turned, transformed);
        weights = transformed;
    }
    if (dst->writing != RT_WRITE_PLAIN)
        memset(team->sums, 0, team->threads * stride * sizeof *team->sums);
#pragma omp parallel for schedule(static, 1)
    for (size_t thread = 0; thread < team->threads; ++thread) {
        float *own = scratch + thread * team->thread_floats;
        double *sums = team->sums + thread * stride;
        if (team->once)
            code->convolve_once(&team->shape, src, weights, turned, dst, part_of(team, thread), own, sums);
        else
            code->convolve(&team->shape, src, weights, dst, part_of(team, thread), own, sums);
    }
    for (size_t k = 0; k < outputs && dst->writing != RT_WRITE_PLAIN; ++k) {
        first[k] = sum_of(team, stride, k);
        second[k] = sum_of(team, stride, outputs + k);
    }
}

void rt_winograd_team_correlate(const rt_winograd_team *team, const rt_winograd_source *src,
                                const rt_winograd_source *diff_dst, float *scratch, float *diff_weights,
                                float *diff_bias)
{
    const rt_winograd_code *code = team->code;
    const size_t inputs = team->shape.inputs, outputs = team->shape.outputs;
    float *products = scratch + team->threads * team->thread_floats;
    memset(team->sums, 0, team->threads * outputs * sizeof *team->sums);
    if (team->once) {
#pragma omp parallel for schedule(static, 1)
        for (size_t thread = 0; thread < team->threads; ++thread)
            code->read_sources(&team->shape, src, team->tiles * thread / team->threads,
                               team->tiles * (thread + 1) / team->threads, scratch + thread * team->thread_floats,
                               products);
    }
#pragma omp parallel for schedule(static, 1)
    for (size_t thread = 0; thread < team->threads; ++thread) {
        const rt_winograd_part part = part_of(team, thread);
        float *own = scratch + thread * team->thread_floats;
        double *sums = diff_bias ? team->sums + thread * outputs : NULL;
        if (team->once) {
            code->correlate_once(&team->shape, products, diff_dst, part, own, diff_weights, sums);
            continue;
        }
        float *product = products + (team->splits_outputs ? code->product_floats(inputs, part.first_output)
                                                          : thread * team->weights_floats);
        code->correlate(&team->shape, src, diff_dst, part, own, product, sums);
        if (team->splits_outputs)
            code->transform_product(inputs, part.last_output - part.first_output, product, 1, 0, 0, inputs,
                                    diff_weights + part.first_output * inputs * 9);
    }
    if (!team->splits_outputs) {
        enum { INPUTS = 4 };
#pragma omp parallel for schedule(static)
        for (size_t first = 0; first < inputs; first += INPUTS)
            code->transform_product(inputs, outputs, products, team->threads, team->weights_floats, first,
                                    first + INPUTS < inputs ? first + INPUTS : inputs, diff_weights);
    }
    for (size_t k = 0; diff_bias && k < outputs; ++k)
        diff_bias[k] = (float)sum_of(team, outputs, k);
}
