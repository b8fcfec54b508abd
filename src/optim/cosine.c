/* factor = final + (1 - final) / 2 * (1 + cos(pi * t)), t from 0 after warm-up to 1 at the end. */
#include <math.h>

#include "optim/optim.h"
#include "optim/warmup.h"

struct cosine {
    double warmup, final;
};

static const rt_param params[] = {
    RT_WARMUP_PARAM(struct cosine),
    RT_FLOAT(struct cosine, final, 0.0, 0.0, 1.0, "share of the learning rate that is left at the end"),
    RT_PARAM_END,
};

static double factor(const void *settings, double epoch, double epochs)
{
    const struct cosine *cosine = settings;
    if (epoch < cosine->warmup)
        return rt_warmup_ramp(cosine->warmup, epoch);
    double decay_epochs = epochs - cosine->warmup;
    double t = decay_epochs > 0.0 ? fmin((epoch - cosine->warmup) / decay_epochs, 1.0) : 1.0;
    return cosine->final + 0.5 * (1.0 - cosine->final) * (1.0 + cos(acos(-1.0) * t));
}

const rt_schedule rt_schedule_cosine = {
    .name = "cosine",
    .summary = "half a cosine from the full learning rate after warm-up to (almost) none at the end",
    .params = params,
    .settings_size = sizeof(struct cosine),
    .factor = factor,
};
