/* Winograd's forward block and data gradient, in every form and instruction set that this CPU has, against float64
 * (winograd_reference.h): all readings and writings, on shapes that fill tiles, vectors and panels and shapes that do
 * not, in blocks of several sizes and in several calls. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "filling.h"
#include "winograd_reference.h"

/* 13 x 10 has tiles that touch no border. */
static const size_t maps[][2] = {{1, 1}, {2, 2}, {3, 3}, {4, 4}, {5, 7}, {8, 8}, {9, 6}, {13, 10}};
static const size_t channels[][2] = {{1, 3}, {3, 8}, {8, 17}, {17, 33}, {33, 48}, {48, 1}, {40, 32}};
static const size_t batches[] = {1, 3};

enum { MAPS = sizeof maps / sizeof *maps, CHANNELS = sizeof channels / sizeof *channels };

static const rt_winograd_code *codes[MOST_CODES];
static size_t code_count;

enum residual_place { NO_RESIDUAL, APART, IN_PLACE };

static const struct writing {
    rt_winograd_writing writing;
    enum residual_place residual;
    float ceiling;
    bool norm_relu;
    bool biased;
    float bias; /* the middle */
} writings[] = {
    {.writing = RT_WRITE_PLAIN},
    {.writing = RT_WRITE_PLAIN, .biased = true, .bias = 0.5f},
    {.writing = RT_WRITE_PLAIN, .residual = APART},
    {.writing = RT_WRITE_PLAIN, .residual = IN_PLACE, .biased = true},
    {.writing = RT_WRITE_PLAIN, .ceiling = INFINITY},
    {.writing = RT_WRITE_PLAIN, .ceiling = INFINITY, .biased = true, .residual = APART},
    {.writing = RT_WRITE_PLAIN, .ceiling = 6.0f, .biased = true, .bias = 2.0f, .residual = IN_PLACE},
    {.writing = RT_WRITE_MOMENTS},
    {.writing = RT_WRITE_MOMENTS, .biased = true, .bias = 1000.0f}, /* a mean far from zero must not cost the spread */
    {.writing = RT_WRITE_MOMENTS, .residual = APART},
    {.writing = RT_WRITE_PRODUCTS},
    {.writing = RT_WRITE_PRODUCTS, .norm_relu = true},
};

/* What is measured, with the units that are allowed: about three times the most that was seen in any code of the form.
 * Sums are in
 * units of 2^-24 times
 *     moments    pixels times R, and for squares about the mean times R^2, R being the channel's range;
 *     products   sum |g| and sum |g| (|x| + |mean|).
 * A block's sums are taken in float32, of 16 outputs a tile and then of its tiles: 16 + tiles units at the most. */
enum quantity { VALUES, MEAN, SPREAD, SUM, DOT, QUANTITIES };
static const struct {
    const char *name;
    double allowed[RT_WINOGRAD_FORMS];
} quantities[QUANTITIES] = {{"values", {160, 40, 18}},
                            {"sum y", {8, 8, 8}},
                            {"sum (y - mean)^2", {8, 8, 8}},
                            {"sum g", {10, 10, 10}},
                            {"sum g (x - mean)", {10, 10, 10}}};

static struct worst worst[MOST_CODES][QUANTITIES];

/* One source and its kernels, with the convolution in float64. */
struct subject {
    rt_winograd shape;
    size_t batch, pixels, tiles, calls; /* pixels: of outputs */
    bool turned;
    struct operand src;
    float *weights, *residual, *norm_source;
    rt_norm_lanes norm;
    double *out, *magnitude;
};

static void open_subject(struct subject *s, rt_winograd_form form, rt_winograd shape, size_t batch,
                         rt_winograd_reading reading, bool turned)
{
    const size_t outputs = shape.outputs;
    *s = (struct subject){.shape = shape, .batch = batch, .turned = turned};
    s->pixels = batch * shape.dst_height * shape.dst_width;
    s->tiles = batch * rt_winograd_tiles(rt_winograd_code_for(form, 4), &shape);
    s->src = operand_of("source", reading, batch * shape.src_height * shape.src_width, shape.inputs);
    s->weights = guarded_random("weights", 9 * shape.inputs * outputs, 0.0f, 1.0f);
    s->residual = guarded_random("residual", s->pixels * outputs, 0.0f, 3.0f);
    s->norm_source = guarded_random("source of the norm before", s->pixels * outputs, 0.0f, 1.0f);
    s->norm.mean = guarded_random("mean before", outputs, 0.1f, 0.5f);
    s->norm.scale = guarded_random("scale before", outputs, 0.25f, 1.0f);
    s->norm.shift = guarded_random("shift before", outputs, 0.1f, 0.5f);
    s->out = guarded_doubles(s->pixels * outputs);
    s->magnitude = guarded_doubles(s->pixels * outputs);
    reference_convolve(form, &shape, batch, &s->src, s->weights, turned, s->out, s->magnitude);
}

static void convolve(const struct subject *s, const rt_winograd_code *code, const float *transformed,
                     const rt_winograd_target *dst, double *sums)
{
    const size_t floats = code->convolve_floats(&s->shape);
    float *scratch = guarded_floats(floats);
    /* Several calls split the outputs as well, at whole panels of two vectors. */
    const size_t outputs = s->shape.outputs, panel = s->calls > 1 ? 2 * code->lanes : outputs;
    for (size_t call = 0; call < s->calls; ++call)
        for (size_t first = 0; first < outputs; first += panel) {
            guarded_poison(scratch, floats);
            code->convolve(&s->shape, &s->src.source, transformed, dst,
                           (rt_winograd_part){s->tiles * call / s->calls, s->tiles * (call + 1) / s->calls, first,
                                              first + panel < outputs ? first + panel : outputs},
                           scratch, sums);
        }
}

static void check_values(const struct subject *s, const rt_winograd_target *dst, const float *residual,
                         struct worst *units)
{
    for (size_t i = 0; i < s->pixels * s->shape.outputs; ++i) {
        const size_t k = i % s->shape.outputs;
        double expected = s->out[i], magnitude = s->magnitude[i];
        if (dst->bias) {
            expected += (double)dst->bias[k];
            magnitude += fabs((double)dst->bias[k]);
        }
        if (residual) {
            expected += (double)residual[i];
            magnitude += fabs((double)residual[i]);
        }
        if (dst->ceiling > 0.0f && dst->writing == RT_WRITE_PLAIN) {
            assert_true(dst->values[i] >= 0.0f && dst->values[i] <= dst->ceiling);
            expected = fmin(fmax(expected, 0.0), (double)dst->ceiling);
        }
        /* In float32: the mask must be that of the forward pass to the bit. */
        if (dst->writing == RT_WRITE_PRODUCTS && dst->norm_relu &&
            !((dst->norm_source[i] - dst->norm.mean[k]) * dst->norm.scale[k] + dst->norm.shift[k] > 0.0f))
            expected = magnitude = 0.0;
        worst_note(units, (double)dst->values[i], expected, magnitude);
    }
}

/* Sums are of the values that were written, whatever these are. */
static void check_moments(const struct subject *s, const float *values, const double *sums, struct worst *units)
{
    const size_t outputs = s->shape.outputs;
    const double count = (double)s->pixels;
    for (size_t k = 0; k < outputs; ++k) {
        double sum = 0.0, spread = 0.0, least = INFINITY, most = -INFINITY;
        for (size_t p = 0; p < s->pixels; ++p) {
            const double y = (double)values[p * outputs + k];
            sum += y;
            least = fmin(least, y);
            most = fmax(most, y);
        }
        for (size_t p = 0; p < s->pixels; ++p)
            spread += pow((double)values[p * outputs + k] - sum / count, 2.0);
        /* Float64 sums round as well: a few 2^-53, 2^-29 units, of the mean and of its square. */
        const double range = most - least, found = sums[k] / count;
        worst_note(&units[MEAN], sums[k], sum, count * (range + 0x1p-27 * fabs(sum / count)));
        worst_note(&units[SPREAD], sums[outputs + k] - count * found * found, spread,
                   count * (range * range + 0x1p-27 * pow(sum / count, 2.0)));
    }
}

static void check_products(const struct subject *s, const rt_winograd_target *dst, const double *sums,
                           struct worst *units)
{
    const size_t outputs = s->shape.outputs;
    for (size_t k = 0; k < outputs; ++k) {
        double sum = 0.0, dot = 0.0, sum_size = 0.0, dot_size = 0.0;
        const double mean = (double)dst->norm.mean[k];
        for (size_t p = 0; p < s->pixels; ++p) {
            const double g = (double)dst->values[p * outputs + k], x = (double)dst->norm_source[p * outputs + k];
            sum += g;
            dot += g * (x - mean);
            sum_size += fabs(g);
            dot_size += fabs(g) * (fabs(x) + fabs(mean));
        }
        worst_note(&units[SUM], sums[k], sum, sum_size);
        worst_note(&units[DOT], sums[outputs + k], dot, dot_size);
    }
}

static void check_writing(const struct subject *s, const rt_winograd_code *code, const float *transformed,
                          const struct writing *writing, struct worst *units)
{
    const size_t outputs = s->shape.outputs, count = s->pixels * outputs;
    rt_winograd_target dst = {.writing = writing->writing,
                              .values = guarded_floats(count),
                              .bias = writing->biased ? guarded_random("bias", outputs, writing->bias, 1.0f) : NULL,
                              .ceiling = writing->ceiling,
                              .norm_relu = writing->norm_relu};
    if (writing->residual == IN_PLACE)
        memcpy(dst.values, s->residual, count * sizeof(float));
    if (writing->residual != NO_RESIDUAL)
        dst.residual = writing->residual == APART ? s->residual : dst.values;
    if (writing->writing == RT_WRITE_PRODUCTS) {
        dst.norm_source = s->norm_source;
        dst.norm = s->norm;
    }
    double *sums = NULL;
    if (writing->writing != RT_WRITE_PLAIN) {
        sums = guarded_doubles(2 * outputs);
        memset(sums, 0, 2 * outputs * sizeof *sums);
    }
    convolve(s, code, transformed, &dst, sums);
    check_values(s, &dst, writing->residual == NO_RESIDUAL ? NULL : s->residual, &units[VALUES]);
    if (writing->writing == RT_WRITE_MOMENTS)
        check_moments(s, dst.values, sums, units);
    if (writing->writing == RT_WRITE_PRODUCTS)
        check_products(s, &dst, sums, units);
}

static size_t block_of(size_t number, size_t tiles)
{
    const size_t blocks[] = {1, 5, 24, tiles + 3};
    return blocks[number % 4];
}

/* All readings and writings of one shape, in all codes of a form. */
static void check_form(rt_winograd_form form, size_t number)
{
    const size_t *map = maps[number % MAPS], *wide = channels[number / MAPS % CHANNELS];
    const rt_winograd shape = winograd_shape(form, map[0], map[1], wide[0], wide[1]);
    for (rt_winograd_reading reading = 0; reading < RT_READINGS; ++reading) {
        struct subject s;
        /* The data gradient reads through a norm's backward, on turned kernels. */
        open_subject(&s, form, shape, batches[number / MAPS / CHANNELS], reading,
                     reading == RT_READ_NORM_BACKWARD || number % 2);
        for (size_t c = 0; c < code_count; ++c) {
            if (codes[c]->form != form)
                continue;
            float *transformed = transformed_weights(codes[c], &s.shape, s.weights, s.turned);
            for (size_t w = 0; w < sizeof writings / sizeof *writings; ++w) {
                s.shape.block = block_of(number + reading + w, s.tiles);
                s.calls = 1 + (number + w) % 3;
                check_writing(&s, codes[c], transformed, &writings[w], worst[c]);
            }
        }
        guarded_release();
    }
}

static void outputs_are_those_of_float64(void **state)
{
    (void)state;
    for (size_t number = 0; number < MAPS * CHANNELS * 2; ++number)
        for (rt_winograd_form form = 0; form < RT_WINOGRAD_FORMS; ++form)
            check_form(form, number);
    size_t far = 0;
    for (size_t c = 0; c < code_count; ++c)
        for (size_t q = 0; q < QUANTITIES; ++q) {
            const double allowed = quantities[q].allowed[codes[c]->form];
            const bool close = worst[c][q].units <= allowed;
            print_message("%-28s %-18s %6.2f of %6.2f units%s\n", winograd_code_name(codes[c]), quantities[q].name,
                          worst[c][q].units, allowed, close ? "" : "  TOO FAR");
            far += !close;
        }
    assert_int_equal(far, 0);
}

/* An output's bits do not depend on the block that its tile is in, nor on the call; a call writes its own tiles. */
static void tiles_are_computed_alike(void **state)
{
    (void)state;
    for (size_t c = 0; c < code_count; ++c) {
        const rt_winograd_code *code = codes[c];
        struct subject s;
        open_subject(&s, code->form, winograd_shape(code->form, 17, 21, 20, 37), 3, RT_READ_NORM_RELU, false);
        const size_t height = s.shape.dst_height, width = s.shape.dst_width,
                     wide = (width + code->tile - 1) / code->tile;
        const size_t count = s.pixels * s.shape.outputs;
        float *transformed = transformed_weights(codes[c], &s.shape, s.weights, false);
        float *whole = guarded_floats(count), *parts = guarded_floats(count);
        s.shape.block = s.tiles;
        s.calls = 1;
        convolve(&s, codes[c], transformed, &(rt_winograd_target){.values = whole}, NULL);
        for (s.shape.block = 1; s.shape.block <= 14; ++s.shape.block) {
            guarded_poison(parts, count);
            float *scratch = guarded_floats(codes[c]->convolve_floats(&s.shape));
            for (size_t tile = s.tiles; tile > 0;) {
                const size_t last = tile, first = last > s.shape.block + 2 ? last - s.shape.block - 2 : 0;
                codes[c]->convolve(&s.shape, &s.src.source, transformed, &(rt_winograd_target){.values = parts},
                                   (rt_winograd_part){first, last, 0, s.shape.outputs}, scratch, NULL);
                tile = first;
                for (size_t p = 0; p < s.pixels; ++p) {
                    const size_t column = p % width, row = p / width % height, image = p / width / height;
                    const size_t within = row / code->tile * wide + column / code->tile;
                    const bool done = image * (s.tiles / 3) + within >= first;
                    for (size_t k = 0; k < s.shape.outputs; ++k)
                        assert_true(isnan(parts[p * s.shape.outputs + k]) == !done);
                }
            }
            assert_memory_equal(parts, whole, count * sizeof(float));
        }
        guarded_release();
    }
}

static bool output_sees(rt_winograd_form form, const rt_winograd *shape, size_t output, size_t pixel)
{
    bool sees = false;
    for (size_t tap = 0; tap < 9; ++tap)
        sees |= seen_pixel(form, shape, output, tap) == (ptrdiff_t)pixel;
    return sees;
}

/* A NaN or an infinity reaches every output that sees it, through ReLU and ReLU6 too, and no other tile. */
static void nonfinite_inputs_are_seen(void **state)
{
    (void)state;
    const float strange[] = {NAN, INFINITY, -INFINITY};
    const float ceilings[] = {0.0f, INFINITY, 6.0f};
    enum { SIDE = 12, INPUTS = 19, INPUT = 17, OUTPUTS = 21, PIXEL = (SIDE + 5) * SIDE + 8 };
    for (size_t trial = 0; trial < 9 * RT_WINOGRAD_FORMS; ++trial) {
        const rt_winograd_form form = trial / 9;
        const size_t side = form == RT_WINOGRAD_TRANSPOSED ? 2 * SIDE : SIDE; /* the source's is SIDE */
        struct subject s;
        open_subject(&s, form, winograd_shape(form, side, side, INPUTS, OUTPUTS), 2,
                     trial % 2 ? RT_READ_NORM_RELU : RT_READ_PLAIN, false);
        s.calls = 1;
        s.shape.block = 4;
        ((float *)s.src.source.values)[PIXEL * INPUTS + INPUT] = strange[trial % 3];
        /* max(0, -infinity) is a zero like any other. */
        const bool hidden = s.src.source.reading == RT_READ_NORM_RELU && isinf(strange[trial % 3]) &&
                            strange[trial % 3] * s.src.source.norm.scale[INPUT] < 0.0f;
        for (size_t c = 0; c < code_count; ++c) {
            if (codes[c]->form != form)
                continue;
            float *values = guarded_floats(s.pixels * OUTPUTS);
            double sums[2 * OUTPUTS] = {0.0};
            const float *transformed = transformed_weights(codes[c], &s.shape, s.weights, false);
            rt_winograd_target dst = {.values = values, .ceiling = ceilings[trial % 9 / 3]};
            convolve(&s, codes[c], transformed, &dst, NULL);
            for (size_t i = 0; i < s.pixels * OUTPUTS; ++i) {
                if (output_sees(form, &s.shape, i / OUTPUTS, PIXEL) && !hidden && isnan(strange[trial % 3]))
                    assert_true(isnan(values[i]));
                if (!tile_sees(form, &s.shape, i / OUTPUTS, PIXEL) || hidden)
                    assert_true(isfinite(values[i]));
            }
            dst = (rt_winograd_target){.writing = RT_WRITE_MOMENTS, .values = values};
            convolve(&s, codes[c], transformed, &dst, sums);
            for (size_t i = 0; i < 2 * OUTPUTS; ++i)
                assert_true(isfinite(sums[i]) == hidden);
        }
        guarded_release();
    }
}

int main(void)
{
    code_count = winograd_codes(codes);
    for (size_t c = 0; c < code_count; ++c)
        print_message("%s\n", winograd_code_name(codes[c]));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outputs_are_those_of_float64),
        cmocka_unit_test(tiles_are_computed_alike),
        cmocka_unit_test(nonfinite_inputs_are_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
