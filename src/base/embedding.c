#include "retort/embedding.h"

struct biases {
    const float *bias;
    size_t dimension;
    double *embedded;
};

static void add_bias(void *context, size_t row)
{
    const struct biases *biases = context;
    for (size_t k = 0; k < biases->dimension; ++k)
        biases->embedded[row * biases->dimension + k] += (double)biases->bias[k];
}

void rt_embed(rt_matrix features, const float *weight, const float *bias, size_t dimension, double *embedded)
{
    rt_multiply(features, rt_transposed(rt_matrix_floats(weight, dimension, features.columns)), embedded);
    struct biases biases = {bias, dimension, embedded};
    if (bias)
        rt_parallel_samples(features.rows, dimension, add_bias, &biases);
}

void rt_embed_backward(double scale, const double *slopes, rt_matrix features, const float *weight, size_t dimension,
                       float *weight_gradient, float *bias_gradient, float *feature_gradient)
{
    const rt_matrix by_embedded = rt_matrix_doubles(slopes, features.rows, dimension);
    if (weight_gradient)
        rt_multiply_add(scale, rt_transposed(by_embedded), features, weight_gradient);
    if (bias_gradient)
        for (size_t k = 0; k < dimension; ++k) {
            double sum = 0.0;
            for (size_t row = 0; row < features.rows; ++row)
                sum += slopes[row * dimension + k];
            bias_gradient[k] += (float)(scale * sum);
        }
    if (feature_gradient)
        rt_multiply_add(scale, by_embedded, rt_matrix_floats(weight, dimension, features.columns), feature_gradient);
}
