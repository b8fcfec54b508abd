/* Weight gradients of 1 x 1 convolutions with a stride and few channels, against their definition in float64: oneDNN's
 * fastest kernel for them writes past its workspace (engine/convolution.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "filling.h"
#include "trial.h"

enum { SIZE = 32, BATCH = 64, MOST_INPUTS = 12, MOST_OUTPUTS = 16, STRIDE = 2, ROW = SIZE / STRIDE };

/* Of an average over pixels: each pixel of the convolution gets its share of the output's gradient. */
static void define(const struct trial *trial, const float *diff_dst, size_t inputs, size_t outputs, double *sums,
                   double *sizes)
{
    for (size_t n = 0; n < BATCH; ++n)
        for (size_t pixel = 0; pixel < ROW * ROW; ++pixel) {
            const size_t y = pixel / ROW * STRIDE, x = pixel % ROW * STRIDE;
            const float *src = trial->images + ((n * SIZE + y) * SIZE + x) * inputs;
            for (size_t o = 0; o < outputs; ++o)
                for (size_t c = 0; c < inputs; ++c) {
                    const double product = (double)src[c] * (double)diff_dst[n * outputs + o] / (ROW * ROW);
                    sums[o * inputs + c] += product;
                    sizes[o * inputs + c] += fabs(product);
                }
        }
}

static void gradients_are_the_definitions(void **state)
{
    (void)state;
    static const size_t cases[][2] = {{1, 8}, {3, 8}, {4, 8}, {4, 16}, {6, 12}, {8, 16}, {12, 16}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        const size_t inputs = cases[i][0], outputs = cases[i][1];
        rt_graph *graph = rt_graph_new();
        int x = rt_graph_input(graph, SIZE, SIZE, inputs);
        x = rt_graph_convolution(graph, "narrow", x,
                                 (rt_window){.channels = outputs, .kernel = 1, .stride = STRIDE, .bias = false});
        rt_graph_output(graph, rt_graph_global_average_pool(graph, "pool", x));
        struct trial trial;
        trial_open(&trial, graph, BATCH, RT_MODE_TRAIN, NULL);
        trial_fill_images(&trial, "images");
        trial_forward(&trial);
        float *diff_dst = rt_plan_output_gradient(trial.plan);
        filling_values("diff_dst", diff_dst, BATCH * outputs);
        double sums[MOST_INPUTS * MOST_OUTPUTS] = {0}, sizes[MOST_INPUTS * MOST_OUTPUTS] = {0};
        define(&trial, diff_dst, inputs, outputs, sums, sizes);
        trial_backward(&trial);
        const float *found = rt_parameter_gradients(trial.parameters, graph->nodes[x].weight);
        for (size_t k = 0; k < inputs * outputs; ++k)
            if (!(fabs((double)found[k] - sums[k]) <= 1e-6 * sizes[k]))
                fail_msg("%zu > %zu channels: gradient %zu is %g, by definition %g", inputs, outputs, k,
                         (double)found[k], sums[k]);
        trial_close(&trial);
        rt_graph_free(graph);
    }
}

int main(void)
{
    trial_begin(2);
    trial_convolve_directly(true);
    const struct CMUnitTest tests[] = {cmocka_unit_test(gradients_are_the_definitions)};
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    trial_end();
    return failed;
}
