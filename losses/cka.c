/* Centered kernel alignment with the linear kernel: whether the batch's samples are alike in the same way.
 *
 *     K = F F^T, centred: K' = H K H, H = I - 1/N
 *     CKA = <K'_student, K'_teacher> / (|K'_student| |K'_teacher|),  l = 1 - CKA
 *     dCKA/dK = K'_teacher / (|K'_student| |K'_teacher|) - CKA K'_student / |K'_student|^2,  dl/dF = -2 dCKA/dK F */
#include "retort/alignment.h"
#include "retort/loss.h"
#include "retort/matrix.h"

enum { STUDENT, TEACHER, PORTS };

static const rt_port ports[] = {
    [STUDENT] = {"student.features", "N K", RT_PORT_DIFF},
    [TEACHER] = {"teacher.features", "N D", 0},
};

/* Scratch: means [N]; products of both networks, and slopes [3, N, N]. */
static rt_status plan(void *state, rt_loss_plan *plan, rt_error *err)
{
    (void)state, (void)err;
    size_t samples = plan->shapes[STUDENT].dims[0];
    plan->scratch_bytes = samples * (1 + 3 * samples) * sizeof(double);
    return RT_OK;
}

RT_WIDE static double align(double *student, double *teacher, size_t samples, double *means, double *slopes)
{
    rt_center(student, samples, means);
    rt_center(teacher, samples, means);
    return rt_alignment(student, teacher, samples * samples, slopes);
}

static rt_status run(void *state, const rt_loss_io *io, double *loss, rt_error *err)
{
    (void)state, (void)err;
    const rt_port_data *student = &io->ports[STUDENT], *teacher = &io->ports[TEACHER];
    size_t samples = student->shape.dims[0], cells = samples * samples;
    double *means = io->scratch, *of_student = means + samples, *of_teacher = of_student + cells;
    double *slopes = of_teacher + cells;
    const rt_matrix features = rt_matrix_floats(student->values, samples, student->shape.dims[1]);
    const rt_matrix others = rt_matrix_floats(teacher->values, samples, teacher->shape.dims[1]);
    rt_multiply(features, rt_transposed(features), of_student);
    rt_multiply(others, rt_transposed(others), of_teacher);
    *loss = 1.0 - align(of_student, of_teacher, samples, means, slopes);
    if (student->gradient)
        rt_multiply_add(-2.0 * io->weight, rt_matrix_doubles(slopes, samples, samples), features, student->gradient);
    return RT_OK;
}

const rt_loss rt_loss_cka = {
    .abi = RT_LOSS_ABI,
    .name = "cka",
    .summary = "centered kernel alignment (CKA), linear: one minus the similarity of both sets of features",
    .formula = "1 - <K_student, K_teacher> / (|K_student| |K_teacher|) over the batch, Frobenius norms;\n"
               "K = F F^T with the means of rows and columns taken out, F the features, flattened.\n"
               "Of features that do not vary: 0 where neither's do, 1 where one's do",
    .reference = "Kornblith, Norouzi, Lee, Hinton: Similarity of Neural Network Representations Revisited,\n"
                 "ICML 2019, arXiv:1905.00414",
    .ports = ports,
    .port_count = PORTS,
    .properties = RT_LOSS_ZERO_AT_EQUALITY,
    .plan = plan,
    .run = run,
};
