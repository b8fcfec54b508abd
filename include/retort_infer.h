/* Runs a network that `retort export --c-header` wrote: plain C99, no other file, no memory of its own.
 *
 *     #include "student.h"                                  // includes this file
 *     static float arena[STUDENT_ARENA];                    // numbers on their way through the network
 *     float logits[STUDENT_CLASSES];
 *     retort_infer(&student, image, arena, logits);         // image: [channels, height, width]
 *
 * Compile with any C99 compiler and link with -lm. One image at a time; threads need an arena each, and share the rest.
 * The network's header says how the image's pixels are normalised, or that the network does it.
 *
 * A network is a table of tensors and a list of operators, which are ONNX's, restricted to one image. `retort export`
 * runs what it has written through this very file and compares the logits with the student's. */
#ifndef RETORT_INFER_H
#define RETORT_INFER_H

#include <math.h>
#include <stddef.h>
#include <string.h>

enum { RETORT_DIMS = 5, RETORT_INPUTS = 8, RETORT_NUMBERS = 10 };

/* Sizes end at the right, with ones before them: [1, batch = 1, channels, height, width]. */
typedef struct retort_tensor {
    long dims[RETORT_DIMS];
    int constant;  /* RETORT_COMPUTED, ... */
    size_t offset; /* numbers from their start */
} retort_tensor;

/* Where a tensor is: in the arena, among the weights, or among the weights that are steps of 8 bits. */
enum { RETORT_COMPUTED, RETORT_WEIGHTS, RETORT_STEPS };

/* What an operator's `numbers` and `reals` are is said at its function below. */
typedef enum retort_kind {
    RETORT_CONVOLUTION,
    RETORT_BATCH_NORM,
    RETORT_RELU,
    RETORT_CLIP,
    RETORT_ADD,
    RETORT_SUBTRACT,
    RETORT_MULTIPLY,
    RETORT_DIVIDE,
    RETORT_SIGMOID,
    RETORT_ERF,
    RETORT_HARD_SIGMOID,
    RETORT_HARD_SWISH,
    RETORT_SOFTMAX,    /* along the last dimension */
    RETORT_LAYER_NORM, /* along the last dimension */
    RETORT_MAX_POOL,
    RETORT_AVERAGE_POOL,
    RETORT_GLOBAL_AVERAGE_POOL,
    RETORT_ROWS,   /* y = x W^T + b */
    RETORT_MATRIX, /* y = a b, for each of the leading dimensions */
    RETORT_CONCATENATE,
    RETORT_SLICE,
    RETORT_PAD,
    RETORT_TRANSPOSE,
    RETORT_RESHAPE,
    RETORT_QUANTIZE,
    RETORT_DEQUANTIZE,
    RETORT_KINDS
} retort_kind;

typedef struct retort_operator {
    int kind, output, input_count;
    int inputs[RETORT_INPUTS];
    long numbers[RETORT_NUMBERS];
    float reals[2];
} retort_operator;

typedef struct retort_network {
    const retort_tensor *tensors;
    const retort_operator *operators;
    const float *weights;
    const signed char *steps; /* weights in steps of a scale, or NULL */
    int tensor_count, operator_count, input, output;
    size_t weight_count, step_count, arena_count; /* floats, steps, floats */
} retort_network;

/* One operator with its tensors found. */
typedef struct retort_step {
    const retort_operator *op;
    const retort_tensor *in[RETORT_INPUTS], *out;
    const float *x[RETORT_INPUTS];
    const signed char *steps; /* of the first input, where it has them */
    float *y;
} retort_step;

static inline long retort_count(const retort_tensor *tensor)
{
    long count = 1;
    for (int i = 0; i < RETORT_DIMS; ++i)
        count *= tensor->dims[i];
    return count;
}

/* The outputs first .. last - 1 along one side for which place * stride + shift lies in 0 .. size - 1. */
static inline void retort_range(long size, long outputs, long stride, long shift, long *first, long *last)
{
    *first = shift < 0 ? (-shift + stride - 1) / stride : 0;
    *last = size > shift ? (size - shift + stride - 1) / stride : 0;
    *first = *first < outputs ? *first : outputs;
    *last = *last < outputs ? *last : outputs;
}

/* What one weight adds to one plane of outputs: y += weight * x, x shifted by (down, right). */
static inline void retort_plane(const retort_step *step, float weight, const float *x, float *y, long down, long right)
{
    const long *in = step->in[0]->dims, *out = step->out->dims, *n = step->op->numbers;
    long top, bottom, left, end, stride = n[3];
    retort_range(in[3], out[3], n[2], down, &top, &bottom);
    retort_range(in[4], out[4], stride, right, &left, &end);
    for (long row = top; row < bottom; ++row) {
        const float *from = x + (row * n[2] + down) * in[4] + right;
        float *to = y + row * out[4];
        if (stride == 1)
            for (long column = left; column < end; ++column)
                to[column] += weight * from[column];
        else
            for (long column = left; column < end; ++column)
                to[column] += weight * from[column * stride];
    }
}

/* numbers: kernel height, width; stride down, right; padding top, left; dilation down, right; groups. */
static inline void retort_convolution(const retort_step *step)
{
    const long *in = step->in[0]->dims, *out = step->out->dims, *n = step->op->numbers;
    long each = in[2] / n[8], share = out[2] / n[8], plane = out[3] * out[4];
    const float *weights = step->x[1];
    for (long o = 0; o < out[2]; ++o) {
        float *y = step->y + o * plane;
        for (long i = 0; i < plane; ++i)
            y[i] = step->op->input_count > 2 ? step->x[2][o] : 0.0f;
        for (long i = 0; i < each; ++i) {
            const float *x = step->x[0] + (o / share * each + i) * in[3] * in[4];
            for (long row = 0; row < n[0]; ++row)
                for (long column = 0; column < n[1]; ++column)
                    retort_plane(step, *weights++, x, y, row * n[6] - n[4], column * n[7] - n[5]);
        }
    }
}

/* inputs: x, scale, shift, mean, variance. numbers: the dimension of the channels. reals: epsilon. */
static inline void retort_batch_norm(const retort_step *step)
{
    long axis = step->op->numbers[0], inner = 1, i = 0;
    for (long d = axis + 1; d < RETORT_DIMS; ++d)
        inner *= step->out->dims[d];
    for (long channel = 0; channel < step->out->dims[axis]; ++channel) {
        float scale = step->x[1][channel] / sqrtf(step->x[4][channel] + step->op->reals[0]);
        for (long end = i + inner; i < end; ++i)
            step->y[i] = (step->x[0][i] - step->x[3][channel]) * scale + step->x[2][channel];
    }
}

/* Clip has its bounds as second and third input. */
static inline void retort_clip(const retort_step *step)
{
    long count = retort_count(step->out);
    float low = 0.0f, high = HUGE_VALF;
    if (step->op->kind == RETORT_CLIP) {
        low = *step->x[1];
        high = *step->x[2];
    }
    for (long i = 0; i < count; ++i) {
        float x = step->x[0][i];
        step->y[i] = x < low ? low : x > high ? high : x;
    }
}

static inline float retort_unit(float x)
{
    return x < 0.0f ? 0.0f : x > 1.0f ? 1.0f : x;
}

/* reals: of a hard sigmoid its slope, and its value at 0. */
static inline void retort_curve(const retort_step *step)
{
    long count = retort_count(step->out);
    const float *x = step->x[0], *reals = step->op->reals;
    for (long i = 0; i < count; ++i)
        switch (step->op->kind) {
        case RETORT_SIGMOID:
            step->y[i] = 1.0f / (1.0f + expf(-x[i]));
            break;
        case RETORT_ERF:
            step->y[i] = erff(x[i]);
            break;
        case RETORT_HARD_SIGMOID:
            step->y[i] = retort_unit(reals[0] * x[i] + reals[1]);
            break;
        default:
            step->y[i] = x[i] * retort_unit(x[i] / 6.0f + 0.5f);
        }
}

static inline void retort_softmax(const retort_step *step)
{
    long length = step->out->dims[RETORT_DIMS - 1], rows = retort_count(step->out) / length;
    for (long row = 0; row < rows; ++row) {
        const float *x = step->x[0] + row * length;
        float *y = step->y + row * length, largest = x[0], sum = 0.0f;
        for (long i = 1; i < length; ++i)
            largest = x[i] > largest ? x[i] : largest;
        for (long i = 0; i < length; ++i)
            sum += y[i] = expf(x[i] - largest);
        for (long i = 0; i < length; ++i)
            y[i] /= sum;
    }
}

/* inputs: x, scale, shift. reals: epsilon. */
static inline void retort_layer_norm(const retort_step *step)
{
    long length = step->out->dims[RETORT_DIMS - 1], rows = retort_count(step->out) / length;
    for (long row = 0; row < rows; ++row) {
        const float *x = step->x[0] + row * length;
        float *y = step->y + row * length, mean = 0.0f, variance = 0.0f;
        for (long i = 0; i < length; ++i)
            mean += x[i];
        mean /= (float)length;
        for (long i = 0; i < length; ++i)
            variance += (x[i] - mean) * (x[i] - mean);
        float factor = 1.0f / sqrtf(variance / (float)length + step->op->reals[0]);
        for (long i = 0; i < length; ++i)
            y[i] = (x[i] - mean) * factor * step->x[1][i] + step->x[2][i];
    }
}

static inline float retort_combine(int kind, float a, float b)
{
    switch (kind) {
    case RETORT_ADD:
        return a + b;
    case RETORT_SUBTRACT:
        return a - b;
    case RETORT_MULTIPLY:
        return a * b;
    default:
        return a / b;
    }
}

/* How far apart in memory neighbours along each dimension are; 0 where there is one for all (`broadcast`). */
static inline void retort_strides(const retort_tensor *tensor, int broadcast, long strides[RETORT_DIMS])
{
    long stride = 1;
    for (int d = RETORT_DIMS - 1; d >= 0; --d) {
        strides[d] = broadcast && tensor->dims[d] == 1 ? 0 : stride;
        stride *= tensor->dims[d];
    }
}

/* Goes to the next place of a tensor, in the order of memory; false behind the last. */
static inline int retort_next(const retort_tensor *tensor, long place[RETORT_DIMS])
{
    for (int d = RETORT_DIMS - 1; d >= 0; --d) {
        if (++place[d] < tensor->dims[d])
            return 1;
        place[d] = 0;
    }
    return 0;
}

static inline long retort_at(const long place[RETORT_DIMS], const long strides[RETORT_DIMS])
{
    long at = 0;
    for (int d = 0; d < RETORT_DIMS; ++d)
        at += place[d] * strides[d];
    return at;
}

/* Add, subtract, multiply, divide: a dimension of 1 stands for as many as the other has. */
static inline void retort_elementwise(const retort_step *step)
{
    long a[RETORT_DIMS], b[RETORT_DIMS], place[RETORT_DIMS] = {0}, length = step->out->dims[RETORT_DIMS - 1];
    float *y = step->y;
    retort_tensor rows = *step->out;
    rows.dims[RETORT_DIMS - 1] = 1;
    retort_strides(step->in[0], 1, a);
    retort_strides(step->in[1], 1, b);
    do {
        const float *left = step->x[0] + retort_at(place, a), *right = step->x[1] + retort_at(place, b);
        for (long i = 0; i < length; ++i)
            y[i] = retort_combine(step->op->kind, left[i * a[RETORT_DIMS - 1]], right[i * b[RETORT_DIMS - 1]]);
        y += length;
    } while (retort_next(&rows, place));
}

/* numbers: as of a convolution, without groups. Padding counts as zeros in an average and not at all in a maximum. */
static inline void retort_pool(const retort_step *step)
{
    const long *in = step->in[0]->dims, *out = step->out->dims, *n = step->op->numbers;
    int maximum = step->op->kind == RETORT_MAX_POOL;
    float *y = step->y;
    for (long channel = 0; channel < out[2]; ++channel)
        for (long row = 0; row < out[3]; ++row)
            for (long column = 0; column < out[4]; ++column) {
                const float *x = step->x[0] + channel * in[3] * in[4];
                float value = maximum ? -HUGE_VALF : 0.0f;
                for (long i = 0; i < n[0]; ++i)
                    for (long j = 0; j < n[1]; ++j) {
                        long down = row * n[2] + i * n[6] - n[4], right = column * n[3] + j * n[7] - n[5];
                        if (down < 0 || down >= in[3] || right < 0 || right >= in[4])
                            continue;
                        float pixel = x[down * in[4] + right];
                        value = !maximum ? value + pixel : pixel > value ? pixel : value;
                    }
                *y++ = maximum ? value : value / (float)(n[0] * n[1]);
            }
}

static inline void retort_global_average_pool(const retort_step *step)
{
    const long *in = step->in[0]->dims;
    long pixels = in[3] * in[4];
    for (long channel = 0; channel < in[2]; ++channel) {
        float sum = 0.0f;
        for (long i = 0; i < pixels; ++i)
            sum += step->x[0][channel * pixels + i];
        step->y[channel] = sum / (float)pixels;
    }
}

/* Each row of the second input is multiplied by the first, [1, inputs]; the third is added, where there is one. */
static inline void retort_rows(const retort_step *step)
{
    long inputs = step->in[1]->dims[4], outputs = step->in[1]->dims[3];
    for (long o = 0; o < outputs; ++o) {
        float sum = 0.0f;
        for (long i = 0; i < inputs; ++i)
            sum += step->x[1][o * inputs + i] * step->x[0][i];
        step->y[o] = step->op->input_count > 2 ? sum + step->x[2][o] : sum;
    }
}

/* A row of the result is the sum of the second input's rows, each times a number of the first's row. */
static inline void retort_matrix(const retort_step *step)
{
    long a[RETORT_DIMS], b[RETORT_DIMS], place[RETORT_DIMS] = {0};
    long inner = step->in[0]->dims[RETORT_DIMS - 1], columns = step->out->dims[RETORT_DIMS - 1];
    float *y = step->y;
    retort_tensor rows = *step->out;
    rows.dims[RETORT_DIMS - 1] = 1;
    retort_strides(step->in[0], 1, a);
    retort_strides(step->in[1], 1, b);
    b[RETORT_DIMS - 2] = 0; /* the place within the result says nothing about the second input's row */
    do {
        const float *x = step->x[0] + retort_at(place, a), *w = step->x[1] + retort_at(place, b);
        for (long i = 0; i < columns; ++i)
            y[i] = 0.0f;
        for (long k = 0; k < inner; ++k)
            for (long i = 0; i < columns; ++i)
                y[i] += x[k] * w[k * columns + i];
        y += columns;
    } while (retort_next(&rows, place));
}

/* numbers: the dimension. */
static inline void retort_concatenate(const retort_step *step)
{
    long axis = step->op->numbers[0], outer = 1, inner = 1;
    float *y = step->y;
    for (long d = 0; d < RETORT_DIMS; ++d) {
        outer *= d < axis ? step->out->dims[d] : 1;
        inner *= d > axis ? step->out->dims[d] : 1;
    }
    for (long o = 0; o < outer; ++o)
        for (int i = 0; i < step->op->input_count; ++i) {
            long piece = step->in[i]->dims[axis] * inner;
            memcpy(y, step->x[i] + o * piece, (size_t)piece * sizeof(float));
            y += piece;
        }
}

/* numbers: for each dimension where it begins, and behind them all how far it goes each time. */
static inline void retort_slice(const retort_step *step)
{
    long strides[RETORT_DIMS], place[RETORT_DIMS] = {0}, i = 0, begin;
    retort_strides(step->in[0], 0, strides);
    begin = retort_at(step->op->numbers, strides);
    for (int d = 0; d < RETORT_DIMS; ++d)
        strides[d] *= step->op->numbers[RETORT_DIMS + d];
    do
        step->y[i++] = step->x[0][begin + retort_at(place, strides)];
    while (retort_next(step->out, place));
}

/* numbers: for each dimension how many zeros come first. */
static inline void retort_pad(const retort_step *step)
{
    long strides[RETORT_DIMS], place[RETORT_DIMS] = {0}, i = 0, begin;
    retort_strides(step->out, 0, strides);
    begin = retort_at(step->op->numbers, strides);
    memset(step->y, 0, (size_t)retort_count(step->out) * sizeof(float));
    do
        step->y[begin + retort_at(place, strides)] = step->x[0][i++];
    while (retort_next(step->in[0], place));
}

/* numbers: for each dimension which one of the input it is. */
static inline void retort_transpose(const retort_step *step)
{
    long before[RETORT_DIMS], strides[RETORT_DIMS], place[RETORT_DIMS] = {0}, i = 0;
    retort_strides(step->in[0], 0, before);
    for (int d = 0; d < RETORT_DIMS; ++d)
        strides[d] = before[step->op->numbers[d]];
    do
        step->y[i++] = step->x[0][retort_at(place, strides)];
    while (retort_next(step->out, place));
}

static inline void retort_reshape(const retort_step *step)
{
    memcpy(step->y, step->x[0], (size_t)retort_count(step->out) * sizeof(float));
}

/* inputs: x, scale. The steps are whole numbers in floats. */
static inline void retort_quantize(const retort_step *step)
{
    long count = retort_count(step->out);
    for (long i = 0; i < count; ++i) {
        float x = rintf(step->x[0][i] / *step->x[1]);
        step->y[i] = x < -128.0f ? -128.0f : x > 127.0f ? 127.0f : x;
    }
}

/* inputs: steps, scale: one, or one for each place along a dimension. numbers: the dimension. */
static inline void retort_dequantize(const retort_step *step)
{
    long axis = step->op->numbers[0], inner = 1, count = retort_count(step->out), scales = retort_count(step->in[1]);
    for (long d = axis + 1; d < RETORT_DIMS; ++d)
        inner *= step->out->dims[d];
    for (long i = 0, channel = 0; i < count; channel = channel + 1 == scales ? 0 : channel + 1)
        for (long end = i + inner; i < end; ++i)
            step->y[i] = (step->steps ? (float)step->steps[i] : step->x[0][i]) * step->x[1][channel];
}

/* Runs the network's i-th operator. */
static inline void retort_run(const retort_network *network, int i, float *arena)
{
    static void (*const run[RETORT_KINDS])(const retort_step *) = {
        retort_convolution,
        retort_batch_norm,
        retort_clip,
        retort_clip,
        retort_elementwise,
        retort_elementwise,
        retort_elementwise,
        retort_elementwise,
        retort_curve,
        retort_curve,
        retort_curve,
        retort_curve,
        retort_softmax,
        retort_layer_norm,
        retort_pool,
        retort_pool,
        retort_global_average_pool,
        retort_rows,
        retort_matrix,
        retort_concatenate,
        retort_slice,
        retort_pad,
        retort_transpose,
        retort_reshape,
        retort_quantize,
        retort_dequantize,
    };
    const retort_tensor *tensors = network->tensors;
    retort_step step = {0};
    step.op = &network->operators[i];
    step.out = &tensors[step.op->output];
    step.y = arena + step.out->offset;
    for (int k = 0; k < step.op->input_count; ++k) {
        const retort_tensor *in = step.in[k] = &tensors[step.op->inputs[k]];
        if (in->constant == RETORT_STEPS)
            step.steps = network->steps + in->offset;
        else
            step.x[k] = (in->constant == RETORT_WEIGHTS ? network->weights : arena) + in->offset;
    }
    run[step.op->kind](&step);
}

/* Writes `logits`, one for each class. `image` is [channels, height, width], `arena` has network->arena_count floats.
 */
static inline void retort_infer(const retort_network *network, const float *image, float *arena, float *logits)
{
    const retort_tensor *tensors = network->tensors, *in = &tensors[network->input], *out = &tensors[network->output];
    memcpy(arena + in->offset, image, (size_t)retort_count(in) * sizeof(float));
    for (int i = 0; i < network->operator_count; ++i)
        retort_run(network, i, arena);
    memcpy(logits, arena + out->offset, (size_t)retort_count(out) * sizeof(float));
}

#endif
