/* Chi-square divergence, Pearson's or Neyman's.
 *
 *     p = softmax(teacher / T), q = softmax(student / T)
 *     pearson: l = sum_k (p_k - q_k)^2 / q_k = S - 1,  S = sum_k p_k^2 / q_k
 *              dl/dstudent_k = (S / T) (q_k - w_k),  w_k = p_k^2 / (q_k S)
 *     neyman:  l = sum_k (p_k - q_k)^2 / p_k = S - 1,  S = sum_k q_k^2 / p_k
 *              dl/dstudent_k = (2 S / T) (w_k - q_k),  w_k = q_k^2 / (p_k S)
 *
 * loss = mean of l over the batch. S is a sum of powers, taken in logarithms; it grows like the worst ratio of the two,
 * and from e^70 on it is held there, while w keeps its direction: such a step is for gradient clipping. */
#include "retort/divergence.h"
#include "retort/loss.h"

enum { PEARSON, NEYMAN };

struct chi_square {
    rt_divergence common;
    int form;
};

static const char *const forms[] = {[PEARSON] = "pearson", [NEYMAN] = "neyman", NULL};

static const rt_param params[] = {
    RT_DIVERGENCE_PARAMS(false),
    RT_ENUM(struct chi_square, form, PEARSON, forms, "what the squares are divided by: pearson by q, neyman by p"),
    RT_PARAM_END,
};

RT_WIDE static void sample(void *context, size_t n)
{
    rt_divergence_row row = rt_divergence_open(context, n);
    bool pearson = ((const struct chi_square *)row.settings)->form == PEARSON;
    const double *above = pearson ? row.log_p : row.log_q, *below = pearson ? row.log_q : row.log_p;
    double *restrict values = row.spare[0], *restrict slopes = row.spare[1];
    for (size_t k = 0; k < row.classes; ++k)
        values[k] = 2.0 * above[k] - below[k];
    double log_sum = rt_log_sum_exp(values, row.classes, slopes);
    log_sum = log_sum > RT_LARGEST_EXPONENT ? RT_LARGEST_EXPONENT : log_sum;
    double factor = (pearson ? -1.0 : 2.0) * exp(log_sum);
    for (size_t k = 0; k < row.classes; ++k)
        slopes[k] *= factor;
    rt_divergence_close(&row, expm1(log_sum), slopes);
}

static rt_status run(void *state, const rt_loss_io *io, double *loss, rt_error *err)
{
    (void)err;
    return rt_divergence_run(state, io, sample, loss);
}

const rt_loss rt_loss_chi_square = {
    .abi = RT_LOSS_ABI,
    .name = "chi_square",
    .summary = "chi-square divergence, Pearson's or Neyman's",
    .formula =
        "pearson: sum_k (p_k - q_k)^2 / q_k; neyman: sum_k (p_k - q_k)^2 / p_k; p = softmax(teacher / temperature),\n"
        "q = softmax(student / temperature); at most e^70 a sample; mean over the batch",
    .reference = "Pearson, Philosophical Magazine, 1900; Neyman, 1st Berkeley Symposium, 1949",
    .ports = rt_divergence_ports,
    .port_count = RT_DIVERGENCE_PORTS,
    .params = params,
    .state_size = sizeof(struct chi_square),
    .properties = RT_LOSS_NON_NEGATIVE | RT_LOSS_ZERO_AT_EQUALITY | RT_LOSS_SHIFT_INVARIANT,
    .plan = rt_divergence_plan,
    .run = run,
};
