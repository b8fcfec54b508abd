/* The input, and layers with weights: convolutions, linear layers, and the batch norms that go into them. */
#include <math.h>
#include <stdlib.h>

#include "export/translator.h"

/* One number for each channel, [1, channels, 1, 1]. */
static int channels(rt_translator *t, const char *name, const float *values, size_t count)
{
    return rt_program_floats(t->program, name, &(rt_sizes){4, {1, (int64_t)count, 1, 1}}, values);
}

void rt_translate_input(rt_translator *t, int at)
{
    const rt_extent e = rt_translated(t, at)->shape;
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
static void fold(rt_translator *t, const rt_node *node, const rt_norm *norm, int *weight, int *bias)
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
    const rt_sizes sizes = rt_shape_sizes(&p->shape);
    *weight = rt_program_own_floats(t->program, rt_labelled(node->name, "folded_weight").text, &sizes, weights);
    *bias = rt_program_own_floats(t->program, rt_labelled(node->name, "folded_bias").text,
                                  &(rt_sizes){1, {(int64_t)outputs}}, biases);
}

void rt_translate_convolution(rt_translator *t, int at)
{
    const rt_node *node = rt_translated(t, at);
    int inputs[3] = {rt_source_map(t, at, 0), -1, -1};
    if (t->folded[at] >= 0) {
        fold(t, node, &t->graph->nodes[t->folded[at]].norm, &inputs[1], &inputs[2]);
    } else {
        inputs[1] = rt_parameter_value(t, node->weight);
        if (node->bias >= 0)
            inputs[2] = rt_parameter_value(t, node->bias);
    }
    rt_map_operator(t, at, RT_OPERATOR_CONV, inputs, t->folded[at] >= 0 || node->bias >= 0 ? 3 : 2);
    rt_set_window(t, at);
    rt_set_dilation(t, at);
    rt_program_set_integer(t->program, "group", (int64_t)node->window.groups);
}

void rt_translate_batch_norm(rt_translator *t, int at)
{
    const rt_node *node = rt_translated(t, at);
    if (t->folded[node->sources[0]] == at) {
        rt_pass_on(t, at);
        return;
    }
    const rt_norm *norm = &node->norm;
    const int inputs[] = {rt_source_map(t, at, 0), rt_parameter_value(t, norm->weight),
                          rt_parameter_value(t, norm->bias), rt_parameter_value(t, norm->running_mean),
                          rt_parameter_value(t, norm->running_var)};
    rt_map_operator(t, at, RT_OPERATOR_BATCH_NORMALIZATION, inputs, 5);
    rt_program_set_real(t->program, "epsilon", (float)norm->epsilon);
}

/* A linear layer of each pixel of a map is a convolution. */
static void linear_of_map(rt_translator *t, int at)
{
    const rt_node *node = rt_translated(t, at);
    const rt_parameter *weight = &t->graph->parameters[node->weight];
    const rt_sizes sizes = {4, {(int64_t)weight->shape.dims[0], (int64_t)weight->shape.dims[1], 1, 1}};
    int inputs[3] = {rt_source_map(t, at, 0),
                     rt_program_floats(t->program, rt_labelled(node->name, "kernel").text, &sizes,
                                       rt_parameter_values(t->parameters, node->weight)),
                     -1};
    if (node->bias >= 0)
        inputs[2] = rt_parameter_value(t, node->bias);
    rt_map_operator(t, at, RT_OPERATOR_CONV, inputs, node->bias >= 0 ? 3 : 2);
    rt_program_set(t->program, "kernel_shape", (int64_t[]){1, 1}, 2);
}

/* [features, inputs] becomes [inputs, features]. */
static int transposed_weight(rt_translator *t, const rt_node *node)
{
    const rt_parameter *p = &t->graph->parameters[node->weight];
    const float *values = rt_parameter_values(t->parameters, node->weight);
    size_t features = p->shape.dims[0], inputs = p->shape.dims[1];
    float *transposed = malloc(p->count * sizeof *transposed);
    for (size_t i = 0; transposed && i < inputs; ++i)
        for (size_t f = 0; f < features; ++f)
            transposed[i * features + f] = values[f * inputs + i];
    return rt_program_own_floats(t->program, rt_labelled(node->name, "weight_transposed").text,
                                 &(rt_sizes){2, {(int64_t)inputs, (int64_t)features}}, transposed);
}

/* One of each token is a product of matrices. */
static void linear_of_tokens(rt_translator *t, int at)
{
    const rt_node *node = rt_translated(t, at);
    const int inputs[] = {rt_as_tokens(t, node->sources[0]), transposed_weight(t, node)};
    if (node->bias < 0) {
        rt_token_operator(t, at, RT_OPERATOR_MATMUL, inputs, 2);
        return;
    }
    const int product = rt_step_operator(t, at, "product", RT_OPERATOR_MATMUL, inputs, 2);
    rt_token_operator(t, at, RT_OPERATOR_ADD, (int[]){product, rt_parameter_value(t, node->bias)}, 2);
}

void rt_translate_linear(rt_translator *t, int at)
{
    const rt_node *node = rt_translated(t, at);
    if (node->shape.height != 1 || node->shape.width != 1) {
        if (t->forms[node->sources[0]].tokens >= 0)
            linear_of_tokens(t, at);
        else
            linear_of_map(t, at);
        return;
    }
    int inputs[3] = {rt_as_rows(t, node->sources[0]), rt_parameter_value(t, node->weight), -1};
    if (node->bias >= 0)
        inputs[2] = rt_parameter_value(t, node->bias);
    t->forms[at].rows = rt_program_operator(t->program, RT_OPERATOR_GEMM, node->name, inputs, node->bias >= 0 ? 3 : 2);
    rt_program_set_integer(t->program, "transB", 1);
}
