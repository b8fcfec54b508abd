#include "models/layer_kinds.h"

#include <string.h>

#include "models/layers.h"

/* Beyond it a window is refused as one, whatever its map. */
#define WIDEST 65536
#define LARGEST 4294967296.0

#define NEEDED(T, f, hi, text)                                                                                         \
    {                                                                                                                  \
#f, text, RT_PARAM_INT, offsetof(T, f), 0.0, 1.0, (double)(hi), NULL, NULL, true                               \
    }

struct window {
    int64_t channels, kernel, stride, padding, dilation, groups;
    bool bias, ceil_mode;
};

struct size {
    int64_t channels, height, width, groups, heads, first, stride;
    bool bias;
};

struct measure {
    double probability, eps, momentum;
};

static const rt_param conv_params[] = {
    NEEDED(struct window, channels, LARGEST, "channels of its output"),
    NEEDED(struct window, kernel, WIDEST, "height and width of its window, in pixels"),
    RT_INT(struct window, stride, 1, 1, WIDEST, "pixels from one window to the next"),
    RT_INT(struct window, padding, 0, 0, WIDEST, "zeros on each side, in pixels"),
    RT_INT(struct window, dilation, 1, 1, WIDEST, "pixels from one weight to the next"),
    RT_INT(struct window, groups, 1, 1, LARGEST,
           "parts that inputs and outputs are cut into; as many as channels for a depthwise convolution"),
    RT_BOOL(struct window, bias, true, "add a bias to each channel"),
    RT_PARAM_END,
};

static const rt_param max_pool_params[] = {
    NEEDED(struct window, kernel, WIDEST, "height and width of its window, in pixels"),
    RT_INT(struct window, stride, 0, 0, WIDEST, "pixels from one window to the next; 0 for the kernel's"),
    RT_INT(struct window, padding, 0, 0, WIDEST, "pixels on each side that are never the largest"),
    RT_BOOL(struct window, ceil_mode, false, "one window more where the last leaves pixels over"),
    RT_PARAM_END,
};

static const rt_param avg_pool_params[] = {
    NEEDED(struct window, kernel, WIDEST, "height and width of its window, in pixels"),
    RT_INT(struct window, stride, 0, 0, WIDEST, "pixels from one window to the next; 0 for the kernel's"),
    RT_INT(struct window, padding, 0, 0, WIDEST, "zeros on each side, which count"),
    RT_PARAM_END,
};

static const rt_param linear_params[] = {
    {"features", "numbers that it gives; of the last layer, the classes", RT_PARAM_INT, offsetof(struct size, channels),
     0.0, 1.0, LARGEST, NULL, NULL, true},
    RT_BOOL(struct size, bias, true, "add a bias to each"),
    RT_PARAM_END,
};

static const rt_param batch_norm_params[] = {
    RT_FLOAT(struct measure, eps, 1e-5, 1e-12, 1.0, "added to the variance"),
    RT_FLOAT(struct measure, momentum, 0.1, 0.0, 1.0, "share of a batch in the running mean and variance"),
    RT_PARAM_END,
};

static const rt_param layer_norm_params[] = {
    RT_FLOAT(struct measure, eps, 1e-5, 1e-12, 1.0, "added to the variance"),
    RT_PARAM_END,
};

static const rt_param dropout_params[] = {
    RT_FLOAT(struct measure, probability, 0.5, 0.0, 0.99, "of dropping a value"),
    RT_PARAM_END,
};

static const rt_param drop_path_params[] = {
    RT_FLOAT(struct measure, probability, 0.5, 0.0, 0.99, "of dropping all values of an image"),
    RT_PARAM_END,
};

static const rt_param resize_params[] = {
    NEEDED(struct size, height, WIDEST, "rows of its output"),
    NEEDED(struct size, width, WIDEST, "columns of its output"),
    RT_PARAM_END,
};

static const rt_param slice_params[] = {
    RT_INT(struct size, first, 0, 0, LARGEST, "the first channel taken, from 0"),
    NEEDED(struct size, channels, LARGEST, "channels taken"),
    RT_PARAM_END,
};

static const rt_param shuffle_params[] = {
    NEEDED(struct size, groups, LARGEST, "groups that the channels are in, one after the other"),
    RT_PARAM_END,
};

static const rt_param subsample_params[] = {
    RT_INT(struct size, stride, 1, 1, WIDEST, "which pixels stay: every so many"),
    NEEDED(struct size, channels, LARGEST, "channels of its output, as many zeros before as after the old ones"),
    RT_PARAM_END,
};

static const rt_param squeeze_excite_params[] = {
    NEEDED(struct size, channels, LARGEST, "channels between its two 1x1 convolutions, fc1 and fc2"),
    RT_PARAM_END,
};

static const rt_param attention_params[] = {
    NEEDED(struct size, heads, LARGEST, "heads that the channels are shared out among"),
    RT_PARAM_END,
};

static const rt_param repeat_params[] = {
    NEEDED(rt_layer_repeat, times, 1000, "how often they come, one after the other"),
    RT_PARAM_END,
};

const rt_param rt_layer_common_params[] = {
    RT_STRING(rt_layer_common, name, NULL,
              "what others read it by, and the beginning of its parameters' names; by default its place in the list, "
              "from 0, as in torch.nn.Sequential"),
    RT_PARAM_END,
};

static rt_extent shape_of(const rt_layer_site *site)
{
    return site->graph->nodes[site->sources[0]].shape;
}

/* Refuses a window that is larger than the map, in the words of a recipe. */
static bool window_fits(rt_layer_site *site, const struct window *w, bool reaches_over)
{
    const rt_extent map = shape_of(site);
    const size_t kernel = (size_t)w->kernel, padding = (size_t)w->padding;
    const size_t dilation = w->dilation > 0 ? (size_t)w->dilation : 1;
    const size_t reach = dilation * (kernel - 1) + 1;
    const size_t side = map.height < map.width ? map.height : map.width;
    if (side + 2 * padding >= reach || reaches_over)
        return true;
    site->blamed = "kernel";
    if (dilation > 1)
        rt_graph_refuse(site->graph,
                        "kernel %zu of dilation %zu reaches over %zu pixels, and its map is %zu x %zu with padding %zu",
                        kernel, dilation, reach, map.height, map.width, padding);
    else
        rt_graph_refuse(site->graph, "kernel %zu is larger than its map of %zu x %zu with padding %zu", kernel,
                        map.height, map.width, padding);
    return false;
}

static int conv(rt_layer_site *site, const void *settings)
{
    const struct window *w = settings;
    const size_t inputs = shape_of(site).channels, outputs = (size_t)w->channels, groups = (size_t)w->groups;
    if (!window_fits(site, w, false))
        return -1;
    if (inputs % groups != 0 || outputs % groups != 0) {
        site->blamed = "groups";
        rt_graph_refuse(site->graph, "groups %zu; they must divide its %zu input and %zu output channels", groups,
                        inputs, outputs);
        return -1;
    }
    return rt_graph_convolution(site->graph, site->name, site->sources[0],
                                (rt_window){.channels = outputs,
                                            .kernel = (size_t)w->kernel,
                                            .stride = (size_t)w->stride,
                                            .padding = (size_t)w->padding,
                                            .dilation = (size_t)w->dilation,
                                            .groups = groups,
                                            .bias = w->bias});
}

static int mend_conv(rt_layer_site *site, const void *settings)
{
    const struct window *w = settings;
    return rt_graph_convolution(site->graph, site->name, site->sources[0],
                                (rt_window){.channels = (size_t)w->channels, .kernel = 1});
}

static int pool(rt_layer_site *site, const void *settings, bool largest)
{
    const struct window *w = settings;
    const rt_window window = {.kernel = (size_t)w->kernel,
                              .stride = (size_t)(w->stride > 0 ? w->stride : w->kernel),
                              .padding = (size_t)w->padding,
                              .reaches_over = w->ceil_mode};
    if (!window_fits(site, w, w->ceil_mode))
        return -1;
    if (2 * window.padding > window.kernel) {
        site->blamed = "padding";
        rt_graph_refuse(site->graph, "padding %zu; at most half of its kernel of %zu", window.padding, window.kernel);
        return -1;
    }
    return (largest ? rt_graph_max_pool : rt_graph_average_pool)(site->graph, site->name, site->sources[0], window);
}

static int max_pool(rt_layer_site *site, const void *settings)
{
    return pool(site, settings, true);
}

static int avg_pool(rt_layer_site *site, const void *settings)
{
    return pool(site, settings, false);
}

static int linear(rt_layer_site *site, const void *settings)
{
    const struct size *s = settings;
    const rt_extent map = shape_of(site);
    if (map.height != 1 || map.width != 1)
        rt_graph_refuse(site->graph, "its input is %zu x %zu x %zu; pool or flatten it first", map.height, map.width,
                        map.channels);
    return rt_graph_linear(site->graph, site->name, site->sources[0], (size_t)s->channels, s->bias);
}

static int mend_linear(rt_layer_site *site, const void *settings)
{
    const struct size *s = settings;
    const int pooled = rt_graph_global_average_pool(site->graph, site->name, site->sources[0]);
    return rt_graph_linear(site->graph, rt_layer("%s ", site->name).text, pooled, (size_t)s->channels, false);
}

static int token_linear(rt_layer_site *site, const void *settings)
{
    const struct size *s = settings;
    return rt_graph_linear_each(site->graph, site->name, site->sources[0], (size_t)s->channels, s->bias);
}

static int batch_norm(rt_layer_site *site, const void *settings)
{
    const struct measure *m = settings;
    return rt_graph_batch_norm_with(site->graph, site->name, site->sources[0], m->eps, m->momentum);
}

static int layer_norm(rt_layer_site *site, const void *settings)
{
    const struct measure *m = settings;
    return rt_graph_layer_norm(site->graph, site->name, site->sources[0], m->eps);
}

static int dropout(rt_layer_site *site, const void *settings)
{
    const struct measure *m = settings;
    return rt_graph_dropout(site->graph, site->name, site->sources[0], m->probability);
}

static int drop_path(rt_layer_site *site, const void *settings)
{
    const struct measure *m = settings;
    return rt_graph_drop_path(site->graph, site->name, site->sources[0], m->probability);
}

static int resize(rt_layer_site *site, const void *settings)
{
    const struct size *s = settings;
    return rt_graph_resize(site->graph, site->name, site->sources[0], (size_t)s->height, (size_t)s->width);
}

static int add(rt_layer_site *site, const void *settings)
{
    (void)settings;
    int sum = site->sources[0];
    for (size_t i = 1; i < site->source_count; ++i) {
        const rt_extent a = shape_of(site), b = site->graph->nodes[site->sources[i]].shape;
        if (a.height != b.height || a.width != b.width || a.channels != b.channels)
            rt_graph_refuse(site->graph, "it adds %zu x %zu x %zu and %zu x %zu x %zu; the shapes must be equal",
                            a.height, a.width, a.channels, b.height, b.width, b.channels);
        /* The last sum has the layer's name. */
        const rt_layer_name name =
            i + 1 == site->source_count ? rt_layer("%s", site->name) : rt_layer("%s.sum%zu", site->name, i);
        sum = rt_graph_add(site->graph, name.text, sum, site->sources[i]);
    }
    return sum;
}

static int concat(rt_layer_site *site, const void *settings)
{
    (void)settings;
    for (size_t i = 1; i < site->source_count; ++i) {
        const rt_extent a = shape_of(site), b = site->graph->nodes[site->sources[i]].shape;
        if (a.height != b.height || a.width != b.width)
            rt_graph_refuse(site->graph, "it puts maps of %zu x %zu and %zu x %zu side by side; they must be equal",
                            a.height, a.width, b.height, b.width);
    }
    return rt_graph_concat(site->graph, site->name, site->sources, site->source_count);
}

static int scale(rt_layer_site *site, const void *settings)
{
    (void)settings;
    return rt_graph_scale(site->graph, site->name, site->sources[0], site->sources[1]);
}

static int slice(rt_layer_site *site, const void *settings)
{
    const struct size *s = settings;
    return rt_graph_channel_slice(site->graph, site->name, site->sources[0], (size_t)s->first, (size_t)s->channels);
}

static int shuffle(rt_layer_site *site, const void *settings)
{
    const struct size *s = settings;
    return rt_graph_channel_shuffle(site->graph, site->name, site->sources[0], (size_t)s->groups);
}

static int subsample(rt_layer_site *site, const void *settings)
{
    const struct size *s = settings;
    return rt_graph_subsample(site->graph, site->name, site->sources[0], (size_t)s->stride, (size_t)s->channels);
}

static int squeeze_excite(rt_layer_site *site, const void *settings)
{
    const struct size *s = settings;
    return rt_squeeze_and_excite(site->graph, site->name, site->sources[0], (size_t)s->channels, rt_graph_relu,
                                 rt_graph_sigmoid);
}

static int tokens(rt_layer_site *site, const void *settings)
{
    (void)settings;
    return rt_graph_tokens(site->graph, site->name, site->sources[0], rt_layer("%s.token", site->name).text,
                           rt_layer("%s.places", site->name).text);
}

static int attention(rt_layer_site *site, const void *settings)
{
    const struct size *s = settings;
    return rt_graph_attention(site->graph, site->name, site->sources[0], (size_t)s->heads);
}

/* Layers without settings that the graph builds from a name and a source alone. */
#define POINTWISE(kind, builder)                                                                                       \
    static int kind(rt_layer_site *site, const void *settings)                                                         \
    {                                                                                                                  \
        (void)settings;                                                                                                \
        return builder(site->graph, site->name, site->sources[0]);                                                     \
    }

POINTWISE(relu, rt_graph_relu)
POINTWISE(relu6, rt_graph_relu6)
POINTWISE(sigmoid, rt_graph_sigmoid)
POINTWISE(silu, rt_graph_silu)
POINTWISE(gelu, rt_graph_gelu)
POINTWISE(hard_sigmoid, rt_graph_hard_sigmoid)
POINTWISE(hard_swish, rt_graph_hard_swish)
POINTWISE(global_avg_pool, rt_graph_global_average_pool)
POINTWISE(flatten, rt_graph_flatten)
POINTWISE(first_token, rt_graph_first_token)

static const char *const plain_lists[] = {"layers", NULL};
static const char *const residual_lists[] = {"body", "shortcut", NULL};

#define KIND(kind, theirs, words, table, T)                                                                            \
    .name = #kind, .torch = theirs, .summary = words, .params = table, .settings_size = sizeof(T), .build = kind
#define ONE .fewest = 1, .most = 1
#define BARE(kind, theirs, words)                                                                                      \
    {                                                                                                                  \
        .name = #kind, .torch = theirs, .summary = words, .build = kind, ONE                                           \
    }

const rt_layer_kind rt_layer_kinds[] = {
    {KIND(conv, "Conv2d", "convolution", conv_params, struct window), ONE, .mend = mend_conv},
    {KIND(batch_norm, "BatchNorm2d", "batch norm", batch_norm_params, struct measure), ONE},
    {KIND(layer_norm, "LayerNorm", "layer norm of each pixel's channels", layer_norm_params, struct measure), ONE},
    BARE(relu, "ReLU", "max(x, 0)"),
    BARE(relu6, "ReLU6", "max(0, min(x, 6))"),
    BARE(sigmoid, "Sigmoid", "1 / (1 + e^-x)"),
    BARE(silu, "SiLU", "x sigmoid(x)"),
    BARE(gelu, "GELU", "x times the normal distribution at x"),
    BARE(hard_sigmoid, "Hardsigmoid", "max(0, min(6, x + 3)) / 6"),
    BARE(hard_swish, "Hardswish", "x hard_sigmoid(x)"),
    {KIND(max_pool, "MaxPool2d", "the largest of each window", max_pool_params, struct window), ONE},
    {KIND(avg_pool, "AvgPool2d", "the mean of each window", avg_pool_params, struct window), ONE},
    BARE(global_avg_pool, NULL, "the mean of each channel: 1 x 1"),
    {KIND(resize, "AdaptiveAvgPool2d", "another height and width, by means (AdaptiveAvgPool2d)", resize_params,
          struct size),
     ONE},
    BARE(flatten, "Flatten", "a map as one vector, in PyTorch's order"),
    {KIND(linear, "Linear", "linear layer, of a vector", linear_params, struct size), ONE, .mend = mend_linear},
    {KIND(dropout, "Dropout", "random zeros in training", dropout_params, struct measure), ONE},
    {KIND(drop_path, NULL, "all of an image's values dropped together in training", drop_path_params, struct measure),
     ONE},
    {.name = "add",
     .summary = "the sum of layers of one shape",
     .fewest = 2,
     .most = RT_MAX_SOURCES,
     .joins_last = true,
     .build = add},
    {.name = "concat",
     .summary = "channels of several layers, side by side",
     .fewest = 2,
     .most = RT_MAX_SOURCES,
     .joins_last = true,
     .build = concat},
    {.name = "scale",
     .summary = "a map times a factor for each channel: from: [map, factors]",
     .fewest = 2,
     .most = 2,
     .build = scale},
    {KIND(squeeze_excite, NULL, "squeeze and excitation", squeeze_excite_params, struct size), ONE},
    {KIND(slice, NULL, "some of the channels", slice_params, struct size), ONE},
    {KIND(shuffle, NULL, "ShuffleNet's shuffle of channels", shuffle_params, struct size), ONE},
    {KIND(subsample, NULL, "every so many pixels and channels of zeros: ResNet's shortcut option A", subsample_params,
          struct size),
     ONE},
    BARE(tokens, NULL, "patches behind a learnt token, with learnt places: NAME.token, NAME.places"),
    {KIND(attention, NULL, "of queries, keys and values side by side", attention_params, struct size), ONE},
    BARE(first_token, NULL, "the first token alone"),
    {KIND(token_linear, NULL, "one linear layer for each pixel or token", linear_params, struct size), ONE},
    {.name = "residual",
     .summary = "what `body` makes of its input, plus the input or what `shortcut` makes of it",
     ONE,
     .lists = residual_lists},
    {.name = "block",
     .torch = "Sequential",
     .summary = "layers with one name in front of theirs",
     ONE,
     .lists = plain_lists},
    {.name = "repeat",
     .summary = "layers several times over, called NAME.0 and so on",
     .params = repeat_params,
     .settings_size = sizeof(rt_layer_repeat),
     ONE,
     .lists = plain_lists},
};
const size_t rt_layer_kind_count = sizeof rt_layer_kinds / sizeof *rt_layer_kinds;

const rt_layer_kind *rt_layer_kind_find(const char *name)
{
    for (size_t i = 0; i < rt_layer_kind_count; ++i)
        if (strcmp(rt_layer_kinds[i].name, name) == 0)
            return &rt_layer_kinds[i];
    return NULL;
}

const rt_layer_kind *rt_layer_kind_of_torch(const char *name)
{
    for (size_t i = 0; i < rt_layer_kind_count; ++i)
        if (rt_layer_kinds[i].torch && strcmp(rt_layer_kinds[i].torch, name) == 0)
            return &rt_layer_kinds[i];
    return NULL;
}

const char *rt_layer_name_fault(const char *name)
{
    const size_t length = strlen(name);
    if (length == 0 || length > 64 ||
        name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")] != '\0')
        return "it must be 1 to 64 letters, digits, '_', '-' and '.'";
    if (strcmp(name, "images") == 0)
        return "that is what the network reads";
    return NULL;
}
