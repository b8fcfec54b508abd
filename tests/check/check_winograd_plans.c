/* Networks under Winograd's algorithm, with batch norms that are left to their neighbours (norm_link.h), against the
 * same networks with direct convolutions and batch norms of their own: logits, gradients and running statistics, in all
 * modes, with one thread and several. And that a frozen network's logits do not depend on an image's place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "base/threads.h"
#include "engine/place_probe.h"
#include "engine/plan_state.h"
#include "trial.h"

enum { MOST_THREADS = 3, CLASSES = 10 };

static int convolution(rt_graph *graph, const char *name, int source, size_t channels, size_t kernel, size_t stride,
                       bool bias)
{
    return rt_graph_convolution(
        graph, name, source,
        (rt_window){.channels = channels, .kernel = kernel, .stride = stride, .padding = kernel / 2, .bias = bias});
}

static int norm_relu(rt_graph *graph, const char *name, int source)
{
    char relu[RT_NAME_CAPACITY];
    snprintf(relu, sizeof relu, "%s.relu", name);
    return rt_graph_relu(graph, relu, rt_graph_batch_norm(graph, name, source));
}

static int chain(rt_graph *graph, int x)
{
    x = norm_relu(graph, "bn1", convolution(graph, "conv1", x, 16, 3, 1, false));
    x = norm_relu(graph, "bn2", convolution(graph, "conv2", x, 24, 3, 1, false));
    x = rt_graph_batch_norm(graph, "bn3", convolution(graph, "conv3", x, 17, 3, 1, true));
    return convolution(graph, "conv4", x, 9, 3, 1, true);
}

/* The stem's batch norm is read by a convolution and by an addition. */
static int residual(rt_graph *graph, int x)
{
    x = norm_relu(graph, "bn1", convolution(graph, "stem", x, 16, 3, 1, false));
    int y = norm_relu(graph, "bn2", convolution(graph, "conv2", x, 16, 3, 1, false));
    y = rt_graph_batch_norm(graph, "bn3", convolution(graph, "conv3", y, 16, 3, 1, false));
    x = rt_graph_relu(graph, "relu3", rt_graph_add(graph, "add3", y, x));
    y = norm_relu(graph, "bn4", convolution(graph, "conv4", x, 16, 3, 1, false));
    y = rt_graph_batch_norm(graph, "bn5", convolution(graph, "conv5", y, 16, 3, 1, false));
    return rt_graph_relu(graph, "relu5", rt_graph_add(graph, "add5", x, y));
}

/* A convolution of 1 x 1 reads values: its batch norm has to make them. The addition reads two norms. */
static int downsampling(rt_graph *graph, int x)
{
    x = norm_relu(graph, "bn1", convolution(graph, "conv1", x, 16, 3, 1, false));
    int y = norm_relu(graph, "bn2", convolution(graph, "conv2", x, 24, 3, 2, false));
    y = rt_graph_batch_norm(graph, "bn3", convolution(graph, "conv3", y, 24, 3, 1, false));
    x = rt_graph_batch_norm(graph, "shortcut.bn", convolution(graph, "shortcut", x, 24, 1, 2, false));
    return rt_graph_relu(graph, "relu3", rt_graph_add(graph, "add3", y, x));
}

/* Norms before and behind strides, which read them, sum their moments and their products. */
static int strides(rt_graph *graph, int x)
{
    x = norm_relu(graph, "bn1", convolution(graph, "conv1", x, 16, 3, 2, false));
    x = norm_relu(graph, "bn2", convolution(graph, "conv2", x, 17, 3, 2, true));
    return convolution(graph, "conv3", x, 9, 3, 2, true);
}

/* Wide residual networks: norms between additions and convolutions. */
static int preactivation(rt_graph *graph, int x)
{
    x = convolution(graph, "stem", x, 16, 3, 1, false);
    const char *const names[2][5] = {{"bn1", "conv1", "bn2", "conv2", "add2"},
                                     {"bn3", "conv3", "bn4", "conv4", "add4"}};
    for (size_t b = 0; b < 2; ++b) {
        int y = convolution(graph, names[b][1], norm_relu(graph, names[b][0], x), 16, 3, 1, false);
        y = convolution(graph, names[b][3], norm_relu(graph, names[b][2], y), 16, 3, 1, false);
        x = rt_graph_add(graph, names[b][4], x, y);
    }
    return norm_relu(graph, "bn5", x);
}

static int pooling(rt_graph *graph, int x)
{
    x = norm_relu(graph, "bn1", convolution(graph, "conv1", x, 24, 3, 1, true));
    x = rt_graph_max_pool(graph, "pool1", x, (rt_window){.kernel = 2, .stride = 2});
    return norm_relu(graph, "bn2", convolution(graph, "conv2", x, 12, 3, 1, true));
}

/* The images themselves are behind the norm that is left to its reader. */
static int norm_of_images(rt_graph *graph, int x)
{
    x = convolution(graph, "conv1", norm_relu(graph, "bn1", x), 16, 3, 1, false);
    return convolution(graph, "conv2", rt_graph_relu(graph, "relu1", x), 8, 3, 1, true);
}

/* Both operands of an addition are the same norm; its gradient has two parts. */
static int norm_twice(rt_graph *graph, int x)
{
    x = rt_graph_batch_norm(graph, "bn1", convolution(graph, "conv1", x, 16, 3, 1, true));
    x = rt_graph_relu(graph, "relu1", rt_graph_add(graph, "add1", x, x));
    return rt_graph_relu6(graph, "relu2", convolution(graph, "conv2", x, 16, 3, 1, true));
}

/* So many channels that threads share out outputs of the weight gradient. */
static int wide(rt_graph *graph, int x)
{
    x = norm_relu(graph, "bn1", convolution(graph, "conv1", x, 144, 1, 1, false));
    x = norm_relu(graph, "bn2", convolution(graph, "conv2", x, 137, 3, 1, true));
    return convolution(graph, "conv3", x, 133, 3, 1, true);
}

/* So many that they share out those of the other passes, too, and transform weights in pieces. */
static int wider(rt_graph *graph, int x)
{
    x = norm_relu(graph, "bn1", convolution(graph, "conv1", x, 272, 1, 1, false));
    x = norm_relu(graph, "bn2", convolution(graph, "conv2", x, 265, 3, 1, true));
    return convolution(graph, "conv3", x, 270, 3, 1, true);
}

static int wide_strides(rt_graph *graph, int x)
{
    x = norm_relu(graph, "bn1", convolution(graph, "conv1", x, 144, 1, 1, false));
    x = norm_relu(graph, "bn2", convolution(graph, "conv2", x, 137, 3, 2, true));
    return convolution(graph, "conv3", x, 133, 3, 2, true);
}

/* What a training plan is expected to do, so that no test is of something else: Winograd convolutions; norms left to
 * readers, whose moments come from the source, whose products come from the reader. */
struct links {
    size_t winograd, deferred, moments, products;
};

static const struct network {
    const char *name;
    int (*build)(rt_graph *graph, int x);
    struct links links;
} networks[] = {
    {"chain", chain, {4, 3, 3, 3}},
    {"residual", residual, {5, 5, 5, 4}},
    {"downsampling", downsampling, {3, 3, 3, 3}},
    {"strides", strides, {3, 2, 2, 2}},
    {"preactivation", preactivation, {5, 4, 3, 4}},
    {"pooling", pooling, {2, 0, 2, 0}},
    {"norm of images", norm_of_images, {2, 1, 0, 1}},
    {"norm twice", norm_twice, {2, 1, 1, 0}},
    {"wide", wide, {2, 2, 1, 2}},
    {"wider", wider, {2, 2, 1, 2}},
    {"wide strides", wide_strides, {2, 2, 1, 2}},
};

static rt_graph *build(const struct network *network, size_t height, size_t width)
{
    rt_error err = {0};
    rt_graph *graph = rt_graph_new();
    int x = network->build(graph, rt_graph_input(graph, height, width, 8));
    rt_graph_output(graph, rt_graph_linear(graph, "fc", rt_graph_global_average_pool(graph, "pool", x), CLASSES, true));
    if (rt_graph_finish(graph, &err) != RT_OK)
        fail_msg("%s: %s", network->name, err.message);
    return graph;
}

static struct links links_of(const rt_plan *plan)
{
    struct links found = {0};
    for (size_t i = 0; i < rt_plan_kernel_count(plan); ++i) {
        const rt_kernel *kernel = rt_plan_kernel(plan, i);
        found.winograd += kernel->class == &rt_kernel_winograd;
        if (kernel->norm) {
            found.deferred += kernel->norm->deferred;
            found.moments += kernel->norm->moments_by_source;
            found.products += kernel->norm->products_by_reader;
        }
    }
    return found;
}

static void assert_links(const struct links *found, const struct links *expected)
{
    if (memcmp(found, expected, sizeof *found) != 0)
        fail_msg("Winograd convolutions %zu, norms deferred %zu, moments by sources %zu, products by readers %zu",
                 found->winograd, found->deferred, found->moments, found->products);
}

/* What a step leaves behind, to be freed. */
struct result {
    float *logits, *gradients, *running;
};

static void free_result(struct result *result)
{
    free(result->logits);
    free(result->gradients);
    free(result->running);
}

static float *copy(const float *values, size_t count)
{
    float *copied = malloc(count * sizeof *copied + 1);
    assert_non_null(copied);
    if (count > 0)
        memcpy(copied, values, count * sizeof *copied);
    return copied;
}

static void step(struct trial *trial)
{
    trial_forward(trial);
    if (trial->mode == RT_MODE_FROZEN)
        return;
    filling_values("output gradient", rt_plan_output_gradient(trial->plan), trial->batch * CLASSES);
    trial_backward(trial);
}

/* Two steps. Before the second, memory is full of NaNs: one would show if a step read what it did not write. */
static struct result run(const rt_graph *graph, size_t batch, rt_mode mode, bool directly, const struct links *links)
{
    struct trial trial;
    trial_convolve_directly(directly);
    trial_open(&trial, graph, batch, mode, NULL);
    const struct links found = links_of(trial.plan);
    if (directly)
        assert_int_equal(found.winograd, 0);
    else if (mode == RT_MODE_TRAIN)
        assert_links(&found, links);
    else
        assert_int_equal(found.winograd, links->winograd);
    trial_fill_images(&trial, "images");
    step(&trial);
    const size_t trained = mode == RT_MODE_FROZEN ? 0 : graph->trained_floats;
    struct result result = {.logits = copy(rt_plan_output(trial.plan), batch * CLASSES),
                            .gradients = copy(trial.parameters->gradients, trained),
                            .running = copy(trial.parameters->buffers, graph->buffer_floats)};
    memset(trial.plan->arena, 0xFF, trial.plan->arena_bytes);
    step(&trial);
    assert_memory_equal(rt_plan_output(trial.plan), result.logits, batch * CLASSES * sizeof(float));
    if (trained > 0)
        assert_memory_equal(trial.parameters->gradients, result.gradients, trained * sizeof(float));
    trial_close(&trial);
    return result;
}

static double largest_of(const float *values, size_t count)
{
    double largest = 0.0;
    for (size_t i = 0; i < count; ++i)
        largest = fmax(largest, fabs((double)values[i]));
    return largest;
}

/* The largest difference, in units of 2^-24 of a scale. A NaN is infinitely far. */
static double units(const float *found, const float *expected, size_t count, double scale)
{
    double worst = 0.0;
    for (size_t i = 0; i < count; ++i) {
        const double error = fabs((double)found[i] - (double)expected[i]);
        if (!(error <= worst))
            worst = isnan(error) ? INFINITY : error;
    }
    return worst > 0.0 ? worst / (scale * 0x1p-24) : 0.0;
}

struct distance {
    double logits, gradients, running;
};

static void widen(const rt_graph *graph, size_t batch, rt_mode mode, const struct result *found,
                  const struct result *direct, struct distance *worst)
{
    worst->logits = fmax(worst->logits, units(found->logits, direct->logits, batch * CLASSES,
                                              largest_of(direct->logits, batch * CLASSES)));
    double weight_scale = 0.0;
    for (size_t i = 0; i < graph->parameter_count && mode != RT_MODE_FROZEN; ++i) {
        const rt_parameter *about = &graph->parameters[i];
        const bool buffer = rt_parameter_is_buffer(about);
        const float *a = (buffer ? found->running : found->gradients) + about->offset;
        const float *b = (buffer ? direct->running : direct->gradients) + about->offset;
        double scale = largest_of(b, about->count);
        /* Batch norm takes away a bias, whose gradient is then all rounding: of the size of its weights'. */
        if (about->kind == RT_PARAMETER_BIAS)
            scale = fmax(scale, weight_scale);
        weight_scale = scale;
        double *to = buffer ? &worst->running : &worst->gradients;
        *to = fmax(*to, units(a, b, about->count, scale));
    }
}

/* Units of 2^-24 of a tensor's largest value, about three times the most that was seen. One convolution alone is
 * allowed 160 of its own units (check_winograd.c), which are of sums of absolute values, and larger than these by what
 * cancels. Training divides by deviations of small batches. */
static const struct distance allowed[] = {
    [RT_MODE_TRAIN] = {160, 500, 25},
    [RT_MODE_EVAL] = {36, 240, 0},
    [RT_MODE_FROZEN] = {36, 0, 0},
};

static const struct {
    size_t height, width, batch;
} shapes[] = {{8, 8, 3}, {8, 8, 1}, {2, 2, 3}, {7, 5, 3}, {9, 14, 1}};

static void networks_compute_what_direct_convolutions_do(void **state)
{
    (void)state;
    size_t far = 0;
    for (size_t n = 0; n < sizeof networks / sizeof *networks; ++n)
        for (rt_mode mode = RT_MODE_TRAIN; mode <= RT_MODE_FROZEN; ++mode) {
            struct distance worst = {0};
            for (size_t s = 0; s < sizeof shapes / sizeof *shapes; ++s) {
                rt_graph *graph = build(&networks[n], shapes[s].height, shapes[s].width);
                const size_t batch = shapes[s].batch;
                rt_threads_start(1);
                struct result direct = run(graph, batch, mode, true, NULL);
                for (int threads = 1; threads <= MOST_THREADS; ++threads) {
                    rt_threads_start(threads);
                    struct result found = run(graph, batch, mode, false, &networks[n].links);
                    widen(graph, batch, mode, &found, &direct, &worst);
                    free_result(&found);
                }
                free_result(&direct);
                rt_graph_free(graph);
            }
            const struct distance *limit = &allowed[mode];
            const bool close =
                worst.logits <= limit->logits && worst.gradients <= limit->gradients && worst.running <= limit->running;
            print_message("%-16s %-6s logits %6.1f, gradients %7.1f, running statistics %5.1f units%s\n",
                          networks[n].name, trial_mode_name(mode), worst.logits, worst.gradients, worst.running,
                          close ? "" : "  TOO FAR");
            far += !close;
        }
    assert_int_equal(far, 0);
}

/* Whatever the micro-batch: threads' shares of the tiles then begin inside images. */
static void places_do_not_matter(void **state)
{
    (void)state;
    static const size_t micro_batches[] = {1, 7, 16};
    trial_convolve_directly(false);
    for (int threads = 1; threads <= MOST_THREADS; ++threads) {
        rt_threads_start(threads);
        for (size_t m = 0; m < sizeof micro_batches / sizeof *micro_batches; ++m) {
            rt_graph *graph = rt_graph_new();
            int x = rt_graph_input(graph, 8, 8, 16);
            x = norm_relu(graph, "bn1", convolution(graph, "conv1", x, 64, 3, 1, false));
            int y = norm_relu(graph, "bn2", convolution(graph, "conv2", x, 64, 3, 1, false));
            x = rt_graph_add(graph, "add", x, convolution(graph, "conv3", y, 64, 3, 1, true));
            x = convolution(graph, "conv4", norm_relu(graph, "bn4", x), 48, 3, 1, true);
            x = rt_graph_global_average_pool(graph, "pool", x);
            rt_graph_output(graph, rt_graph_linear(graph, "fc", x, CLASSES, true));
            struct trial trial;
            trial_open(&trial, graph, 1, RT_MODE_FROZEN, NULL);
            assert_int_equal(links_of(trial.plan).winograd, 4);
            rt_inference *inference = NULL;
            rt_place_probe probe;
            rt_error err = {0};
            if (rt_inference_new(rt_plan_kernel(trial.plan, 0)->engine, graph, trial.parameters, micro_batches[m],
                                 &inference, &err) != RT_OK ||
                rt_place_probe_run(inference, RT_PLACES_ALL, &probe, &err) != RT_OK)
                fail_msg("%s", err.message);
            if (!probe.independent)
                fail_msg("logits depend on the place in a micro-batch of %zu, %d threads", micro_batches[m], threads);
            rt_inference_free(inference);
            trial_close(&trial);
            rt_graph_free(graph);
        }
    }
}

int main(void)
{
    trial_begin(2);
    print_message("%s, %s\n", rt_engine_version(), rt_engine_isa());
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks_compute_what_direct_convolutions_do),
        cmocka_unit_test(places_do_not_matter),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    trial_end();
    return failed;
}
