/* A network as a list of nodes in execution order, with shapes and parameters, and no memory or code behind it.
 *
 *     rt_graph *graph = rt_graph_new();
 *     int image = rt_graph_input(graph, 32, 32, 3);
 *     int x = rt_graph_convolution(graph, "conv1", image, (rt_window){.channels = 16, .kernel = 3, .padding = 1});
 *     x = rt_graph_batch_norm(graph, "bn1", x);
 *     x = rt_graph_relu(graph, "relu1", x);
 *     x = rt_graph_global_average_pool(graph, "avgpool", x);
 *     rt_graph_output(graph, rt_graph_linear(graph, "fc", x, 100, true));
 *     RT_TRY(rt_graph_finish(graph, err));
 *
 * Each call appends a node, infers its shape and returns its number. The first error sticks: later calls return -1 and
 * do nothing, and rt_graph_finish() reports it, so that a model reads as its layers. */
#ifndef RETORT_GRAPH_GRAPH_H
#define RETORT_GRAPH_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "retort/error.h"
#include "retort/loss.h" /* rt_shape */

enum { RT_NAME_CAPACITY = 96, RT_MAX_SOURCES = 8 };

typedef enum rt_node_kind {
    RT_NODE_INPUT,
    RT_NODE_CONVOLUTION,
    RT_NODE_BATCH_NORM,
    RT_NODE_RELU,
    RT_NODE_RELU6,
    RT_NODE_ADD,
    RT_NODE_MAX_POOL,
    RT_NODE_AVERAGE_POOL,
    RT_NODE_GLOBAL_AVERAGE_POOL,
    RT_NODE_RESIZE,
    RT_NODE_LINEAR,
    RT_NODE_FLATTEN,
    RT_NODE_CONCAT,
    RT_NODE_CHANNEL_SLICE,
    RT_NODE_CHANNEL_SHUFFLE,
    RT_NODE_SUBSAMPLE,
    RT_NODE_DROPOUT,
    RT_NODE_SIGMOID,
    RT_NODE_SILU,
    RT_NODE_GELU,
    RT_NODE_HARD_SIGMOID,
    RT_NODE_HARD_SWISH,
    RT_NODE_SCALE,
    RT_NODE_LAYER_NORM,
    RT_NODE_ATTENTION,
    RT_NODE_TOKENS,
    RT_NODE_KINDS
} rt_node_kind;

/* One image's worth of a node's output; in memory [batch, height, width, channels]. */
typedef struct rt_extent {
    size_t height, width, channels;
} rt_extent;

/* A sliding window. Square; zero fields mean stride 1, padding 0, dilation 1, groups 1. `channels` is the convolution's
 * output and unused by pools. Convolutions have no bias unless `bias`. A max pool that `reaches_over` has one more window
 * where the last one leaves pixels over (PyTorch's ceil_mode). */
typedef struct rt_window {
    size_t channels, kernel, stride, padding, dilation, groups;
    bool bias, reaches_over;
} rt_window;

/* The activation fused into a node by a pass (passes.h); the builders leave NONE. */
typedef enum rt_activation { RT_ACTIVATION_NONE, RT_ACTIVATION_RELU, RT_ACTIVATION_RELU6 } rt_activation;

/* Parameters of a norm, or of a batch norm folded into a convolution. Numbers of parameters, -1 for none. */
typedef struct rt_norm {
    int weight, bias, running_mean, running_var;
    double epsilon, momentum;
} rt_norm;

typedef struct rt_node {
    rt_node_kind kind;
    char name[RT_NAME_CAPACITY]; /* torchvision's: "layer1.0.conv1" */
    int sources[RT_MAX_SOURCES];
    size_t source_count;
    rt_extent shape;
    rt_window window;      /* convolution, pools; subsample uses stride */
    int weight, bias;      /* convolution, linear: parameter numbers, -1 for none; tokens: the token and the places */
    rt_norm norm;          /* batch norm, layer norm; a frozen convolution's folded one (norm.weight >= 0) */
    size_t first_channel;  /* channel slice */
    size_t shuffle_groups; /* channel shuffle */
    double probability;    /* dropout */
    bool whole_images;     /* dropout: an image's values are dropped together */
    size_t heads;          /* attention */
    rt_activation activation;
} rt_node;

typedef enum rt_parameter_kind {
    RT_PARAMETER_WEIGHT,
    RT_PARAMETER_BIAS,
    RT_PARAMETER_NORM_WEIGHT,
    RT_PARAMETER_NORM_BIAS,
    RT_PARAMETER_RUNNING_MEAN, /* from here on they are buffers: not trained, saved all the same */
    RT_PARAMETER_RUNNING_VAR,
    RT_PARAMETER_MEMORY /* what a loss remembers */
} rt_parameter_kind;

/* How rt_parameters_initialize() fills a parameter; `spread` is its own. */
typedef enum rt_initialization {
    RT_INITIALIZE_ZERO,
    RT_INITIALIZE_ONE,
    RT_INITIALIZE_NORMAL, /* N(0, spread^2) */
    RT_INITIALIZE_UNIFORM /* U(-spread, spread) */
} rt_initialization;

/* A named view into a flat block: `offset` in floats from the start of the block of trained values, or of buffers. */
typedef struct rt_parameter {
    char name[RT_NAME_CAPACITY];
    rt_parameter_kind kind;
    rt_shape shape; /* PyTorch's order: [O, I/groups, kernel, kernel], [O, I], [C] */
    size_t offset, count;
    rt_initialization initialization;
    double spread;
} rt_parameter;

/* A place whose values losses may read beside the output: a stage's output "layer2", the pooled features "penultimate".
 * Most runs want none of them. Plans leave a tap that is kept to itself (nothing fuses it away), hold its values until
 * the losses have run, and take a gradient there. */
typedef struct rt_tap {
    char name[RT_NAME_CAPACITY];
    int node;
    bool kept;
} rt_tap;

typedef struct rt_graph {
    rt_node *nodes;
    size_t node_count, node_capacity;
    rt_tap *taps;
    size_t tap_count;
    rt_parameter *parameters;
    size_t parameter_count, parameter_capacity;
    size_t trained_floats, buffer_floats; /* sizes of the two flat blocks, gaps for alignment included */
    int output;                           /* the logits; -1 until rt_graph_output() */
    rt_error error;
} rt_graph;

rt_graph *rt_graph_new(void);        /* NULL when memory is short */
void rt_graph_free(rt_graph *graph); /* accepts NULL */
rt_graph *rt_graph_copy(const rt_graph *graph);

/* Marks the graph as wrong; the first call counts. For models that refuse their own options. */
void rt_graph_refuse(rt_graph *graph, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Reports the first error of building; checks that there is an output of shape [N, classes]. */
rt_status rt_graph_finish(rt_graph *graph, rt_error *err);

/* How a parameter begins, by its number; nothing for -1. Builders let weights of convolutions begin with
 * N(0, 2 / fan_out), where fan_out is outputs times area whatever the groups (torch's kaiming_normal_(mode='fan_out'), He
 * et al. 2015), and weights of linear layers and all biases with U(-b, b), b = 1 / sqrt(fan_in), which is what torch.nn's
 * layers do by themselves. models/initialization.h has families' own ways. */
void rt_graph_initialize(rt_graph *graph, int parameter, rt_initialization initialization, double spread);

int rt_graph_input(rt_graph *graph, size_t height, size_t width, size_t channels);
int rt_graph_convolution(rt_graph *graph, const char *name, int source, rt_window window);
int rt_graph_batch_norm(rt_graph *graph, const char *name, int source); /* epsilon 1e-5, momentum 0.1 */
int rt_graph_batch_norm_with(rt_graph *graph, const char *name, int source, double epsilon, double momentum);
int rt_graph_relu(rt_graph *graph, const char *name, int source);
int rt_graph_relu6(rt_graph *graph, const char *name, int source);
int rt_graph_add(rt_graph *graph, const char *name, int a, int b);
int rt_graph_max_pool(rt_graph *graph, const char *name, int source, rt_window window);
int rt_graph_average_pool(rt_graph *graph, const char *name, int source,
                          rt_window window); /* padding counts as zeros */
int rt_graph_global_average_pool(rt_graph *graph, const char *name, int source);
/* Any height and width from any other: a pixel is the mean of those that it overlaps (torch.nn.AdaptiveAvgPool2d), so
 * that twice the size repeats each pixel. */
int rt_graph_resize(rt_graph *graph, const char *name, int source, size_t height, size_t width);
int rt_graph_linear(rt_graph *graph, const char *name, int source, size_t features, bool bias); /* source is 1 x 1 */
int rt_graph_flatten(rt_graph *graph, const char *name, int source); /* to 1 x 1, in PyTorch's C, H, W order */
int rt_graph_concat(rt_graph *graph, const char *name, const int *sources, size_t count); /* along channels */
int rt_graph_channel_slice(rt_graph *graph, const char *name, int source, size_t first, size_t count);
int rt_graph_channel_shuffle(rt_graph *graph, const char *name, int source, size_t groups); /* ShuffleNet's */
/* Every stride-th pixel, and zero channels added in equal number before and after: ResNet's shortcut "option A". */
int rt_graph_subsample(rt_graph *graph, const char *name, int source, size_t stride, size_t channels);
int rt_graph_dropout(rt_graph *graph, const char *name, int source, double probability);
int rt_graph_drop_path(rt_graph *graph, const char *name, int source, double probability); /* whole images */
void rt_graph_output(rt_graph *graph, int source);

/* Activations: 1 / (1 + e^-x), x sigmoid(x), x Phi(x) with the normal distribution, max(0, min(6, x + 3)) / 6, and x
 * times that. */
int rt_graph_sigmoid(rt_graph *graph, const char *name, int source);
int rt_graph_silu(rt_graph *graph, const char *name, int source);
int rt_graph_gelu(rt_graph *graph, const char *name, int source);
int rt_graph_hard_sigmoid(rt_graph *graph, const char *name, int source);
int rt_graph_hard_swish(rt_graph *graph, const char *name, int source);

/* The source times one factor for each image and channel, [1, 1, channels]. */
int rt_graph_scale(rt_graph *graph, const char *name, int source, int factors);

/* Each pixel's channels to mean 0 and variance 1, then times a weight and plus a bias of each channel. */
int rt_graph_layer_norm(rt_graph *graph, const char *name, int source, double epsilon);

/* One linear layer for each pixel. */
int rt_graph_linear_each(rt_graph *graph, const char *name, int source, size_t features, bool bias);

/* Transformers. Pixels are tokens: patches become [1, 1 + pixels, channels], behind a learnt token and each with the
 * learnt vector of its place added; the parameters get these names. Attention wants queries, keys and values side by
 * side, three times the channels that it gives back. */
int rt_graph_tokens(rt_graph *graph, const char *name, int source, const char *token, const char *places);
int rt_graph_attention(rt_graph *graph, const char *name, int source, size_t heads);
int rt_graph_first_token(rt_graph *graph, const char *name, int source);

/* Numbers that belong to no layer, a loss's own: trained, or a buffer. Weight decay takes trained ones of two
 * dimensions and more for weights, and others for biases. Zero at first. Returns the parameter's number, or -1. */
int rt_graph_array(rt_graph *graph, const char *name, rt_shape shape, bool trained);

/* Names a node's output for losses: models tap their stages in order, by torchvision's names, and what their classifier
 * reads as "penultimate", last of all. */
void rt_graph_tap(rt_graph *graph, const char *name, int source);

/* The number of the tap of that name, which is kept from now on; a node's name serves as well, but for the input's. -1
 * where there is neither, or no memory. */
int rt_graph_keep(rt_graph *graph, const char *name);
bool rt_graph_keeps(const rt_graph *graph, size_t node);

/* The tap where nobody names one: the last map of features, or, for vectors, what the classifier reads. For models'
 * graphs as they are built; NULL where a graph has no taps. */
const char *rt_graph_usual_tap(const rt_graph *graph, bool map);

/* The node, or the tap, of that name, or -1. */
int rt_graph_find(const rt_graph *graph, const char *name);
int rt_graph_find_tap(const rt_graph *graph, const char *name);
const char *rt_node_kind_name(rt_node_kind kind); /* "convolution" */

bool rt_parameter_is_buffer(const rt_parameter *parameter);

/* Trained parameters, PyTorch's count. */
size_t rt_graph_trained_count(const rt_graph *graph);

/* Multiply-accumulates of convolutions, linear layers and attention for one image. */
uint64_t rt_node_macs(const rt_graph *graph, const rt_node *node);
uint64_t rt_graph_macs(const rt_graph *graph);

/* Floats in one image's output of a node. */
size_t rt_extent_floats(rt_extent extent);

#endif
