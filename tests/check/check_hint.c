/* A network that learns from labels and from a hint behind an adapter, against tests/golden/hint.txt: logits, the
 * hint's value and every gradient, the adapter's included. The error allowed is check_network's: twice that of
 * PyTorch's float32, and 16 times with Winograd's algorithm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <stdlib.h>

#include "losses/losses.h"
#include "models/models.h"
#include "recipe/recipe.h"
#include "train/adapter.h"
#include "train/term.h"
#include "trial.h"

enum { CLASSES = 100 };

static const char *golden_path;

static const rt_loss *find_loss(const char *name)
{
    for (size_t i = 0; i < rt_loss_count; ++i)
        if (strcmp(rt_losses[i]->name, name) == 0)
            return rt_losses[i];
    fail_msg("there is no loss '%s'", name);
    return NULL;
}

/* resnet8 with an adapter behind its second stage; *tap is what it puts out. */
static rt_graph *build(const struct golden *golden, int *tap)
{
    _Alignas(max_align_t) unsigned char settings[256] = {0};
    const rt_model_family *family = rt_model_find("resnet8");
    const rt_extent to = {golden_option(golden, "height", 0), golden_option(golden, "width", 0),
                          golden_option(golden, "channels", 0)};
    rt_param_defaults(family->params, settings);
    rt_graph *graph = rt_graph_new();
    family->build(graph, "resnet8", settings, &(rt_model_input){32, 32, 3, CLASSES});
    int layer = graph->taps[rt_graph_find_tap(graph, "layer2")].node;
    int node = rt_adapter_add(graph, "loss.1.adapter", layer, to, false);
    *tap = rt_graph_keep(graph, graph->nodes[node].name);
    assert_int_equal(rt_graph_finish(graph, NULL), RT_OK);
    return graph;
}

/* Runs a loss with its defaults; its value. */
static float judge(const char *name, double weight, const rt_loss_array *arrays, size_t count)
{
    _Alignas(max_align_t) unsigned char settings[256] = {0};
    const rt_loss *loss = find_loss(name);
    rt_error err = {0};
    rt_loss_term term;
    double value;
    rt_param_defaults(loss->params, settings);
    if (rt_loss_term_open(&term, loss, settings, weight, NULL, arrays, count, &err) != RT_OK ||
        rt_loss_term_run(&term, 0, &value, &err) != RT_OK)
        fail_msg("%s", err.message);
    rt_loss_term_close(&term);
    return (float)value;
}

static size_t check(bool directly)
{
    struct golden golden;
    struct golden_tensor tensor;
    struct trial trial;
    size_t far = 0, gradients = 0;
    int tap;
    const double factor = directly ? 2.0 : 16.0;
    golden_open(&golden, golden_path);
    assert_true(golden_next(&golden) && golden_is(&golden, "run"));
    rt_graph *graph = build(&golden, &tap);
    const size_t batch = golden_option(&golden, "batch", 0),
                 cells = rt_extent_floats(graph->nodes[graph->taps[tap].node].shape);
    const rt_extent extent = graph->nodes[graph->taps[tap].node].shape;
    trial_convolve_directly(directly);
    trial_open(&trial, graph, batch, RT_MODE_TRAIN, NULL);
    trial_fill_images(&trial, golden_word(&golden, 1));
    trial_forward(&trial);

    float *teacher = malloc(batch * cells * sizeof(float));
    int64_t *labels = malloc(batch * sizeof *labels);
    filling_values("teacher", teacher, batch * cells);
    for (size_t n = 0; n < batch; ++n)
        labels[n] = filling_word(golden_word(&golden, 1), n) % CLASSES;
    const rt_shape features = {4, {batch, extent.height, extent.width, extent.channels}};
    const rt_loss_array arrays[] = {
        {"student.logits",
         {.shape = {2, {batch, CLASSES}},
          .values = rt_plan_output(trial.plan),
          .gradient = rt_plan_output_gradient(trial.plan)}},
        {"labels", {.shape = {1, {batch}}, .indices = labels}},
        {"student.features",
         {.shape = features,
          .values = rt_plan_tap(trial.plan, tap),
          .gradient = rt_plan_tap_gradient(trial.plan, tap)}},
        {"teacher.features", {.shape = features, .values = teacher}},
    };
    judge("cross_entropy", 1.0, arrays, 4);
    float hint = judge("fitnet", golden_real_option(&golden, "weight", 0.0), arrays, 4);
    trial_backward(&trial);
    while (golden_next(&golden) && golden_tensor(&golden, &tensor)) {
        bool is_hint = strcmp(tensor.name, "hint") == 0;
        struct golden_distance distance = golden_distance(&tensor, is_hint ? &hint : trial_tensor(&trial, &tensor));
        double allowed = factor * fmax(tensor.float32_error, (double)FLT_EPSILON);
        bool close = distance.error <= allowed && distance.whole <= 1e-5 + allowed;
        print_message("%-8s %-30s error %.2e, PyTorch float32 %.2e%s\n", tensor.tag, tensor.name, distance.error,
                      tensor.float32_error, close ? "" : "  TOO FAR");
        far += !close;
        gradients += strcmp(tensor.tag, "gradient") == 0;
    }
    size_t trained = 0;
    for (size_t i = 0; i < graph->parameter_count; ++i)
        trained += !rt_parameter_is_buffer(&graph->parameters[i]);
    assert_int_equal(gradients, trained);
    golden_close(&golden);
    free(teacher);
    free(labels);
    trial_close(&trial);
    rt_graph_free(graph);
    return far;
}

static void hints_are_as_exact_as_pytorch(void **state)
{
    (void)state;
    assert_int_equal(check(true), 0);
    assert_int_equal(check(false), 0);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s tests/golden/hint.txt\n", argv[0]);
        return EXIT_FAILURE;
    }
    golden_path = argv[1];
    trial_begin(2);
    const struct CMUnitTest tests[] = {cmocka_unit_test(hints_are_as_exact_as_pytorch)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    trial_end();
    return failed;
}
