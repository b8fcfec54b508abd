/* Stochastic gradient descent with PyTorch's conventions: the decay is part of the gradient, the learning rate is not
 * part of the momentum. */
#include "optim/optim.h"
#include "optim/spans.h"

struct sgd {
    double lr, momentum, weight_decay;
    bool nesterov, decay_norm_and_bias;
};

static const rt_param params[] = {
    RT_FLOAT(struct sgd, lr, 0.1, 1e-12, 1e3, "learning rate, before the schedule"),
    RT_FLOAT(struct sgd, momentum, 0.9, 0.0, 1.0, "share of the velocity that is kept at each step; 0 for none"),
    RT_FLOAT(struct sgd, weight_decay, 5e-4, 0.0, 1e3, "this share of the weights is added to their gradient"),
    RT_BOOL(struct sgd, nesterov, false, "step along the gradient plus momentum times the new velocity"),
    RT_BOOL(struct sgd, decay_norm_and_bias, true, "false exempts norm parameters and biases from weight decay"),
    RT_PARAM_END,
};

static double learning_rate(const void *settings)
{
    return ((const struct sgd *)settings)->lr;
}

static bool decays_norm_and_bias(const void *settings)
{
    return ((const struct sgd *)settings)->decay_norm_and_bias;
}

static void update(const void *settings, const rt_optimizer_span *span)
{
    const struct sgd *sgd = settings;
    const float rate = (float)span->learning_rate;
    const float momentum = (float)sgd->momentum;
    const float decay = span->decay ? (float)sgd->weight_decay : 0.0f;
    /* step = straight * gradient + along * velocity, where the velocity already holds the gradient once. */
    const float straight = sgd->nesterov ? 1.0f : 0.0f;
    const float along = sgd->nesterov ? momentum : 1.0f;
    float *restrict values = span->values;
    float *restrict velocities = span->moments[0];
    const float *restrict gradients = span->gradients;

    /* The velocity starts at zero, so that the first step makes it the gradient, as in PyTorch. */
#pragma omp parallel for simd schedule(static) if (parallel : span->count >= RT_SPAN_PARALLEL)
    for (size_t i = 0; i < span->count; ++i) {
        float gradient = gradients[i] + decay * values[i];
        float velocity = momentum * velocities[i] + gradient;
        velocities[i] = velocity;
        values[i] -= rate * (straight * gradient + along * velocity);
    }
}

const rt_optimizer rt_optimizer_sgd = {
    .name = "sgd",
    .summary = "stochastic gradient descent with momentum, optionally Nesterov's",
    .reference = "Sutskever et al. 2013, On the importance of initialization and momentum in deep learning, ICML; "
                 "equations as in PyTorch's torch.optim.SGD",
    .params = params,
    .settings_size = sizeof(struct sgd),
    .moments = 1,
    .learning_rate = learning_rate,
    .decays_norm_and_bias = decays_norm_and_bias,
    .update = update,
};
