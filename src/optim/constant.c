/* factor = 1, after warm-up. */
#include "optim/optim.h"
#include "optim/warmup.h"

struct constant {
    double warmup;
};

static const rt_param params[] = {
    RT_WARMUP_PARAM(struct constant),
    RT_PARAM_END,
};

static double factor(const void *settings, double epoch, double epochs)
{
    (void)epochs;
    return rt_warmup_ramp(((const struct constant *)settings)->warmup, epoch);
}

const rt_schedule rt_schedule_constant = {
    .name = "constant",
    .summary = "the same learning rate throughout",
    .params = params,
    .settings_size = sizeof(struct constant),
    .factor = factor,
};
