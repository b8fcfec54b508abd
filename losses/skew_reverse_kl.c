/* Skewed reverse Kullback-Leibler divergence: from the student to a mixture that has a share alpha of the student
 * itself.
 *
 *     p = softmax(teacher / T), q = softmax(student / T), m = (1 - alpha) p + alpha q
 *     l = sum_k q_k (log q_k - log m_k)        loss = mean of l over the batch
 *     a_k = log q_k - log m_k - alpha q_k / m_k
 *     dl/dstudent_k = (1 / T) q_k (a_k - sum_j q_j a_j)
 *
 * Because q / m <= 1 / alpha, l is at most -log alpha, however sure the teacher is that a class is impossible. At
 * alpha = 0 it is reverse_kl, without T^2. */
#include "retort/divergence.h"
#include "retort/loss.h"

struct skew_reverse_kl {
    rt_divergence common;
    double alpha;
};

static const rt_param params[] = {
    RT_DIVERGENCE_PARAMS(false),
    RT_FLOAT(struct skew_reverse_kl, alpha, 0.1, 0.0, 0.999, "share of the student in the mixture"),
    RT_PARAM_END,
};

RT_WIDE static void sample(void *context, size_t n)
{
    rt_divergence_row row = rt_divergence_open(context, n);
    const struct skew_reverse_kl *skew_reverse_kl = row.settings;
    double log_teacher = log(1.0 - skew_reverse_kl->alpha), log_student = log(skew_reverse_kl->alpha), share;
    double *restrict values = row.spare[0], *restrict slopes = row.spare[1];
    for (size_t k = 0; k < row.classes; ++k) {
        double log_m = rt_log_mixture(row.log_p[k] + log_teacher, row.log_q[k] + log_student, &share);
        values[k] = row.q[k] * (row.log_q[k] - log_m);
        slopes[k] = values[k] - row.q[k] * share;
    }
    rt_divergence_close(&row, rt_sum(values, row.classes), slopes);
}

static rt_status run(void *state, const rt_loss_io *io, double *loss, rt_error *err)
{
    (void)err;
    return rt_divergence_run(state, io, sample, loss);
}

const rt_loss rt_loss_skew_reverse_kl = {
    .abi = RT_LOSS_ABI,
    .name = "skew_reverse_kl",
    .summary = "Kullback-Leibler divergence from the student to a mixture of both",
    .formula = "sum_k q_k (log q_k - log m_k), m = (1 - alpha) p + alpha q, p = softmax(teacher / temperature), "
               "q = softmax(student / temperature); mean over the batch",
    .reference =
        "Ko, Kim, Chen, Yun: DistiLLM: Towards Streamlined Distillation for Large Language Models, ICML 2024,\n"
        "arXiv:2402.03898",
    .ports = rt_divergence_ports,
    .port_count = RT_DIVERGENCE_PORTS,
    .params = params,
    .state_size = sizeof(struct skew_reverse_kl),
    .properties = RT_LOSS_NON_NEGATIVE | RT_LOSS_ZERO_AT_EQUALITY | RT_LOSS_SHIFT_INVARIANT,
    .plan = rt_divergence_plan,
    .run = run,
};
