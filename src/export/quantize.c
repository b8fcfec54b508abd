#include "export/quantize.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "export/lowered.h"
#include "export/translator.h"

static const float most = 127.0f;

/* The dimension of an operator's weights that are its outputs, or -1 where it is left in fp32. */
static int channel_axis(const rt_program *program, size_t at)
{
    const rt_operator *op = &program->operators[at];
    if (op->kind != RT_OPERATOR_CONV && op->kind != RT_OPERATOR_GEMM && op->kind != RT_OPERATOR_MATMUL)
        return -1;
    const rt_value *weights = &program->values[op->inputs[1]];
    if (!weights->data || weights->integer || program->values[op->inputs[0]].data)
        return -1;
    for (size_t i = 0; i < at; ++i)
        if (program->operators[i].kind == RT_OPERATOR_CONV || program->operators[i].kind == RT_OPERATOR_GEMM)
            return op->kind == RT_OPERATOR_MATMUL ? (int)weights->sizes.count - 1 : 0;
    return -1;
}

static float largest(const float *values, size_t count, float so_far)
{
    for (size_t i = 0; i < count; ++i)
        so_far = fmaxf(so_far, fabsf(values[i]));
    return so_far;
}

static void measure_image(const rt_program *program, const rt_lowered *l, const float *image, float *arena,
                          float *ranges)
{
    const retort_network *n = &l->network;
    memcpy(arena + n->tensors[n->input].offset, image, l->channels * l->height * l->width * sizeof *image);
    for (size_t i = 0; i < program->operator_count; ++i) {
        const retort_tensor *x = &n->tensors[n->operators[i].inputs[0]];
        float *range = &ranges[program->operators[i].inputs[0]];
        if (channel_axis(program, i) >= 0)
            *range = largest(arena + x->offset, (size_t)retort_count(x), *range);
        retort_run(n, (int)i, arena);
    }
}

rt_status rt_program_measure(const rt_program *program, const float *images, size_t count, float *ranges, rt_error *err)
{
    rt_lowered l;
    RT_TRY(rt_lowered_make(program, &l, err));
    const size_t image = l.channels * l.height * l.width;
    bool failed = false;
    memset(ranges, 0, program->value_count * sizeof *ranges);
#pragma omp parallel reduction(|| : failed)
    {
        float *arena = malloc((l.network.arena_count + 1) * sizeof *arena);
        float *own = calloc(program->value_count + 1, sizeof *own);
        failed = !arena || !own;
#pragma omp for schedule(dynamic)
        for (size_t i = 0; i < count; ++i)
            if (!failed)
                measure_image(program, &l, images + i * image, arena, own);
#pragma omp critical(rt_program_measure)
        for (size_t i = 0; !failed && i < program->value_count; ++i)
            ranges[i] = fmaxf(ranges[i], own[i]);
        free(arena);
        free(own);
    }
    rt_lowered_free(&l);
    return failed ? rt_fail(err, RT_ERROR_MEMORY, "no memory to measure ranges in") : RT_OK;
}

typedef struct quantizing {
    const rt_program *from;
    const float *ranges;
    rt_program *to;
    int *carried; /* each value's number in the new program, and that of its rounded self; -1 where there is none yet */
    int *rounded;
} quantizing;

static float scale_of(float range)
{
    return range > 0.0f ? range / most : 1.0f;
}

static int carry(quantizing *q, int number)
{
    const rt_value *value = &q->from->values[number];
    size_t count;
    if (q->carried[number] >= 0 || !rt_sizes_count(&value->sizes, &count))
        return q->carried[number];
    if (value->integer)
        return q->carried[number] = rt_program_integers(q->to, value->name, value->data, count);
    float *copy = malloc(count * sizeof *copy + 1);
    if (copy)
        memcpy(copy, value->data, count * sizeof *copy);
    return q->carried[number] = rt_program_own_floats(q->to, value->name, &value->sizes, copy);
}

static int scalar(quantizing *q, const char *name, float value)
{
    float *owned = malloc(sizeof *owned);
    if (owned)
        *owned = value;
    return rt_program_own_floats(q->to, name, &(rt_sizes){0}, owned);
}

static int round_value(quantizing *q, int number)
{
    const char *name = q->from->values[number].name;
    if (q->rounded[number] >= 0)
        return q->rounded[number];
    const int scale = scalar(q, rt_labelled(name, "scale").text, scale_of(q->ranges[number]));
    const int zero = rt_program_own_steps(q->to, rt_labelled(name, "zero").text, &(rt_sizes){0}, calloc(1, 1));
    const int steps = rt_program_operator(q->to, RT_OPERATOR_QUANTIZE_LINEAR, rt_labelled(name, "steps").text,
                                          (int[]){q->carried[number], scale, zero}, 3);
    return q->rounded[number] = rt_program_operator(q->to, RT_OPERATOR_DEQUANTIZE_LINEAR,
                                                    rt_labelled(name, "rounded").text, (int[]){steps, scale}, 2);
}

/* Weights in steps of each output channel's largest. */
static void round_channels(const float *weights, size_t count, size_t inner, size_t channels, int8_t *steps,
                           float *scales)
{
    for (size_t i = 0; i < count; ++i)
        scales[i / inner % channels] = largest(&weights[i], 1, scales[i / inner % channels]);
    for (size_t c = 0; c < channels; ++c)
        scales[c] = scale_of(scales[c]);
    for (size_t i = 0; i < count; ++i)
        steps[i] = (int8_t)fmaxf(-most, fminf(most, rintf(weights[i] / scales[i / inner % channels])));
}

static int round_weights(quantizing *q, int number, int axis)
{
    const rt_value *value = &q->from->values[number];
    size_t count, inner = 1, channels = (size_t)value->sizes.dims[axis];
    if (q->rounded[number] >= 0 || !rt_sizes_count(&value->sizes, &count))
        return q->rounded[number];
    for (size_t d = (size_t)axis + 1; d < value->sizes.count; ++d)
        inner *= (size_t)value->sizes.dims[d];
    int8_t *steps = malloc(count + 1);
    float *scales = calloc(channels, sizeof *scales);
    if (steps && scales)
        round_channels(value->data, count, inner, channels, steps, scales);
    const int inputs[] = {
        rt_program_own_steps(q->to, rt_labelled(value->name, "steps").text, &value->sizes, steps),
        rt_program_own_floats(q->to, rt_labelled(value->name, "scales").text, &(rt_sizes){1, {(int64_t)channels}},
                              scales),
    };
    q->rounded[number] =
        rt_program_operator(q->to, RT_OPERATOR_DEQUANTIZE_LINEAR, rt_labelled(value->name, "rounded").text, inputs, 2);
    rt_program_set_integer(q->to, "axis", axis);
    return q->rounded[number];
}

static void quantize_operator(quantizing *q, size_t at)
{
    const rt_operator *op = &q->from->operators[at];
    const int axis = channel_axis(q->from, at);
    int inputs[RT_PROGRAM_INPUTS];
    for (size_t k = 0; k < op->input_count; ++k)
        inputs[k] = axis >= 0 && k == 0   ? round_value(q, op->inputs[k])
                    : axis >= 0 && k == 1 ? round_weights(q, op->inputs[k], axis)
                                          : carry(q, op->inputs[k]);
    q->carried[op->output] =
        rt_program_operator(q->to, op->kind, q->from->values[op->output].name, inputs, op->input_count);
    if (q->to->error.status != RT_OK)
        return;
    rt_operator *made = &q->to->operators[q->to->operator_count - 1];
    memcpy(made->name, op->name, sizeof made->name);
    memcpy(made->attributes, op->attributes, sizeof made->attributes);
    made->attribute_count = op->attribute_count;
}

rt_status rt_program_quantize(const rt_program *from, const float *ranges, rt_program *to, rt_error *err)
{
    quantizing q = {.from = from, .ranges = ranges, .to = to};
    *to = (rt_program){0};
    q.carried = malloc((from->value_count + 1) * sizeof *q.carried);
    q.rounded = malloc((from->value_count + 1) * sizeof *q.rounded);
    if (!q.carried || !q.rounded)
        rt_fail(&to->error, RT_ERROR_MEMORY, "no memory to quantise %zu operators", from->operator_count);
    for (size_t i = 0; to->error.status == RT_OK && i < from->value_count; ++i)
        q.carried[i] = q.rounded[i] = -1;
    if (to->error.status == RT_OK) {
        const rt_value *input = &from->values[from->input];
        q.carried[from->input] = rt_program_input(to, input->name, &input->sizes);
        for (size_t i = 0; to->error.status == RT_OK && i < from->operator_count; ++i)
            quantize_operator(&q, i);
        to->output = q.carried[from->output];
        to->classes = from->classes;
    }
    free(q.carried);
    free(q.rounded);
    if (to->error.status == RT_OK)
        return RT_OK;
    rt_status status = rt_fail(err, to->error.status, "%s", to->error.message);
    rt_program_free(to);
    return status;
}
