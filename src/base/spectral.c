#include "retort/spectral.h"

#include "retort/features.h"

static double inverse(double length)
{
    return length > 0.0 ? 1.0 / length : 0.0;
}

RT_WIDE static void normalize(void *context, size_t n)
{
    const rt_spectral *spectral = context;
    size_t size = spectral->features.columns;
    double *restrict input = spectral->inputs + n * size;
    for (size_t k = 0; k < size; ++k)
        input[k] = (double)spectral->features.floats[n * size + k];
    spectral->norms[n] = rt_normalize(input, size);
}

RT_WIDE void rt_spectral_embed(rt_spectral *spectral, double *embedded)
{
    size_t samples = spectral->features.rows, size = spectral->features.columns, dimension = spectral->dimension;
    const rt_matrix weight = rt_matrix_floats(spectral->weight, dimension, size);
    for (size_t k = 0; k < size; ++k)
        spectral->v[k] = (double)spectral->direction[k];
    rt_normalize(spectral->v, size);
    rt_multiply(weight, rt_matrix_doubles(spectral->v, size, 1), spectral->u);
    spectral->sigma = rt_normalize(spectral->u, dimension);
    rt_parallel_samples(samples, size, normalize, spectral);
    rt_multiply(rt_matrix_doubles(spectral->inputs, samples, size), rt_transposed(weight), embedded);
    double scale = inverse(spectral->sigma);
    for (size_t k = 0; k < samples * dimension; ++k)
        embedded[k] *= scale;
}

/* With W' = W / sigma and G the gradient by W': dW = (G - <G, W'> u v^T) / sigma, and <G, W'> = <slopes, embedded>. */
RT_WIDE void rt_spectral_backward(rt_spectral *spectral, double scale, const double *slopes, const double *embedded,
                                  float *weight_gradient, float *feature_gradient)
{
    size_t samples = spectral->features.rows, size = spectral->features.columns, dimension = spectral->dimension;
    const rt_matrix by_embedded = rt_matrix_doubles(slopes, samples, dimension);
    double along = rt_dot(slopes, embedded, samples * dimension);
    scale *= inverse(spectral->sigma);
    if (weight_gradient)
        rt_multiply_add(scale, rt_transposed(by_embedded), rt_matrix_doubles(spectral->inputs, samples, size),
                        weight_gradient);
    for (size_t d = 0; weight_gradient && d < dimension; ++d)
        for (size_t k = 0; k < size; ++k)
            weight_gradient[d * size + k] -= (float)(scale * along * spectral->u[d] * spectral->v[k]);
    if (!feature_gradient)
        return;
    rt_multiply(by_embedded, rt_matrix_floats(spectral->weight, dimension, size), spectral->pulls);
    for (size_t n = 0; n < samples; ++n) {
        double *pull = spectral->pulls + n * size;
        rt_normalize_backward(spectral->inputs + n * size, spectral->norms[n], size, pull);
        for (size_t k = 0; k < size; ++k)
            feature_gradient[n * size + k] += (float)(scale * pull[k]);
    }
}

void rt_spectral_turn(rt_spectral *spectral, float *direction)
{
    size_t size = spectral->features.columns;
    if (spectral->sigma == 0.0)
        return; /* nothing to be found from here */
    rt_multiply(rt_matrix_doubles(spectral->u, 1, spectral->dimension),
                rt_matrix_floats(spectral->weight, spectral->dimension, size), spectral->v);
    rt_normalize(spectral->v, size);
    for (size_t k = 0; k < size; ++k)
        direction[k] = (float)spectral->v[k];
}
