/* Hoelder divergences: what the inequality of Hoelder leaves, for exponents alpha and beta with 1/alpha + 1/beta = 1.
 *
 *     p = softmax(teacher / T), q = softmax(student / T); M(x) = log sum_k e^x_k
 *     proper: l = M(g log p) / alpha + M(g log q) / beta - M((g / alpha) log p + (g / beta) log q),  g = gamma
 *             dl/dstudent = (g / (beta T)) (softmax(g log q) - softmax((g / alpha) log p + (g / beta) log q))
 *     pseudo: l = M(alpha log p) / alpha + M(beta log q) / beta - M(log p + log q)
 *             dl/dstudent = (1 / T) (softmax(beta log q) - softmax(log p + log q))
 *
 * loss = mean of l over the batch. The proper one is 0 where p = q and nowhere else, and half of cauchy_schwarz at
 * alpha = gamma = 2. The pseudo one is smallest where q^beta ~ p^alpha: but for alpha = 2 the student then is sharper
 * or flatter than the teacher. */
#include "retort/divergence.h"
#include "retort/loss.h"

enum { PROPER, PSEUDO };

struct holder {
    rt_divergence common;
    int form;
    double alpha, gamma;
};

static const char *const forms[] = {[PROPER] = "proper", [PSEUDO] = "pseudo", NULL};

static const rt_param params[] = {
    RT_DIVERGENCE_PARAMS(false),
    RT_ENUM(struct holder, form, PROPER, forms, "proper is 0 at equality; pseudo is not, unless alpha is 2"),
    RT_FLOAT(struct holder, alpha, 1.5, 1.001, 1000.0, "the teacher's exponent; the student's is alpha / (alpha - 1)"),
    RT_FLOAT(struct holder, gamma, 2.0, 0.001, 1000.0, "power of both distributions in the proper form"),
    RT_PARAM_END,
};

/* log sum_k e^(of_p log p_k + of_q log q_k), and the terms' shares in the sum. */
RT_WIDE_INLINE double log_sum(const rt_divergence_row *row, double of_p, double of_q, double *restrict shares)
{
    double *restrict exponents = row->p; /* which is not needed */
    for (size_t k = 0; k < row->classes; ++k)
        exponents[k] = of_p * row->log_p[k] + of_q * row->log_q[k];
    return rt_log_sum_exp(exponents, row->classes, shares);
}

RT_WIDE static void sample(void *context, size_t n)
{
    rt_divergence_row row = rt_divergence_open(context, n);
    const struct holder *holder = row.settings;
    double alpha = holder->alpha, beta = alpha / (alpha - 1.0);
    bool proper = holder->form == PROPER;
    double of_p = proper ? holder->gamma : alpha, of_q = proper ? holder->gamma : beta;
    double *restrict alone = row.spare[0], *restrict slopes = row.spare[1];
    double value = log_sum(&row, of_p, 0.0, alone) / alpha + log_sum(&row, 0.0, of_q, alone) / beta -
                   log_sum(&row, of_p / alpha, of_q / beta, slopes);
    for (size_t k = 0; k < row.classes; ++k)
        slopes[k] = of_q / beta * (alone[k] - slopes[k]);
    rt_divergence_close(&row, value, slopes);
}

static rt_status run(void *state, const rt_loss_io *io, double *loss, rt_error *err)
{
    (void)err;
    return rt_divergence_run(state, io, sample, loss);
}

const rt_loss rt_loss_holder = {
    .abi = RT_LOSS_ABI,
    .name = "holder",
    .summary = "Hoelder divergence, which has cauchy_schwarz as a special case",
    .formula =
        "proper: M(gamma log p) / alpha + M(gamma log q) / beta - M((gamma / alpha) log p + (gamma / beta) log q);\n"
        "pseudo: M(alpha log p) / alpha + M(beta log q) / beta - M(log p + log q); beta = alpha / (alpha - 1),\n"
        "M(x) = log sum_k e^x_k, p = softmax(teacher / temperature), q = softmax(student / temperature);\n"
        "mean over the batch",
    .reference = "Nielsen, Sun, Marchand-Maillet: On Hoelder Projective Divergences, Entropy, 2017, arXiv:1701.03916",
    .ports = rt_divergence_ports,
    .port_count = RT_DIVERGENCE_PORTS,
    .params = params,
    .state_size = sizeof(struct holder),
    .properties = RT_LOSS_NON_NEGATIVE | RT_LOSS_SHIFT_INVARIANT,
    .plan = rt_divergence_plan,
    .run = run,
};
