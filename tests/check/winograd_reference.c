#include "winograd_reference.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "filling.h"

enum { MOST_BUFFERS = 1024 };

static struct {
    void *start;
    size_t bytes;
} buffers[MOST_BUFFERS];
static size_t buffer_count;

static void *guarded(size_t bytes)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), whole = (bytes + page - 1) / page * page + 2 * page;
    char *start = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(start != MAP_FAILED && buffer_count < MOST_BUFFERS);
    assert_int_equal(mprotect(start, page, PROT_NONE), 0);
    assert_int_equal(mprotect(start + whole - page, page, PROT_NONE), 0);
    buffers[buffer_count].start = start;
    buffers[buffer_count++].bytes = whole;
    memset(start + page, 0xFF, whole - 2 * page); /* NaNs */
    return start + whole - page - bytes;
}

float *guarded_floats(size_t count)
{
    return guarded(count * sizeof(float));
}

double *guarded_doubles(size_t count)
{
    return guarded(count * sizeof(double));
}

void guarded_poison(float *values, size_t count)
{
    memset(values, 0xFF, count * sizeof *values);
}

void guarded_release(void)
{
    while (buffer_count > 0) {
        --buffer_count;
        assert_int_equal(munmap(buffers[buffer_count].start, buffers[buffer_count].bytes), 0);
    }
}

float *guarded_random(const char *name, size_t count, float middle, float width)
{
    float *values = guarded_floats(count);
    filling_values(name, values, count);
    for (size_t i = 0; i < count; ++i)
        values[i] = middle + width * values[i];
    return values;
}

void operand_read(struct operand *operand, size_t pixels, size_t channels)
{
    const rt_winograd_source *src = &operand->source;
    for (size_t i = 0; i < pixels * channels; ++i) {
        const size_t c = i % channels;
        double x = (double)src->values[i], value = x, magnitude = fabs(x);
        if (src->reading == RT_READ_NORM_BACKWARD) {
            const double scale = (double)src->norm.scale[c], common = (double)src->norm.common[c];
            const double slope = (double)src->norm.slope[c], mean = (double)src->norm.mean[c];
            const double source = (double)src->norm_source[i];
            value = scale * (x - common - slope * (source - mean));
            magnitude = fabs(scale) * (fabs(x) + fabs(common) + fabs(slope) * (fabs(source) + fabs(mean)));
        } else if (src->reading != RT_READ_PLAIN) {
            const double scale = (double)src->norm.scale[c], mean = (double)src->norm.mean[c];
            const double shift = (double)src->norm.shift[c];
            value = (x - mean) * scale + shift;
            magnitude = fabs(scale) * (fabs(x) + fabs(mean)) + fabs(shift);
            if (src->reading == RT_READ_NORM_RELU && value < 0.0)
                value = 0.0;
        }
        operand->values[i] = value;
        operand->magnitudes[i] = magnitude;
    }
}

struct operand operand_of(const char *name, rt_winograd_reading reading, size_t pixels, size_t channels)
{
    struct operand operand = {
        .source = {.reading = reading, .values = guarded_random(name, pixels * channels, 0.0f, 1.0f)},
        .values = guarded_doubles(pixels * channels),
        .magnitudes = guarded_doubles(pixels * channels),
    };
    /* Only what the reading may look at is there. */
    rt_norm_lanes *norm = &operand.source.norm;
    if (reading != RT_READ_PLAIN) {
        norm->mean = guarded_random("mean", channels, 0.1f, 0.5f);
        norm->scale = guarded_random("scale", channels, 0.25f, 1.0f);
    }
    if (reading == RT_READ_NORM || reading == RT_READ_NORM_RELU)
        norm->shift = guarded_random("shift", channels, 0.1f, 0.5f);
    if (reading == RT_READ_NORM_BACKWARD) {
        norm->common = guarded_random("common", channels, 0.0f, 0.25f);
        norm->slope = guarded_random("slope", channels, 0.0f, 0.5f);
        operand.source.norm_source = guarded_random("norm source", pixels * channels, 0.0f, 1.0f);
    }
    operand_read(&operand, pixels, channels);
    return operand;
}

float kernel_tap(const rt_winograd *shape, const float *weights, bool turned, size_t k, size_t c, size_t tap)
{
    return turned ? weights[(c * shape->outputs + k) * 9 + 8 - tap] : weights[(k * shape->inputs + c) * 9 + tap];
}

rt_winograd winograd_shape(rt_winograd_form form, size_t height, size_t width, size_t inputs, size_t outputs)
{
    const size_t half_height = (height + 1) / 2, half_width = (width + 1) / 2;
    if (form == RT_WINOGRAD_STRIDED)
        return (rt_winograd){height, width, half_height, half_width, inputs, outputs, 0};
    if (form == RT_WINOGRAD_TRANSPOSED)
        return (rt_winograd){half_height, half_width, height, width, inputs, outputs, 0};
    return (rt_winograd){height, width, height, width, inputs, outputs, 0};
}

/* What a tap sees in one dimension, of a source of `size`; -1 where there is nothing. */
static ptrdiff_t seen(rt_winograd_form form, size_t size, size_t output, size_t tap)
{
    const size_t after = (form == RT_WINOGRAD_STRIDED ? 2 * output : output) + tap; /* one more */
    if (after < 1 || (form == RT_WINOGRAD_TRANSPOSED && (after - 1) % 2 != 0))
        return -1;
    const size_t pixel = form == RT_WINOGRAD_TRANSPOSED ? (after - 1) / 2 : after - 1;
    return pixel < size ? (ptrdiff_t)pixel : -1;
}

ptrdiff_t seen_pixel(rt_winograd_form form, const rt_winograd *shape, size_t output, size_t tap)
{
    const size_t column = output % shape->dst_width, row = output / shape->dst_width % shape->dst_height;
    const size_t image = output / shape->dst_width / shape->dst_height;
    const ptrdiff_t r = seen(form, shape->src_height, row, tap / 3), c = seen(form, shape->src_width, column, tap % 3);
    return r < 0 || c < 0 ? -1 : ((ptrdiff_t)(image * shape->src_height) + r) * (ptrdiff_t)shape->src_width + c;
}

/* The pixels [first, last) of one dimension that the tile sees which holds an output. */
static void seen_by_tile(rt_winograd_form form, size_t size, size_t output, size_t *first, size_t *last)
{
    const size_t corner = form == RT_WINOGRAD_STRIDED      ? output / 4 * 8
                          : form == RT_WINOGRAD_TRANSPOSED ? output / 8 * 4
                                                           : output / 4 * 4;
    const size_t beyond = corner + (form == RT_WINOGRAD_STRIDED ? 8 : 5);
    *first = corner > 0 && form != RT_WINOGRAD_TRANSPOSED ? corner - 1 : corner;
    *last = beyond < size ? beyond : size;
}

/* The largest magnitude of channel c among the pixels that the tile sees which holds (row, column). */
static double tile_largest(rt_winograd_form form, const rt_winograd *shape, const double *magnitudes, size_t image,
                           size_t row, size_t column, size_t c)
{
    double largest = 0.0;
    size_t top, bottom, left, right;
    seen_by_tile(form, shape->src_height, row, &top, &bottom);
    seen_by_tile(form, shape->src_width, column, &left, &right);
    for (size_t r = top; r < bottom; ++r)
        for (size_t w = left; w < right; ++w)
            largest =
                fmax(largest, magnitudes[((image * shape->src_height + r) * shape->src_width + w) * shape->inputs + c]);
    return largest;
}

bool tile_sees(rt_winograd_form form, const rt_winograd *shape, size_t output, size_t pixel)
{
    const size_t column = pixel % shape->src_width, row = pixel / shape->src_width % shape->src_height;
    size_t top, bottom, left, right;
    seen_by_tile(form, shape->src_height, output / shape->dst_width % shape->dst_height, &top, &bottom);
    seen_by_tile(form, shape->src_width, output % shape->dst_width, &left, &right);
    return output / shape->dst_width / shape->dst_height == pixel / shape->src_width / shape->src_height &&
           row >= top && row < bottom && column >= left && column < right;
}

void reference_convolve(rt_winograd_form form, const rt_winograd *shape, size_t batch, const struct operand *src,
                        const float *weights, bool turned, double *out, double *magnitude)
{
    const size_t inputs = shape->inputs, outputs = shape->outputs;
    double *taps = guarded_doubles(9 * inputs * outputs), *sizes = guarded_doubles(inputs * outputs);
    for (size_t k = 0; k < outputs; ++k)
        for (size_t c = 0; c < inputs; ++c) {
            sizes[c * outputs + k] = 0.0;
            for (size_t tap = 0; tap < 9; ++tap) {
                const double w = (double)kernel_tap(shape, weights, turned, k, c, tap);
                taps[(tap * inputs + c) * outputs + k] = w;
                sizes[c * outputs + k] += fabs(w);
            }
        }
    for (size_t pixel = 0; pixel < batch * shape->dst_height * shape->dst_width; ++pixel) {
        const size_t column = pixel % shape->dst_width, row = pixel / shape->dst_width % shape->dst_height;
        const size_t image = pixel / shape->dst_width / shape->dst_height;
        double *to = out + pixel * outputs, *size = magnitude + pixel * outputs;
        memset(to, 0, outputs * sizeof *to);
        memset(size, 0, outputs * sizeof *size);
        for (size_t tap = 0; tap < 9; ++tap) {
            const ptrdiff_t from = seen_pixel(form, shape, pixel, tap);
            for (size_t c = 0; from >= 0 && c < inputs; ++c)
                for (size_t k = 0; k < outputs; ++k)
                    to[k] += src->values[(size_t)from * inputs + c] * taps[(tap * inputs + c) * outputs + k];
        }
        for (size_t c = 0; c < inputs; ++c) {
            const double largest = tile_largest(form, shape, src->magnitudes, image, row, column, c);
            for (size_t k = 0; k < outputs; ++k)
                size[k] += largest * sizes[c * outputs + k];
        }
    }
}

void reference_correlate(rt_winograd_form form, const rt_winograd *shape, size_t batch, const struct operand *src,
                         const struct operand *diff_dst, double *diff_weights, double *magnitude)
{
    const size_t inputs = shape->inputs, outputs = shape->outputs;
    memset(diff_weights, 0, outputs * inputs * 9 * sizeof *diff_weights);
    memset(magnitude, 0, outputs * inputs * 9 * sizeof *magnitude);
    for (size_t pixel = 0; pixel < batch * shape->dst_height * shape->dst_width; ++pixel) {
        const size_t column = pixel % shape->dst_width, row = pixel / shape->dst_width % shape->dst_height;
        const size_t image = pixel / shape->dst_width / shape->dst_height;
        for (size_t c = 0; c < inputs; ++c) {
            const double largest = tile_largest(form, shape, src->magnitudes, image, row, column, c);
            for (size_t tap = 0; tap < 9; ++tap) {
                const ptrdiff_t at = seen_pixel(form, shape, pixel, tap);
                for (size_t k = 0; k < outputs; ++k) {
                    const size_t weight = (k * inputs + c) * 9 + tap, from = pixel * outputs + k;
                    if (at >= 0)
                        diff_weights[weight] += src->values[(size_t)at * inputs + c] * diff_dst->values[from];
                    magnitude[weight] += largest * diff_dst->magnitudes[from];
                }
            }
        }
    }
}

void worst_note(struct worst *worst, double found, double expected, double magnitude)
{
    const double error = fabs(found - expected);
    const double units = error == 0.0 ? 0.0 : error / (magnitude * 0x1p-24);
    if (!(units <= worst->units))
        worst->units = isnan(units) ? INFINITY : units;
}

size_t winograd_codes(const rt_winograd_code *codes[MOST_CODES])
{
    size_t count = 0;
    for (rt_winograd_form form = 0; form < RT_WINOGRAD_FORMS; ++form)
        for (size_t lanes = 4; lanes <= 16; lanes *= 2) {
            const rt_winograd_code *code = rt_winograd_code_for(form, lanes);
            assert_true(code->form == form && code->lanes <= lanes);
            if (code->lanes == lanes)
                codes[count++] = code;
        }
    assert_true(count >= RT_WINOGRAD_FORMS);
    return count;
}

const char *winograd_code_name(const rt_winograd_code *code)
{
    static const char *const forms[RT_WINOGRAD_FORMS] = {"unit", "strided", "transposed"};
    static char name[64];
    snprintf(name, sizeof name, "%s %s", forms[code->form], code->name);
    return name;
}

float *transformed_weights(const rt_winograd_code *code, const rt_winograd *shape, const float *weights, bool turned)
{
    const size_t inputs = shape->inputs, outputs = shape->outputs;
    float *transformed = guarded_floats(code->weights_floats(inputs, outputs));
    /* Three vectors a call; a panel has two. */
    const size_t step = 3 * code->lanes;
    for (size_t first = (outputs - 1) / step * step;; first -= step) {
        const size_t last = first + step < outputs ? first + step : outputs;
        code->transform_weights(inputs, outputs, weights, turned, first, last, transformed);
        if (first == 0)
            return transformed;
    }
}
