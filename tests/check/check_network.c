/* A family of networks against its tests/golden/network_FAMILY.txt: names, shapes and costs of its variants; for one of
 * them logits, loss and gradients in training and in evaluation, in a smaller last batch where the file has one, and
 * along some steps of SGD. What float64 PyTorch found is the truth; the error allowed is twice that of PyTorch's
 * float32 at the same numbers. Winograd's algorithm adds rounding of its own; with it, the error allowed is 16 times
 * PyTorch's, where 8 were seen.
 *
 * With bf16 factors, errors are counted in units of 2^-9, by which each factor is off at most: of outputs, relative to
 * the largest. Rounding then pushes activations over the kinks of their ReLUs, and single elements of gradients jump:
 * gradients are held to the direction of PyTorch's, by the cosine between all samples of both. That each layer's own
 * products are right to float32's last bits is what check_bf16 shows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <stdlib.h>

#include "base/threads.h"
#include "models/models.h"
#include "optim/optim.h"
#include "recipe/recipe.h"
#include "trial.h"

enum { CLASSES = 100 };

extern const rt_optimizer rt_optimizer_sgd;

static const char *golden_path;
static struct {
    size_t sized, trial; /* of images that MACs are for, and of those that networks are run on */
} sides = {32, 32};
static bool directly, in_bf16;
static double error_factor;

/* Of bf16; about three times what was seen. Frozen or with running statistics, errors of layers average out. Batch
 * norms amplify them, the fewer values they see: mobilenetv2's deepest see 16 in these batches of 4 images. */
static const double bf16_eval_units = 1.5;
static struct {
    double train_units, least_cosine;
} bf16 = {8.0, 0.95};
static const double mobilenet_units = 200.0, mobilenet_cosine = 0.4;

static rt_graph *build(const char *name, const char *const *values, size_t count, size_t side)
{
    rt_error err = {0};
    const rt_model_family *family = rt_model_find(name);
    assert_non_null(family);
    void *settings = calloc(1, family->settings_size + 1);
    assert_non_null(settings);
    if (rt_settings_parse(name, family->params, values, count, settings, &err) != RT_OK)
        fail_msg("%s", err.message);
    rt_graph *graph = rt_graph_new();
    family->build(graph, name, settings, &(rt_model_input){side, side, 3, CLASSES});
    free(settings);
    if (rt_graph_finish(graph, &err) != RT_OK)
        fail_msg("%s", err.message);
    return graph;
}

/* Goes to the line that begins with these words; false, with the file closed, where there is none. */
static bool seek(struct golden *golden, const char *first, const char *second)
{
    golden_open(golden, golden_path);
    while (golden_next(golden))
        if (golden_is(golden, first) && (!second || strcmp(golden_word(golden, 1), second) == 0))
            return true;
    golden_close(golden);
    return false;
}

static void need(struct golden *golden, const char *first, const char *second)
{
    if (!seek(golden, first, second))
        fail_msg("%s has no '%s %s'", golden_path, first, second ? second : "");
}

static void read_sides(void)
{
    struct golden golden;
    if (!seek(&golden, "sides", NULL))
        return;
    sides.sized = strtoull(golden_word(&golden, 1), NULL, 10);
    sides.trial = strtoull(golden_word(&golden, 2), NULL, 10);
    golden_close(&golden);
}

/* The network that the file's numbers are of. */
static rt_graph *build_trial(void)
{
    struct golden golden;
    need(&golden, "network", NULL);
    rt_graph *graph =
        build(golden_word(&golden, 1), (const char *const *)golden.words + 2, golden.word_count - 2, sides.trial);
    golden_close(&golden);
    return graph;
}

/* How many of the graph's parameters are trained, or buffers. */
static size_t count_parameters(const rt_graph *graph, bool buffers)
{
    size_t count = 0;
    for (size_t i = 0; i < graph->parameter_count; ++i)
        count += rt_parameter_is_buffer(&graph->parameters[i]) == buffers;
    return count;
}

static uint32_t hash_more(uint32_t hash, const char *text)
{
    for (; *text; ++text)
        hash = (hash ^ (unsigned char)*text) * 16777619u;
    return hash;
}

/* FNV-1a of lines "NAME dim dim ...": that names and shapes are right, without the room that they take. */
static uint32_t fingerprint(const rt_graph *graph)
{
    char number[24];
    uint32_t hash = filling_hash("");
    for (size_t i = 0; i < graph->parameter_count; ++i) {
        const rt_parameter *about = &graph->parameters[i];
        hash = hash_more(hash, about->name);
        for (size_t d = 0; d < about->shape.count; ++d) {
            snprintf(number, sizeof number, " %zu", about->shape.dims[d]);
            hash = hash_more(hash, number);
        }
        hash = hash_more(hash, "\n");
    }
    return hash;
}

/* The options without which there is no network: the layers of one's own are the trial's. */
static rt_graph *build_usual(const char *name)
{
    struct golden golden;
    if (strcmp(name, "layers") != 0)
        return build(name, NULL, 0, sides.sized);
    need(&golden, "network", name);
    rt_graph *graph = build(name, (const char *const *)golden.words + 2, golden.word_count - 2, sides.sized);
    golden_close(&golden);
    return graph;
}

/* A line `model` or `size`: NAME, trained parameters, multiply-accumulates, and the fingerprint if it has one. */
static rt_graph *build_sized(const struct golden *golden)
{
    rt_graph *graph = build_usual(golden_word(golden, 1));
    assert_int_equal(rt_graph_trained_count(graph), strtoull(golden_word(golden, 2), NULL, 10));
    assert_int_equal(rt_graph_macs(graph), strtoull(golden_word(golden, 3), NULL, 10));
    if (golden->word_count > 4)
        assert_int_equal(fingerprint(graph), strtoull(golden_word(golden, 4), NULL, 10));
    return graph;
}

static void every_variant_has_its_size(void **state)
{
    (void)state;
    struct golden golden;
    need(&golden, "model", NULL);
    const rt_model_family *family = rt_model_find(golden_word(&golden, 1));
    assert_non_null(family);
    golden_close(&golden);
    for (const char *const *variant = family->variants; *variant; ++variant) {
        if (!seek(&golden, "size", *variant))
            need(&golden, "model", *variant);
        rt_graph_free(build_sized(&golden));
        golden_close(&golden);
    }
}

static void parameters_have_pytorchs_names_and_shapes(void **state)
{
    (void)state;
    struct golden golden;
    rt_graph *graph = NULL;
    size_t parameter = 0;
    need(&golden, "model", NULL);
    do {
        if (golden_is(&golden, "model")) {
            assert_true(!graph || parameter == graph->parameter_count);
            rt_graph_free(graph);
            graph = build_sized(&golden);
            parameter = 0;
            continue;
        }
        if (!golden_is(&golden, "state"))
            break;
        assert_true(parameter < graph->parameter_count);
        const rt_parameter *about = &graph->parameters[parameter++];
        assert_string_equal(about->name, golden_word(&golden, 1));
        assert_int_equal(about->shape.count, golden.word_count - 2);
        for (size_t i = 0; i < about->shape.count; ++i)
            assert_int_equal(about->shape.dims[i], strtoull(golden_word(&golden, 2 + i), NULL, 10));
    } while (golden_next(&golden));
    assert_int_equal(parameter, graph->parameter_count);
    rt_graph_free(graph);
    golden_close(&golden);
}

/* Mean cross-entropy in float64, and its gradient where the plan wants it. */
static double cross_entropy(struct trial *trial, const char *labels)
{
    const float *logits = rt_plan_output(trial->plan);
    float *gradient = rt_plan_output_gradient(trial->plan);
    double loss = 0.0;
    for (size_t n = 0; n < trial->batch; ++n, logits += CLASSES) {
        size_t label = filling_word(labels, n) % CLASSES;
        double largest = (double)logits[0], sum = 0.0;
        for (size_t k = 1; k < CLASSES; ++k)
            largest = fmax(largest, (double)logits[k]);
        for (size_t k = 0; k < CLASSES; ++k)
            sum += exp((double)logits[k] - largest);
        loss += log(sum) + largest - (double)logits[label];
        for (size_t k = 0; k < CLASSES && gradient; ++k) {
            double share = exp((double)logits[k] - largest) / sum;
            gradient[n * CLASSES + k] = (float)((share - (k == label ? 1.0 : 0.0)) / (double)trial->batch);
        }
    }
    return loss / (double)trial->batch;
}

/* A multiple of PyTorch's error, and never less than of one unit in the last place of the tensor's largest value. As a
 * whole, a tensor's errors may add up. */
static size_t compare(const char *what, const struct golden_tensor *tensor, const float *values)
{
    struct golden_distance distance = golden_distance(tensor, values);
    double allowed = error_factor * fmax(tensor->float32_error, (double)FLT_EPSILON);
    if (in_bf16)
        allowed =
            0x1p-9 * (strcmp(what, "eval") == 0 || strcmp(what, "frozen") == 0 ? bf16_eval_units : bf16.train_units);
    bool close = distance.error <= allowed && distance.whole <= 1e-5 + allowed;
    print_message("%-8s %-8s %-30s error %.2e, PyTorch float32 %.2e%s\n", what, tensor->tag, tensor->name,
                  distance.error, tensor->float32_error, close ? "" : "  TOO FAR");
    return close ? 0 : 1;
}

/* Runs the section of the golden file that belongs to the trial. Returns how many tensors are too far from PyTorch's.
 */
static size_t run_section(struct trial *trial, const char *section)
{
    struct golden golden;
    struct golden_tensor tensor;
    struct golden_angle angle = {0};
    size_t outputs = 0, gradients = 0, running = 0, far = 0;
    const rt_graph *graph = trial->parameters->graph;
    const char *mode = trial_mode_name(trial->mode);
    need(&golden, "run", section);
    assert_int_equal(trial->batch, golden_option(&golden, "batch", 0));
    trial_fill_images(trial, golden_word(&golden, 2));
    trial_forward(trial);
    float loss = (float)cross_entropy(trial, golden_word(&golden, 2));
    if (trial->mode != RT_MODE_FROZEN)
        trial_backward(trial);
    while (golden_next(&golden) && golden_tensor(&golden, &tensor)) {
        bool is_loss = strcmp(tensor.name, "loss") == 0;
        if (trial->mode == RT_MODE_FROZEN && strcmp(tensor.tag, "output") != 0)
            continue;
        const float *values = is_loss ? &loss : trial_tensor(trial, &tensor);
        if (in_bf16 && strcmp(tensor.tag, "gradient") == 0)
            golden_angle_add(&angle, &tensor, values);
        else
            far += compare(strcmp(section, "partial") == 0 ? section : mode, &tensor, values);
        outputs += strcmp(tensor.tag, "output") == 0;
        gradients += strcmp(tensor.tag, "gradient") == 0;
        running += strcmp(tensor.tag, "running") == 0;
    }
    golden_close(&golden);
    if (in_bf16 && gradients > 0) {
        print_message("%-8s cosine of gradients and PyTorch's %.4f\n", section, golden_angle_cosine(&angle));
        far += (size_t) !(golden_angle_cosine(&angle) >= bf16.least_cosine);
    }
    assert_int_equal(outputs, 2);
    assert_int_equal(running, strcmp(section, "train") == 0 ? count_parameters(graph, true) : 0);
    if (trial->mode == RT_MODE_TRAIN || gradients > 0)
        assert_int_equal(gradients, trial->mode == RT_MODE_FROZEN ? 0 : count_parameters(graph, false));
    return far;
}

static size_t batch_of(const char *section)
{
    struct golden golden;
    need(&golden, "run", section);
    size_t batch = golden_option(&golden, "batch", 0);
    golden_close(&golden);
    return batch;
}

static void training_is_as_exact_as_pytorch(void **state)
{
    (void)state;
    rt_graph *graph = build_trial();
    struct golden golden;
    struct trial whole, partial;
    const bool has_partial = seek(&golden, "run", "partial");
    trial_open(&whole, graph, batch_of("train"), RT_MODE_TRAIN, NULL);
    /* The images were chosen so that no activation is near the kink of its ReLU. In resnet20's whole batch, near is
     * less than the rounding of Winograd's algorithm, and a gradient that jumps says nothing about its error. */
    size_t far = directly || in_bf16 || !has_partial ? run_section(&whole, "train") : 0;
    if (has_partial) {
        golden_close(&golden);
        trial_open(&partial, graph, batch_of("partial"), RT_MODE_TRAIN, whole.parameters);
        far += run_section(&partial, "partial");
        trial_close(&partial);
    }
    trial_close(&whole);
    rt_graph_free(graph);
    assert_int_equal(far, 0);
}

static void evaluation_is_as_exact_as_pytorch(void **state)
{
    (void)state;
    rt_graph *graph = build_trial();
    const rt_mode modes[] = {RT_MODE_EVAL, RT_MODE_FROZEN};
    size_t far = 0;
    for (size_t m = 0; m < 2; ++m) {
        struct trial trial;
        trial_open(&trial, graph, batch_of("eval"), modes[m], NULL);
        far += run_section(&trial, "eval");
        trial_close(&trial);
    }
    rt_graph_free(graph);
    assert_int_equal(far, 0);
}

/* One update by SGD with the settings of tests/golden/network.py. The gaps between parameters are zero and stay so. */
static void update(rt_parameters *parameters, float *velocities, int64_t step, double learning_rate)
{
    _Alignas(max_align_t) unsigned char settings[256] = {0};
    const struct {
        const char *name;
        double value;
    } choices[] = {{"momentum", 0.9}, {"weight_decay", 5e-4}};
    assert_true(rt_optimizer_sgd.settings_size <= sizeof settings);
    rt_param_defaults(rt_optimizer_sgd.params, settings);
    for (size_t i = 0; i < sizeof choices / sizeof *choices; ++i)
        memcpy(settings + rt_param_find(rt_optimizer_sgd.params, choices[i].name)->offset, &choices[i].value,
               sizeof choices[i].value);
    *(bool *)(settings + rt_param_find(rt_optimizer_sgd.params, "nesterov")->offset) = true;
    rt_optimizer_sgd.update(settings, &(rt_optimizer_span){.values = parameters->values,
                                                           .gradients = parameters->gradients,
                                                           .moments = {velocities},
                                                           .count = parameters->graph->trained_floats,
                                                           .learning_rate = learning_rate,
                                                           .step = step,
                                                           .decay = true});
    ++parameters->version;
}

/* Along several steps, the rounding of Winograd's algorithm can push an activation over the kink of its ReLU: weights
 * then go another way, and losses stay within a hundredth; with bf16 factors, which push more, within four. */
static size_t compare_descent(const struct golden_tensor *tensor, const float *values, bool is_losses)
{
    if (directly)
        return compare("descent", tensor, values);
    const double error = golden_distance(tensor, values).error;
    print_message("descent  %-8s %-30s error %.2e\n", tensor->tag, tensor->name, error);
    return is_losses && error > (in_bf16 ? 0.04 : 0.01) ? 1 : 0;
}

static void steps_of_sgd_follow_pytorchs(void **state)
{
    (void)state;
    enum { FEWEST_STEPS = 3, MOST_STEPS = 10 };
    struct golden golden;
    struct golden_tensor tensor;
    struct trial trial;
    float losses[MOST_STEPS];
    size_t steps = 0, far = 0, tensors = 0;
    if (!seek(&golden, "descent", NULL)) {
        print_message("the file has no steps\n");
        return;
    }
    rt_graph *graph = build_trial();
    float *velocities = rt_aligned_zeros(graph->trained_floats * sizeof(float));
    float *start = rt_aligned_zeros(graph->trained_floats * sizeof(float));
    double learning_rate = golden_real_option(&golden, "learning_rate", 0.0);
    trial_open(&trial, graph, golden_option(&golden, "batch", 0), RT_MODE_TRAIN, NULL);
    memcpy(start, trial.parameters->values, graph->trained_floats * sizeof(float));
    for (; golden_next(&golden) && golden_is(&golden, "step"); ++steps) {
        assert_true(steps < MOST_STEPS);
        trial_fill_images(&trial, golden_word(&golden, 1));
        trial_forward(&trial);
        losses[steps] = (float)cross_entropy(&trial, golden_word(&golden, 1));
        trial_backward(&trial);
        update(trial.parameters, velocities, (int64_t)steps, learning_rate);
    }
    assert_true(steps >= FEWEST_STEPS);
    for (size_t i = 0; i < graph->trained_floats; ++i) /* exact: both are near each other */
        trial.parameters->values[i] -= start[i];
    for (bool more = true; more && golden_tensor(&golden, &tensor); more = golden_next(&golden)) {
        const bool is_losses = strcmp(tensor.name, "losses") == 0;
        far += compare_descent(&tensor, is_losses ? losses : trial_tensor(&trial, &tensor), is_losses);
        ++tensors;
    }
    assert_int_equal(tensors, 1 + count_parameters(graph, false));
    golden_close(&golden);
    trial_close(&trial);
    free(velocities);
    free(start);
    rt_graph_free(graph);
    assert_int_equal(far, 0);
}

/* One training step from the filled parameters; the logits and gradients are copied out. */
static void step_on(const rt_graph *graph, float *logits, float *gradients)
{
    struct trial trial;
    trial_open(&trial, graph, 8, RT_MODE_TRAIN, NULL);
    trial_fill_images(&trial, "images");
    for (int repetition = 0; repetition < 2; ++repetition) {
        trial_forward(&trial);
        if (repetition > 0)
            assert_memory_equal(logits, rt_plan_output(trial.plan), 8 * CLASSES * sizeof(float));
        memcpy(logits, rt_plan_output(trial.plan), 8 * CLASSES * sizeof(float));
        cross_entropy(&trial, "images");
        trial_backward(&trial);
        if (repetition > 0)
            assert_memory_equal(gradients, trial.parameters->gradients, graph->trained_floats * sizeof(float));
        memcpy(gradients, trial.parameters->gradients, graph->trained_floats * sizeof(float));
    }
    trial_close(&trial);
}

static void the_same_step_gives_the_same_bits(void **state)
{
    (void)state;
    rt_graph *graph = build_trial();
    float logits[2][8 * CLASSES];
    float *gradients[2];
    for (size_t i = 0; i < 2; ++i) {
        gradients[i] = rt_aligned_zeros(graph->trained_floats * sizeof(float));
        step_on(graph, logits[i], gradients[i]);
    }
    assert_memory_equal(logits[0], logits[1], sizeof logits[0]);
    assert_memory_equal(gradients[0], gradients[1], graph->trained_floats * sizeof(float));
    rt_threads_start(1);
    step_on(graph, logits[1], gradients[1]);
    rt_threads_start(2);
    size_t differ = 0;
    for (size_t i = 0; i < graph->trained_floats; ++i)
        differ += gradients[0][i] != gradients[1][i];
    print_message("one thread and two: logits %s, %zu of %zu gradients differ in some bit\n",
                  memcmp(logits[0], logits[1], sizeof logits[0]) == 0 ? "equal" : "differ", differ,
                  graph->trained_floats);
    free(gradients[0]);
    free(gradients[1]);
    rt_graph_free(graph);
}

int main(int argc, char **argv)
{
    static const char *const choices[] = {"direct", "winograd", "bf16"};
    size_t choice = 0;
    while (argc == 3 && choice < 3 && strcmp(argv[2], choices[choice]) != 0)
        ++choice;
    if (argc != 3 || choice == 3) {
        fprintf(stderr, "usage: %s tests/golden/network_FAMILY.txt direct|winograd|bf16\n", argv[0]);
        return EXIT_FAILURE;
    }
    golden_path = argv[1];
    read_sides();
    in_bf16 = strcmp(argv[2], "bf16") == 0;
    if (strstr(golden_path, "network_mobilenet")) {
        bf16.train_units = mobilenet_units;
        bf16.least_cosine = mobilenet_cosine;
    }
    directly = strcmp(argv[2], "direct") == 0;
    error_factor = directly ? 2.0 : 16.0;
    trial_begin(2);
    trial_convolve_directly(directly);
    if (in_bf16)
        trial_demand(RT_PRECISION_BF16);
    print_message("%s, %s\n", rt_engine_version(), rt_engine_isa());
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_variant_has_its_size),      cmocka_unit_test(parameters_have_pytorchs_names_and_shapes),
        cmocka_unit_test(training_is_as_exact_as_pytorch), cmocka_unit_test(evaluation_is_as_exact_as_pytorch),
        cmocka_unit_test(steps_of_sgd_follow_pytorchs),    cmocka_unit_test(the_same_step_gives_the_same_bits),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    trial_end();
    return failed;
}
