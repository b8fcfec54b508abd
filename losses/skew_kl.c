/* Skewed Kullback-Leibler divergence: from the teacher to a mixture that has a share alpha of the teacher itself.
 *
 *     p = softmax(teacher / T), q = softmax(student / T), m = alpha p + (1 - alpha) q
 *     l = sum_k p_k (log p_k - log m_k)        loss = mean of l over the batch
 *     dl/dstudent_k = -((1 - alpha) / T) q_k (p_k / m_k - sum_j q_j p_j / m_j)
 *
 * Because p / m <= 1 / alpha, neither l nor its gradient explodes where the student thinks impossible what the teacher
 * does not. At alpha = 0 it is kl, without T^2. */
#include "retort/divergence.h"
#include "retort/loss.h"

struct skew_kl {
    rt_divergence common;
    double alpha;
};

static const rt_param params[] = {
    RT_DIVERGENCE_PARAMS(false),
    RT_FLOAT(struct skew_kl, alpha, 0.1, 0.0, 0.999, "share of the teacher in the mixture"),
    RT_PARAM_END,
};

RT_WIDE static void sample(void *context, size_t n)
{
    rt_divergence_row row = rt_divergence_open(context, n);
    const struct skew_kl *skew_kl = row.settings;
    double log_teacher = log(skew_kl->alpha), log_student = log(1.0 - skew_kl->alpha), share;
    double *restrict values = row.spare[0], *restrict slopes = row.spare[1];
    for (size_t k = 0; k < row.classes; ++k) {
        double log_m = rt_log_mixture(row.log_p[k] + log_teacher, row.log_q[k] + log_student, &share);
        values[k] = row.p[k] * (row.log_p[k] - log_m);
        slopes[k] = -row.p[k] * share;
    }
    rt_divergence_close(&row, rt_sum(values, row.classes), slopes);
}

static rt_status run(void *state, const rt_loss_io *io, double *loss, rt_error *err)
{
    (void)err;
    return rt_divergence_run(state, io, sample, loss);
}

const rt_loss rt_loss_skew_kl = {
    .abi = RT_LOSS_ABI,
    .name = "skew_kl",
    .summary = "Kullback-Leibler divergence from the teacher to a mixture of both",
    .formula = "sum_k p_k (log p_k - log m_k), m = alpha p + (1 - alpha) q, p = softmax(teacher / temperature), "
               "q = softmax(student / temperature); mean over the batch",
    .reference =
        "Ko, Kim, Chen, Yun: DistiLLM: Towards Streamlined Distillation for Large Language Models, ICML 2024,\n"
        "arXiv:2402.03898",
    .ports = rt_divergence_ports,
    .port_count = RT_DIVERGENCE_PORTS,
    .params = params,
    .state_size = sizeof(struct skew_kl),
    .properties = RT_LOSS_NON_NEGATIVE | RT_LOSS_ZERO_AT_EQUALITY | RT_LOSS_SHIFT_INVARIANT,
    .plan = rt_divergence_plan,
    .run = run,
};
