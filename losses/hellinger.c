/* Squared Hellinger distance.
 *
 *     p = softmax(teacher / T), q = softmax(student / T)
 *     l = sum_k (sqrt p_k - sqrt q_k)^2        loss = mean of l over the batch
 *     dl/dstudent_k = (1 / T) (q_k sum_j sqrt(p_j q_j) - sqrt(p_k q_k))
 *
 * Symmetric, from 0 to 2; `half` gives the other convention, 1 - sum_k sqrt(p_k q_k), from 0 to 1. */
#include "retort/divergence.h"
#include "retort/loss.h"

struct hellinger {
    rt_divergence common;
    bool half;
};

static const rt_param params[] = {
    RT_DIVERGENCE_PARAMS(false),
    RT_BOOL(struct hellinger, half, false, "half of it: 1 - sum_k sqrt(p_k q_k)"),
    RT_PARAM_END,
};

RT_WIDE static void sample(void *context, size_t n)
{
    rt_divergence_row row = rt_divergence_open(context, n);
    double size = ((const struct hellinger *)row.settings)->half ? 0.5 : 1.0;
    double *restrict values = row.spare[0], *restrict slopes = row.spare[1];
    for (size_t k = 0; k < row.classes; ++k) {
        double root_p = sqrt(row.p[k]), root_q = sqrt(row.q[k]), difference = root_p - root_q;
        values[k] = size * (difference * difference);
        slopes[k] = -size * root_p * root_q;
    }
    rt_divergence_close(&row, rt_sum(values, row.classes), slopes);
}

static rt_status run(void *state, const rt_loss_io *io, double *loss, rt_error *err)
{
    (void)err;
    return rt_divergence_run(state, io, sample, loss);
}

const rt_loss rt_loss_hellinger = {
    .abi = RT_LOSS_ABI,
    .name = "hellinger",
    .summary = "squared Hellinger distance of the two distributions",
    .formula =
        "sum_k (sqrt p_k - sqrt q_k)^2, p = softmax(teacher / temperature), q = softmax(student / temperature);\n"
        "with half: half of it; mean over the batch",
    .reference =
        "Hellinger: Neue Begruendung der Theorie quadratischer Formen von unendlichvielen Veraenderlichen, Journal\n"
        "fuer die reine und angewandte Mathematik, 1909",
    .ports = rt_divergence_ports,
    .port_count = RT_DIVERGENCE_PORTS,
    .params = params,
    .state_size = sizeof(struct hellinger),
    .properties = RT_LOSS_NON_NEGATIVE | RT_LOSS_ZERO_AT_EQUALITY | RT_LOSS_SHIFT_INVARIANT,
    .plan = rt_divergence_plan,
    .run = run,
};
