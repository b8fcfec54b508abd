/* Sinkhorn divergence between the batch's features of both networks, as two clouds of points of equal mass.
 *
 *     c(x, y) = |x - y|^power / power
 *     S = OT(s, t) - OT(s, s) / 2 - OT(t, t) / 2, OT entropic with epsilon = blur^power  (retort/transport.h)
 *
 * epsilon comes down from diameter^power: exp(arange(power log diameter, power log blur, power log scaling)), with both
 * ends put before and after, as GeomLoss has it. Near blur 0 it is the transport's cost, for a large blur an MMD. */
#include "retort/features.h"
#include "retort/loss.h"
#include "retort/matrix.h"
#include "retort/transport.h"

enum { UNROLLED, ENVELOPE };
static const char *const gradients[] = {"unrolled", "envelope", NULL};

struct divergence {
    double blur, scaling, diameter;
    int64_t power;
    int gradient;
    bool unit;
};

static const rt_param params[] = {
    RT_INT(struct divergence, power, 2, 1, 2, "of the distance in the cost"),
    RT_FLOAT(struct divergence, blur, 0.05, 1e-3, 1e3, "the distance below which points are not told apart"),
    RT_FLOAT(struct divergence, scaling, 0.5, 0.05, 0.98, "from one blur to the next on the way down; near 1 is exact"),
    RT_FLOAT(struct divergence, diameter, 2.0, 1e-3, 1e6, "the blur to begin with: of the features' space"),
    RT_BOOL(struct divergence, unit, true,
            "divide each sample's features by their norm first, so that blur has a meaning"),
    RT_ENUM(struct divergence, gradient, UNROLLED, gradients,
            "through all iterations, or through the last, as GeomLoss's"),
    RT_PARAM_END,
};

enum { STUDENT, TEACHER, PORTS };

static const rt_port ports[] = {
    [STUDENT] = {"student.features", "N D", RT_PORT_DIFF | RT_PORT_ADAPTED},
    [TEACHER] = {"teacher.features", "N D", 0},
};

/* How many epsilons there are; and these, where `epsilons` is not NULL. */
static size_t schedule(const struct divergence *divergence, double *epsilons)
{
    double power = (double)divergence->power, step = power * log(divergence->scaling);
    double from = power * log(divergence->diameter), to = power * log(divergence->blur);
    size_t between = from > to ? (size_t)ceil((to - from) / step) : 0;
    for (size_t i = 0; epsilons && i < between; ++i)
        epsilons[i + 1] = exp(from + (double)i * step);
    if (epsilons)
        epsilons[0] = exp(from), epsilons[between + 1] = exp(to);
    return between + 2;
}

enum { ACROSS, WITHIN, OTHERS, PROBLEMS };

struct work {
    const rt_loss_io *io;
    const struct divergence *divergence;
    size_t samples, size;
    double *points[2], *pulls[2], *norms; /* [N, D], [N, D], [N] */
    double *squares, *costs, *slopes;     /* [N, N] */
    double *epsilons, *history;
    size_t count; /* of epsilons */
};

static size_t lay_out(struct work *work, size_t samples, size_t size, double *scratch)
{
    size_t used = 0;
    work->samples = samples, work->size = size, work->count = schedule(work->divergence, NULL);
#define TAKE(pointer, count) ((pointer) = scratch ? scratch + used : NULL, used += (count))
    for (size_t s = 0; s < 2; ++s)
        TAKE(work->points[s], samples * size), TAKE(work->pulls[s], samples * size);
    TAKE(work->norms, samples), TAKE(work->squares, samples * samples);
    TAKE(work->costs, samples * samples), TAKE(work->slopes, samples * samples);
    TAKE(work->epsilons, work->count), TAKE(work->history, (work->count + 4) * 2 * samples);
#undef TAKE
    return used;
}

static rt_status plan(void *state, rt_loss_plan *plan, rt_error *err)
{
    (void)err;
    struct work work = {.divergence = state};
    const rt_shape *shape = &plan->shapes[STUDENT];
    plan->scratch_bytes = lay_out(&work, shape->dims[0], shape->dims[1], NULL) * sizeof(double);
    return RT_OK;
}

RT_WIDE static void place_points(void *context, size_t n)
{
    const struct work *work = context;
    for (size_t s = 2; s-- > 0;) {
        double *restrict point = work->points[s] + n * work->size;
        for (size_t k = 0; k < work->size; ++k)
            point[k] = (double)work->io->ports[s].values[n * work->size + k];
        if (work->divergence->unit)
            work->norms[n] = rt_normalize(point, work->size); /* the student's stays */
    }
}

/* One of the three transports: its value, and where it is the student's, pulls at the student's points. */
static double solve(struct work *work, int problem, double *pulls)
{
    const struct divergence *divergence = work->divergence;
    size_t samples = work->samples, cells = samples * samples;
    const rt_matrix a = rt_matrix_doubles(work->points[problem == OTHERS], samples, work->size);
    const rt_matrix b = rt_matrix_doubles(work->points[problem != WITHIN], samples, work->size);
    bool squared = divergence->power == 2;
    rt_squared_distances(a, b, work->squares);
    for (size_t k = 0; k < cells; ++k)
        work->costs[k] = squared ? 0.5 * work->squares[k] : sqrt(work->squares[k]);
    double value = rt_sinkhorn(work->costs, samples, samples, work->epsilons, work->count, work->history);
    if (!pulls)
        return value;
    rt_sinkhorn_backward(work->costs, samples, samples, work->epsilons, work->count, divergence->gradient == UNROLLED,
                         work->history, work->slopes);
    for (size_t k = 0; k < cells; ++k) /* from costs to squared distances; costs have been read */
        work->costs[k] = squared                ? 0.5 * work->slopes[k]
                         : work->costs[k] > 0.0 ? 0.5 * work->slopes[k] / work->costs[k]
                                                : 0;
    bool unrolled = divergence->gradient == UNROLLED;
    for (size_t i = 0; problem == WITHIN && i < samples; ++i)
        for (size_t j = 0; j < i; ++j) { /* a point is on both sides; the last plan's are the same in the limit */
            double *one = &work->costs[i * samples + j], *other = &work->costs[j * samples + i];
            double both = *one + *other;
            *one = unrolled ? both : 2.0 * *one;
            *other = unrolled ? both : 2.0 * *other;
        }
    rt_squared_distances_pulls(work->costs, a, b, pulls);
    return value;
}

RT_WIDE static void add_gradient(void *context, size_t n)
{
    const struct work *work = context;
    size_t size = work->size;
    double *restrict pull = work->pulls[0] + n * size;
    float *restrict gradient = work->io->ports[STUDENT].gradient + n * size;
    for (size_t k = 0; k < size; ++k)
        pull[k] -= 0.5 * work->pulls[1][n * size + k];
    if (work->divergence->unit)
        rt_normalize_backward(work->points[STUDENT] + n * size, work->norms[n], size, pull);
    for (size_t k = 0; k < size; ++k)
        gradient[k] += (float)(work->io->weight * pull[k]);
}

static rt_status run(void *state, const rt_loss_io *io, double *loss, rt_error *err)
{
    (void)err;
    struct work work = {.io = io, .divergence = state};
    const rt_shape *shape = &io->ports[STUDENT].shape;
    bool wanted = io->ports[STUDENT].gradient != NULL;
    lay_out(&work, shape->dims[0], shape->dims[1], io->scratch);
    schedule(work.divergence, work.epsilons);
    rt_parallel_samples(work.samples, work.size, place_points, &work);
    *loss = solve(&work, ACROSS, wanted ? work.pulls[0] : NULL);
    *loss -= 0.5 * (solve(&work, WITHIN, wanted ? work.pulls[1] : NULL) + solve(&work, OTHERS, NULL));
    if (wanted)
        rt_parallel_samples(work.samples, work.size, add_gradient, &work);
    return RT_OK;
}

const rt_loss rt_loss_sinkhorn_divergence = {
    .abi = RT_LOSS_ABI,
    .name = "sinkhorn_divergence",
    .summary = "Sinkhorn divergence between the batch's features as clouds of points: debiased entropic transport",
    .formula = "OT(s, t) - OT(s, s) / 2 - OT(t, t) / 2, each sample of mass 1/N, cost |x - y|^power / power,\n"
               "entropic with epsilon = blur^power, which comes down from diameter^power by scaling^power",
    .reference = "Feydy, Sejourne, Vialard, Amari, Trouve, Peyre: Interpolating between Optimal Transport and MMD\n"
                 "using Sinkhorn Divergences, AISTATS 2019, arXiv:1810.08278",
    .ports = ports,
    .port_count = PORTS,
    .params = params,
    .state_size = sizeof(struct divergence),
    .properties = RT_LOSS_ZERO_AT_EQUALITY,
    .plan = plan,
    .run = run,
};
