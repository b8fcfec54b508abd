/* Cauchy-Schwarz divergence: how far the angle between the two distributions is from 0.
 *
 *     p = softmax(teacher / T), q = softmax(student / T)
 *     l = -log( (sum_k p_k q_k)^2 / (sum_k p_k^2 sum_k q_k^2) )        loss = mean of l over the batch
 *     dl/dstudent_k = (2 / T) (q_k^2 / sum_j q_j^2 - p_k q_k / sum_j p_j q_j)
 *
 * Symmetric and without bound. `half` leaves out the square: -log of the cosine, as the code
 * of JiahaoZhang666/CSD has it. */
#include "retort/divergence.h"
#include "retort/loss.h"

struct cauchy_schwarz {
    rt_divergence common;
    bool half;
};

static const rt_param params[] = {
    RT_DIVERGENCE_PARAMS(false),
    RT_BOOL(struct cauchy_schwarz, half, false,
            "without the square, and so half of it: minus the logarithm of the cosine"),
    RT_PARAM_END,
};

RT_WIDE static void sample(void *context, size_t n)
{
    rt_divergence_row row = rt_divergence_open(context, n);
    double size = ((const struct cauchy_schwarz *)row.settings)->half ? 1.0 : 2.0;
    double *restrict values = row.spare[0], *restrict slopes = row.spare[1];
    for (size_t k = 0; k < row.classes; ++k)
        values[k] = row.log_p[k] + row.log_q[k]; /* p q itself may all be too small for double; squares never are */
    double log_product = rt_log_sum_exp(values, row.classes, slopes);
    for (size_t k = 0; k < row.classes; ++k) {
        row.p[k] *= row.p[k];
        values[k] = row.q[k] * row.q[k];
    }
    double squares_p = rt_sum(row.p, row.classes), squares_q = rt_sum(values, row.classes), share = 1.0 / squares_q;
    for (size_t k = 0; k < row.classes; ++k)
        slopes[k] = size * (values[k] * share - slopes[k]);
    rt_divergence_close(&row, size * (0.5 * (log(squares_p) + log(squares_q)) - log_product), slopes);
}

static rt_status run(void *state, const rt_loss_io *io, double *loss, rt_error *err)
{
    (void)err;
    return rt_divergence_run(state, io, sample, loss);
}

const rt_loss rt_loss_cauchy_schwarz = {
    .abi = RT_LOSS_ABI,
    .name = "cauchy_schwarz",
    .summary = "Cauchy-Schwarz divergence: minus the logarithm of the squared cosine",
    .formula = "-log((sum_k p_k q_k)^2 / (sum_k p_k^2 sum_k q_k^2)), p = softmax(teacher / temperature), "
               "q = softmax(student / temperature); with half: half of it; mean over the batch",
    .reference = "Principe, Xu, Fisher: Information Theoretic Learning, in Unsupervised Adaptive Filtering, 2000",
    .ports = rt_divergence_ports,
    .port_count = RT_DIVERGENCE_PORTS,
    .params = params,
    .state_size = sizeof(struct cauchy_schwarz),
    .properties = RT_LOSS_NON_NEGATIVE | RT_LOSS_ZERO_AT_EQUALITY | RT_LOSS_SHIFT_INVARIANT,
    .plan = rt_divergence_plan,
    .run = run,
};
