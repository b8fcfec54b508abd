/* The Monge gap: how much dearer it is to bring each teacher's sample to the same sample of the student than to
 * transport all of them at best. It is 0 where the pairing by samples is already the optimal one, wherever the clouds
 * lie.
 *
 *     c_ij = |x_i - y_j|^2, x the teacher's features, y the student's
 *     M = mean_i c_ii - W(c), W entropic transport with epsilon: its cost plus epsilon times its relative entropy
 *     with epsilon = e sd(c):  W(c) = sd w(c / sd), w with e alone;
 *     dW = w' dc + (w - <w', c / sd>) dsd,  dsd/dc_ij = (c_ij - mean) / (N^2 sd)
 *
 * What all costs of a row or of a column have in common is nothing to transport, but it is to sd(c). Where one cloud is
 * much larger than the other, or far from it, epsilon is therefore so large that the plan is all but even, W the mean
 * of all costs, and M minus twice the covariance of x and y, far below zero. `centered` takes the means of rows and
 * columns off the costs first; dM/dc is then centred as well. */
#include "retort/features.h"
#include "retort/loss.h"
#include "retort/matrix.h"
#include "retort/transport.h"

enum { UNROLLED, ENVELOPE };
static const char *const gradients[] = {"unrolled", "envelope", NULL};

struct gap {
    double epsilon;
    int64_t iterations;
    int gradient;
    bool relative, centered;
};

static const rt_param params[] = {
    RT_FLOAT(struct gap, epsilon, 0.05, 1e-3, 1e6, "of the entropy in the transport"),
    RT_BOOL(struct gap, relative, true, "epsilon is times the standard deviation of the costs"),
    RT_BOOL(struct gap, centered, false,
            "take the means of rows and columns off the costs: for clouds of different size or far from each other"),
    RT_INT(struct gap, iterations, 100, 1, 10000, "of Sinkhorn's updates"),
    RT_ENUM(
        struct gap, gradient, UNROLLED, gradients,
        "through iterations and deviation, or the costs alone, as OTT's; the same in the limit but for the deviation"),
    RT_PARAM_END,
};

enum { STUDENT, TEACHER, PORTS };

static const rt_port ports[] = {
    [STUDENT] = {"student.features", "N D", RT_PORT_DIFF | RT_PORT_ADAPTED},
    [TEACHER] = {"teacher.features", "N D", 0},
};

/* Scratch: costs, costs over their deviation, slopes [3, N, N]; epsilons [iterations], potentials [iterations + 4,
 * 2 N]; pulls [N, D]; means of columns [N]. Rows are the student's. */
static rt_status plan(void *state, rt_loss_plan *plan, rt_error *err)
{
    (void)err;
    const struct gap *gap = state;
    size_t samples = plan->shapes[STUDENT].dims[0], iterations = (size_t)gap->iterations;
    size_t numbers = samples * (3 * samples + 2 * (iterations + 4) + plan->shapes[STUDENT].dims[1] + 1);
    plan->scratch_bytes = (numbers + iterations) * sizeof(double);
    return RT_OK;
}

RT_WIDE static double mean_of(const double *values, size_t count)
{
    return rt_sum(values, count) / (double)count;
}

/* The standard deviation of the costs, and the mean; 1 where there is none, or epsilon is not to be relative to it. */
RT_WIDE static double deviation(const struct gap *gap, const double *costs, size_t cells, double *spare, double *mean)
{
    *mean = mean_of(costs, cells);
    for (size_t k = 0; k < cells; ++k)
        spare[k] = (costs[k] - *mean) * (costs[k] - *mean);
    double deviation = sqrt(mean_of(spare, cells));
    return !gap->relative || deviation < 1e-12 ? 1.0 : deviation; /* NaN stays */
}

/* Takes off the means of rows, then those of columns, which come to [samples] doubles of scratch. */
RT_WIDE static void centre(double *restrict values, size_t samples, double *restrict means)
{
    memset(means, 0, samples * sizeof *means);
    for (size_t i = 0; i < samples; ++i) {
        double *restrict row = values + i * samples;
        const double mean = mean_of(row, samples);
        for (size_t j = 0; j < samples; ++j) {
            row[j] -= mean;
            means[j] += row[j] / (double)samples;
        }
    }
    for (size_t i = 0; i < samples; ++i)
        for (size_t j = 0; j < samples; ++j)
            values[i * samples + j] -= means[j];
}

static rt_status run(void *state, const rt_loss_io *io, double *loss, rt_error *err)
{
    (void)err;
    const struct gap *gap = state;
    const rt_port_data *student = &io->ports[STUDENT], *teacher = &io->ports[TEACHER];
    size_t samples = student->shape.dims[0], size = student->shape.dims[1], cells = samples * samples;
    size_t iterations = (size_t)gap->iterations;
    double *costs = io->scratch, *scaled = costs + cells, *slopes = scaled + cells, *epsilons = slopes + cells;
    double *history = epsilons + iterations, *pulls = history + (iterations + 4) * 2 * samples, mean, paired = 0.0;
    const rt_matrix of_student = rt_matrix_floats(student->values, samples, size);
    const rt_matrix of_teacher = rt_matrix_floats(teacher->values, samples, size);
    double *means = pulls + samples * size;
    rt_squared_distances(of_student, of_teacher, costs);
    if (gap->centered)
        centre(costs, samples, means);
    for (size_t t = 0; t < iterations; ++t)
        epsilons[t] = gap->epsilon;
    double scale = deviation(gap, costs, cells, scaled, &mean);
    for (size_t k = 0; k < cells; ++k)
        scaled[k] = costs[k] / scale;
    for (size_t i = 0; i < samples; ++i)
        paired += costs[i * samples + i] / (double)samples;
    double transport = rt_sinkhorn(scaled, samples, samples, epsilons, iterations, history);
    *loss = paired - scale * transport;
    if (!student->gradient)
        return RT_OK;
    rt_sinkhorn_backward(scaled, samples, samples, epsilons, iterations, gap->gradient == UNROLLED, history, slopes);
    double by_scale = 0.0;
    if (gap->gradient == UNROLLED && gap->relative && scale != 1.0)
        by_scale = (transport - rt_dot(slopes, scaled, cells)) / ((double)cells * scale);
    for (size_t i = 0; i < samples; ++i)
        for (size_t j = 0; j < samples; ++j) {
            double *slope = &slopes[i * samples + j];
            *slope = (i == j ? 1.0 / (double)samples : 0.0) - *slope - by_scale * (costs[i * samples + j] - mean);
        }
    if (gap->centered)
        centre(slopes, samples, means);
    rt_squared_distances_backward(io->weight, slopes, of_student, of_teacher, pulls, student->gradient);
    return RT_OK;
}

const rt_loss rt_loss_monge_gap = {
    .abi = RT_LOSS_ABI,
    .name = "monge_gap",
    .summary = "how far pairing by samples is from optimal transport between the batch's features",
    .formula = "mean_i c_ii - W(c), c_ij = |student_i - teacher_j|^2 over the batch;\n"
               "W entropic transport's cost plus epsilon times its relative entropy, each sample of mass 1/N.\n"
               "0 where the pairing is optimal, but for what epsilon and unfinished iterations leave: at most epsilon\n"
               "log N too low once iterations are done, and epsilon is large where one cloud is much larger than the\n"
               "other or far from it, unless centered",
    .reference = "Uscidda, Cuturi: The Monge Gap: A Regularizer to Learn All Transport Maps, ICML 2023,\n"
                 "arXiv:2302.04953",
    .ports = ports,
    .port_count = PORTS,
    .params = params,
    .state_size = sizeof(struct gap),
    .plan = plan,
    .run = run,
};
