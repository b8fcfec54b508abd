/* Gradients against finite differences: for every network of tests/golden/nodes.txt and each of its parameters, the
 * change of L = sum(output * g) along a random direction v is compared with <gradient, v>. No reference is needed but
 * the forward pass itself.
 *
 * The engine computes in float32: L is known to about 1e-7 of its terms, so a step of 2^-12 in parameters of size 1
 * gives the difference to about 1e-3. Truncation is smaller (networks are linear in one parameter but for norms). Where
 * an input of a ReLU or a max pool changes sides within the step, L has a kink and a difference may be off by some
 * percent. So the images are those of several along which L bends least, and the median of many directions counts. A
 * wrong gradient is off by about 1 along every direction, so that 1e-2 tells right from wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "trial.h"

enum { DIRECTIONS = 15, IMAGES = 12 };
static const double tolerance = 1e-2;
static const double float32_noise = 4e-7;
static const float step = 0x1p-12f;

static const char *golden_path;
static size_t failures, compared;

/* A network on which differences are taken. */
struct subject {
    struct trial trial;
    float *weights;           /* g, [floats] */
    size_t floats;            /* of the output */
    float *start, *direction; /* [graph->trained_floats], of which one parameter's count is used */
};

/* sum(output * g) after a step from `start` along the direction, and the Euclidean norm of its terms. */
static double value_at(struct subject *subject, float *values, size_t count, float by, double *size)
{
    double sum = 0.0, squares = 0.0;
    for (size_t i = 0; i < count; ++i)
        values[i] = subject->start[i] + by * subject->direction[i];
    ++subject->trial.parameters->version;
    trial_forward(&subject->trial);
    const float *output = rt_plan_output(subject->trial.plan);
    for (size_t i = 0; i < subject->floats; ++i) {
        double term = (double)output[i] * (double)subject->weights[i];
        sum += term;
        squares += term * term;
    }
    *size = sqrt(squares);
    return sum;
}

/* How far the difference along a direction is from the gradient's, in units of what is expected along a random one:
 * |gradient| |v| / sqrt(count), or the product itself where that is larger, and never less than what noise would make
 * look like too large an error. */
static double distance(struct subject *subject, float *values, const float *gradient, size_t count)
{
    double noise, product = 0.0, gradient_squares = 0.0, squares = 0.0;
    double after = value_at(subject, values, count, step, &noise);
    for (size_t i = 0; i < count; ++i) {
        float ahead = subject->start[i] + step * subject->direction[i];
        float behind = subject->start[i] - step * subject->direction[i];
        double moved = (double)ahead - (double)behind; /* what rounding made of two steps */
        product += (double)gradient[i] * moved;
        gradient_squares += (double)gradient[i] * (double)gradient[i];
        squares += moved * moved;
    }
    double before = value_at(subject, values, count, -step, &noise);
    double expected = sqrt(gradient_squares * squares / (double)count);
    double unit = fmax(fmax(fabs(product), expected), float32_noise * noise / tolerance);
    return unit > 0.0 ? fabs(after - before - product) / unit : fabs(after - before);
}

static void choose_direction(struct subject *subject, const rt_parameter *about, int number)
{
    char name[RT_NAME_CAPACITY + 16];
    snprintf(name, sizeof name, "%s.%d", about->name, number);
    filling_values(name, subject->direction, about->count);
}

/* How much L bends within a step in one of the parameters, as a share of how much it changes beyond noise; the worst
 * one. The gradient has no say in it. */
static double bend(struct subject *subject)
{
    const rt_graph *graph = subject->trial.parameters->graph;
    double worst = 0.0;
    for (size_t i = 0; i < graph->parameter_count; ++i) {
        double bends = 0.0, changes = 0.0, size = 0.0;
        const rt_parameter *about = &graph->parameters[i];
        float *values = rt_parameter_values(subject->trial.parameters, (int)i);
        if (rt_parameter_is_buffer(about))
            continue;
        memcpy(subject->start, values, about->count * sizeof *values);
        for (int k = 0; k < 3; ++k) {
            choose_direction(subject, about, k);
            double after = value_at(subject, values, about->count, step, &size);
            double before = value_at(subject, values, about->count, -step, &size);
            double here = value_at(subject, values, about->count, 0.0f, &size);
            bends += fabs(after - 2.0 * here + before);
            changes += fabs(after - before);
        }
        worst = fmax(worst, bends / (changes + 3.0 * float32_noise / tolerance * size));
    }
    return worst;
}

static void choose_images(struct subject *subject)
{
    char name[32], best[32] = "";
    double least = 0.0;
    for (int k = 0; k < IMAGES; ++k) {
        snprintf(name, sizeof name, "images.%d", k);
        trial_fill_images(&subject->trial, name);
        double found = bend(subject);
        if (k > 0 && found >= least)
            continue;
        least = found;
        memcpy(best, name, sizeof best);
    }
    trial_fill_images(&subject->trial, best);
}

static int smaller_first(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double check_parameter(struct subject *subject, int number)
{
    const rt_parameter *about = &subject->trial.parameters->graph->parameters[number];
    float *values = rt_parameter_values(subject->trial.parameters, number);
    const float *gradient = rt_parameter_gradients(subject->trial.parameters, number);
    double distances[DIRECTIONS];
    memcpy(subject->start, values, about->count * sizeof *values);
    for (int k = 0; k < DIRECTIONS; ++k) {
        choose_direction(subject, about, k);
        distances[k] = distance(subject, values, gradient, about->count);
    }
    memcpy(values, subject->start, about->count * sizeof *values);
    qsort(distances, DIRECTIONS, sizeof *distances, smaller_first);
    const double median = distances[DIRECTIONS / 2];
    ++compared;
    if (!(median <= tolerance)) {
        ++failures;
        print_message("%s: the gradient is off by %.1e\n", about->name, median);
    }
    return median;
}

static void check(const char *name, const rt_graph *graph, rt_mode mode)
{
    struct subject subject = {.floats = rt_extent_floats(graph->nodes[graph->output].shape)};
    double worst = 0.0;
    subject.weights = malloc(subject.floats * sizeof(float));
    subject.start = malloc(graph->trained_floats * sizeof(float));
    subject.direction = malloc(graph->trained_floats * sizeof(float));
    assert_true(subject.weights && subject.start && subject.direction);
    filling_values("output gradient", subject.weights, subject.floats);
    trial_open(&subject.trial, graph, 1, mode, NULL); /* one image: fewer sides to change */
    choose_images(&subject);
    trial_forward(&subject.trial);
    memcpy(rt_plan_output_gradient(subject.trial.plan), subject.weights, subject.floats * sizeof(float));
    trial_backward(&subject.trial);
    for (size_t i = 0; i < graph->parameter_count; ++i)
        if (!rt_parameter_is_buffer(&graph->parameters[i]))
            worst = fmax(worst, check_parameter(&subject, (int)i));
    trial_close(&subject.trial);
    free(subject.weights);
    free(subject.start);
    free(subject.direction);
    print_message("%-36s %-6s largest median distance %.1e\n", name, trial_mode_name(mode), worst);
}

static void gradients_agree_with_finite_differences(void **state)
{
    (void)state;
    struct golden golden;
    struct golden_tensor tensor;
    char name[64] = "", layer[RT_NAME_CAPACITY] = "";
    rt_graph *graph = NULL;
    golden_open(&golden, golden_path);
    while (golden_next(&golden)) {
        if (golden_is(&golden, "case")) {
            rt_graph_free(graph);
            graph = rt_graph_new();
            snprintf(name, sizeof name, "%s", golden_word(&golden, 1));
        } else if (golden_is(&golden, "mode")) {
            rt_graph_output(graph, rt_graph_find(graph, layer));
            check(name, graph, strcmp(golden_word(&golden, 1), "eval") == 0 ? RT_MODE_EVAL : RT_MODE_TRAIN);
        } else if (!golden_tensor(&golden, &tensor)) {
            assert_true(golden_layer(&golden, graph));
            snprintf(layer, sizeof layer, "%s", golden_word(&golden, 1));
        }
    }
    rt_graph_free(graph);
    golden_close(&golden);
    assert_true(compared > 200);
    assert_int_equal(failures, 0);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s tests/golden/nodes.txt\n", argv[0]);
        return EXIT_FAILURE;
    }
    golden_path = argv[1];
    trial_begin(1);
    const struct CMUnitTest tests[] = {cmocka_unit_test(gradients_agree_with_finite_differences)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    trial_end();
    return failed;
}
