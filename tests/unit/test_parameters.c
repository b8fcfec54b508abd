/* Where parameters lie, and what they start as. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <malloc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "graph/parameters.h"

static void parameters_do_not_overlap(void **state)
{
    (void)state;
    rt_graph *graph = rt_graph_new();
    int x = rt_graph_input(graph, 8, 6, 3);
    for (size_t layer = 0; layer < 5; ++layer) {
        char name[2][16];
        snprintf(name[0], sizeof name[0], "conv%zu", layer);
        snprintf(name[1], sizeof name[1], "bn%zu", layer);
        x = rt_graph_convolution(graph, name[0], x, (rt_window){.channels = 3 + layer, .kernel = 1, .bias = true});
        x = rt_graph_batch_norm(graph, name[1], x);
    }
    assert_int_equal(graph->parameter_count, 5 * 6);
    size_t ends[2] = {0, 0};
    for (size_t i = 0; i < graph->parameter_count; ++i) {
        const rt_parameter *p = &graph->parameters[i];
        size_t *end = &ends[rt_parameter_is_buffer(p)];
        assert_true(p->offset >= *end);
        assert_int_equal(p->offset % 16, 0);
        *end = p->offset + p->count;
    }
    assert_true(ends[0] <= graph->trained_floats && ends[1] <= graph->buffer_floats);
    rt_graph_free(graph);
}

static void parameters_start_as_pytorchs(void **state)
{
    (void)state;
    rt_error err = {0};
    rt_graph *graph = rt_graph_new();
    int x = rt_graph_input(graph, 1, 1, 64);
    x = rt_graph_convolution(graph, "conv", x, (rt_window){.channels = 128, .kernel = 3, .padding = 1, .groups = 4});
    x = rt_graph_batch_norm(graph, "bn", x);
    rt_graph_output(graph, rt_graph_linear(graph, "fc", x, 100, true));
    rt_parameters *first, *second;
    assert_int_equal(rt_graph_finish(graph, &err), RT_OK);
    assert_int_equal(rt_parameters_new(graph, true, &first, &err), RT_OK);
    assert_int_equal(rt_parameters_new(graph, false, &second, &err), RT_OK);
    assert_null(second->gradients);
    uint64_t version = first->version;
    rt_parameters_initialize(first, 7);
    assert_true(first->version > version);
    rt_parameters_initialize(second, 8);
    assert_memory_not_equal(first->values, second->values, graph->parameters[0].count * sizeof(float));
    rt_parameters_copy(second, first);
    rt_parameters_initialize(first, 7);
    assert_memory_equal(first->values, second->values, graph->trained_floats * sizeof(float));
    assert_memory_equal(first->buffers, second->buffers, graph->buffer_floats * sizeof(float));

    /* torch.nn.init.kaiming_normal_(mode='fan_out') counts the outputs of all groups. */
    double squares = 0.0, bound = 1.0 / sqrt(128.0), largest = 0.0;
    const float *weights = rt_parameter_values(first, graph->nodes[1].weight);
    size_t count = graph->parameters[graph->nodes[1].weight].count;
    for (size_t i = 0; i < count; ++i)
        squares += (double)weights[i] * (double)weights[i];
    double variance = squares / (double)count, expected = 2.0 / (128.0 * 9.0);
    assert_true(fabs(variance / expected - 1.0) < 4.0 * sqrt(2.0 / (double)count));
    /* Made-up ones have the same deviation, and all else is as it was. A uniform variate's square has 4/5 of its mean's
     * square as variance. */
    rt_parameters_make_up(second, 7);
    const float *made_up = rt_parameter_values(second, graph->nodes[1].weight);
    double sum = squares = 0.0;
    for (size_t i = 0; i < count; ++i) {
        squares += (double)made_up[i] * (double)made_up[i];
        sum += (double)made_up[i];
    }
    assert_true(fabs(squares / (double)count / expected - 1.0) < 4.0 * sqrt(0.8 / (double)count));
    assert_true(fabs(sum) < 4.0 * sqrt((double)count * expected));
    for (size_t p = 0; p < graph->parameter_count; ++p)
        if ((int)p != graph->nodes[1].weight)
            assert_memory_equal(rt_parameter_values(second, (int)p), rt_parameter_values(first, (int)p),
                                graph->parameters[p].count * sizeof(float));
    const rt_norm *norm = &graph->nodes[2].norm;
    for (size_t c = 0; c < 128; ++c) {
        assert_true(rt_parameter_values(first, norm->weight)[c] == 1.0f);
        assert_true(rt_parameter_values(first, norm->bias)[c] == 0.0f);
        assert_true(rt_parameter_values(first, norm->running_mean)[c] == 0.0f);
        assert_true(rt_parameter_values(first, norm->running_var)[c] == 1.0f);
    }
    weights = rt_parameter_values(first, graph->nodes[3].weight);
    for (size_t i = 0; i < 128 * 100; ++i)
        largest = fmax(largest, fabs((double)weights[i]));
    assert_true(largest <= bound && largest > 0.99 * bound);
    rt_parameters_free(first);
    rt_parameters_free(second);
    rt_graph_free(graph);
}

/* Small and large blocks, also where malloc hands out again what was written to and freed: it is told to take even
 * large ones from its heap, and to keep that. */
static void blocks_are_zero_however_often(void **state)
{
    (void)state;
    const size_t sizes[] = {1000, (size_t)9 << 20};
    mallopt(M_MMAP_MAX, 0);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    for (size_t s = 0; s < 2; ++s)
        for (int time = 0; time < 5; ++time) {
            volatile unsigned char *block = rt_aligned_zeros(sizes[s]); /* else nobody writes what is freed next */
            assert_non_null((const void *)(uintptr_t)block);
            assert_int_equal((uintptr_t)block % 64, 0);
            size_t written = 0;
            for (size_t i = 0; i < sizes[s]; ++i)
                written += block[i] != 0;
            assert_int_equal(written, 0);
            for (size_t i = 0; i < sizes[s]; ++i)
                block[i] = 0xA5;
            free((void *)(uintptr_t)block);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameters_do_not_overlap),
        cmocka_unit_test(parameters_start_as_pytorchs),
        cmocka_unit_test(blocks_are_zero_however_often),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
