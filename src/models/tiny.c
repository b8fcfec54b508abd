/* Networks small enough for a test: a multilayer perceptron and a plain convolutional network. */
#include <string.h>

#include "models/models.h"

struct tiny {
    int64_t hidden;
    double dropout;
};

static const rt_param params[] = {
    RT_INT(struct tiny, hidden, 32, 1, 65536, "hidden units of the perceptron, channels of the convolutional network"),
    RT_FLOAT(struct tiny, dropout, 0.0, 0.0, 0.95, "probability of dropping an input of the last layer"),
    RT_PARAM_END,
};

static const char *const variants[] = {"mlp", "convnet", NULL};

static int perceptron(rt_graph *graph, int x, size_t hidden)
{
    x = rt_graph_flatten(graph, "flatten", x);
    x = rt_graph_linear(graph, "fc1", x, hidden, true);
    return rt_graph_relu(graph, "relu1", x);
}

static int convolutional(rt_graph *graph, int x, size_t channels)
{
    x = rt_graph_convolution(graph, "conv1", x, (rt_window){.channels = channels, .kernel = 3, .padding = 1});
    x = rt_graph_batch_norm(graph, "bn1", x);
    x = rt_graph_relu(graph, "relu1", x);
    rt_graph_tap(graph, "layer1", x);
    x = rt_graph_convolution(graph, "conv2", x,
                             (rt_window){.channels = 2 * channels, .kernel = 3, .stride = 2, .padding = 1});
    x = rt_graph_batch_norm(graph, "bn2", x);
    x = rt_graph_relu(graph, "relu2", x);
    rt_graph_tap(graph, "layer2", x);
    return rt_graph_global_average_pool(graph, "avgpool", x);
}

static void build(rt_graph *graph, const char *variant, const void *settings, const rt_model_input *input)
{
    const struct tiny *options = settings;
    int x = rt_graph_input(graph, input->height, input->width, input->channels);
    x = strcmp(variant, "mlp") == 0 ? perceptron(graph, x, (size_t)options->hidden)
                                    : convolutional(graph, x, (size_t)options->hidden);
    rt_graph_tap(graph, "penultimate", x);
    if (options->dropout > 0.0)
        x = rt_graph_dropout(graph, "dropout", x, options->dropout);
    rt_graph_output(graph, rt_graph_linear(graph, "fc", x, input->classes, true));
}

const rt_model_family rt_model_family_tiny = {
    .name = "tiny",
    .summary = "a perceptron with one hidden layer, and a convolutional network with two layers",
    .reference = NULL,
    .params = params,
    .settings_size = sizeof(struct tiny),
    .variants = variants,
    .usual = RT_INPUT_CIFAR,
    .build = build,
};
