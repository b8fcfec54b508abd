/* factor = gamma^(milestones reached): the staircase of the CIFAR literature. */
#include <math.h>

#include "optim/optim.h"
#include "optim/warmup.h"

struct multi_step {
    double warmup, gamma;
    rt_int_list milestones;
};

static const rt_param params[] = {
    RT_WARMUP_PARAM(struct multi_step),
    {.name = "milestones",
     .help = "epochs, counted from 0, at whose start the learning rate falls",
     .type = RT_PARAM_INT_LIST,
     .offset = offsetof(struct multi_step, milestones),
     .minimum = 1.0,
     .maximum = 1e6,
     .required = true},
    RT_FLOAT(struct multi_step, gamma, 0.1, 1e-6, 1.0, "what each milestone multiplies the learning rate by"),
    RT_PARAM_END,
};

static double factor(const void *settings, double epoch, double epochs)
{
    (void)epochs;
    const struct multi_step *multi_step = settings;
    double value = rt_warmup_ramp(multi_step->warmup, epoch);
    for (size_t i = 0; i < multi_step->milestones.count; ++i)
        if (epoch >= (double)multi_step->milestones.values[i])
            value *= multi_step->gamma;
    return value;
}

const rt_schedule rt_schedule_multi_step = {
    .name = "multi_step",
    .summary = "the learning rate falls by a factor at given epochs",
    .params = params,
    .settings_size = sizeof(struct multi_step),
    .factor = factor,
};
