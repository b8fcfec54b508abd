#include "models/layer_kinds.h"

#include <string.h>

#include "models/layer_windows.h"
#include "models/layers.h"

struct size {
    int64_t channels, height, width, groups, heads, first, stride;
    bool bias;
};

struct measure {
    double probability, eps, momentum;
};

static const rt_param linear_params[] = {
    {"features", "numbers that it gives; of the last layer, the classes", RT_PARAM_INT, offsetof(struct size, channels),
     0.0, 1.0, RT_LAYER_LARGEST, NULL, NULL, true},
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
    RT_LAYER_NEEDED(struct size, height, RT_LAYER_WIDEST, "rows of its output"),
    RT_LAYER_NEEDED(struct size, width, RT_LAYER_WIDEST, "columns of its output"),
    RT_PARAM_END,
};

static const rt_param slice_params[] = {
    RT_INT(struct size, first, 0, 0, RT_LAYER_LARGEST, "the first channel taken, from 0"),
    RT_LAYER_NEEDED(struct size, channels, RT_LAYER_LARGEST, "channels taken"),
    RT_PARAM_END,
};

static const rt_param shuffle_params[] = {
    RT_LAYER_NEEDED(struct size, groups, RT_LAYER_LARGEST, "groups that the channels are in, one after the other"),
    RT_PARAM_END,
};

static const rt_param subsample_params[] = {
    RT_INT(struct size, stride, 1, 1, RT_LAYER_WIDEST, "which pixels stay: every so many"),
    RT_LAYER_NEEDED(struct size, channels, RT_LAYER_LARGEST,
                    "channels of its output, as many zeros before as after the old ones"),
    RT_PARAM_END,
};

static const rt_param squeeze_excite_params[] = {
    RT_LAYER_NEEDED(struct size, channels, RT_LAYER_LARGEST, "channels between its two 1x1 convolutions, fc1 and fc2"),
    RT_PARAM_END,
};

static const rt_param attention_params[] = {
    RT_LAYER_NEEDED(struct size, heads, RT_LAYER_LARGEST, "heads that the channels are shared out among"),
    RT_PARAM_END,
};

static const rt_param repeat_params[] = {
    RT_LAYER_NEEDED(rt_layer_repeat, times, 1000, "how often they come, one after the other"),
    RT_PARAM_END,
};

const rt_param rt_layer_common_params[] = {
    RT_STRING(rt_layer_common, name, NULL,
              "what others read it by, and the beginning of its parameters' names; by default its place in the list, "
              "from 0, as in torch.nn.Sequential"),
    RT_PARAM_END,
};

static int linear(rt_layer_site *site, const void *settings)
{
    const struct size *s = settings;
    const rt_extent map = rt_layer_input(site);
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
        const rt_extent a = rt_layer_input(site), b = site->graph->nodes[site->sources[i]].shape;
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
        const rt_extent a = rt_layer_input(site), b = site->graph->nodes[site->sources[i]].shape;
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
    {.name = "conv",
     .torch = "Conv2d",
     .summary = "convolution",
     .params = rt_layer_conv_params,
     .settings_size = sizeof(rt_layer_window),
     ONE,
     .build = rt_layer_conv,
     .mend = rt_layer_mend_conv},
    {KIND(batch_norm, "BatchNorm2d", "batch norm", batch_norm_params, struct measure), ONE},
    {KIND(layer_norm, "LayerNorm", "layer norm of each pixel's channels", layer_norm_params, struct measure), ONE},
    BARE(relu, "ReLU", "max(x, 0)"),
    BARE(relu6, "ReLU6", "max(0, min(x, 6))"),
    BARE(sigmoid, "Sigmoid", "1 / (1 + e^-x)"),
    BARE(silu, "SiLU", "x sigmoid(x)"),
    BARE(gelu, "GELU", "x times the normal distribution at x"),
    BARE(hard_sigmoid, "Hardsigmoid", "max(0, min(6, x + 3)) / 6"),
    BARE(hard_swish, "Hardswish", "x hard_sigmoid(x)"),
    {.name = "max_pool",
     .torch = "MaxPool2d",
     .summary = "the largest of each window",
     .params = rt_layer_max_pool_params,
     .settings_size = sizeof(rt_layer_window),
     ONE,
     .build = rt_layer_max_pool},
    {.name = "avg_pool",
     .torch = "AvgPool2d",
     .summary = "the mean of each window",
     .params = rt_layer_avg_pool_params,
     .settings_size = sizeof(rt_layer_window),
     ONE,
     .build = rt_layer_avg_pool},
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
