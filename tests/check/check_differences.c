/* Gradients against finite differences: for every network of tests/golden/nodes.txt, and for one of each family with
 * all of its taps, and each of its parameters, the change of L = sum(output * g) along a random direction v is compared
 * with <gradient, v>; taps add their own sum(values * g) to L. No reference is needed but the forward pass itself.
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

#include "models/models.h"
#include "recipe/recipe.h"
#include "trial.h"

enum { DIRECTIONS = 15, IMAGES = 12 };
static double tolerance = 1e-2;
static const double float32_noise = 4e-7;
static const float step = 0x1p-12f;

static const char *golden_path;
static size_t failures, compared;

enum { MOST_PARTS = 16 };

/* The output or a tap, and its share of L. */
struct part {
    int tap;        /* -1 for the output */
    float *weights; /* g, [floats] */
    size_t floats;
};

/* A network on which differences are taken. */
struct subject {
    struct trial trial;
    struct part parts[MOST_PARTS];
    size_t part_count;
    float *start, *direction; /* [graph->trained_floats], of which one parameter's count is used */
};

static void add_part(struct subject *subject, const rt_graph *graph, int tap)
{
    size_t node = (size_t)(tap < 0 ? graph->output : graph->taps[tap].node);
    struct part *part = &subject->parts[subject->part_count++];
    *part = (struct part){.tap = tap, .floats = rt_extent_floats(graph->nodes[node].shape)};
    part->weights = malloc(part->floats * sizeof(float));
    assert_true(part->weights && subject->part_count <= MOST_PARTS);
    filling_values(tap < 0 ? "output gradient" : graph->taps[tap].name, part->weights, part->floats);
    /* A map has more values than the logits: its share is to be about as large as theirs. */
    for (size_t i = 0; tap >= 0 && i < part->floats; ++i)
        part->weights[i] /= sqrtf((float)part->floats);
}

static const float *part_values(const struct subject *subject, const struct part *part)
{
    const rt_plan *plan = subject->trial.plan;
    return part->tap < 0 ? rt_plan_output(plan) : rt_plan_tap(plan, part->tap);
}

static float *part_gradient(const struct subject *subject, const struct part *part)
{
    const rt_plan *plan = subject->trial.plan;
    return part->tap < 0 ? rt_plan_output_gradient(plan) : rt_plan_tap_gradient(plan, part->tap);
}

/* L after a step from `start` along the direction, and the Euclidean norm of its terms. */
static double value_at(struct subject *subject, float *values, size_t count, float by, double *size)
{
    double sum = 0.0, squares = 0.0;
    for (size_t i = 0; i < count; ++i)
        values[i] = subject->start[i] + by * subject->direction[i];
    ++subject->trial.parameters->version;
    trial_forward(&subject->trial);
    for (size_t p = 0; p < subject->part_count; ++p) {
        const float *output = part_values(subject, &subject->parts[p]);
        for (size_t i = 0; i < subject->parts[p].floats; ++i) {
            double term = (double)output[i] * (double)subject->parts[p].weights[i];
            sum += term;
            squares += term * term;
        }
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
    struct subject subject = {0};
    double worst = 0.0;
    add_part(&subject, graph, -1);
    for (size_t t = 0; t < graph->tap_count; ++t)
        if (graph->taps[t].kept)
            add_part(&subject, graph, (int)t);
    subject.start = malloc(graph->trained_floats * sizeof(float));
    subject.direction = malloc(graph->trained_floats * sizeof(float));
    assert_true(subject.start && subject.direction);
    trial_open(&subject.trial, graph, 1, mode, NULL); /* one image: fewer sides to change */
    choose_images(&subject);
    trial_forward(&subject.trial);
    for (size_t p = 0; p < subject.part_count; ++p)
        memcpy(part_gradient(&subject, &subject.parts[p]), subject.parts[p].weights,
               subject.parts[p].floats * sizeof(float));
    trial_backward(&subject.trial);
    for (size_t i = 0; i < graph->parameter_count; ++i)
        if (!rt_parameter_is_buffer(&graph->parameters[i]))
            worst = fmax(worst, check_parameter(&subject, (int)i));
    trial_close(&subject.trial);
    for (size_t p = 0; p < subject.part_count; ++p)
        free(subject.parts[p].weights);
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

static rt_graph *build(const char *model, const char *setting)
{
    rt_error err = {0};
    const rt_model_family *family = rt_model_find(model);
    assert_non_null(family);
    void *settings = calloc(1, family->settings_size + 1);
    assert_int_equal(rt_settings_parse(model, family->params, &setting, 1, settings, &err), RT_OK);
    rt_graph *graph = rt_graph_new();
    family->build(graph, model, settings, &(rt_model_input){32, 32, 3, 5});
    free(settings);
    if (rt_graph_finish(graph, &err) != RT_OK)
        fail_msg("%s", err.message);
    return graph;
}

static void taps_agree_with_finite_differences(void **state)
{
    (void)state;
    /* The others have biases in front of norms, whose gradients are noise, and norms of one image's few pixels. */
    enum { TRAINED = 4 };
    static const char *const models[][2] = {{"convnet", "hidden=4"},          {"resnet8", "width=0.25"},
                                            {"resnet8", "shortcut=identity"}, {"wrn_10_1", "width=0.25"},
                                            {"vgg8", "width=0.0625"},         {"mobilenetv2", "width=0.125"}};
    compared = failures = 0;
    tolerance = 0.1; /* a network has many kinks; without one of its taps a gradient is off by a third and more */
    for (size_t m = 0; m < sizeof models / sizeof *models; ++m) {
        rt_graph *graph = build(models[m][0], models[m][1]);
        size_t taps = graph->tap_count;
        assert_true(taps >= 3);
        for (size_t t = 0; t < taps; ++t)
            rt_graph_keep(graph, graph->taps[t].name);
        if (m < TRAINED)
            check(models[m][0], graph, RT_MODE_TRAIN);
        /* Places that are fused away unless they are kept. */
        for (size_t i = 0; i < graph->node_count; ++i)
            if (graph->nodes[i].kind == RT_NODE_BATCH_NORM && graph->tap_count < MOST_PARTS - 1)
                rt_graph_keep(graph, graph->nodes[i].name);
        assert_true(graph->tap_count > taps);
        check(models[m][0], graph, RT_MODE_EVAL);
        rt_graph_free(graph);
    }
    assert_true(compared > 100);
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(gradients_agree_with_finite_differences),
                                       cmocka_unit_test(taps_agree_with_finite_differences)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    trial_end();
    return failed;
}
