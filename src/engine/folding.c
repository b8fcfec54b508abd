#include "engine/folding.h"

#include <math.h>

bool rt_folds_norm(const rt_kernel *kernel)
{
    return kernel->node->norm.weight >= 0;
}

void rt_fold_norm(const rt_kernel *kernel, float *weights, float *bias)
{
    const rt_node *node = kernel->node;
    const rt_parameters *p = kernel->parameters;
    const rt_parameter *weight = &kernel->graph->parameters[node->weight];
    const float *values = rt_parameter_values(p, node->weight);
    const float *own_bias = node->bias >= 0 ? rt_parameter_values(p, node->bias) : NULL;
    const float *gamma = rt_parameter_values(p, node->norm.weight), *beta = rt_parameter_values(p, node->norm.bias);
    const float *mean = rt_parameter_values(p, node->norm.running_mean);
    const float *variance = rt_parameter_values(p, node->norm.running_var);
    size_t outputs = weight->shape.dims[0], each = weight->count / outputs;
    for (size_t o = 0; o < outputs; ++o) {
        double scale = gamma[o] / sqrt((double)variance[o] + node->norm.epsilon);
        for (size_t i = 0; i < each; ++i)
            weights[o * each + i] = (float)(scale * values[o * each + i]);
        bias[o] = (float)(scale * ((own_bias ? own_bias[o] : 0.0) - mean[o]) + beta[o]);
    }
}
