/* Distance correlation: whether the batch's samples lie apart in the same way; it is 1 for similar figures, and 0 only
 * for independent features.
 *
 *     a_ij = |x_i - x_j|, centred: A = a less the means of its rows and columns, likewise B of the teacher
 *     dCor^2 = <A, B> / (|A| |B|),  l = 1 - dCor^2
 *     with W = dl/da, back through a: dl/dx_i = 2 sum_j W_ij (x_i - x_j) / a_ij, where a coincidence gives nothing */
#include "retort/alignment.h"
#include "retort/loss.h"
#include "retort/matrix.h"

enum { STUDENT, TEACHER, PORTS };

static const rt_port ports[] = {
    [STUDENT] = {"student.features", "N K", RT_PORT_DIFF},
    [TEACHER] = {"teacher.features", "N D", 0},
};

/* Scratch: means [N]; the student's distances, these centred, the teacher's, slopes [4, N, N]; products [N, K]. */
static rt_status plan(void *state, rt_loss_plan *plan, rt_error *err)
{
    (void)state, (void)err;
    size_t samples = plan->shapes[STUDENT].dims[0];
    plan->scratch_bytes = samples * (1 + 4 * samples + plan->shapes[STUDENT].dims[1]) * sizeof(double);
    return RT_OK;
}

RT_WIDE static double align(const double *distances, double *student, double *teacher, size_t samples, double *means,
                            double *slopes)
{
    rt_center(student, samples, means);
    rt_center(teacher, samples, means);
    double alignment = rt_alignment(student, teacher, samples * samples, slopes);
    for (size_t k = 0; k < samples * samples; ++k) /* from distances to their squares, both of (i, j) and (j, i) */
        slopes[k] = distances[k] > 0.0 ? slopes[k] / distances[k] : 0.0;
    return alignment;
}

static rt_status run(void *state, const rt_loss_io *io, double *loss, rt_error *err)
{
    (void)state, (void)err;
    const rt_port_data *student = &io->ports[STUDENT], *teacher = &io->ports[TEACHER];
    size_t samples = student->shape.dims[0], cells = samples * samples;
    double *means = io->scratch, *distances = means + samples, *of_student = distances + cells;
    double *of_teacher = of_student + cells, *slopes = of_teacher + cells, *products = slopes + cells;
    const rt_matrix features = rt_matrix_floats(student->values, samples, student->shape.dims[1]);
    const rt_matrix others = rt_matrix_floats(teacher->values, samples, teacher->shape.dims[1]);
    rt_squared_distances(features, features, distances);
    rt_squared_distances(others, others, of_teacher);
    for (size_t k = 0; k < cells; ++k) {
        of_student[k] = distances[k] = sqrt(distances[k]);
        of_teacher[k] = sqrt(of_teacher[k]);
    }
    *loss = 1.0 - align(distances, of_student, of_teacher, samples, means, slopes);
    if (student->gradient)
        rt_squared_distances_backward(-io->weight, slopes, features, features, products, student->gradient);
    return RT_OK;
}

const rt_loss rt_loss_distance_covariance = {
    .abi = RT_LOSS_ABI,
    .name = "distance_covariance",
    .summary = "one minus the squared distance correlation of both sets of features",
    .formula = "1 - <A, B> / (|A| |B|) over the batch of N, Frobenius norms; A of the student, B of the teacher:\n"
               "Euclidean distances between samples with the means of rows and columns taken out.\n"
               "Of features that do not vary: 0 where neither's do, 1 where one's do",
    .reference = "Szekely, Rizzo, Bakirov: Measuring and Testing Dependence by Correlation of Distances,\n"
                 "Annals of Statistics 2007, arXiv:0803.4101",
    .ports = ports,
    .port_count = PORTS,
    .properties = RT_LOSS_ZERO_AT_EQUALITY,
    .plan = plan,
    .run = run,
};
