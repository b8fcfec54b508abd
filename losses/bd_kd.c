/* Both directions of the divergence, the one that a student needs more of with more weight (BD-KD). The paper could not
 * be read beyond its abstract: the form is ours.
 *
 *     p = softmax(teacher / T), q = softmax(student / T), H the entropies, y the weight `beta`
 *     student less sure than the teacher, H(q) > H(p): f = 1, r = y;   otherwise: f = y, r = 1
 *     l = f KL(p | q) + r KL(q | p)                  loss = mean of l over the batch
 *     dl/dstudent_k = (f (q_k - p_k) + r q_k (log q_k - log p_k - KL(q | p))) / T
 *
 * f and r are held fixed while differentiating; they jump where the entropies are equal. */
#include "retort/divergence.h"
#include "retort/loss.h"

struct bd_kd {
    rt_divergence common;
    double beta;
};

static const rt_param params[] = {
    RT_DIVERGENCE_PARAMS_FROM(4.0, false),
    RT_FLOAT(struct bd_kd, beta, 2.0, 0.0, 1e6,
             "weight of kl where the student is the surer of the two, and of reverse_kl where it is not; the other "
             "direction's is 1"),
    RT_PARAM_END,
};

/* sum_k shares_k log_shares_k; products [classes] is scratch. */
RT_WIDE_INLINE double negative_entropy(const double *restrict shares, const double *restrict log_shares, size_t classes,
                                       double *restrict products)
{
    for (size_t k = 0; k < classes; ++k)
        products[k] = shares[k] * log_shares[k];
    return rt_sum(products, classes);
}

RT_WIDE static void sample(void *context, size_t n)
{
    rt_divergence_row row = rt_divergence_open(context, n);
    const double beta = ((const struct bd_kd *)row.settings)->beta;
    double *restrict values = row.spare[0], *restrict slopes = row.spare[1];
    const bool surer = negative_entropy(row.q, row.log_q, row.classes, values) >=
                       negative_entropy(row.p, row.log_p, row.classes, slopes);
    const double forward = surer ? beta : 1.0, reverse = surer ? 1.0 : beta;
    for (size_t k = 0; k < row.classes; ++k) {
        const double ratio = row.log_q[k] - row.log_p[k];
        values[k] = (reverse * row.q[k] - forward * row.p[k]) * ratio;
        slopes[k] = reverse * row.q[k] * ratio - forward * row.p[k];
    }
    rt_divergence_close(&row, rt_sum(values, row.classes), slopes);
}

static rt_status run(void *state, const rt_loss_io *io, double *loss, rt_error *err)
{
    (void)err;
    return rt_divergence_run(state, io, sample, loss);
}

const rt_loss rt_loss_bd_kd = {
    .abi = RT_LOSS_ABI,
    .name = "bd_kd",
    .summary = "kl and reverse_kl, weighed sample by sample by who is surer (BD-KD, in a form of ours)",
    .formula =
        "f KL(p | q) + r KL(q | p), p = softmax(teacher / temperature), q = softmax(student / temperature);\n"
        "f = beta and r = 1 where q has the smaller entropy, f = 1 and r = beta elsewhere, both held fixed in the\n"
        "gradient; mean over the batch. The paper's own formula could not be read: this form is ours",
    .reference = "Amara, Sepahvand, Meyer, Gross, Clark: BD-KD: Balancing the Divergences for Online Knowledge\n"
                 "Distillation, 2022, arXiv:2212.12965",
    .ports = rt_divergence_ports,
    .port_count = RT_DIVERGENCE_PORTS,
    .params = params,
    .state_size = sizeof(struct bd_kd),
    .properties = RT_LOSS_NON_NEGATIVE | RT_LOSS_ZERO_AT_EQUALITY | RT_LOSS_SHIFT_INVARIANT,
    .plan = rt_divergence_plan,
    .run = run,
};
