/* Relational knowledge distillation: distances between samples, and angles between three of them.
 *
 *     D_ij = |x_i - x_j|^2, d_ij = sqrt(max(D_ij, 1e-12)) for i != j
 *     distance = mean over the N^2 pairs of h(d_student / its mean - d_teacher / its mean)
 *     angle = mean over the N^3 triples of h(cos_student - cos_teacher), the angle at a between b and c:
 *         cos_abc = <x_b - x_a, x_c - x_a> / (d_ab d_ac) = (D_ab + D_ac - D_bc) / (2 d_ab d_ac)
 *     l = distance_weight * distance + angle_weight * angle, h the smooth L1 of PyTorch with beta 1
 *
 * Everything is a function of the squared distances, so that the gradient by these, W, is all that angles need:
 * dl/dx_i = sum_j 2 (W_ij + W_ji) (x_i - x_j). An angle at a coincidence is 0. */
#include "retort/features.h"
#include "retort/loss.h"
#include "retort/matrix.h"

struct rkd {
    double distance_weight, angle_weight;
};

static const rt_param params[] = {
    RT_FLOAT(struct rkd, distance_weight, 25.0, 0.0, 1e6, "of the distances' part"),
    RT_FLOAT(struct rkd, angle_weight, 50.0, 0.0, 1e6, "of the angles' part"),
    RT_PARAM_END,
};

enum { STUDENT, TEACHER, PORTS };

static const rt_port ports[] = {
    [STUDENT] = {"student.features", "N K", RT_PORT_DIFF},
    [TEACHER] = {"teacher.features", "N D", 0},
};

static rt_status init(void *state, rt_error *err)
{
    const struct rkd *rkd = state;
    if (rkd->distance_weight == 0.0 && rkd->angle_weight == 0.0)
        return rt_fail(err, RT_ERROR_USAGE, "distance_weight and angle_weight are both 0; one must be positive");
    return RT_OK;
}

/* Scratch: a loss and a sum per sample [2, N]; squared distances and inverse distances of both, slopes, the slopes
 * made symmetric, and three rows of angles for each sample [9, N, N]; products [N, K]. */
static rt_status plan(void *state, rt_loss_plan *plan, rt_error *err)
{
    (void)state, (void)err;
    size_t samples = plan->shapes[STUDENT].dims[0];
    plan->scratch_bytes = samples * (2 + 9 * samples + plan->shapes[STUDENT].dims[1]) * sizeof(double);
    return RT_OK;
}

/* Of one network. */
struct relations {
    double *squares, *inverses; /* D and 1 / d, the latter 0 where two samples coincide [N, N] */
    double mean;                /* of d over pairs of two samples */
};

struct work {
    const struct rkd *rkd;
    size_t samples;
    struct relations student, teacher;
    double *losses, *sums, *slopes, *rows, *symmetric;
    const struct relations *current;
};

enum { BETA = 1 };

static double floored(double square)
{
    return square < 1e-12 ? 1e-6 : sqrt(square); /* NaN stays */
}

static void distances_row(void *context, size_t a)
{
    const struct work *work = context;
    const double *squares = work->current->squares + a * work->samples;
    double *inverses = work->current->inverses + a * work->samples, sum = 0.0;
    for (size_t b = 0; b < work->samples; ++b) {
        sum += b == a ? 0.0 : floored(squares[b]);
        inverses[b] = squares[b] < 1e-24 ? 0.0 : 1.0 / sqrt(squares[b]);
    }
    work->sums[a] = sum;
}

static void relate(struct work *work, struct relations *relations, rt_matrix features)
{
    size_t samples = work->samples;
    rt_squared_distances(features, features, relations->squares);
    work->current = relations;
    rt_parallel_samples(samples, 4 * samples, distances_row, work);
    relations->mean = rt_batch_mean(work->sums, samples) / (double)(samples - 1);
}

/* The loss of the distances of sample a; slopes are by d_ab / mean. Leaves in sums what the mean's gradient is made of.
 */
static void compare_distances(void *context, size_t a)
{
    const struct work *work = context;
    size_t samples = work->samples;
    const double *student = work->student.squares + a * samples, *teacher = work->teacher.squares + a * samples;
    double *slopes = work->slopes + a * samples, loss = 0.0, sum = 0.0;
    double weight = work->rkd->distance_weight / (double)samples;
    for (size_t b = 0; b < samples; ++b) {
        double ratio = b == a ? 0.0 : floored(student[b]) / work->student.mean;
        double x = ratio - (b == a ? 0.0 : floored(teacher[b]) / work->teacher.mean), size = fabs(x);
        loss += size < BETA ? 0.5 * x * x : size - 0.5;
        slopes[b] = weight / (double)samples * (size < BETA ? x : copysign(1.0, x));
        sum += slopes[b] * ratio;
    }
    work->losses[a] += weight * loss;
    work->sums[a] = sum;
}

/* With r = d / mean: dl/dd_ab = (slope_ab - sum of slope r / pairs) / mean, and dd/dD = 1 / (2 d). */
static void through_mean(struct work *work)
{
    size_t samples = work->samples;
    double pairs = (double)(samples * (samples - 1));
    double share = (double)samples * rt_batch_mean(work->sums, samples) / pairs;
    for (size_t a = 0; a < samples; ++a)
        for (size_t b = 0; b < samples; ++b) {
            double *slope = &work->slopes[a * samples + b], square = work->student.squares[a * samples + b];
            *slope = a == b || square < 1e-12 ? 0.0 : (*slope - share) / work->student.mean / (2.0 * sqrt(square));
        }
}

/* Of the angles at a between b and each c: the student's cosines, h' and h of the differences [N] each. */
RT_WIDE_INLINE void compare_angles(const struct work *work, size_t a, size_t b, double *restrict cosines,
                                   double *restrict slopes, double *restrict losses)
{
    size_t samples = work->samples;
    const double *restrict at_a = work->student.squares + a * samples, *restrict at_b =
                                                                           at_a - a * samples + b * samples;
    const double *restrict inverses = work->student.inverses + a * samples;
    const double *restrict other_a = work->teacher.squares + a * samples;
    const double *restrict other_b = other_a - a * samples + b * samples;
    const double *restrict other_inverses = work->teacher.inverses + a * samples;
    double ab = at_a[b], other_ab = other_a[b];
    double half = 0.5 * inverses[b], other_half = 0.5 * other_inverses[b];
    for (size_t c = 0; c < samples; ++c) {
        cosines[c] = (ab + at_a[c] - at_b[c]) * half * inverses[c];
        double x = cosines[c] - (other_ab + other_a[c] - other_b[c]) * other_half * other_inverses[c];
        double cut = x > BETA ? BETA : x < -BETA ? -BETA : x;
        slopes[c] = cut;
        losses[c] = cut * (x - 0.5 * cut);
    }
}

/* Angles whose apex is a: the slopes by D_ab, where b and c may be exchanged. */
RT_WIDE static void angles_at(void *context, size_t a)
{
    const struct work *work = context;
    size_t samples = work->samples;
    double *slopes = work->slopes + a * samples, *restrict cuts = work->rows + 3 * a * samples;
    double *restrict cosines = cuts + samples, *restrict losses = cosines + samples, loss = 0.0;
    double scale = work->rkd->angle_weight / ((double)samples * (double)samples * (double)samples);
    const double *inverses = work->student.inverses + a * samples;
    for (size_t b = 0; b < samples; ++b) {
        compare_angles(work, a, b, cosines, cuts, losses);
        loss += rt_sum(losses, samples);
        double inverse = inverses[b];
        for (size_t c = 0; c < samples; ++c)
            cuts[c] *= inverses[c] - cosines[c] * inverse;
        slopes[b] += scale * inverse * rt_sum(cuts, samples);
    }
    work->losses[a] += scale * (double)samples * loss;
}

/* Angles between b and others, at any apex: the slopes by D_bc. */
RT_WIDE static void angles_from(void *context, size_t b)
{
    const struct work *work = context;
    size_t samples = work->samples;
    double *restrict slopes = work->slopes + b * samples, *restrict cuts = work->rows + 3 * b * samples;
    double *restrict cosines = cuts + samples, *restrict losses = cosines + samples;
    double scale = work->rkd->angle_weight / ((double)samples * (double)samples * (double)samples);
    for (size_t a = 0; a < samples; ++a) {
        const double *inverses = work->student.inverses + a * samples;
        double factor = -0.5 * scale * inverses[b];
        compare_angles(work, a, b, cosines, cuts, losses);
        for (size_t c = 0; c < samples; ++c)
            slopes[c] += factor * inverses[c] * cuts[c];
    }
}

static void symmetric_row(void *context, size_t n)
{
    const struct work *work = context;
    for (size_t j = 0; j < work->samples; ++j)
        work->symmetric[n * work->samples + j] =
            work->slopes[n * work->samples + j] + work->slopes[j * work->samples + n];
}

static rt_status run(void *state, const rt_loss_io *io, double *loss, rt_error *err)
{
    (void)err;
    const rt_port_data *student = &io->ports[STUDENT], *teacher = &io->ports[TEACHER];
    size_t samples = student->shape.dims[0], cells = samples * samples;
    struct work work = {.rkd = state, .samples = samples, .losses = io->scratch};
    double *place = work.losses + 2 * samples;
    work.sums = work.losses + samples, work.slopes = place, work.symmetric = place + cells;
    work.student = (struct relations){place + 2 * cells, place + 3 * cells, 0.0};
    work.teacher = (struct relations){place + 4 * cells, place + 5 * cells, 0.0};
    work.rows = place + 6 * cells;
    double *products = place + 9 * cells;
    const rt_matrix of_student = rt_matrix_floats(student->values, samples, student->shape.dims[1]);
    const rt_matrix of_teacher = rt_matrix_floats(teacher->values, samples, teacher->shape.dims[1]);
    if (samples == 1) { /* related to nobody, but what is not finite must come out */
        rt_multiply(of_student, rt_transposed(of_student), products);
        *loss = 0.0 * products[0];
        return RT_OK;
    }
    relate(&work, &work.student, of_student);
    relate(&work, &work.teacher, of_teacher);
    memset(work.losses, 0, samples * sizeof *work.losses);
    rt_parallel_samples(samples, 4 * samples, compare_distances, &work);
    through_mean(&work);
    if (work.rkd->angle_weight > 0.0) {
        rt_parallel_samples(samples, cells, angles_at, &work);
        if (student->gradient)
            rt_parallel_samples(samples, cells, angles_from, &work);
    }
    *loss = rt_batch_mean(work.losses, samples);
    if (!student->gradient)
        return RT_OK;
    rt_parallel_samples(samples, samples, symmetric_row, &work);
    rt_squared_distances_backward(io->weight, work.symmetric, of_student, of_student, products, student->gradient);
    return RT_OK;
}

const rt_loss rt_loss_rkd = {
    .abi = RT_LOSS_ABI,
    .name = "rkd",
    .summary = "relational distillation (RKD): distances between samples and angles between three of them",
    .formula = "distance_weight * mean over the N^2 pairs of h(d_student / mean - d_teacher / mean)\n"
               "+ angle_weight * mean over the N^3 triples of h(cos_student - cos_teacher);\n"
               "d Euclidean, its mean over the pairs of two samples, cos of the angle at a between b and c,\n"
               "h the smooth L1: x^2 / 2 within 1, else |x| - 1/2",
    .reference = "Park, Kim, Lu, Cho: Relational Knowledge Distillation, CVPR 2019, arXiv:1904.05068",
    .published = "CIFAR-100, weight 1 beside cross-entropy at 1, pooled features;\n"
                 "240 epochs by RepDistiller's recipe, last epoch, test set:\n"
                 "wrn_40_2 to wrn_16_2 73.35, resnet56 to resnet20 69.61,\n"
                 "resnet32x4 to resnet8x4 71.90, vgg13 to vgg8 71.48",
    .ports = ports,
    .port_count = PORTS,
    .params = params,
    .state_size = sizeof(struct rkd),
    .properties = RT_LOSS_NON_NEGATIVE | RT_LOSS_ZERO_AT_EQUALITY,
    .init = init,
    .plan = plan,
    .run = run,
};
