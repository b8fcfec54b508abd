/* Renyi divergence of order alpha, normalised so that it is a divergence for every order.
 *
 *     p = softmax(teacher / T), q = softmax(student / T)
 *     l = log(sum_k p_k^alpha q_k^(1 - alpha)) / (alpha (alpha - 1))        loss = mean of l over the batch
 *     w = softmax((alpha teacher + (1 - alpha) student) / T)
 *     dl/dstudent_k = (q_k - w_k) / (alpha T)
 *
 * Textbooks divide by alpha - 1 alone: below order 0 that is not positive and pushes the student away from the teacher.
 * Divided by alpha as well, l goes to kl at order 1 and to reverse_kl at order 0, without T^2, and near equality it is
 * the same for all orders. It is the logarithm of what `alpha` has, and its gradient stays within 1 / (|alpha| T). */
#include "retort/divergence.h"
#include "retort/loss.h"

struct renyi {
    rt_divergence common;
    double alpha;
};

static const rt_param params[] = {
    RT_DIVERGENCE_PARAMS(false),
    RT_FLOAT(struct renyi, alpha, 0.5, -100.0, 100.0,
             "the order: kl at 1, reverse_kl at 0; the larger, the more it shuns to miss a class of the teacher's"),
    RT_PARAM_END,
};

/* Nearer to an order where the formula is 0 / 0, its limit is more exact. */
static const double nearest = 1e-5;

RT_WIDE static void sample(void *context, size_t n)
{
    rt_divergence_row row = rt_divergence_open(context, n);
    double alpha = ((const struct renyi *)row.settings)->alpha;
    double *restrict values = row.spare[0], *restrict slopes = row.spare[1];
    if (fabs(alpha) < nearest || fabs(alpha - 1.0) < nearest) {
        bool reverse = alpha < 0.5;
        for (size_t k = 0; k < row.classes; ++k) {
            double excess = row.log_q[k] - row.log_p[k];
            values[k] = reverse ? row.q[k] * excess : -row.p[k] * excess;
            slopes[k] = reverse ? values[k] : -row.p[k];
        }
        rt_divergence_close(&row, rt_sum(values, row.classes), slopes);
        return;
    }
    for (size_t k = 0; k < row.classes; ++k)
        values[k] = alpha * row.log_p[k] + (1.0 - alpha) * row.log_q[k];
    double log_sum = rt_log_sum_exp(values, row.classes, slopes);
    for (size_t k = 0; k < row.classes; ++k)
        slopes[k] *= -1.0 / alpha;
    rt_divergence_close(&row, log_sum / (alpha * (alpha - 1.0)), slopes);
}

static rt_status run(void *state, const rt_loss_io *io, double *loss, rt_error *err)
{
    (void)err;
    return rt_divergence_run(state, io, sample, loss);
}

const rt_loss rt_loss_renyi = {
    .abi = RT_LOSS_ABI,
    .name = "renyi",
    .summary = "Renyi divergence of any order, from reverse_kl at 0 to kl at 1 and beyond",
    .formula = "log(sum_k p_k^alpha q_k^(1 - alpha)) / (alpha (alpha - 1)), p = softmax(teacher / temperature), "
               "q = softmax(student / temperature); mean over the batch",
    .reference =
        "Renyi: On Measures of Entropy and Information, 4th Berkeley Symposium, 1961; divided by alpha as well",
    .ports = rt_divergence_ports,
    .port_count = RT_DIVERGENCE_PORTS,
    .params = params,
    .state_size = sizeof(struct renyi),
    .properties = RT_LOSS_NON_NEGATIVE | RT_LOSS_ZERO_AT_EQUALITY | RT_LOSS_SHIFT_INVARIANT,
    .plan = rt_divergence_plan,
    .run = run,
};
