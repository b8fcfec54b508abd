/* Maximum mean discrepancy between the batch's features of both networks, as two clouds of points.
 *
 *     l = mean_ij k(s_i, s_j) + mean_ij k(t_i, t_j) - 2 mean_ij k(s_i, t_j)
 *     gaussian:  k = sum over widths w of exp(-d^2 / (2 w^2))      dk/d(d^2) = -k / (2 w^2)
 *     laplacian: k = sum over widths w of exp(-d / w)              dk/d(d^2) = -k / (2 w d)
 *     energy:    k = -d                                            dk/d(d^2) = -1 / (2 d)
 *
 * Widths are w 2^m about the bandwidth, which is relative to the median distance between the teacher's samples: that is
 * constant, so that the gradient is whole. */
#include "retort/features.h"
#include "retort/loss.h"
#include "retort/matrix.h"

enum { GAUSSIAN, LAPLACIAN, ENERGY };
static const char *const kernels[] = {"gaussian", "laplacian", "energy", NULL};

struct mmd {
    double bandwidth;
    int64_t scales;
    int kernel;
    bool relative, unbiased;
};

static const rt_param params[] = {
    RT_ENUM(struct mmd, kernel, GAUSSIAN, kernels, "of two samples' distance"),
    RT_FLOAT(struct mmd, bandwidth, 1.0, 1e-6, 1e6, "the middle width of the kernel"),
    RT_INT(struct mmd, scales, 5, 1, 15, "widths that are added up, each twice the one before"),
    RT_BOOL(struct mmd, relative, true, "the bandwidth is times the median distance between the teacher's samples"),
    RT_BOOL(struct mmd, unbiased, false, "leave pairs of a sample with itself out (U-statistic)"),
    RT_PARAM_END,
};

enum { STUDENT, TEACHER, PORTS };

static const rt_port ports[] = {
    [STUDENT] = {"student.features", "N D", RT_PORT_DIFF | RT_PORT_ADAPTED},
    [TEACHER] = {"teacher.features", "N D", 0},
};

/* Scratch: squared distances, which become slopes: student to student, to teacher, teacher to teacher [3, N, N];
 * pulls within and across [2, N, D]; a sum per sample [N]. */
static rt_status plan(void *state, rt_loss_plan *plan, rt_error *err)
{
    (void)state, (void)err;
    size_t samples = plan->shapes[STUDENT].dims[0];
    plan->scratch_bytes = samples * (1 + 3 * samples + 2 * plan->shapes[STUDENT].dims[1]) * sizeof(double);
    return RT_OK;
}

/* How many distances between different samples, each pair once, have a square of at most 2^-1022 times `bits` as a
 * double's bits: of numbers that are not negative, they have the order of integers. */
RT_WIDE static size_t count_below(const double *squares, size_t samples, uint64_t bits)
{
    size_t count = 0;
    for (size_t i = 0; i < samples; ++i)
        for (size_t j = 0; j < i; ++j) {
            uint64_t other;
            memcpy(&other, &squares[i * samples + j], sizeof other);
            count += other <= bits;
        }
    return count;
}

/* The lower median of the distances, by halving the range of what it can be; 0 where there is but one sample. */
static double median_distance(const double *squares, size_t samples)
{
    size_t pairs = samples * (samples - 1) / 2;
    uint64_t low = 0, high = (uint64_t)0x7ff0 << 48; /* infinity */
    while (pairs > 0 && low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (count_below(squares, samples, middle) >= (pairs + 1) / 2)
            high = middle;
        else
            low = middle + 1;
    }
    double square = 0.0;
    memcpy(&square, &low, sizeof square);
    return pairs > 0 ? sqrt(square) : 0.0;
}

struct work {
    const struct mmd *mmd;
    size_t samples;
    double width; /* the smallest */
    double *squares, *sums;
    double within; /* what a kernel within one cloud counts; across it is -2 / N^2 */
    bool across;
};

/* The kernel of some squared distances, and its slopes by them. */
RT_WIDE_INLINE void kernel_of(const int kernel, const struct work *work, const double *restrict squares,
                              double *restrict values, double *restrict slopes)
{
    double distances[RT_LANES], inverses[RT_LANES], width = work->width;
    for (size_t k = 0; k < RT_LANES; ++k) {
        distances[k] = sqrt(squares[k]);
        inverses[k] = distances[k] > 0.0 ? 0.5 / distances[k] : 0.0;
        values[k] = kernel == ENERGY ? -distances[k] : 0.0;
        slopes[k] = kernel == ENERGY ? -inverses[k] : 0.0;
    }
    for (int64_t m = 0; kernel != ENERGY && m < work->mmd->scales; ++m, width *= 2.0) {
        const double rate = 1.0 / (kernel == GAUSSIAN ? 2.0 * width * width : width);
        for (size_t k = 0; k < RT_LANES; ++k) {
            double value = rt_exp(-(kernel == GAUSSIAN ? squares[k] : distances[k]) * rate);
            values[k] += value;
            slopes[k] -= kernel == GAUSSIAN ? value * rate : value * rate * inverses[k];
        }
    }
}

RT_WIDE_INLINE void fill_row(const int kernel, const struct work *work, size_t i)
{
    size_t samples = work->samples;
    double *restrict row = work->squares + i * samples, sums[RT_LANES] = {0};
    double factor = work->across ? -2.0 / (double)(samples * samples) : work->within;
    for (size_t j = 0; j < samples; j += RT_LANES) {
        size_t count = samples - j < RT_LANES ? samples - j : RT_LANES;
        double squares[RT_LANES] = {0}, values[RT_LANES], slopes[RT_LANES];
        for (size_t k = 0; k < count; ++k)
            squares[k] = row[j + k];
        kernel_of(kernel, work, squares, values, slopes);
        for (size_t k = 0; k < count; ++k) {
            bool left_out = !work->across && work->mmd->unbiased && i == j + k;
            sums[k] += left_out ? 0.0 * values[k] : factor * values[k];
            row[j + k] = left_out ? 0.0 : factor * slopes[k];
        }
    }
    work->sums[i] = rt_lanes_sum(sums);
}

/* The kernel's values in row i of `squares`, times what they count, summed; the row becomes their slopes. */
RT_WIDE static void row(void *context, size_t i)
{
    const struct work *work = context;
    if (work->mmd->kernel == GAUSSIAN)
        fill_row(GAUSSIAN, work, i);
    else if (work->mmd->kernel == LAPLACIAN)
        fill_row(LAPLACIAN, work, i);
    else
        fill_row(ENERGY, work, i);
}

static double total(struct work *work, double *squares, bool across)
{
    work->squares = squares;
    work->across = across;
    rt_parallel_samples(work->samples, 8 * work->samples * (size_t)work->mmd->scales, row, work);
    return (double)work->samples * rt_batch_mean(work->sums, work->samples);
}

static rt_status run(void *state, const rt_loss_io *io, double *loss, rt_error *err)
{
    (void)err;
    const struct mmd *mmd = state;
    const rt_port_data *student = &io->ports[STUDENT], *teacher = &io->ports[TEACHER];
    size_t samples = student->shape.dims[0], size = student->shape.dims[1], cells = samples * samples;
    double *within = io->scratch, *across = within + cells, *others = across + cells, *pulls = others + cells;
    double *inward = pulls + samples * size;
    const rt_matrix of_student = rt_matrix_floats(student->values, samples, size);
    const rt_matrix of_teacher = rt_matrix_floats(teacher->values, samples, size);
    rt_squared_distances(of_student, of_student, within);
    rt_squared_distances(of_student, of_teacher, across);
    rt_squared_distances(of_teacher, of_teacher, others);
    size_t pairs = mmd->unbiased ? samples * (samples > 1 ? samples - 1 : 1) : cells;
    double median = mmd->relative ? median_distance(others, samples) : 1.0;
    struct work work = {.mmd = mmd, .samples = samples, .sums = inward + samples * size, .within = 1.0 / (double)pairs};
    work.width = (median > 0.0 ? median : 1.0) * mmd->bandwidth * exp2(-0.5 * (double)(mmd->scales - 1));
    *loss = total(&work, within, false) + total(&work, others, false) + total(&work, across, true);
    if (!student->gradient)
        return RT_OK;
    for (size_t k = 0; k < cells; ++k)
        within[k] *= 2.0; /* both of (i, j) and (j, i) */
    rt_squared_distances_pulls(within, of_student, of_student, inward);
    rt_squared_distances_pulls(across, of_student, of_teacher, pulls);
    for (size_t k = 0; k < samples * size; ++k) /* they may nearly cancel: added up before they are rounded */
        student->gradient[k] += (float)(io->weight * (pulls[k] + inward[k]));
    return RT_OK;
}

const rt_loss rt_loss_mmd = {
    .abi = RT_LOSS_ABI,
    .name = "mmd",
    .summary = "maximum mean discrepancy (MMD) between the batch's features as clouds of points",
    .formula = "mean_ij k(s_i, s_j) + mean_ij k(t_i, t_j) - 2 mean_ij k(s_i, t_j), d the Euclidean distance;\n"
               "gaussian: k = sum_w exp(-d^2 / (2 w^2)); laplacian: k = sum_w exp(-d / w); energy: k = -d.\n"
               "The squared form; GeomLoss prints half of it",
    .reference = "Gretton, Borgwardt, Rasch, Schoelkopf, Smola: A Kernel Two-Sample Test, JMLR 2012",
    .ports = ports,
    .port_count = PORTS,
    .params = params,
    .state_size = sizeof(struct mmd),
    .plan = plan,
    .run = run,
};
