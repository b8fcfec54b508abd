/* Jeffreys divergence: forward and reverse Kullback-Leibler divergence together, with the share beta of the reverse.
 *
 *     p = softmax(teacher / T), q = softmax(student / T)
 *     l = 2 (1 - beta) sum_k p_k (log p_k - log q_k) + 2 beta R,  R = sum_k q_k (log q_k - log p_k)
 *     dl/dstudent_k = (2 / T) ((1 - beta) (q_k - p_k) + beta q_k (log q_k - log p_k - R))
 *
 * loss = mean of l over the batch. At beta = 1/2 it is Jeffreys' sum of the two; `mean` leaves out the 2. */
#include "retort/divergence.h"
#include "retort/loss.h"

struct jeffreys {
    rt_divergence common;
    double beta;
    bool mean;
};

static const rt_param params[] = {
    RT_DIVERGENCE_PARAMS(false),
    RT_FLOAT(struct jeffreys, beta, 0.5, 0.0, 1.0, "share of the reverse divergence; at 1/2 both count alike"),
    RT_BOOL(struct jeffreys, mean, false,
            "the weighted mean of the two instead of twice it; DistiLLM's code has it, with beta 0.9"),
    RT_PARAM_END,
};

RT_WIDE static void sample(void *context, size_t n)
{
    rt_divergence_row row = rt_divergence_open(context, n);
    const struct jeffreys *jeffreys = row.settings;
    double size = jeffreys->mean ? 1.0 : 2.0, reverse = size * jeffreys->beta, forward = size - reverse;
    double *restrict values = row.spare[0], *restrict slopes = row.spare[1];
    for (size_t k = 0; k < row.classes; ++k) {
        double excess = row.log_q[k] - row.log_p[k], of_reverse = reverse * row.q[k] * excess;
        values[k] = of_reverse - forward * row.p[k] * excess;
        slopes[k] = of_reverse - forward * row.p[k];
    }
    rt_divergence_close(&row, rt_sum(values, row.classes), slopes);
}

static rt_status run(void *state, const rt_loss_io *io, double *loss, rt_error *err)
{
    (void)err;
    return rt_divergence_run(state, io, sample, loss);
}

const rt_loss rt_loss_jeffreys = {
    .abi = RT_LOSS_ABI,
    .name = "jeffreys",
    .summary = "forward and reverse Kullback-Leibler divergence together",
    .formula = "2 (1 - beta) * sum_k p_k (log p_k - log q_k) + 2 beta * sum_k q_k (log q_k - log p_k), "
               "p = softmax(teacher / temperature), q = softmax(student / temperature); with mean: half of it;\n"
               "mean over the batch",
    .reference =
        "Jeffreys: An Invariant Form for the Prior Probability in Estimation Problems, Proceedings of the Royal\n"
        "Society A, 1946",
    .ports = rt_divergence_ports,
    .port_count = RT_DIVERGENCE_PORTS,
    .params = params,
    .state_size = sizeof(struct jeffreys),
    .properties = RT_LOSS_NON_NEGATIVE | RT_LOSS_ZERO_AT_EQUALITY | RT_LOSS_SHIFT_INVARIANT,
    .plan = rt_divergence_plan,
    .run = run,
};
