/* Reverse Kullback-Leibler divergence: of the teacher from the student.
 *
 *     p = softmax(teacher / T), q = softmax(student / T)
 *     l = T^2 R,  R = sum_k q_k (log q_k - log p_k)        loss = mean of l over the batch
 *     dl/dstudent_k = T q_k (log q_k - log p_k - R)
 *
 * It seeks one mode of the teacher rather than covering all: a class that the student thinks impossible pulls little,
 * whatever the teacher thinks of it. */
#include "retort/divergence.h"
#include "retort/loss.h"

static const rt_param params[] = {
    RT_DIVERGENCE_PARAMS(true),
    RT_PARAM_END,
};

RT_WIDE static void sample(void *context, size_t n)
{
    rt_divergence_row row = rt_divergence_open(context, n);
    for (size_t k = 0; k < row.classes; ++k)
        row.log_p[k] = row.q[k] * (row.log_q[k] - row.log_p[k]);
    rt_divergence_close(&row, rt_sum(row.log_p, row.classes), row.log_p);
}

static rt_status run(void *state, const rt_loss_io *io, double *loss, rt_error *err)
{
    (void)err;
    return rt_divergence_run(state, io, sample, loss);
}

const rt_loss rt_loss_reverse_kl = {
    .abi = RT_LOSS_ABI,
    .name = "reverse_kl",
    .summary = "Kullback-Leibler divergence of the teacher from the student",
    .formula = "temperature^2 * sum_k q_k (log q_k - log p_k), p = softmax(teacher / temperature), "
               "q = softmax(student / temperature); mean over the batch",
    .reference = "Kullback, Leibler: On Information and Sufficiency, Annals of Mathematical Statistics, 1951",
    .ports = rt_divergence_ports,
    .port_count = RT_DIVERGENCE_PORTS,
    .params = params,
    .state_size = sizeof(rt_divergence),
    .properties = RT_LOSS_NON_NEGATIVE | RT_LOSS_ZERO_AT_EQUALITY | RT_LOSS_SHIFT_INVARIANT,
    .plan = rt_divergence_plan,
    .run = run,
};
