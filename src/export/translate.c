/* From nodes to ONNX operators: translators[] has one function for each kind of node. A new kind of node is one more
 * function here; if it needs an operator that programs do not have yet, program.h, lower.c and retort_infer.h get it,
 * too. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "export/program.h"
#include "graph/passes.h"

/* What a node's output is in the program: its value as a map [batch, channels, height, width], as rows [batch,
 * features], or both; -1 where that form has not been needed. */
typedef struct form {
    int map, rows;
} form;

typedef struct translator {
    const rt_graph *graph;
    const rt_parameters *parameters;
    const rt_translation *how;
    rt_program *program;
    form *forms;  /* of each node */
    int *readers; /* of each node */
    int *folded;  /* the batch norm whose numbers a convolution takes, or -1 */
} translator;

typedef void translate_node(translator *t, int at);

typedef struct label {
    char text[2 * RT_PROGRAM_NAME];
} label;

static label labelled(const char *name, const char *suffix)
{
    label made;
    snprintf(made.text, sizeof made.text, "%s.%s", name, suffix);
    return made;
}

static int integers(translator *t, const char *name, const char *suffix, const int64_t *values, size_t count)
{
    return rt_program_integers(t->program, labelled(name, suffix).text, values, count);
}

static int as_map(translator *t, int at)
{
    form *f = &t->forms[at];
    if (f->map < 0) {
        const char *name = t->graph->nodes[at].name;
        const int inputs[] = {f->rows, integers(t, name, "map_shape", (int64_t[]){0, -1, 1, 1}, 4)};
        f->map = rt_program_operator(t->program, RT_OPERATOR_RESHAPE, labelled(name, "map").text, inputs, 2);
    }
    return f->map;
}

static int as_rows(translator *t, int at)
{
    form *f = &t->forms[at];
    if (f->rows < 0) {
        f->rows = rt_program_operator(t->program, RT_OPERATOR_FLATTEN, labelled(t->graph->nodes[at].name, "rows").text,
                                      &f->map, 1);
        rt_program_set_integer(t->program, "axis", 1);
    }
    return f->rows;
}

static const rt_node *source_node(const translator *t, const rt_node *node, size_t s)
{
    return &t->graph->nodes[node->sources[s]];
}

/* A parameter under its own name; several layers may share it. */
static int parameter(translator *t, int number)
{
    const rt_parameter *p = &t->graph->parameters[number];
    for (size_t i = 0; i < t->program->value_count; ++i)
        if (strcmp(t->program->values[i].name, p->name) == 0)
            return (int)i;
    rt_sizes sizes = {.count = p->shape.count};
    for (size_t i = 0; i < p->shape.count; ++i)
        sizes.dims[i] = (int64_t)p->shape.dims[i];
    return rt_program_floats(t->program, p->name, &sizes, rt_parameter_values(t->parameters, number));
}

static int map_operator(translator *t, int at, rt_operator_kind kind, const int *inputs, size_t count)
{
    return t->forms[at].map = rt_program_operator(t->program, kind, t->graph->nodes[at].name, inputs, count);
}

/* Padding behind a side: as before it, or as much more as the last window reaches over. */
static int64_t padding_behind(const rt_window *window, size_t from, size_t to)
{
    size_t end = (to - 1) * window->stride + window->dilation * (window->kernel - 1) + 1;
    size_t padded = from + 2 * window->padding;
    return (int64_t)(window->padding + (end > padded ? end - padded : 0));
}

static void set_window(translator *t, const rt_node *node)
{
    const rt_window *window = &node->window;
    const rt_extent from = source_node(t, node, 0)->shape, to = node->shape;
    const int64_t kernel = (int64_t)window->kernel, stride = (int64_t)window->stride, pad = (int64_t)window->padding;
    rt_program_set(t->program, "kernel_shape", (int64_t[]){kernel, kernel}, 2);
    rt_program_set(t->program, "strides", (int64_t[]){stride, stride}, 2);
    rt_program_set(t->program, "pads",
                   (int64_t[]){pad, pad, padding_behind(window, from.height, to.height),
                               padding_behind(window, from.width, to.width)},
                   4);
}

static void set_dilation(translator *t, const rt_window *window)
{
    const int64_t dilation = (int64_t)window->dilation;
    rt_program_set(t->program, "dilations", (int64_t[]){dilation, dilation}, 2);
}

static int scalar(translator *t, const char *name, const char *suffix, float value)
{
    float *owned = malloc(sizeof *owned);
    if (owned)
        *owned = value;
    return rt_program_own_floats(t->program, labelled(name, suffix).text, &(rt_sizes){0}, owned);
}

/* One number for each channel, [1, channels, 1, 1]. */
static int channels(translator *t, const char *name, const float *values, size_t count)
{
    return rt_program_floats(t->program, name, &(rt_sizes){4, {1, (int64_t)count, 1, 1}}, values);
}

static void translate_input(translator *t, int at)
{
    const rt_node *node = &t->graph->nodes[at];
    const rt_extent e = node->shape;
    const rt_sizes sizes = {4, {1, (int64_t)e.channels, (int64_t)e.height, (int64_t)e.width}};
    int image = rt_program_input(t->program, "images", &sizes);
    if (t->how->normalize) {
        image = rt_program_operator(t->program, RT_OPERATOR_SUB, "normalize.difference",
                                    (int[]){image, channels(t, "normalize.mean", t->how->mean, e.channels)}, 2);
        image = rt_program_operator(t->program, RT_OPERATOR_DIV, "normalize",
                                    (int[]){image, channels(t, "normalize.std", t->how->std, e.channels)}, 2);
    }
    t->forms[at].map = image;
}

/* The convolution with the norm's scale in its weights and the rest in its bias, in double before the one rounding. */
static void fold(translator *t, const rt_node *node, const rt_norm *norm, int *weight, int *bias)
{
    const rt_parameter *p = &t->graph->parameters[node->weight];
    const float *values = rt_parameter_values(t->parameters, node->weight);
    const float *own = node->bias >= 0 ? rt_parameter_values(t->parameters, node->bias) : NULL;
    const float *gamma = rt_parameter_values(t->parameters, norm->weight);
    const float *beta = rt_parameter_values(t->parameters, norm->bias);
    const float *mean = rt_parameter_values(t->parameters, norm->running_mean);
    const float *variance = rt_parameter_values(t->parameters, norm->running_var);
    size_t outputs = p->shape.dims[0], each = p->count / outputs;
    float *weights = malloc(p->count * sizeof *weights), *biases = malloc(outputs * sizeof *biases);
    for (size_t o = 0; weights && biases && o < outputs; ++o) {
        double scale = gamma[o] / sqrt((double)variance[o] + norm->epsilon);
        for (size_t i = 0; i < each; ++i)
            weights[o * each + i] = (float)(scale * values[o * each + i]);
        biases[o] = (float)(scale * ((own ? own[o] : 0.0) - mean[o]) + beta[o]);
    }
    rt_sizes sizes = {.count = p->shape.count};
    for (size_t i = 0; i < p->shape.count; ++i)
        sizes.dims[i] = (int64_t)p->shape.dims[i];
    *weight = rt_program_own_floats(t->program, labelled(node->name, "folded_weight").text, &sizes, weights);
    *bias = rt_program_own_floats(t->program, labelled(node->name, "folded_bias").text,
                                  &(rt_sizes){1, {(int64_t)outputs}}, biases);
}

static void translate_convolution(translator *t, int at)
{
    const rt_node *node = &t->graph->nodes[at];
    int inputs[3] = {as_map(t, node->sources[0]), -1, -1};
    if (t->folded[at] >= 0) {
        fold(t, node, &t->graph->nodes[t->folded[at]].norm, &inputs[1], &inputs[2]);
    } else {
        inputs[1] = parameter(t, node->weight);
        if (node->bias >= 0)
            inputs[2] = parameter(t, node->bias);
    }
    map_operator(t, at, RT_OPERATOR_CONV, inputs, t->folded[at] >= 0 || node->bias >= 0 ? 3 : 2);
    set_window(t, node);
    set_dilation(t, &node->window);
    rt_program_set_integer(t->program, "group", (int64_t)node->window.groups);
}

/* Nothing is left of the node: its readers read its source. */
static void pass_on(translator *t, int at)
{
    t->forms[at] = t->forms[t->graph->nodes[at].sources[0]];
}

static void translate_batch_norm(translator *t, int at)
{
    const rt_node *node = &t->graph->nodes[at];
    if (t->folded[node->sources[0]] == at) {
        pass_on(t, at);
        return;
    }
    const rt_norm *norm = &node->norm;
    const int inputs[] = {as_map(t, node->sources[0]), parameter(t, norm->weight), parameter(t, norm->bias),
                          parameter(t, norm->running_mean), parameter(t, norm->running_var)};
    map_operator(t, at, RT_OPERATOR_BATCH_NORMALIZATION, inputs, 5);
    rt_program_set_real(t->program, "epsilon", (float)norm->epsilon);
}

/* An operator on numbers one by one: it keeps the form of its source. */
static void unary(translator *t, int at, rt_operator_kind kind, const int *constants, size_t count)
{
    const form *source = &t->forms[t->graph->nodes[at].sources[0]];
    int inputs[RT_PROGRAM_INPUTS] = {source->map >= 0 ? source->map : source->rows};
    for (size_t i = 0; i < count; ++i)
        inputs[i + 1] = constants[i];
    int made = rt_program_operator(t->program, kind, t->graph->nodes[at].name, inputs, count + 1);
    *(source->map >= 0 ? &t->forms[at].map : &t->forms[at].rows) = made;
}

static void translate_relu(translator *t, int at)
{
    unary(t, at, RT_OPERATOR_RELU, NULL, 0);
}

static void translate_relu6(translator *t, int at)
{
    const char *name = t->graph->nodes[at].name;
    unary(t, at, RT_OPERATOR_CLIP, (int[]){scalar(t, name, "low", 0.0f), scalar(t, name, "high", 6.0f)}, 2);
}

static void translate_add(translator *t, int at)
{
    const rt_node *node = &t->graph->nodes[at];
    map_operator(t, at, RT_OPERATOR_ADD, (int[]){as_map(t, node->sources[0]), as_map(t, node->sources[1])}, 2);
}

static void translate_max_pool(translator *t, int at)
{
    const rt_node *node = &t->graph->nodes[at];
    map_operator(t, at, RT_OPERATOR_MAX_POOL, (int[]){as_map(t, node->sources[0])}, 1);
    set_window(t, node);
    set_dilation(t, &node->window);
}

static void translate_average_pool(translator *t, int at)
{
    const rt_node *node = &t->graph->nodes[at];
    if (node->window.dilation != 1 && t->program->error.status == RT_OK)
        rt_fail(&t->program->error, RT_ERROR_SHAPE,
                "average pool '%s' has dilation %zu, which ONNX's opset 17 does not know", node->name,
                node->window.dilation);
    map_operator(t, at, RT_OPERATOR_AVERAGE_POOL, (int[]){as_map(t, node->sources[0])}, 1);
    set_window(t, node);
    rt_program_set_integer(t->program, "count_include_pad", 1);
}

static void translate_global_average_pool(translator *t, int at)
{
    map_operator(t, at, RT_OPERATOR_GLOBAL_AVERAGE_POOL, (int[]){as_map(t, t->graph->nodes[at].sources[0])}, 1);
}

/* The matrix that brings `from` pixels of a line to `to`: a pixel is the mean of those it overlaps. [to, from], or the
 * other way round. */
static float *resizing(size_t from, size_t to, bool transposed)
{
    float *matrix = calloc(from * to, sizeof *matrix);
    for (size_t i = 0; matrix && i < to; ++i) {
        size_t first = i * from / to, end = ((i + 1) * from + to - 1) / to;
        for (size_t j = first; j < end; ++j)
            matrix[transposed ? j * to + i : i * from + j] = 1.0f / (float)(end - first);
    }
    return matrix;
}

static void translate_resize(translator *t, int at)
{
    const rt_node *node = &t->graph->nodes[at];
    const rt_extent from = source_node(t, node, 0)->shape, to = node->shape;
    if (from.height == to.height && from.width == to.width) {
        pass_on(t, at);
        return;
    }
    int down = rt_program_own_floats(t->program, labelled(node->name, "down").text,
                                     &(rt_sizes){2, {(int64_t)to.height, (int64_t)from.height}},
                                     resizing(from.height, to.height, false));
    int right = rt_program_own_floats(t->program, labelled(node->name, "right").text,
                                      &(rt_sizes){2, {(int64_t)from.width, (int64_t)to.width}},
                                      resizing(from.width, to.width, true));
    int rows = rt_program_operator(t->program, RT_OPERATOR_MATMUL, labelled(node->name, "rows_resized").text,
                                   (int[]){down, as_map(t, node->sources[0])}, 2);
    map_operator(t, at, RT_OPERATOR_MATMUL, (int[]){rows, right}, 2);
}

/* A linear layer of each pixel is a convolution. */
static void translate_linear_each(translator *t, int at)
{
    const rt_node *node = &t->graph->nodes[at];
    const rt_parameter *weight = &t->graph->parameters[node->weight];
    const rt_sizes sizes = {4, {(int64_t)weight->shape.dims[0], (int64_t)weight->shape.dims[1], 1, 1}};
    int inputs[3] = {as_map(t, node->sources[0]),
                     rt_program_floats(t->program, labelled(node->name, "kernel").text, &sizes,
                                       rt_parameter_values(t->parameters, node->weight)),
                     -1};
    if (node->bias >= 0)
        inputs[2] = parameter(t, node->bias);
    map_operator(t, at, RT_OPERATOR_CONV, inputs, node->bias >= 0 ? 3 : 2);
    rt_program_set(t->program, "kernel_shape", (int64_t[]){1, 1}, 2);
}

static void translate_linear(translator *t, int at)
{
    const rt_node *node = &t->graph->nodes[at];
    if (node->shape.height != 1 || node->shape.width != 1) {
        translate_linear_each(t, at);
        return;
    }
    int inputs[3] = {as_rows(t, node->sources[0]), parameter(t, node->weight), -1};
    if (node->bias >= 0)
        inputs[2] = parameter(t, node->bias);
    t->forms[at].rows = rt_program_operator(t->program, RT_OPERATOR_GEMM, node->name, inputs, node->bias >= 0 ? 3 : 2);
    rt_program_set_integer(t->program, "transB", 1);
}

static void translate_flatten(translator *t, int at)
{
    t->forms[at].rows = as_rows(t, t->graph->nodes[at].sources[0]);
}

static void translate_concat(translator *t, int at)
{
    const rt_node *node = &t->graph->nodes[at];
    int inputs[RT_MAX_SOURCES];
    for (size_t s = 0; s < node->source_count; ++s)
        inputs[s] = as_map(t, node->sources[s]);
    map_operator(t, at, RT_OPERATOR_CONCAT, inputs, node->source_count);
    rt_program_set_integer(t->program, "axis", 1);
}

static void translate_channel_slice(translator *t, int at)
{
    const rt_node *node = &t->graph->nodes[at];
    const int64_t first = (int64_t)node->first_channel, count = (int64_t)node->shape.channels;
    const int inputs[] = {as_map(t, node->sources[0]), integers(t, node->name, "starts", &first, 1),
                          integers(t, node->name, "ends", (int64_t[]){first + count}, 1),
                          integers(t, node->name, "axes", (int64_t[]){1}, 1)};
    map_operator(t, at, RT_OPERATOR_SLICE, inputs, 4);
}

static void translate_channel_shuffle(translator *t, int at)
{
    const rt_node *node = &t->graph->nodes[at];
    const int64_t height = (int64_t)node->shape.height, width = (int64_t)node->shape.width;
    const int64_t all = (int64_t)node->shape.channels, groups = (int64_t)node->shuffle_groups;
    int apart = integers(t, node->name, "apart", (int64_t[]){0, groups, all / groups, height, width}, 5);
    int together = integers(t, node->name, "together", (int64_t[]){0, all, height, width}, 4);
    int x = rt_program_operator(t->program, RT_OPERATOR_RESHAPE, labelled(node->name, "groups").text,
                                (int[]){as_map(t, node->sources[0]), apart}, 2);
    x = rt_program_operator(t->program, RT_OPERATOR_TRANSPOSE, labelled(node->name, "exchanged").text, &x, 1);
    rt_program_set(t->program, "perm", (int64_t[]){0, 2, 1, 3, 4}, 5);
    map_operator(t, at, RT_OPERATOR_RESHAPE, (int[]){x, together}, 2);
}

static void translate_subsample(translator *t, int at)
{
    const rt_node *node = &t->graph->nodes[at];
    const rt_extent from = source_node(t, node, 0)->shape;
    const int64_t stride = (int64_t)node->window.stride, grown = (int64_t)(node->shape.channels - from.channels) / 2;
    const int inputs[] = {as_map(t, node->sources[0]), integers(t, node->name, "starts", (int64_t[]){0, 0}, 2),
                          integers(t, node->name, "ends", (int64_t[]){(int64_t)from.height, (int64_t)from.width}, 2),
                          integers(t, node->name, "axes", (int64_t[]){2, 3}, 2),
                          integers(t, node->name, "steps", (int64_t[]){stride, stride}, 2)};
    int x = rt_program_operator(t->program, RT_OPERATOR_SLICE, labelled(node->name, "pixels").text, inputs, 5);
    int pads = integers(t, node->name, "pads", (int64_t[]){0, grown, 0, 0, 0, grown, 0, 0}, 8);
    map_operator(t, at, RT_OPERATOR_PAD, (int[]){x, pads}, 2);
}

static translate_node *const translators[RT_NODE_KINDS] = {
    [RT_NODE_INPUT] = translate_input,
    [RT_NODE_CONVOLUTION] = translate_convolution,
    [RT_NODE_BATCH_NORM] = translate_batch_norm,
    [RT_NODE_RELU] = translate_relu,
    [RT_NODE_RELU6] = translate_relu6,
    [RT_NODE_ADD] = translate_add,
    [RT_NODE_MAX_POOL] = translate_max_pool,
    [RT_NODE_AVERAGE_POOL] = translate_average_pool,
    [RT_NODE_GLOBAL_AVERAGE_POOL] = translate_global_average_pool,
    [RT_NODE_RESIZE] = translate_resize,
    [RT_NODE_LINEAR] = translate_linear,
    [RT_NODE_FLATTEN] = translate_flatten,
    [RT_NODE_CONCAT] = translate_concat,
    [RT_NODE_CHANNEL_SLICE] = translate_channel_slice,
    [RT_NODE_CHANNEL_SHUFFLE] = translate_channel_shuffle,
    [RT_NODE_SUBSAMPLE] = translate_subsample,
    [RT_NODE_DROPOUT] = pass_on,
};

/* Which batch norm each convolution takes in: the one that alone reads it. */
static void find_foldable(translator *t)
{
    for (size_t i = 0; i < t->graph->node_count; ++i)
        t->folded[i] = -1;
    rt_graph_count_readers(t->graph, t->readers);
    for (size_t i = 0; t->how->fold && i < t->graph->node_count; ++i) {
        const rt_node *node = &t->graph->nodes[i];
        int source = node->source_count ? node->sources[0] : -1;
        if (node->kind == RT_NODE_BATCH_NORM && t->graph->nodes[source].kind == RT_NODE_CONVOLUTION &&
            t->readers[source] == 1)
            t->folded[source] = (int)i;
    }
}

static void translate_all(translator *t)
{
    for (size_t i = 0; i < t->graph->node_count && t->program->error.status == RT_OK; ++i) {
        const rt_node *node = &t->graph->nodes[i];
        t->forms[i] = (form){-1, -1};
        if (!translators[node->kind])
            rt_fail(&t->program->error, RT_ERROR_SHAPE, "layer '%s' cannot be exported: there is no translation of %s",
                    node->name, rt_node_kind_name(node->kind));
        else
            translators[node->kind](t, (int)i);
    }
    if (t->program->error.status != RT_OK)
        return;
    t->program->output = as_rows(t, t->graph->output);
    t->program->classes = rt_extent_floats(t->graph->nodes[t->graph->output].shape);
    if (t->program->error.status == RT_OK)
        snprintf(t->program->values[t->program->output].name, RT_PROGRAM_NAME, "logits");
}

rt_status rt_program_translate(const rt_graph *graph, const rt_parameters *parameters, const rt_translation *how,
                               rt_program *program, rt_error *err)
{
    *program = (rt_program){0};
    translator t = {.graph = graph, .parameters = parameters, .how = how, .program = program};
    t.forms = calloc(graph->node_count, sizeof *t.forms);
    t.readers = calloc(graph->node_count, sizeof *t.readers);
    t.folded = calloc(graph->node_count, sizeof *t.folded);
    if (t.forms && t.readers && t.folded) {
        find_foldable(&t);
        translate_all(&t);
    } else {
        rt_fail(&program->error, RT_ERROR_MEMORY, "no memory to export a network of %zu layers", graph->node_count);
    }
    free(t.forms);
    free(t.readers);
    free(t.folded);
    if (program->error.status == RT_OK)
        return RT_OK;
    rt_status status = rt_fail(err, program->error.status, "%s", program->error.message);
    rt_program_free(program);
    return status;
}
