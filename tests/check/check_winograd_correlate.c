/* Winograd's weight gradient, in every form that has one and instruction set that this CPU has, against float64
 * (winograd_reference.h): all readings of both sides, in blocks of several sizes, shared out by tiles and by outputs as
 * threads do; and the same in pieces, to the bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "winograd_reference.h"

static const size_t maps[][2] = {{1, 1}, {2, 2}, {3, 3}, {4, 4}, {5, 7}, {8, 8}, {9, 6}, {13, 10}};
static const size_t channels[][2] = {{1, 3}, {3, 8}, {8, 17}, {17, 33}, {33, 48}, {48, 1}, {40, 70}};
static const size_t batches[] = {1, 3};

enum { MAPS = sizeof maps / sizeof *maps, CHANNELS = sizeof channels / sizeof *channels };

static const rt_winograd_code *codes[MOST_CODES];
static size_t code_count;

/* Units allowed: about three times the most that was seen in any code of the form. Sums of diff_dst are float32 within
 * a tile, of 16 values: 16 units of sum |diff_dst| and the reading's 4 at the most. */
enum quantity { GRADIENTS, SUMS, QUANTITIES };
static const struct {
    const char *name;
    double allowed[RT_WINOGRAD_FORMS];
} quantities[QUANTITIES] = {{"weight gradients", {110, 40}}, {"sums of diff_dst", {6, 6}}};

static struct worst worst[MOST_CODES][QUANTITIES];

struct subject {
    rt_winograd shape;
    size_t pixels, tiles;            /* pixels: of outputs */
    size_t tile_parts, output_parts; /* one of them is 1 */
    struct operand src, diff_dst;
};

static void open_subject(struct subject *s, rt_winograd_form form, rt_winograd shape, size_t batch,
                         rt_winograd_reading src, rt_winograd_reading diff_dst)
{
    *s = (struct subject){.shape = shape};
    s->pixels = batch * shape.dst_height * shape.dst_width;
    s->tiles = batch * rt_winograd_tiles(rt_winograd_code_for(form, 4), &shape);
    s->src = operand_of("source", src, batch * shape.src_height * shape.src_width, shape.inputs);
    s->diff_dst = operand_of("gradient", diff_dst, s->pixels, shape.outputs);
}

/* The first output of a part: a multiple of lanes, but for the end. */
static size_t first_output(const struct subject *s, size_t lanes, size_t part)
{
    return part == s->output_parts ? s->shape.outputs : s->shape.outputs / lanes * part / s->output_parts * lanes;
}

/* All parts, then what they come to, for some input channels at a time. */
static void correlate(const struct subject *s, const rt_winograd_code *code, float *diff_weights, double *sums)
{
    const size_t inputs = s->shape.inputs, floats = code->correlate_floats(&s->shape);
    float *scratch = guarded_floats(floats);
    for (size_t o = 0; o < s->output_parts; ++o) {
        rt_winograd_part part = {.first_output = first_output(s, code->lanes, o),
                                 .last_output = first_output(s, code->lanes, o + 1)};
        const size_t outputs = part.last_output - part.first_output;
        if (outputs == 0)
            continue;
        /* Products lie apart, with something else between them. */
        const size_t product = code->product_floats(inputs, outputs), stride = product + 5;
        float *products = guarded_floats((s->tile_parts - 1) * stride + product);
        for (size_t t = 0; t < s->tile_parts; ++t) {
            part.first_tile = s->tiles * t / s->tile_parts;
            part.last_tile = s->tiles * (t + 1) / s->tile_parts;
            guarded_poison(scratch, floats);
            code->correlate(&s->shape, &s->src.source, &s->diff_dst.source, part, scratch, products + t * stride, sums);
        }
        for (size_t first = 0, last; first < inputs; first = last) {
            last = first + 1 + first % 23 < inputs ? first + 1 + first % 23 : inputs;
            code->transform_product(inputs, outputs, products, s->tile_parts, stride, first, last,
                                    diff_weights + part.first_output * inputs * 9);
        }
    }
}

static void check(const struct subject *s, const rt_winograd_code *code, const double *expected,
                  const double *magnitude, struct worst *units)
{
    const size_t outputs = s->shape.outputs, count = outputs * s->shape.inputs * 9;
    float *diff_weights = guarded_floats(count);
    double *sums = guarded_doubles(outputs);
    memset(sums, 0, outputs * sizeof *sums);
    correlate(s, code, diff_weights, sums);
    for (size_t i = 0; i < count; ++i)
        worst_note(&units[GRADIENTS], (double)diff_weights[i], expected[i], magnitude[i]);
    for (size_t k = 0; k < outputs; ++k) {
        double sum = 0.0, size = 0.0;
        for (size_t p = 0; p < s->pixels; ++p) {
            sum += s->diff_dst.values[p * outputs + k];
            size += s->diff_dst.magnitudes[p * outputs + k];
        }
        worst_note(&units[SUMS], sums[k], sum, size);
    }
}

/* All readings of one shape, in all codes of a form. */
static void check_form(rt_winograd_form form, size_t number)
{
    static const rt_winograd_reading readings[][2] = {{RT_READ_PLAIN, RT_READ_PLAIN},
                                                      {RT_READ_NORM_RELU, RT_READ_PLAIN},
                                                      {RT_READ_PLAIN, RT_READ_NORM_BACKWARD},
                                                      {RT_READ_NORM, RT_READ_NORM_BACKWARD}};
    static const size_t shares[][2] = {{1, 1}, {2, 1}, {3, 1}, {1, 2}, {1, 3}, {7, 1}};
    const size_t *map = maps[number % MAPS], *wide = channels[number / MAPS % CHANNELS];
    const size_t batch = batches[number / MAPS / CHANNELS];
    for (size_t r = 0; r < sizeof readings / sizeof *readings; ++r) {
        struct subject s;
        open_subject(&s, form, winograd_shape(form, map[0], map[1], wide[0], wide[1]), batch, readings[r][0],
                     readings[r][1]);
        const size_t count = s.shape.outputs * s.shape.inputs * 9;
        double *expected = guarded_doubles(count), *magnitude = guarded_doubles(count);
        reference_correlate(form, &s.shape, batch, &s.src, &s.diff_dst, expected, magnitude);
        /* Every second way to share out; the others have their turn with the other batch. */
        for (size_t share = number / MAPS % 2; share < sizeof shares / sizeof *shares; share += 2) {
            const size_t blocks[] = {1, 5, 24, s.tiles + 3};
            s.shape.block = blocks[(number + r + share) % 4];
            s.tile_parts = shares[share][0];
            s.output_parts = shares[share][1];
            for (size_t c = 0; c < code_count; ++c)
                if (codes[c]->form == form)
                    check(&s, codes[c], expected, magnitude, worst[c]);
        }
        guarded_release();
    }
}

static void gradients_are_those_of_float64(void **state)
{
    (void)state;
    for (size_t number = 0; number < MAPS * CHANNELS * 2; ++number) {
        check_form(RT_WINOGRAD_UNIT, number);
        check_form(RT_WINOGRAD_STRIDED, number);
    }
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

/* Whether the tap of any output sees the pixel, or if it is an output's, anything. */
static bool tap_sees(rt_winograd_form form, const struct subject *s, size_t tap, size_t pixel, bool is_output)
{
    bool sees = false;
    for (size_t output = 0; output < s->pixels; ++output) {
        const ptrdiff_t seen = seen_pixel(form, &s->shape, output, tap);
        sees |= is_output ? output == pixel && seen >= 0 : seen == (ptrdiff_t)pixel;
    }
    return sees;
}

/* A NaN of the source reaches its input's kernels, one of diff_dst its output's, every tap that meets it, and no other
 * kernel. */
static void nonfinite_values_are_seen(void **state)
{
    (void)state;
    enum { SIDE = 6, INPUTS = 19, OUTPUTS = 21, PIXEL = 15, INPUT = 17, OUTPUT = 20 };
    for (size_t number = 0; number < 8; ++number) {
        const rt_winograd_form form = number / 4 ? RT_WINOGRAD_STRIDED : RT_WINOGRAD_UNIT;
        const size_t trial = number % 4;
        struct subject s;
        open_subject(&s, form, winograd_shape(form, SIDE, SIDE, INPUTS, OUTPUTS), 2,
                     trial % 2 ? RT_READ_NORM_RELU : RT_READ_PLAIN, trial % 2 ? RT_READ_NORM_BACKWARD : RT_READ_PLAIN);
        s.shape.block = 3;
        s.tile_parts = 2;
        s.output_parts = 1;
        if (trial < 2)
            ((float *)s.src.source.values)[PIXEL * INPUTS + INPUT] = NAN;
        else
            ((float *)s.diff_dst.source.values)[PIXEL * OUTPUTS + OUTPUT] = NAN;
        for (size_t c = 0; c < code_count; ++c) {
            if (codes[c]->form != form)
                continue;
            float *diff_weights = guarded_floats(OUTPUTS * INPUTS * 9);
            double sums[OUTPUTS] = {0.0};
            correlate(&s, codes[c], diff_weights, sums);
            for (size_t i = 0; i < OUTPUTS * INPUTS * 9; ++i) {
                const bool may = trial < 2 ? i / 9 % INPUTS == INPUT : i / 9 / INPUTS == OUTPUT;
                const bool found = isnan(diff_weights[i]);
                assert_true(found ? may : !may || !tap_sees(form, &s, i % 9, PIXEL, trial >= 2));
            }
            for (size_t k = 0; k < OUTPUTS; ++k)
                assert_true(isnan(sums[k]) == (trial >= 2 && k == OUTPUT));
        }
        guarded_release();
    }
}

/* correlate_once() makes the same from chunks of inputs and outputs, of which there are several here and the last ones
 * smaller, and from sources that were read in three calls; tiles are more than pass by in one run. */
static void pieces_have_the_same_bits(void **state)
{
    (void)state;
    enum { BATCH = 40, TILES = BATCH * 4, INPUTS = 69, OUTPUTS = 75, COUNT = OUTPUTS * INPUTS * 9 };
    for (size_t parts = 1; parts <= 2; ++parts)
        for (size_t c = 0; c < code_count; ++c) {
            const rt_winograd_code *code = codes[c];
            const size_t side = code->form == RT_WINOGRAD_UNIT ? 8 : 16;
            struct subject s;
            open_subject(&s, code->form, winograd_shape(code->form, side, side, INPUTS, OUTPUTS), BATCH,
                         RT_READ_NORM_RELU, RT_READ_PLAIN);
            assert_int_equal(s.tiles, TILES);
            s.shape.block = TILES;
            s.tile_parts = 1;
            s.output_parts = parts;
            float *whole = guarded_floats(COUNT), *pieces = guarded_floats(COUNT);
            float *sources = guarded_floats(code->sources_floats(&s.shape));
            double sums[OUTPUTS] = {0.0}, sums_of_pieces[OUTPUTS] = {0.0};
            correlate(&s, code, whole, sums);
            for (size_t o = 0; o < parts; ++o) {
                const rt_winograd_part part = {0, TILES, first_output(&s, code->lanes, o),
                                               first_output(&s, code->lanes, o + 1)};
                float *scratch =
                    guarded_floats(code->correlate_once_floats(&s.shape, part.last_output - part.first_output));
                for (size_t third = 3; o == 0 && third-- > 0;)
                    code->read_sources(&s.shape, &s.src.source, TILES * third / 3, TILES * (third + 1) / 3, scratch,
                                       sources);
                code->correlate_once(&s.shape, sources, &s.diff_dst.source, part, scratch, pieces, sums_of_pieces);
            }
            assert_memory_equal(whole, pieces, COUNT * sizeof *whole);
            assert_memory_equal(sums, sums_of_pieces, sizeof sums);
            guarded_release();
        }
}

int main(void)
{
    const rt_winograd_code *all[MOST_CODES];
    const size_t count = winograd_codes(all);
    for (size_t c = 0; c < count; ++c)
        if (all[c]->correlate) {
            codes[code_count++] = all[c];
            print_message("%s\n", winograd_code_name(all[c]));
        }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_those_of_float64),
        cmocka_unit_test(nonfinite_values_are_seen),
        cmocka_unit_test(pieces_have_the_same_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
