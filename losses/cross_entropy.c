/* Cross-entropy with the true label, or two by their shares in a mixed image, optionally smoothed.
 *
 *     h_k = [k = label], or (1 - share) [k = label] + share [k = mixed label]
 *     q = softmax(student), t_k = (1 - label_smoothing) h_k + label_smoothing / C
 *     l = -sum_k t_k log q_k                         loss = mean of l over the batch
 *     dl/dstudent_k = q_k - t_k */
#include "retort/logits.h"
#include "retort/loss.h"

struct cross_entropy {
    double label_smoothing;
};

static const rt_param params[] = {
    RT_FLOAT(struct cross_entropy, label_smoothing, 0.0, 0.0, 0.9999999,
             "share of the target that is spread evenly over all classes, the true one included"),
    RT_PARAM_END,
};

enum { STUDENT, LABELS, MIXED_LABELS, MIXED_SHARES, PORTS };

static const rt_port ports[] = {
    [STUDENT] = {"student.logits", "N C", RT_PORT_DIFF},
    [LABELS] = {"labels", "N", RT_PORT_INDEX},
    [MIXED_LABELS] = {"mixed.labels", "N", RT_PORT_INDEX | RT_PORT_OPTIONAL},
    [MIXED_SHARES] = {"mixed.shares", "N", RT_PORT_OPTIONAL},
};

/* Scratch: a loss per sample [N], then exponentials of the student's logits [N, C]. */
static rt_status plan(void *state, rt_loss_plan *plan, rt_error *err)
{
    (void)state, (void)err;
    size_t samples = plan->shapes[STUDENT].dims[0], classes = plan->shapes[STUDENT].dims[1];
    plan->scratch_bytes = samples * (1 + classes) * sizeof(double);
    return RT_OK;
}

struct work {
    const rt_loss_io *io;
    double smoothing;
};

RT_WIDE static void sample(void *context, size_t n)
{
    const struct work *work = context;
    const rt_port_data *student = &work->io->ports[STUDENT];
    size_t samples = student->shape.dims[0], classes = student->shape.dims[1];
    const rt_port_data *mixed = &work->io->ports[MIXED_LABELS], *shares = &work->io->ports[MIXED_SHARES];
    size_t label = (size_t)work->io->ports[LABELS].indices[n];
    size_t other = mixed->indices ? (size_t)mixed->indices[n] : label;
    const float *logits = student->values + n * classes;
    double *losses = work->io->scratch, *restrict exponentials = losses + samples + n * classes;
    double largest = (double)rt_largest(logits, classes), all = 0.0;
    if (work->smoothing > 0.0) {
        for (size_t k = 0; k < classes; ++k)
            exponentials[k] = (double)logits[k] - largest;
        all = rt_sum(exponentials, classes);
    }
    double sum = rt_exponentials(logits, classes, largest, exponentials), log_sum = log(sum), share = 1.0 / sum;

    /* The target is `rest` shared by the labels, and `even` everywhere on top of that. */
    double rest = 1.0 - work->smoothing, even = work->smoothing / (double)classes;
    double of_other = shares->values ? rest * (double)shares->values[n] : 0.0, of_label = rest - of_other;
    double loss = -of_label * ((double)logits[label] - largest - log_sum);
    if (of_other > 0.0)
        loss -= of_other * ((double)logits[other] - largest - log_sum);
    if (even > 0.0)
        loss -= even * (all - (double)classes * log_sum);
    losses[n] = loss;
    if (!student->gradient)
        return;
    double slope = work->io->weight / (double)samples;
    float *restrict gradient = student->gradient + n * classes;
    exponentials[label] -= of_label * sum;
    exponentials[other] -= of_other * sum;
    for (size_t k = 0; k < classes; ++k)
        gradient[k] += (float)(slope * (exponentials[k] * share - even));
}

/* Where images are mixed, both arrays say how. */
static rt_status check_mixed(const rt_loss_io *io, size_t samples, size_t classes, rt_error *err)
{
    const int64_t *labels = io->ports[MIXED_LABELS].indices;
    const float *shares = io->ports[MIXED_SHARES].values;
    if (!labels && !shares)
        return RT_OK;
    if (!labels || !shares)
        return rt_fail(err, RT_ERROR_USAGE, "loss 'cross_entropy' needs '%s' beside '%s'",
                       ports[labels ? MIXED_SHARES : MIXED_LABELS].name,
                       ports[labels ? MIXED_LABELS : MIXED_SHARES].name);
    for (size_t n = 0; n < samples; ++n)
        if (!(shares[n] >= 0.0f && shares[n] <= 1.0f))
            return rt_fail(err, RT_ERROR_USAGE,
                           "loss 'cross_entropy': the share mixed into sample %zu is %g; it must be within 0 to 1", n,
                           (double)shares[n]);
    return rt_labels_check("cross_entropy", labels, samples, classes, err);
}

static rt_status run(void *state, const rt_loss_io *io, double *loss, rt_error *err)
{
    const struct cross_entropy *settings = state;
    size_t samples = io->ports[STUDENT].shape.dims[0], classes = io->ports[STUDENT].shape.dims[1];
    RT_TRY(rt_labels_check("cross_entropy", io->ports[LABELS].indices, samples, classes, err));
    RT_TRY(check_mixed(io, samples, classes, err));
    struct work work = {io, settings->label_smoothing};
    rt_parallel_samples(samples, classes, sample, &work);
    *loss = rt_batch_mean(io->scratch, samples);
    return RT_OK;
}

const rt_loss rt_loss_cross_entropy = {
    .abi = RT_LOSS_ABI,
    .name = "cross_entropy",
    .summary = "cross-entropy with the true label, with label smoothing",
    .formula = "-sum_k t_k log softmax(student)_k, t_k = (1 - label_smoothing) [k = label] + label_smoothing / C;\n"
               "mean over the batch. With mixup or cutmix an image has two labels, and in place of [k = label] stands\n"
               "(1 - share) [k = label] + share [k = mixed label]",
    .reference = "Szegedy, Vanhoucke, Ioffe, Shlens, Wojna: Rethinking the Inception Architecture for Computer Vision, "
                 "CVPR 2016, arXiv:1512.00567, section 7 (label smoothing)",
    .ports = ports,
    .port_count = PORTS,
    .params = params,
    .state_size = sizeof(struct cross_entropy),
    .properties = RT_LOSS_NON_NEGATIVE | RT_LOSS_SHIFT_INVARIANT,
    .plan = plan,
    .run = run,
};
