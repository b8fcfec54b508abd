/* Log-variance divergence: how much the ratio of the two distributions varies under a third.
 *
 *     d = (student - teacher) / T; r = p = softmax(teacher / T), q = softmax(student / T), or uniform
 *     l = sum_k r_k (d_k - sum_j r_j d_j)^2, the variance of log(q / p) under r        loss = mean of l over the batch
 *     dl/dstudent_k = (2 / T) r_k (d_k - sum_j r_j d_j)
 *
 * The denominators of both softmaxes are the same for all classes and have no variance, so that a uniform r needs no
 * exponential: it compares centred logits. r is held fixed while differentiating. That matters for r = q alone, where
 * the gradient is exactly twice reverse_kl's (without T^2) and not the slope of the value. */
#include "retort/divergence.h"
#include "retort/loss.h"

enum { TEACHER, STUDENT, UNIFORM };

struct log_variance {
    rt_divergence common;
    int under;
};

static const char *const distributions[] = {[TEACHER] = "teacher", [STUDENT] = "student", [UNIFORM] = "uniform", NULL};

static const rt_param params[] = {
    RT_DIVERGENCE_PARAMS(false),
    RT_ENUM(struct log_variance, under, TEACHER, distributions, "the distribution that weighs the classes"),
    RT_PARAM_END,
};

RT_WIDE static void sample(void *context, size_t n)
{
    rt_divergence_row row = rt_divergence_open(context, n);
    int under = ((const struct log_variance *)row.settings)->under;
    double *restrict weights = under == STUDENT ? row.q : row.p, *restrict values = row.spare[0];
    double *restrict slopes = row.spare[1];
    for (size_t k = 0; under == UNIFORM && k < row.classes; ++k)
        weights[k] = 1.0 / (double)row.classes;
    for (size_t k = 0; k < row.classes; ++k) {
        slopes[k] = row.log_q[k] - row.log_p[k];
        values[k] = weights[k] * slopes[k];
    }
    double mean = rt_sum(values, row.classes);
    for (size_t k = 0; k < row.classes; ++k) {
        double distance = slopes[k] - mean, weighted = weights[k] * distance;
        values[k] = weighted * distance;
        slopes[k] = 2.0 * weighted;
    }
    rt_divergence_close(&row, rt_sum(values, row.classes), slopes);
}

static rt_status run(void *state, const rt_loss_io *io, double *loss, rt_error *err)
{
    (void)err;
    return rt_divergence_run(state, io, sample, loss);
}

const rt_loss rt_loss_log_variance = {
    .abi = RT_LOSS_ABI,
    .name = "log_variance",
    .summary = "variance of the log-ratio of the two distributions",
    .formula =
        "variance of (student - teacher) / temperature over the classes, each weighted by softmax(teacher /\n"
        "temperature), by softmax(student / temperature), held fixed in the gradient, or alike; mean over the batch",
    .reference =
        "Richter, Boustati, Nuesken, Ruiz, Akyildiz: VarGrad: A Low-Variance Gradient Estimator for Variational\n"
        "Inference, NeurIPS 2020, arXiv:2010.10436",
    .ports = rt_divergence_ports,
    .port_count = RT_DIVERGENCE_PORTS,
    .params = params,
    .state_size = sizeof(struct log_variance),
    .properties = RT_LOSS_NON_NEGATIVE | RT_LOSS_ZERO_AT_EQUALITY | RT_LOSS_SHIFT_INVARIANT,
    .plan = rt_divergence_plan,
    .run = run,
};
