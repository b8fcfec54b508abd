/* Similarity-preserving distillation: which samples of the batch are alike, as the teacher sees it.
 *
 *     G = F F^T, each row divided by its Euclidean norm            F [N, size of a sample's features]
 *     l = sum_ij (G_student - G_teacher)_ij^2 / N^2
 *     dl/dG_student = 2 (G_student - G_teacher) / N^2, back through the norms of the rows to S = F F^T;
 *     dl/dF = (dS + dS^T) F */
#include "retort/features.h"
#include "retort/loss.h"
#include "retort/matrix.h"

enum { STUDENT, TEACHER, PORTS };

static const rt_port ports[] = {
    [STUDENT] = {"student.features", "N K", RT_PORT_DIFF},
    [TEACHER] = {"teacher.features", "N D", 0},
};

/* Scratch: a loss per sample [N], then the student's similarities, the teacher's, and the student's slopes [N, N]. */
static rt_status plan(void *state, rt_loss_plan *plan, rt_error *err)
{
    (void)state, (void)err;
    size_t samples = plan->shapes[STUDENT].dims[0];
    plan->scratch_bytes = samples * (1 + 3 * samples) * sizeof(double);
    return RT_OK;
}

struct work {
    size_t samples;
    double *losses, *student, *teacher, *slopes;
};

/* Normalises row n, and makes its slopes in place. */
RT_WIDE static void row(void *context, size_t n)
{
    const struct work *work = context;
    size_t samples = work->samples;
    double *restrict student = work->student + n * samples, *restrict teacher = work->teacher + n * samples;
    double *restrict slopes = work->slopes + n * samples;
    double norm = rt_normalize(student, samples), mean = 1.0 / (double)(samples * samples);
    rt_normalize(teacher, samples);
    for (size_t j = 0; j < samples; ++j)
        teacher[j] = student[j] - teacher[j];
    work->losses[n] = mean * rt_dot(teacher, teacher, samples);
    for (size_t j = 0; j < samples; ++j)
        slopes[j] = 2.0 * mean * teacher[j];
    rt_normalize_backward(student, norm, samples, slopes);
}

static void symmetric_row(void *context, size_t n)
{
    const struct work *work = context;
    for (size_t j = 0; j < work->samples; ++j) /* the student's similarities have been read */
        work->student[n * work->samples + j] =
            work->slopes[n * work->samples + j] + work->slopes[j * work->samples + n];
}

static rt_status run(void *state, const rt_loss_io *io, double *loss, rt_error *err)
{
    (void)state, (void)err;
    const rt_port_data *student = &io->ports[STUDENT], *teacher = &io->ports[TEACHER];
    size_t samples = student->shape.dims[0], cells = samples * samples;
    double *losses = io->scratch;
    struct work work = {samples, losses, losses + samples, losses + samples + cells, losses + samples + 2 * cells};
    const rt_matrix of_student = rt_matrix_floats(student->values, samples, student->shape.dims[1]);
    const rt_matrix of_teacher = rt_matrix_floats(teacher->values, samples, teacher->shape.dims[1]);
    rt_multiply(of_student, rt_transposed(of_student), work.student);
    rt_multiply(of_teacher, rt_transposed(of_teacher), work.teacher);
    rt_parallel_samples(samples, samples, row, &work);
    *loss = (double)samples * rt_batch_mean(losses, samples);
    if (!student->gradient)
        return RT_OK;
    rt_parallel_samples(samples, samples, symmetric_row, &work);
    rt_multiply_add(io->weight, rt_matrix_doubles(work.student, samples, samples), of_student, student->gradient);
    return RT_OK;
}

const rt_loss rt_loss_similarity = {
    .abi = RT_LOSS_ABI,
    .name = "similarity",
    .summary = "similarity-preserving (SP): inner products between the batch's samples, row by row",
    .formula = "sum_ij (G_student - G_teacher)_ij^2 / N^2, G = F F^T, each row over its Euclidean norm,\n"
               "F the features of the N samples of the batch, flattened",
    .reference = "Tung, Mori: Similarity-Preserving Knowledge Distillation, ICCV 2019, arXiv:1907.09682",
    .published = "CIFAR-100, weight 3000 beside cross-entropy at 1, last feature map;\n"
                 "240 epochs by RepDistiller's recipe, last epoch, test set:\n"
                 "wrn_40_2 to wrn_16_2 73.83, resnet56 to resnet20 69.67,\n"
                 "resnet32x4 to resnet8x4 72.94, vgg13 to vgg8 72.68",
    .ports = ports,
    .port_count = PORTS,
    .properties = RT_LOSS_NON_NEGATIVE | RT_LOSS_ZERO_AT_EQUALITY,
    .plan = plan,
    .run = run,
};
