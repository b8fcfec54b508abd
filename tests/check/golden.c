#include "golden.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void wrong(const struct golden *golden, const char *what)
{
    fprintf(stderr, "%s:%zu: %s\n", golden->path, golden->line_number, what);
    exit(EXIT_FAILURE);
}

void golden_open(struct golden *golden, const char *path)
{
    *golden = (struct golden){.path = path, .file = fopen(path, "r")};
    if (!golden->file)
        wrong(golden, "cannot be opened");
}

void golden_close(struct golden *golden)
{
    fclose(golden->file);
    free(golden->line);
    *golden = (struct golden){0};
}

bool golden_next(struct golden *golden)
{
    do {
        if (getline(&golden->line, &golden->line_capacity, golden->file) < 0)
            return false;
        ++golden->line_number;
        golden->word_count = 0;
        char *rest = golden->line;
        if (*rest == '#')
            continue;
        for (char *word = strtok_r(rest, " \n", &rest); word; word = strtok_r(NULL, " \n", &rest)) {
            if (golden->word_count == GOLDEN_WORDS)
                wrong(golden, "too many words");
            golden->words[golden->word_count++] = word;
        }
    } while (golden->word_count == 0);
    return true;
}

bool golden_is(const struct golden *golden, const char *word)
{
    return strcmp(golden->words[0], word) == 0;
}

const char *golden_word(const struct golden *golden, size_t place)
{
    if (place >= golden->word_count)
        wrong(golden, "a word is missing");
    return golden->words[place];
}

static double number(const struct golden *golden, size_t place)
{
    const char *word = golden_word(golden, place);
    char *end;
    double value = strtod(word, &end);
    if (end == word || *end != '\0')
        wrong(golden, "this is not a number");
    return value;
}

/* What stands behind "key=" on the line, or NULL. */
static const char *option(const struct golden *golden, const char *key)
{
    size_t length = strlen(key);
    for (size_t i = 1; i < golden->word_count; ++i)
        if (strncmp(golden->words[i], key, length) == 0 && golden->words[i][length] == '=')
            return golden->words[i] + length + 1;
    return NULL;
}

size_t golden_option(const struct golden *golden, const char *key, size_t absent)
{
    const char *text = option(golden, key);
    return text ? strtoul(text, NULL, 10) : absent;
}

double golden_real_option(const struct golden *golden, const char *key, double absent)
{
    const char *text = option(golden, key);
    return text ? strtod(text, NULL) : absent;
}

bool golden_tensor(const struct golden *golden, struct golden_tensor *tensor)
{
    static const char *const tags[] = {"output", "into", "gradient", "running", "change"};
    enum { FIRST_SAMPLE = 7 };
    for (size_t i = 0; i < sizeof tags / sizeof *tags; ++i) {
        if (!golden_is(golden, tags[i]))
            continue;
        *tensor = (struct golden_tensor){.count = (size_t)number(golden, 2),
                                         .scale = number(golden, 3),
                                         .norm = number(golden, 4),
                                         .projection = number(golden, 5),
                                         .float32_error = number(golden, 6)};
        snprintf(tensor->tag, sizeof tensor->tag, "%s", tags[i]);
        snprintf(tensor->name, sizeof tensor->name, "%s", golden_word(golden, 1));
        tensor->sample_count = golden->word_count - FIRST_SAMPLE;
        bool whole = tensor->sample_count == tensor->count && tensor->count <= FILLING_WHOLE;
        if (golden->word_count <= FIRST_SAMPLE || (!whole && tensor->sample_count > FILLING_SAMPLES) ||
            tensor->sample_count > tensor->count)
            wrong(golden, "the samples are too few or too many");
        for (size_t k = 0; k < tensor->sample_count; ++k)
            tensor->samples[k] = number(golden, FIRST_SAMPLE + k);
        return true;
    }
    return false;
}

static rt_window window(const struct golden *golden)
{
    return (rt_window){
        .channels = golden_option(golden, "channels", 0),
        .kernel = golden_option(golden, "kernel", 0),
        .stride = golden_option(golden, "stride", 0),
        .padding = golden_option(golden, "padding", 0),
        .dilation = golden_option(golden, "dilation", 0),
        .groups = golden_option(golden, "groups", 0),
        .bias = golden_option(golden, "bias", 0) != 0,
        .reaches_over = golden_option(golden, "over", 0) != 0,
    };
}

/* What came after convolutions. */
static bool later_layer(const struct golden *golden, rt_graph *graph, const char *name, const int sources[2])
{
    static const struct {
        const char *kind;
        int (*build)(rt_graph *graph, const char *name, int source);
    } curves[] = {{"sigmoid", rt_graph_sigmoid},
                  {"silu", rt_graph_silu},
                  {"gelu", rt_graph_gelu},
                  {"hard_sigmoid", rt_graph_hard_sigmoid},
                  {"hard_swish", rt_graph_hard_swish}};
    char token[RT_NAME_CAPACITY], places[RT_NAME_CAPACITY];
    for (size_t i = 0; i < sizeof curves / sizeof *curves; ++i)
        if (golden_is(golden, curves[i].kind)) {
            curves[i].build(graph, name, sources[0]);
            return true;
        }
    if (golden_is(golden, "scale")) {
        rt_graph_scale(graph, name, sources[0], sources[1]);
    } else if (golden_is(golden, "layer_norm")) {
        rt_graph_layer_norm(graph, name, sources[0], golden_real_option(golden, "epsilon", 1e-6));
    } else if (golden_is(golden, "linear_each")) {
        rt_graph_linear_each(graph, name, sources[0], golden_option(golden, "features", 0),
                             golden_option(golden, "bias", 0) != 0);
    } else if (golden_is(golden, "attention")) {
        rt_graph_attention(graph, name, sources[0], golden_option(golden, "heads", 0));
    } else if (golden_is(golden, "tokens")) {
        snprintf(token, sizeof token, "%s.token", name);
        snprintf(places, sizeof places, "%s.places", name);
        rt_graph_tokens(graph, name, sources[0], token, places);
    } else {
        return false;
    }
    return true;
}

bool golden_layer(const struct golden *golden, rt_graph *graph)
{
    int sources[RT_MAX_SOURCES] = {-1, -1}, source;
    size_t count = 0;
    for (size_t i = 2; i < golden->word_count && count < RT_MAX_SOURCES; ++i)
        if (!strchr(golden->words[i], '='))
            sources[count++] = rt_graph_find(graph, golden->words[i]);
    source = count > 0 ? sources[0] : -1;
    const char *name = golden->word_count > 1 ? golden->words[1] : "";
    if (golden_is(golden, "input"))
        rt_graph_input(graph, golden_option(golden, "height", 0), golden_option(golden, "width", 0),
                       golden_option(golden, "channels", 0));
    else if (golden_is(golden, "convolution"))
        rt_graph_convolution(graph, name, source, window(golden));
    else if (golden_is(golden, "batch_norm"))
        rt_graph_batch_norm_with(graph, name, source, golden_real_option(golden, "epsilon", 1e-5),
                                 golden_real_option(golden, "momentum", 0.1));
    else if (golden_is(golden, "relu"))
        rt_graph_relu(graph, name, source);
    else if (golden_is(golden, "relu6"))
        rt_graph_relu6(graph, name, source);
    else if (golden_is(golden, "add"))
        rt_graph_add(graph, name, source, count > 1 ? sources[1] : -1);
    else if (golden_is(golden, "max_pool"))
        rt_graph_max_pool(graph, name, source, window(golden));
    else if (golden_is(golden, "average_pool"))
        rt_graph_average_pool(graph, name, source, window(golden));
    else if (golden_is(golden, "global_average_pool"))
        rt_graph_global_average_pool(graph, name, source);
    else if (golden_is(golden, "resize"))
        rt_graph_resize(graph, name, source, golden_option(golden, "height", 0), golden_option(golden, "width", 0));
    else if (golden_is(golden, "linear"))
        rt_graph_linear(graph, name, source, golden_option(golden, "features", 0),
                        golden_option(golden, "bias", 0) != 0);
    else if (golden_is(golden, "flatten"))
        rt_graph_flatten(graph, name, source);
    else if (golden_is(golden, "concat"))
        rt_graph_concat(graph, name, sources, count);
    else if (golden_is(golden, "channel_slice"))
        rt_graph_channel_slice(graph, name, source, golden_option(golden, "first", 0),
                               golden_option(golden, "count", 0));
    else if (golden_is(golden, "channel_shuffle"))
        rt_graph_channel_shuffle(graph, name, source, golden_option(golden, "groups", 0));
    else if (golden_is(golden, "subsample"))
        rt_graph_subsample(graph, name, source, golden_option(golden, "stride", 0),
                           golden_option(golden, "channels", 0));
    else if (!later_layer(golden, graph, name, sources))
        return false;
    if (graph->error.status != RT_OK)
        wrong(golden, graph->error.message);
    return true;
}

static size_t sample_place(const struct golden_tensor *tensor, size_t i)
{
    return tensor->sample_count == tensor->count ? i : filling_word(tensor->name, i) % tensor->count;
}

struct golden_distance golden_distance(const struct golden_tensor *tensor, const float *values)
{
    struct golden_distance distance = {0};
    double squares = 0.0, projection = 0.0;
    const uint32_t signs = filling_hash("projection");
    for (size_t i = 0; i < tensor->count; ++i) {
        double value = (double)values[i];
        squares += value * value;
        projection += filling_mix(signs, i) >> 31 ? -value : value;
    }
    for (size_t i = 0; i < tensor->sample_count; ++i) {
        double error = fabs((double)values[sample_place(tensor, i)] - tensor->samples[i]);
        distance.error = fmax(error, distance.error);
    }
    /* A NaN anywhere in the tensor is in the norm. */
    double norm = fabs(sqrt(squares) - tensor->norm), shift = fabs(projection - tensor->projection);
    distance.whole = shift > norm ? shift : norm;
    if (tensor->scale > 0.0) {
        distance.error /= tensor->scale;
        distance.whole /= tensor->norm > tensor->scale ? tensor->norm : tensor->scale;
    }
    return distance;
}

void golden_angle_add(struct golden_angle *angle, const struct golden_tensor *tensor, const float *values)
{
    for (size_t i = 0; tensor->scale > 0.0 && i < tensor->sample_count; ++i) {
        double found = (double)values[sample_place(tensor, i)] / tensor->scale;
        double expected = tensor->samples[i] / tensor->scale;
        angle->found += found * found;
        angle->expected += expected * expected;
        angle->both += found * expected;
    }
}

double golden_angle_cosine(const struct golden_angle *angle)
{
    return angle->both / sqrt(angle->found * angle->expected);
}
