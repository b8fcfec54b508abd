/* ONNX files: what is read is what was written, and files under fire are refused in a line or run within their memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "export/lowered.h"
#include "export/onnx.h"
#include "export/protobuf.h"
#include "export/quantize.h"
#include "retort/random.h"
#include "scratch_file.h"

enum { ROUNDS = 4000, SIDE = 6, CHANNELS = 3, CLASSES = 4 };

static int make_folder(void **state)
{
    (void)state;
    return scratch_make("file.onnx");
}

/* A small network with most of the operators. */
static rt_graph *small_graph(void)
{
    rt_graph *graph = rt_graph_new();
    int image = rt_graph_input(graph, SIDE, SIDE, CHANNELS);
    int x = rt_graph_convolution(graph, "conv1", image, (rt_window){.channels = 4, .kernel = 3, .padding = 1});
    x = rt_graph_relu6(graph, "relu1", rt_graph_batch_norm(graph, "bn1", x));
    int y = rt_graph_max_pool(graph, "pool", x, (rt_window){.kernel = 2, .stride = 2});
    int z = rt_graph_subsample(graph, "shortcut", x, 2, 4);
    x = rt_graph_concat(graph, "concat", (int[]){y, z}, 2);
    x = rt_graph_channel_slice(graph, "slice", rt_graph_channel_shuffle(graph, "shuffle", x, 2), 2, 4);
    x = rt_graph_add(graph, "add", x, z);
    x = rt_graph_average_pool(graph, "mean", x, (rt_window){.kernel = 3, .stride = 2, .padding = 1});
    x = rt_graph_scale(graph, "scale", x,
                       rt_graph_hard_sigmoid(graph, "gate", rt_graph_global_average_pool(graph, "squeeze", x)));
    x = rt_graph_layer_norm(graph, "norm", rt_graph_tokens(graph, "tokens", x, "token", "places"), 1e-6);
    x = rt_graph_attention(graph, "attention", rt_graph_linear_each(graph, "qkv", x, 12, true), 2);
    x = rt_graph_gelu(graph, "gelu", rt_graph_hard_swish(graph, "swish", rt_graph_silu(graph, "silu", x)));
    x = rt_graph_resize(graph, "resize", x, 3, 1);
    rt_graph_output(graph, rt_graph_linear(graph, "fc", rt_graph_flatten(graph, "flatten", x), CLASSES, true));
    assert_int_equal(rt_graph_finish(graph, NULL), RT_OK);
    return graph;
}

/* In place of a program, what quantising makes of it. */
static void quantize(rt_program *program)
{
    rt_error err = {0};
    rt_program quantized;
    float image[CHANNELS * SIDE * SIDE], *ranges = calloc(program->value_count, sizeof *ranges);
    assert_non_null(ranges);
    for (size_t i = 0; i < CHANNELS * SIDE * SIDE; ++i)
        image[i] = (float)(i % 17) / 16.0f;
    assert_int_equal(rt_program_measure(program, image, 1, ranges, &err), RT_OK);
    if (rt_program_quantize(program, ranges, &quantized, &err) != RT_OK)
        fail_msg("%s", err.message);
    rt_program_free(program);
    *program = quantized;
    free(ranges);
}

static void write_program(bool normalize, bool int8)
{
    const float mean[CHANNELS] = {0.5f, 0.25f, 0.125f}, std[CHANNELS] = {0.5f, 0.25f, 2.0f};
    rt_error err = {0};
    rt_parameters *parameters;
    rt_program program;
    rt_graph *graph = small_graph();
    assert_int_equal(rt_parameters_new(graph, false, &parameters, &err), RT_OK);
    rt_parameters_initialize(parameters, 1);
    const rt_translation how = {.normalize = normalize, .mean = mean, .std = std};
    assert_int_equal(rt_program_translate(graph, parameters, &how, &program, &err), RT_OK);
    if (int8)
        quantize(&program);
    if (rt_onnx_write(path, &program, "small", &(rt_text_pair){"key", "value"}, 1, &err) != RT_OK)
        fail_msg("%s", err.message);
    rt_program_free(&program);
    rt_parameters_free(parameters);
    rt_graph_free(graph);
}

static void write_small(bool normalize)
{
    write_program(normalize, false);
}

/* Refused with one line, or lowered: then *lowered is to be freed. */
static bool open_file(rt_lowered *lowered)
{
    rt_error err = {0};
    rt_program program;
    rt_status status = rt_onnx_read(path, &program, &err);
    if (status == RT_OK) {
        status = rt_lowered_make(&program, lowered, &err);
        rt_program_free(&program);
    }
    assert_true(status == RT_OK || (err.message[0] != '\0' && !strchr(err.message, '\n')));
    return status == RT_OK;
}

static void run(const rt_lowered *lowered, const float *image, float *logits)
{
    float *arena = calloc(lowered->network.arena_count, sizeof *arena);
    assert_non_null(arena);
    retort_infer(&lowered->network, image, arena, logits);
    free(arena);
}

static void normalisation_is_part_of_the_network(void **state)
{
    (void)state;
    float pixels[CHANNELS * SIDE * SIDE], normalised[CHANNELS * SIDE * SIDE], logits[2][CLASSES];
    const float mean[CHANNELS] = {0.5f, 0.25f, 0.125f}, std[CHANNELS] = {0.5f, 0.25f, 2.0f};
    for (size_t i = 0; i < CHANNELS * SIDE * SIDE; ++i) {
        size_t c = i / (SIDE * SIDE);
        pixels[i] = (float)(i % 17) / 16.0f;
        normalised[i] = (pixels[i] - mean[c]) / std[c];
    }
    for (int normalize = 0; normalize < 2; ++normalize) {
        rt_lowered lowered;
        write_small(normalize);
        assert_true(open_file(&lowered));
        assert_int_equal(lowered.classes, CLASSES);
        run(&lowered, normalize ? pixels : normalised, logits[normalize]);
        rt_lowered_free(&lowered);
    }
    assert_memory_equal(logits[0], logits[1], sizeof logits[0]);
    assert_true(logits[0][0] != logits[0][1]);
}

/* input [1, 1, 1, 2] -> Gemm of one output, as it is -> Gemm of three, whose numbers are chosen so that the result of
 * the equation in quantize.h can be said: steps 0.5 for what it reads, and 0.25, 2 and 1 (all weights are 0) for its
 * outputs. */
static void quantised_numbers_are_those_of_the_equation(void **state)
{
    (void)state;
    static const float first[] = {1.0f, 0.0f};
    static const float second[] = {127 * 0.25f, 127 * -2.0f, 0.0f}, bias[] = {0.0f, 10.0f, 3.0f};
    rt_error err = {0};
    rt_program program = {0}, quantized;
    rt_lowered lowered;
    int x = rt_program_input(&program, "images", &(rt_sizes){4, {1, 1, 1, 2}});
    x = rt_program_operator(&program, RT_OPERATOR_FLATTEN, "rows", &x, 1);
    const int w = rt_program_floats(&program, "first.weight", &(rt_sizes){2, {1, 2}}, first);
    x = rt_program_operator(&program, RT_OPERATOR_GEMM, "first", (int[]){x, w}, 2);
    rt_program_set_integer(&program, "transB", 1);
    const int v = rt_program_floats(&program, "second.weight", &(rt_sizes){2, {3, 1}}, second);
    const int b = rt_program_floats(&program, "second.bias", &(rt_sizes){1, {3}}, bias);
    program.output = rt_program_operator(&program, RT_OPERATOR_GEMM, "second", (int[]){x, v, b}, 3);
    rt_program_set_integer(&program, "transB", 1);
    program.classes = 3;
    assert_int_equal(program.error.status, RT_OK);

    float ranges[16] = {0}, logits[3];
    const float images[] = {127 * 0.5f, 1.0f, -1.0f, 9.0f};
    assert_true(program.value_count <= 16);
    assert_int_equal(rt_program_measure(&program, images, 2, ranges, &err), RT_OK);
    for (size_t i = 0; i < program.value_count; ++i)
        assert_true(ranges[i] == ((int)i == x ? 127 * 0.5f : 0.0f));
    assert_int_equal(rt_program_quantize(&program, ranges, &quantized, &err), RT_OK);
    rt_program_free(&program);
    assert_int_equal(rt_onnx_write(path, &quantized, "quantised", NULL, 0, &err), RT_OK);
    rt_program_free(&quantized);
    assert_true(open_file(&lowered));
    assert_int_equal(lowered.network.step_count, 3 + 1); /* and the zero point */
    static const struct {
        float x, rounded;
    } cases[] = {{0.7f, 0.5f}, {0.75f, 1.0f}, {1.25f, 1.0f}, {-0.8f, -1.0f}, {1000.0f, 63.5f}, {-1000.0f, -64.0f}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        run(&lowered, (float[]){cases[i].x, 5.0f}, logits);
        assert_true(logits[0] == 127 * 0.25f * cases[i].rounded);
        assert_true(logits[1] == 127 * -2.0f * cases[i].rounded + 10.0f);
        assert_true(logits[2] == 3.0f);
    }
    rt_lowered_free(&lowered);
}

/* Steps are bytes: what reads numbers must not get them. */
static void steps_are_for_dequantising_alone(void **state)
{
    (void)state;
    for (int way = 0; way < 2; ++way) {
        rt_error err = {0};
        rt_program program = {0};
        rt_lowered lowered;
        int inputs[3] = {rt_program_input(&program, "images", &(rt_sizes){4, {1, 1, 1, 2}})};
        int8_t *steps = calloc(2, sizeof *steps);
        assert_non_null(steps);
        steps[0] = 1;
        inputs[1] = rt_program_own_steps(&program, "steps", &(rt_sizes){1, {2}}, steps);
        inputs[2] = inputs[1];
        program.output = rt_program_operator(&program, way == 0 ? RT_OPERATOR_ADD : RT_OPERATOR_QUANTIZE_LINEAR, "sum",
                                             inputs, way == 0 ? 2 : 3);
        program.classes = 2;
        assert_int_equal(program.error.status, RT_OK);
        assert_int_equal(rt_lowered_make(&program, &lowered, &err), RT_ERROR_FORMAT);
        rt_program_free(&program);
    }
}

static void damage(bool int8)
{
    rt_error err = {0};
    rt_bytes file;
    size_t refused = 0, taken = 0;
    write_program(true, int8);
    assert_int_equal(rt_file_read(path, 1 << 20, &file, &err), RT_OK);
    unsigned char *changed = malloc(file.size);
    assert_non_null(changed);
    for (uint64_t round = 0; round < ROUNDS; ++round) {
        const rt_key key = {.seed = 1, .index = round};
        uint32_t draw = 0;
        size_t size = file.size;
        memcpy(changed, file.data, size);
        for (uint32_t changes = 1 + rt_random_below(&key, draw++, 3); changes > 0; --changes) {
            size_t place = rt_random_below(&key, draw++, (uint32_t)size);
            uint32_t with = rt_random_below(&key, draw++, 24);
            changed[place] = (unsigned char)(with < 8    ? changed[place] ^ 1U << with
                                             : with < 16 ? with - 8
                                                         : 256 - with);
        }
        if (rt_random_below(&key, draw++, 8) == 0)
            size = rt_random_below(&key, draw++, (uint32_t)size);
        rt_lowered lowered;
        FILE *out = fopen(path, "wb");
        assert_true(out && fwrite(changed, 1, size, out) == size && fclose(out) == 0);
        if (!open_file(&lowered)) {
            ++refused;
            continue;
        }
        ++taken;
        size_t image = lowered.channels * lowered.height * lowered.width;
        if (lowered.network.arena_count < 100000 && lowered.classes < 1000) {
            float *floats = calloc(image + lowered.classes, sizeof *floats);
            assert_non_null(floats);
            run(&lowered, floats, floats + image);
            free(floats);
        }
        rt_lowered_free(&lowered);
    }
    assert_true(refused > ROUNDS / 4 && taken > ROUNDS / 16);
    free(changed);
    rt_bytes_free(&file);
}

static void damaged_files_are_refused_or_run(void **state)
{
    (void)state;
    damage(false);
    damage(true);
}

static void protobuf_numbers_come_back(void **state)
{
    (void)state;
    const int64_t numbers[] = {0, 1, 127, 128, -1, INT64_MIN, INT64_MAX};
    const size_t count = sizeof numbers / sizeof *numbers;
    rt_protobuf out = {0};
    size_t mark;
    for (size_t i = 0; i < count; ++i)
        rt_protobuf_integer(&out, (unsigned)i + 1, numbers[i]);
    rt_protobuf_begin(&out, 1000, &mark);
    rt_protobuf_real(&out, 3, -0.1f);
    rt_protobuf_end(&out, mark);
    rt_protobuf_reader in = {.data = out.data, .size = out.size};
    rt_field field;
    for (size_t i = 0; i < count; ++i) {
        assert_true(rt_protobuf_next(&in, &field));
        assert_int_equal(field.number, i + 1);
        assert_true(field.kind == RT_FIELD_INTEGER && field.integer == numbers[i]);
    }
    assert_true(rt_protobuf_next(&in, &field));
    assert_int_equal(field.number, 1000);
    rt_protobuf_reader within = rt_protobuf_within(&field);
    assert_true(rt_protobuf_next(&within, &field) && field.number == 3 && field.real == -0.1f);
    assert_false(rt_protobuf_next(&within, &field) || rt_protobuf_next(&in, &field));
    assert_false(within.wrong || in.wrong);
    free(out.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(protobuf_numbers_come_back),
        cmocka_unit_test(normalisation_is_part_of_the_network),
        cmocka_unit_test(quantised_numbers_are_those_of_the_equation),
        cmocka_unit_test(steps_are_for_dequantising_alone),
        cmocka_unit_test(damaged_files_are_refused_or_run),
    };
    return cmocka_run_group_tests(tests, make_folder, scratch_remove);
}
