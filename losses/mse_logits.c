/* Squared differences of logits.
 *
 *     d = student - teacher, or with `centered` each sample's d less its mean
 *     l = (1 / C) sum_k d_k^2                        loss = mean of l over the batch
 *     dl/dstudent_k = (2 / C) d_k
 *
 * kl at a high temperature tends to the centered form (Hinton et al. 2015, section 2.1). */
#include "retort/divergence.h"
#include "retort/loss.h"

struct mse_logits {
    bool centered;
};

static const rt_param params[] = {
    RT_BOOL(struct mse_logits, centered, false, "compare logits less their mean, which softmax does not see"),
    RT_PARAM_END,
};

RT_WIDE static void sample(void *context, size_t n)
{
    rt_divergence_row row = rt_divergence_at(context, n);
    const struct mse_logits *settings = row.settings;
    const rt_port_data *ports = row.work->io->ports;
    const float *student = ports[RT_DIVERGENCE_STUDENT].values + n * row.classes;
    const float *teacher = ports[RT_DIVERGENCE_TEACHER].values + n * row.classes;
    double *restrict difference = row.spare[0], *restrict square = row.spare[1];
    for (size_t k = 0; k < row.classes; ++k)
        difference[k] = (double)student[k] - (double)teacher[k];
    const double share = 1.0 / (double)row.classes;
    const double mean = settings->centered ? share * rt_sum(difference, row.classes) : 0.0;
    for (size_t k = 0; k < row.classes; ++k) {
        const double off = difference[k] - mean;
        square[k] = off * off;
        difference[k] = 2.0 * share * off;
    }
    rt_divergence_close_with(&row, share * rt_sum(square, row.classes), difference);
}

static rt_status run(void *state, const rt_loss_io *io, double *loss, rt_error *err)
{
    (void)err;
    const rt_shape *shape = &io->ports[RT_DIVERGENCE_STUDENT].shape;
    rt_divergence_work work = {.io = io, .settings = state, .temperature = 1.0, .scale = 1.0};
    rt_parallel_samples(shape->dims[0], shape->dims[1], sample, &work);
    *loss = rt_batch_mean(io->scratch, shape->dims[0]);
    return RT_OK;
}

const rt_loss rt_loss_mse_logits = {
    .abi = RT_LOSS_ABI,
    .name = "mse_logits",
    .summary = "mean of squared differences between the logits themselves",
    .formula = "(1 / C) sum_k (student_k - teacher_k)^2; mean over the batch",
    .reference = "Ba, Caruana: Do Deep Nets Really Need to be Deep?, NIPS 2014, arXiv:1312.6184",
    .ports = rt_divergence_ports,
    .port_count = RT_DIVERGENCE_PORTS,
    .params = params,
    .state_size = sizeof(struct mse_logits),
    .properties = RT_LOSS_NON_NEGATIVE | RT_LOSS_ZERO_AT_EQUALITY,
    .plan = rt_divergence_plan,
    .run = run,
};
