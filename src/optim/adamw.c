/* AdamW: Adam whose weight decay acts on the weights themselves, not through the moments. */
#include <math.h>

#include "optim/optim.h"
#include "optim/spans.h"

struct adamw {
    double lr, beta1, beta2, epsilon, weight_decay;
    bool decay_norm_and_bias;
};

static const rt_param params[] = {
    RT_FLOAT(struct adamw, lr, 1e-3, 1e-12, 1e3, "learning rate, before the schedule"),
    RT_FLOAT(struct adamw, beta1, 0.9, 0.0, 0.9999999, "memory of the mean of the gradients"),
    RT_FLOAT(struct adamw, beta2, 0.999, 0.0, 0.9999999, "memory of the mean of their squares"),
    RT_FLOAT(struct adamw, epsilon, 1e-8, 1e-30, 1.0, "added to the root of the squares"),
    RT_FLOAT(struct adamw, weight_decay, 0.01, 0.0, 1e3, "each step shrinks the weights by lr times this"),
    RT_BOOL(struct adamw, decay_norm_and_bias, true, "false exempts norm parameters and biases from weight decay"),
    RT_PARAM_END,
};

static double learning_rate(const void *settings)
{
    return ((const struct adamw *)settings)->lr;
}

static bool decays_norm_and_bias(const void *settings)
{
    return ((const struct adamw *)settings)->decay_norm_and_bias;
}

static void update(const void *settings, const rt_optimizer_span *span)
{
    const struct adamw *adamw = settings;
    const double steps = (double)span->step + 1.0;
    const double rate = span->learning_rate;
    /* Whatever does not depend on the element is worked out in double and rounded once. */
    const float keep = (float)(span->decay ? 1.0 - rate * adamw->weight_decay : 1.0);
    const float beta1 = (float)adamw->beta1, rest1 = (float)(1.0 - adamw->beta1);
    const float beta2 = (float)adamw->beta2, rest2 = (float)(1.0 - adamw->beta2);
    const float step_size = (float)(rate / (1.0 - pow(adamw->beta1, steps)));
    const float square_scale = (float)sqrt(1.0 - pow(adamw->beta2, steps));
    const float epsilon = (float)adamw->epsilon;
    float *restrict values = span->values;
    float *restrict means = span->moments[0];
    float *restrict squares = span->moments[1];
    const float *restrict gradients = span->gradients;

#pragma omp parallel for simd schedule(static) if (parallel : span->count >= RT_SPAN_PARALLEL)
    for (size_t i = 0; i < span->count; ++i) {
        float gradient = gradients[i];
        float mean = beta1 * means[i] + rest1 * gradient;
        float square = beta2 * squares[i] + rest2 * gradient * gradient;
        means[i] = mean;
        squares[i] = square;
        values[i] = keep * values[i] - step_size * mean / (sqrtf(square) / square_scale + epsilon);
    }
}

const rt_optimizer rt_optimizer_adamw = {
    .name = "adamw",
    .summary = "Adam with decoupled weight decay",
    .reference = "Loshchilov and Hutter 2019, Decoupled weight decay regularization, ICLR, arXiv:1711.05101; "
                 "equations as in PyTorch's torch.optim.AdamW",
    .params = params,
    .settings_size = sizeof(struct adamw),
    .moments = 2,
    .learning_rate = learning_rate,
    .decays_norm_and_bias = decays_norm_and_bias,
    .update = update,
};
