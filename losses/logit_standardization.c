/* kl between logits that are standardized sample by sample.
 *
 *     z = (student - mean) / s, s = deviation + 1e-7, the deviation with C - 1; the teacher's likewise
 *     q = softmax(z / T), p from the teacher's
 *     l = T^2 sum_k p_k (log p_k - log q_k)          loss = mean of l over the batch
 *     G = dl/dz = T (q - p)
 *     dl/dstudent_k = (G_k - mean G) / s - (sum_j G_j z_j) (student_k - mean) / (s deviation (C - 1))
 *
 * Neither the level nor the spread of the student's logits matters: they may grow without an end, which cross-entropy
 * beside it prevents. Where all logits of a sample are equal, the second term is taken as 0. */
#include "retort/divergence.h"
#include "retort/loss.h"

static const rt_param params[] = {
    RT_DIVERGENCE_PARAMS_FROM(2.0, true),
    RT_PARAM_END,
};

/* Standardizes logits [classes] into `standard` and returns their deviation. */
RT_WIDE_INLINE double standardize(const float *logits, size_t classes, double *restrict standard,
                                  double *restrict square)
{
    for (size_t k = 0; k < classes; ++k)
        standard[k] = (double)logits[k];
    const double mean = rt_sum(standard, classes) / (double)classes;
    for (size_t k = 0; k < classes; ++k) {
        standard[k] -= mean;
        square[k] = standard[k] * standard[k];
    }
    const double deviation = classes > 1 ? sqrt(rt_sum(square, classes) / (double)(classes - 1)) : 0.0;
    const double factor = 1.0 / (deviation + 1e-7);
    for (size_t k = 0; k < classes; ++k)
        standard[k] *= factor;
    return deviation;
}

/* softmax(standard / temperature) and its logarithm. */
RT_WIDE_INLINE void soften(const double *standard, size_t classes, double temperature,
                           double *restrict log_probabilities, double *restrict probabilities)
{
    const double scale = 1.0 / temperature;
    for (size_t k = 0; k < classes; ++k)
        log_probabilities[k] = scale * standard[k];
    const double total = rt_log_sum_exp(log_probabilities, classes, probabilities);
    for (size_t k = 0; k < classes; ++k)
        log_probabilities[k] -= total;
}

RT_WIDE static void sample(void *context, size_t n)
{
    rt_divergence_row row = rt_divergence_at(context, n);
    const rt_port_data *ports = row.work->io->ports;
    const size_t classes = row.classes;
    const double temperature = row.work->temperature;
    double *restrict standard = row.spare[0], *restrict products = row.spare[1];
    standardize(ports[RT_DIVERGENCE_TEACHER].values + n * classes, classes, standard, products);
    soften(standard, classes, temperature, row.log_p, row.p);
    const double deviation =
        standardize(ports[RT_DIVERGENCE_STUDENT].values + n * classes, classes, standard, products);
    soften(standard, classes, temperature, row.log_q, row.q);

    for (size_t k = 0; k < classes; ++k) {
        row.log_p[k] = row.p[k] * (row.log_p[k] - row.log_q[k]);
        row.q[k] = (row.q[k] - row.p[k]) / temperature;
        products[k] = row.q[k] * standard[k];
    }
    const double spread = deviation + 1e-7, along = rt_sum(products, classes);
    const double mean = rt_sum(row.q, classes) / (double)classes;
    const double stretch = deviation > 0.0 ? along / (deviation * (double)(classes - 1)) : 0.0;
    for (size_t k = 0; k < classes; ++k)
        row.q[k] = (row.q[k] - mean) / spread - stretch * standard[k];
    rt_divergence_close_with(&row, rt_sum(row.log_p, classes), row.q);
}

static rt_status run(void *state, const rt_loss_io *io, double *loss, rt_error *err)
{
    (void)err;
    return rt_divergence_run(state, io, sample, loss);
}

const rt_loss rt_loss_logit_standardization = {
    .abi = RT_LOSS_ABI,
    .name = "logit_standardization",
    .summary = "kl between logits that have mean 0 and deviation 1 in each sample",
    .formula = "temperature^2 * sum_k p_k (log p_k - log q_k), p = softmax(z(teacher) / temperature),\n"
               "q = softmax(z(student) / temperature), z the logits less their mean over their deviation (with C - 1) "
               "+ 1e-7;\n"
               "mean over the batch",
    .reference =
        "Sun, Ren, Li, Wang, Cao: Logit Standardization in Knowledge Distillation, CVPR 2024, arXiv:2403.01427",
    .published =
        "CIFAR-100, weight 9 at temperature 2 beside cross-entropy at 0.1, 240 epochs: resnet32x4 to resnet8x4\n"
        "76.62; whether of the last or the best epoch is not stated",
    .ports = rt_divergence_ports,
    .port_count = RT_DIVERGENCE_PORTS,
    .params = params,
    .state_size = sizeof(rt_divergence),
    .properties = RT_LOSS_NON_NEGATIVE | RT_LOSS_ZERO_AT_EQUALITY | RT_LOSS_SHIFT_INVARIANT,
    .plan = rt_divergence_plan,
    .run = run,
};
