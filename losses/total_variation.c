/* Total variation distance.
 *
 *     p = softmax(teacher / T), q = softmax(student / T)
 *     l = 1/2 sum_k |p_k - q_k|        loss = mean of l over the batch
 *     dl/dstudent_k = (1 / (2 T)) q_k (s_k - sum_j q_j s_j),  s = sign(q - p)
 *
 * From 0 to 1. The gradient knows which class has too much but not how much, and jumps where p_k = q_k; there s is 0.
 */
#include "retort/divergence.h"
#include "retort/loss.h"

static const rt_param params[] = {
    RT_DIVERGENCE_PARAMS(false),
    RT_PARAM_END,
};

RT_WIDE static void sample(void *context, size_t n)
{
    rt_divergence_row row = rt_divergence_open(context, n);
    double *restrict values = row.spare[0], *restrict slopes = row.spare[1];
    for (size_t k = 0; k < row.classes; ++k) {
        double difference = row.q[k] - row.p[k], half = 0.5 * row.q[k];
        values[k] = 0.5 * fabs(difference);
        slopes[k] = difference == 0.0 ? 0.0 : copysign(half, difference);
    }
    rt_divergence_close(&row, rt_sum(values, row.classes), slopes);
}

static rt_status run(void *state, const rt_loss_io *io, double *loss, rt_error *err)
{
    (void)err;
    return rt_divergence_run(state, io, sample, loss);
}

const rt_loss rt_loss_total_variation = {
    .abi = RT_LOSS_ABI,
    .name = "total_variation",
    .summary = "total variation distance of the two distributions",
    .formula = "1/2 sum_k |p_k - q_k|, p = softmax(teacher / temperature), q = softmax(student / temperature);\n"
               "mean over the batch",
    .reference = "Wen, Li, Du, Mou: f-Divergence Minimization for Sequence-Level Knowledge Distillation, ACL 2023, "
                 "arXiv:2307.15190",
    .ports = rt_divergence_ports,
    .port_count = RT_DIVERGENCE_PORTS,
    .params = params,
    .state_size = sizeof(rt_divergence),
    .properties = RT_LOSS_NON_NEGATIVE | RT_LOSS_ZERO_AT_EQUALITY | RT_LOSS_SHIFT_INVARIANT,
    .plan = rt_divergence_plan,
    .run = run,
};
