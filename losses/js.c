/* Jensen-Shannon divergence, with the share beta of the teacher in the mixture.
 *
 *     p = softmax(teacher / T), q = softmax(student / T), m = beta p + (1 - beta) q
 *     l = beta sum_k p_k (log p_k - log m_k) + (1 - beta) sum_k q_k (log q_k - log m_k)
 *     dl/dstudent_k = ((1 - beta) / T) q_k (log q_k - log m_k - sum_j q_j (log q_j - log m_j))
 *
 * loss = mean of l over the batch. At beta = 1/2 it is symmetric and at most log 2. Towards both ends l vanishes, and
 * l / (beta (1 - beta)) goes to kl at 0 and to reverse_kl at 1: that is the continuous form. */
#include "retort/divergence.h"
#include "retort/loss.h"

struct js {
    rt_divergence common;
    double beta;
    bool continuous;
};

static const rt_param params[] = {
    RT_DIVERGENCE_PARAMS(false),
    RT_FLOAT(struct js, beta, 0.5, 0.001, 0.999, "share of the teacher in the mixture"),
    RT_BOOL(
        struct js, continuous, false,
        "divide by beta (1 - beta): from kl at beta 0 to reverse_kl at 1, and the same near equality for every beta"),
    RT_PARAM_END,
};

RT_WIDE static void sample(void *context, size_t n)
{
    rt_divergence_row row = rt_divergence_open(context, n);
    const struct js *js = row.settings;
    double of_teacher = js->continuous ? 1.0 / (1.0 - js->beta) : js->beta;
    double of_student = js->continuous ? 1.0 / js->beta : 1.0 - js->beta;
    double log_teacher = log(js->beta), log_student = log(1.0 - js->beta), share;
    double *restrict values = row.spare[0], *restrict slopes = row.spare[1];
    for (size_t k = 0; k < row.classes; ++k) {
        double log_m = rt_log_mixture(row.log_p[k] + log_teacher, row.log_q[k] + log_student, &share);
        slopes[k] = of_student * row.q[k] * (row.log_q[k] - log_m);
        values[k] = of_teacher * row.p[k] * (row.log_p[k] - log_m) + slopes[k];
    }
    rt_divergence_close(&row, rt_sum(values, row.classes), slopes);
}

static rt_status run(void *state, const rt_loss_io *io, double *loss, rt_error *err)
{
    (void)err;
    return rt_divergence_run(state, io, sample, loss);
}

const rt_loss rt_loss_js = {
    .abi = RT_LOSS_ABI,
    .name = "js",
    .summary = "Jensen-Shannon divergence, with the teacher's share in the mixture",
    .formula = "beta * sum_k p_k (log p_k - log m_k) + (1 - beta) * sum_k q_k (log q_k - log m_k), "
               "m = beta p + (1 - beta) q, p = softmax(teacher / temperature), q = softmax(student / temperature);\n"
               "with continuous: divided by beta (1 - beta); mean over the batch",
    .reference =
        "Lin: Divergence Measures Based on the Shannon Entropy, IEEE Transactions on Information Theory, 1991;\n"
        "beta as in Agarwal et al.: On-Policy Distillation of Language Models, ICLR 2024, arXiv:2306.13649",
    .ports = rt_divergence_ports,
    .port_count = RT_DIVERGENCE_PORTS,
    .params = params,
    .state_size = sizeof(struct js),
    .properties = RT_LOSS_NON_NEGATIVE | RT_LOSS_ZERO_AT_EQUALITY | RT_LOSS_SHIFT_INVARIANT,
    .plan = rt_divergence_plan,
    .run = run,
};
