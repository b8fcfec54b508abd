/* Correlation congruence as published code has it: products of the errors of neighbouring samples.
 *
 *     e = W x + b of both networks, both embeddings trained; with `unit` at length 1
 *     delta_i = |e_student,i - e_teacher,i|, element by element
 *     l = mean over i < N - 1 of <delta_i, delta_{i+1}>, in the order of the batch
 *     dl/ddelta_i = (delta_{i-1} + delta_{i+1}) / (N - 1)
 *
 * Slopes of the weights grow with the square of the features' size, so that features of some thousands make the weights
 * grow from step to step without end. Vectors of length 1 bound all of it. */
#include "retort/embedding.h"
#include "retort/loss.h"

struct correlation {
    int64_t dimension;
    bool unit;
};

static const rt_param params[] = {
    RT_INT(struct correlation, dimension, 128, 1, 65536, "of the embeddings"),
    RT_BOOL(struct correlation, unit, false, "scale embedded vectors to length 1: for features of any size"),
    RT_PARAM_END,
};

enum { STUDENT, TEACHER, PORTS };
enum { STUDENT_WEIGHT, STUDENT_BIAS, TEACHER_WEIGHT, TEACHER_BIAS, OWN };

static const rt_port ports[] = {
    [STUDENT] = {"student.features", "N K", RT_PORT_DIFF},
    [TEACHER] = {"teacher.features", "N D", 0},
};

/* Scratch: a loss and the norms of both per sample [3, N]; embeddings of both, and slopes by the student's and by the
 * teacher's [4, N, dimension]. */
static rt_status plan(void *state, rt_loss_plan *plan, rt_error *err)
{
    (void)err;
    const struct correlation *correlation = state;
    size_t samples = plan->shapes[STUDENT].dims[0], dimension = (size_t)correlation->dimension;
    size_t size = plan->shapes[STUDENT].dims[1], other = plan->shapes[TEACHER].dims[1];
    plan->scratch_bytes = samples * (3 + 4 * dimension) * sizeof(double);
    plan->own[STUDENT_WEIGHT] = rt_own_weight("student_embedding.weight", dimension, size);
    plan->own[STUDENT_BIAS] = rt_own_bias("student_embedding.bias", dimension, size);
    plan->own[TEACHER_WEIGHT] = rt_own_weight("teacher_embedding.weight", dimension, other);
    plan->own[TEACHER_BIAS] = rt_own_bias("teacher_embedding.bias", dimension, other);
    plan->own_count = OWN;
    return RT_OK;
}

struct work {
    size_t samples, dimension;
    double *losses, *norms, *student, *teacher, *slopes, *opposite;
};

/* Embeddings and slopes are [2, N, dimension], first the student's. */
RT_WIDE static void normalize(void *context, size_t row)
{
    const struct work *work = context;
    work->norms[row] = rt_normalize(work->student + row * work->dimension, work->dimension);
}

RT_WIDE static void normalize_backward(void *context, size_t row)
{
    const struct work *work = context;
    rt_normalize_backward(work->student + row * work->dimension, work->norms[row], work->dimension,
                          work->slopes + row * work->dimension);
}

RT_WIDE static void sample(void *context, size_t n)
{
    const struct work *work = context;
    size_t size = work->dimension, last = work->samples - 1;
    const double *restrict student = work->student + n * size, *restrict teacher = work->teacher + n * size;
    double *restrict slopes = work->slopes + n * size, *restrict opposite = work->opposite + n * size;
    double scale = last > 0 ? 1.0 / (double)last : 0.0, loss = 0.0;
    for (size_t k = 0; k < size; ++k) {
        double difference = student[k] - teacher[k];
        double before = n > 0 ? fabs(student[k - size] - teacher[k - size]) : 0.0;
        double after = n < last ? fabs(student[k + size] - teacher[k + size]) : 0.0;
        double sign = difference > 0.0 ? 1.0 : difference < 0.0 ? -1.0 : 0.0;
        loss += fabs(difference) * after;
        slopes[k] = sign * (before + after) * scale;
        opposite[k] = -slopes[k];
    }
    /* A lone sample has no neighbour; what is not finite must come out all the same. */
    work->losses[n] =
        last > 0 ? loss * scale * (double)work->samples : 0.0 * (rt_sum(student, size) + rt_sum(teacher, size));
}

static rt_status run(void *state, const rt_loss_io *io, double *loss, rt_error *err)
{
    (void)err;
    const struct correlation *correlation = state;
    const rt_port_data *student = &io->ports[STUDENT], *teacher = &io->ports[TEACHER];
    const rt_own_data *own = io->own;
    size_t samples = student->shape.dims[0], dimension = (size_t)correlation->dimension, cells = samples * dimension;
    double *losses = io->scratch, *place = losses + 3 * samples;
    struct work work = {.samples = samples,
                        .dimension = dimension,
                        .losses = losses,
                        .norms = losses + samples,
                        .student = place,
                        .teacher = place + cells,
                        .slopes = place + 2 * cells,
                        .opposite = place + 3 * cells};
    const rt_matrix of_student = rt_matrix_floats(student->values, samples, student->shape.dims[1]);
    const rt_matrix of_teacher = rt_matrix_floats(teacher->values, samples, teacher->shape.dims[1]);
    rt_embed(of_student, own[STUDENT_WEIGHT].values, own[STUDENT_BIAS].values, dimension, work.student);
    rt_embed(of_teacher, own[TEACHER_WEIGHT].values, own[TEACHER_BIAS].values, dimension, work.teacher);
    if (correlation->unit)
        rt_parallel_samples(2 * samples, dimension, normalize, &work);
    rt_parallel_samples(samples, dimension, sample, &work);
    if (correlation->unit)
        rt_parallel_samples(2 * samples, dimension, normalize_backward, &work);
    *loss = rt_batch_mean(losses, samples);
    rt_embed_backward(io->weight, work.slopes, of_student, own[STUDENT_WEIGHT].values, dimension,
                      own[STUDENT_WEIGHT].gradient, own[STUDENT_BIAS].gradient, student->gradient);
    rt_embed_backward(io->weight, work.opposite, of_teacher, own[TEACHER_WEIGHT].values, dimension,
                      own[TEACHER_WEIGHT].gradient, own[TEACHER_BIAS].gradient, NULL);
    return RT_OK;
}

const rt_loss rt_loss_correlation = {
    .abi = RT_LOSS_ABI,
    .name = "correlation",
    .summary = "correlation congruence (CC): products of neighbouring samples' errors in trained embeddings",
    .formula =
        "mean over i < N - 1 of <delta_i, delta_{i+1}>, in the order of the batch;\n"
        "delta = |e_student - e_teacher| element by element, e = W x + b of each network, both trained;\n"
        "unit brings e to length 1.\n"
        "This is published code's form, without unit; a lone sample gives 0. Slopes of W grow with the square of\n"
        "the features' size: training on features of some thousands needs unit",
    .reference = "Peng et al.: Correlation Congruence for Knowledge Distillation, ICCV 2019, arXiv:1904.01802",
    .published = "CIFAR-100, weight 0.02 beside cross-entropy at 1, pooled features;\n"
                 "240 epochs by RepDistiller's recipe, last epoch, test set:\n"
                 "wrn_40_2 to wrn_16_2 73.56, resnet56 to resnet20 69.63,\n"
                 "resnet32x4 to resnet8x4 72.97, vgg13 to vgg8 70.71",
    .ports = ports,
    .port_count = PORTS,
    .params = params,
    .state_size = sizeof(struct correlation),
    .properties = RT_LOSS_NON_NEGATIVE,
    .plan = plan,
    .run = run,
};
