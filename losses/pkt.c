/* Probabilistic knowledge transfer: how likely the samples of the batch are to be each other's neighbours.
 *
 *     c_ij = <x_i, x_j> / ((|x_i| + epsilon) (|x_j| + epsilon)),  m = (c + 1) / 2,  p_ij = m_ij / sum_k m_ik
 *     l = mean over i and j of p_teacher log((p_teacher + epsilon) / (p_student + epsilon))
 *     dl/dp_student = -p_teacher / (p_student + epsilon) / N^2, back through the sums of the rows and the norms */
#include "retort/features.h"
#include "retort/loss.h"
#include "retort/matrix.h"

struct pkt {
    double epsilon;
};

static const rt_param params[] = {
    RT_FLOAT(struct pkt, epsilon, 1e-7, 1e-12, 0.1, "added to norms and probabilities"),
    RT_PARAM_END,
};

enum { STUDENT, TEACHER, PORTS };

static const rt_port ports[] = {
    [STUDENT] = {"student.features", "N K", RT_PORT_DIFF},
    [TEACHER] = {"teacher.features", "N D", 0},
};

/* Scratch: a loss per sample [N], norms [N], the student's probabilities, the teacher's, slopes [N, N], then the
 * student's features and the gradient by them, divided by norms [N, K], and the teacher's [N, D]. */
static rt_status plan(void *state, rt_loss_plan *plan, rt_error *err)
{
    (void)state, (void)err;
    size_t samples = plan->shapes[STUDENT].dims[0], sizes = 2 * plan->shapes[STUDENT].dims[1];
    sizes += plan->shapes[TEACHER].dims[1];
    plan->scratch_bytes = samples * (2 + 3 * samples + sizes) * sizeof(double);
    return RT_OK;
}

struct work {
    const rt_loss_io *io;
    double epsilon;
    size_t samples;
    double *losses, *norms, *student, *teacher, *slopes;
    double *directions, *pulls, *others;
};

/* result [size] = values [size] over their norm, which is returned; zeros stay zeros. */
RT_WIDE_INLINE double divide_by_norm(const float *values, size_t size, double epsilon, double *result)
{
    for (size_t k = 0; k < size; ++k)
        result[k] = (double)values[k];
    double norm = sqrt(rt_dot(result, result, size)), divisor = norm + epsilon;
    for (size_t k = 0; k < size; ++k)
        result[k] /= divisor;
    return norm;
}

RT_WIDE static void directions(void *context, size_t n)
{
    const struct work *work = context;
    const rt_port_data *student = &work->io->ports[STUDENT], *teacher = &work->io->ports[TEACHER];
    size_t size = student->shape.dims[1], other = teacher->shape.dims[1];
    work->norms[n] = divide_by_norm(student->values + n * size, size, work->epsilon, work->directions + n * size);
    divide_by_norm(teacher->values + n * other, other, work->epsilon, work->others + n * other);
}

/* cosines [count] become probabilities; returns the sum they were divided by. */
RT_WIDE_INLINE double probabilities(double *cosines, size_t count)
{
    for (size_t j = 0; j < count; ++j)
        cosines[j] = (cosines[j] + 1.0) / 2.0;
    double sum = rt_sum(cosines, count);
    for (size_t j = 0; j < count; ++j)
        cosines[j] /= sum;
    return sum;
}

/* The loss of row n, and its slopes by the student's cosines. */
RT_WIDE static void row(void *context, size_t n)
{
    const struct work *work = context;
    size_t samples = work->samples;
    double *restrict p = work->student + n * samples, *restrict target = work->teacher + n * samples;
    double *restrict slopes = work->slopes + n * samples;
    double sum = probabilities(p, samples), cells = (double)(samples * samples), loss = 0.0;
    probabilities(target, samples);
    for (size_t j = 0; j < samples; ++j) {
        /* An opposite direction has probability 0, and 0 log 0 is 0. */
        loss +=
            target[j] > 0.0 ? target[j] * log((target[j] + work->epsilon) / (p[j] + work->epsilon)) : 0.0 * target[j];
        slopes[j] = target[j] > 0.0 ? -target[j] / (p[j] + work->epsilon) / cells : 0.0;
    }
    work->losses[n] = loss / (double)samples;
    double along = rt_dot(slopes, p, samples);
    for (size_t j = 0; j < samples; ++j)
        slopes[j] = (slopes[j] - along) / (2.0 * sum);
}

static void symmetric_row(void *context, size_t n)
{
    const struct work *work = context;
    for (size_t j = 0; j < work->samples; ++j) /* the student's probabilities have been read */
        work->student[n * work->samples + j] =
            work->slopes[n * work->samples + j] + work->slopes[j * work->samples + n];
}

/* With x = (|x| + epsilon) u: dx = (du - x <u, du> / |x|) / (|x| + epsilon); a sample of zeros gets none. */
RT_WIDE static void gradient(void *context, size_t n)
{
    const struct work *work = context;
    const rt_port_data *student = &work->io->ports[STUDENT];
    size_t size = student->shape.dims[1];
    const float *restrict values = student->values + n * size;
    const double *restrict pulls = work->pulls + n * size;
    float *restrict target = student->gradient + n * size;
    double norm = work->norms[n], divisor = norm + work->epsilon;
    double along = rt_dot(work->directions + n * size, pulls, size);
    if (norm < 1e-12)
        return;
    for (size_t k = 0; k < size; ++k)
        target[k] += (float)(work->io->weight * (pulls[k] - (double)values[k] * along / norm) / divisor);
}

static rt_status run(void *state, const rt_loss_io *io, double *loss, rt_error *err)
{
    (void)err;
    const struct pkt *pkt = state;
    const rt_port_data *student = &io->ports[STUDENT], *teacher = &io->ports[TEACHER];
    size_t samples = student->shape.dims[0], cells = samples * samples, size = student->shape.dims[1];
    struct work work = {.io = io, .epsilon = pkt->epsilon, .samples = samples, .losses = io->scratch};
    work.norms = work.losses + samples, work.student = work.norms + samples;
    work.teacher = work.student + cells, work.slopes = work.teacher + cells;
    work.directions = work.slopes + cells, work.pulls = work.directions + samples * size;
    work.others = work.pulls + samples * size;

    rt_parallel_samples(samples, size, directions, &work);
    const rt_matrix of_student = rt_matrix_doubles(work.directions, samples, size);
    const rt_matrix of_teacher = rt_matrix_doubles(work.others, samples, teacher->shape.dims[1]);
    rt_multiply(of_student, rt_transposed(of_student), work.student);
    rt_multiply(of_teacher, rt_transposed(of_teacher), work.teacher);
    rt_parallel_samples(samples, 8 * samples, row, &work);
    *loss = rt_batch_mean(work.losses, samples);
    if (!student->gradient)
        return RT_OK;
    rt_parallel_samples(samples, samples, symmetric_row, &work);
    rt_multiply(rt_matrix_doubles(work.student, samples, samples), of_student, work.pulls);
    rt_parallel_samples(samples, size, gradient, &work);
    return RT_OK;
}

const rt_loss rt_loss_pkt = {
    .abi = RT_LOSS_ABI,
    .name = "pkt",
    .summary = "probabilistic knowledge transfer (PKT): the batch's samples as each other's neighbours",
    .formula = "mean over the N^2 pairs of p_teacher log((p_teacher + epsilon) / (p_student + epsilon));\n"
               "p_ij = m_ij / sum_k m_ik, m = (1 + cosine of the features of samples i and j) / 2",
    .reference = "Passalis, Tefas: Learning Deep Representations with Probabilistic Knowledge Transfer, ECCV 2018,\n"
                 "arXiv:1803.10837",
    .published = "CIFAR-100, weight 30000 beside cross-entropy at 1, pooled features;\n"
                 "240 epochs by RepDistiller's recipe, last epoch, test set:\n"
                 "wrn_40_2 to wrn_16_2 74.54, resnet56 to resnet20 70.34,\n"
                 "resnet32x4 to resnet8x4 73.64, vgg13 to vgg8 72.88",
    .ports = ports,
    .port_count = PORTS,
    .params = params,
    .state_size = sizeof(struct pkt),
    .plan = plan,
    .run = run,
};
