/* Cross-entropy against the teacher's distribution in place of a label.
 *
 *     p = softmax(teacher / T), q = softmax(student / T)
 *     l = -sum_k p_k log q_k                         loss = mean of l over the batch
 *     dl/dstudent_k = (q_k - p_k) / T
 *
 * That is kl and the teacher's entropy, which no student changes: the gradient is kl's. */
#include "retort/divergence.h"
#include "retort/loss.h"

static const rt_param params[] = {
    RT_DIVERGENCE_PARAMS(false),
    RT_PARAM_END,
};

RT_WIDE static void sample(void *context, size_t n)
{
    rt_divergence_row row = rt_divergence_open(context, n);
    const double softness = 1.0 / row.work->temperature;
    for (size_t k = 0; k < row.classes; ++k) {
        row.log_q[k] *= -row.p[k];
        row.p[k] = softness * (row.q[k] - row.p[k]);
    }
    rt_divergence_close_with(&row, rt_sum(row.log_q, row.classes), row.p);
}

static rt_status run(void *state, const rt_loss_io *io, double *loss, rt_error *err)
{
    (void)err;
    return rt_divergence_run(state, io, sample, loss);
}

const rt_loss rt_loss_soft_target = {
    .abi = RT_LOSS_ABI,
    .name = "soft_target",
    .summary = "cross-entropy against the teacher's distribution; kl's gradient",
    .formula = "-sum_k p_k log q_k, p = softmax(teacher / temperature), q = softmax(student / temperature);\n"
               "mean over the batch",
    .reference = "Hinton, Vinyals, Dean: Distilling the Knowledge in a Neural Network, 2015, arXiv:1503.02531",
    .ports = rt_divergence_ports,
    .port_count = RT_DIVERGENCE_PORTS,
    .params = params,
    .state_size = sizeof(rt_divergence),
    .properties = RT_LOSS_NON_NEGATIVE | RT_LOSS_SHIFT_INVARIANT,
    .plan = rt_divergence_plan,
    .run = run,
};
