/* my_divergence: say here what it is.
 *
 *     p = softmax(teacher / T), q = softmax(student / T)
 *     l = sum_k (q_k - p_k)^2                        loss = mean of l over the batch
 *     dl/dstudent_k = (2 / T) q_k (q_k - p_k - sum_j q_j (q_j - p_j))
 *
 * As it stands it works: the squared distance between the probabilities. Change formula and gradient together, then ask
 * `retort gradcheck ./my_divergence.so`. `retort help plugin` has the compiler's command; retort/loss.h is the
 * contract, retort/logits.h has what losses on logits share. */
#include "retort/logits.h"
#include "retort/loss.h"
#include "retort/plugin.h"

/* What a recipe may set: `- my_divergence: {weight: 0.5, temperature: 2}`; the weight is every term's. */
struct settings {
    double temperature;
};

static const rt_param params[] = {
    RT_FLOAT(struct settings, temperature, 1.0, 0.05, 1000.0, "divides the logits of both"),
    RT_PARAM_END,
};

/* What the loss reads. RT_PORT_DIFF: run() adds a gradient there. */
enum { STUDENT, TEACHER, PORTS };

static const rt_port ports[] = {
    [STUDENT] = {"student.logits", "N C", RT_PORT_DIFF},
    [TEACHER] = {"teacher.logits", "N C", 0},
};

/* Scratch memory: a loss per sample [N], then log q, q, log p and p [N, 4, C]. run() allocates nothing. */
static rt_status plan(void *state, rt_loss_plan *plan, rt_error *err)
{
    (void)state, (void)err;
    size_t samples = plan->shapes[STUDENT].dims[0], classes = plan->shapes[STUDENT].dims[1];
    plan->scratch_bytes = samples * (1 + 4 * classes) * sizeof(double);
    return RT_OK;
}

struct work {
    const rt_loss_io *io;
    double temperature;
};

/* Sample n, by any thread: it writes to its own part of everything. RT_WIDE makes vector code of the loops. */
RT_WIDE static void sample(void *context, size_t n)
{
    const struct work *work = context;
    const rt_port_data *student = &work->io->ports[STUDENT], *teacher = &work->io->ports[TEACHER];
    size_t samples = student->shape.dims[0], classes = student->shape.dims[1];
    double *losses = work->io->scratch;
    double *restrict log_q = losses + samples + n * 4 * classes, *restrict q = log_q + classes;
    double *restrict log_p = q + classes, *restrict p = log_p + classes;
    rt_softmax(student->values + n * classes, classes, work->temperature, log_q, q);
    rt_softmax(teacher->values + n * classes, classes, work->temperature, log_p, p);

    double loss = 0.0, mean = 0.0;
    for (size_t k = 0; k < classes; ++k) {
        double difference = q[k] - p[k];
        loss += difference * difference;
        mean += q[k] * difference;
    }
    losses[n] = loss;
    if (!student->gradient)
        return;
    /* The weight multiplies the gradient, and not the loss. Gradients are added. */
    double slope = 2.0 * work->io->weight / (work->temperature * (double)samples);
    float *restrict gradient = student->gradient + n * classes;
    for (size_t k = 0; k < classes; ++k)
        gradient[k] += (float)(slope * q[k] * (q[k] - p[k] - mean));
}

static rt_status run(void *state, const rt_loss_io *io, double *loss, rt_error *err)
{
    (void)err;
    const struct settings *settings = state;
    struct work work = {io, settings->temperature};
    size_t samples = io->ports[STUDENT].shape.dims[0], classes = io->ports[STUDENT].shape.dims[1];
    rt_parallel_samples(samples, classes, sample, &work);
    *loss = rt_batch_mean(io->scratch, samples);
    return RT_OK;
}

static const rt_loss my_divergence = {
    .abi = RT_LOSS_ABI,
    .name = "my_divergence",
    .summary = "squared distance between the probabilities of student and teacher",
    .formula = "sum_k (q_k - p_k)^2, p = softmax(teacher / temperature), q = softmax(student / temperature);\n"
               "mean over the batch",
    .reference = "none yet",
    .ports = ports,
    .port_count = PORTS,
    .params = params,
    .state_size = sizeof(struct settings),
    .properties = RT_LOSS_NON_NEGATIVE | RT_LOSS_ZERO_AT_EQUALITY | RT_LOSS_SHIFT_INVARIANT,
    .plan = plan,
    .run = run,
};

RT_PLUGIN(&my_divergence);
