/* Batch-wise Sinkhorn distillation: the cost of turning the batch's student distributions into the teacher's.
 *
 *     q_i = softmax(student_i / T), p_j = softmax(teacher_j / T)
 *     D_ij = sum_c |q_ic - p_jc|                     a cost for each pair of samples, from 0 to 2
 *     X = e^(-D / epsilon); `iterations` times: divide rows by their sums, then columns by theirs
 *     loss = sum_ij X_ij D_ij                        over the whole plan, whose mass is the batch's size N
 *
 * X is held as e^(K + f_i + g_j) with K = -D / epsilon; an iteration is
 *
 *     f_i = -log sum_j e^(K_ij + g_j), then g_j = -log sum_i e^(K_ij + f_i)
 *
 * Where epsilon is large enough, e^K, e^f and e^g are kept instead: a product in place of an exponential a pair.
 *
 * Gradient, unrolled through all iterations, backwards from dK = X D, df_i = sum_j X_ij D_ij, dg_j = sum_i X_ij D_ij:
 *
 *     P = e^(K + f + g) of the step:   dK_ij -= P_ij dg_j, df_i -= sum_j P_ij dg_j        (the step that found g)
 *                                      dK_ij -= P_ij df_i, dg_j  = -sum_i P_ij df_i       (the step that found f)
 *     dD = X - dK / epsilon
 *     a_ic = sum_j dD_ij sign(q_ic - p_jc);   dloss/dstudent_ic = (1 / T) q_ic (a_ic - sum_k q_ik a_ik)
 *
 * gradient: envelope takes dD = X. That is not the derivative: X minimises <X, D> - epsilon entropy, not <X, D>. */
#include "retort/divergence.h"
#include "retort/features.h"
#include "retort/loss.h"

enum { UNROLLED, ENVELOPE };

struct sinkhorn {
    rt_divergence common;
    double epsilon;
    int64_t iterations;
    int gradient;
    bool batch_mean;
};

static const char *const gradients[] = {"unrolled", "envelope", NULL};

static const rt_param params[] = {
    RT_DIVERGENCE_PARAMS_FROM(2.0, false),
    RT_FLOAT(struct sinkhorn, epsilon, 0.1, 1e-4, 1e4, "weight of the plan's entropy; costs are from 0 to 2"),
    RT_INT(struct sinkhorn, iterations, 20, 1, 10000, "how often rows and columns of the plan are normalised"),
    RT_ENUM(struct sinkhorn, gradient, UNROLLED, gradients,
            "through all iterations, or cheaper and inexact, with the plan held fixed"),
    RT_BOOL(struct sinkhorn, batch_mean, false, "divide by the size of the batch, which is the mass of the plan"),
    RT_PARAM_END,
};

/* From here on e^K, e^f and e^g are far from the ends of double, e^-708 and e^709. K is within -2 / epsilon, that is
 * -100, and 0. The limit of g spreads no further than K; centred on 0 it is within 50, and an iteration never takes g
 * further from it (by the largest difference) than the zeros were with which it began: g is within 100, f within 200
 * and log N, and all products on the way to sums within 300 and log N. */
static const double plain_from = 0.02;

/* What the samples of one side, student or teacher, see: row i belongs to the side's sample i, column j to the other's.
 * Potentials and their derivatives are [N] for each iteration and before the first. */
struct side {
    double *kernel;     /* [N, N]: K, or e^K */
    double *change;     /* [N, N]: K at first, then dK, of which each side adds up one half */
    double *potentials; /* [1 + iterations, N]: f or g, or e to the power of it */
    double *slopes;     /* [N] */
};

struct transport {
    rt_divergence_work work;
    const struct sinkhorn *settings;
    size_t samples;
    bool plain; /* exponentials are kept, not exponents */
    struct side student, teacher;
    double *spare; /* [N, 2, N] */
    /* One step: who finds or changes its own, and what of the other it sees. */
    const struct side *own;
    const double *other_potential, *other_slopes;
    double *potential;
};

enum { MATRICES = 6 }; /* kernel and change of both sides, and spare, which is two */

static rt_status plan(void *state, rt_loss_plan *plan, rt_error *err)
{
    const struct sinkhorn *settings = state;
    size_t samples = plan->shapes[RT_DIVERGENCE_STUDENT].dims[0];
    RT_TRY(rt_divergence_plan(state, plan, err));
    size_t vectors = 2 * (1 + (size_t)settings->iterations) + 2;
    plan->scratch_bytes += samples * (MATRICES * samples + vectors) * sizeof(double);
    return RT_OK;
}

/* The row of costs of the student's sample i, for both sides. */
RT_WIDE static void compare(void *context, size_t i)
{
    const struct transport *transport = context;
    rt_divergence_row student = rt_divergence_at(&transport->work, i);
    const double *restrict q = student.q;
    double *restrict gaps = student.spare[0];
    for (size_t j = 0; j < transport->samples; ++j) {
        const double *restrict p = rt_divergence_at(&transport->work, j).p;
        for (size_t k = 0; k < student.classes; ++k)
            gaps[k] = fabs(q[k] - p[k]);
        double logarithm = -rt_sum(gaps, student.classes) / transport->settings->epsilon;
        double kernel = transport->plain ? rt_exp(logarithm) : logarithm;
        size_t own = i * transport->samples + j, other = j * transport->samples + i;
        transport->student.change[own] = transport->teacher.change[other] = logarithm;
        transport->student.kernel[own] = transport->teacher.kernel[other] = kernel;
    }
}

/* Row i of X [N], as the step's own side sees it. */
RT_WIDE_INLINE void couple_row(const struct transport *transport, size_t i, double *restrict row)
{
    size_t samples = transport->samples;
    const double *restrict kernel = transport->own->kernel + i * samples, *restrict other = transport->other_potential;
    const double potential = transport->potential[i];
    if (transport->plain) {
        for (size_t j = 0; j < samples; ++j)
            row[j] = kernel[j] * potential * other[j];
        return;
    }
    for (size_t j = 0; j < samples; ++j)
        row[j] = rt_exp(kernel[j] + potential + other[j]);
}

/* Finds a potential of the step's own side. */
RT_WIDE static void balance(void *context, size_t i)
{
    const struct transport *transport = context;
    size_t samples = transport->samples;
    const double *restrict kernel = transport->own->kernel + i * samples, *restrict other = transport->other_potential;
    double *restrict exponents = transport->spare + i * 2 * samples, *restrict shares = exponents + samples;
    if (transport->plain) {
        transport->potential[i] = 1.0 / rt_dot(kernel, other, samples);
        return;
    }
    for (size_t j = 0; j < samples; ++j)
        exponents[j] = kernel[j] + other[j];
    transport->potential[i] = -rt_log_sum_exp(exponents, samples, shares);
}

/* The finished plan: sums of X D over the rows of the step's own side are the slopes of its potential. The student's
 * side has the whole of dK - epsilon X at first, and the teacher's nothing. */
RT_WIDE static void couple(void *context, size_t i)
{
    const struct transport *transport = context;
    const struct side *own = transport->own;
    size_t samples = transport->samples;
    double *restrict change = own->change + i * samples, *restrict costs = transport->spare + i * 2 * samples;
    double epsilon = transport->settings->epsilon;
    bool keep = own == &transport->student, unrolled = transport->settings->gradient == UNROLLED;
    couple_row(transport, i, costs);
    for (size_t j = 0; j < samples; ++j) {
        double coupled = costs[j];
        costs[j] = -epsilon * change[j] * coupled;
        change[j] = keep ? (unrolled ? costs[j] : 0.0) - epsilon * coupled : 0.0;
    }
    own->slopes[i] = rt_sum(costs, samples);
}

/* Backwards through the step that found the other side's potential from the own one. */
RT_WIDE static void unroll(void *context, size_t i)
{
    const struct transport *transport = context;
    const struct side *own = transport->own;
    size_t samples = transport->samples;
    const double *restrict other_slopes = transport->other_slopes;
    double *restrict change = own->change + i * samples, *restrict parts = transport->spare + i * 2 * samples;
    couple_row(transport, i, parts);
    for (size_t j = 0; j < samples; ++j) {
        parts[j] *= other_slopes[j];
        change[j] -= parts[j];
    }
    own->slopes[i] -= rt_sum(parts, samples);
}

/* From dD to the gradient of the student's sample i, and its part of the value. */
RT_WIDE static void finish(void *context, size_t i)
{
    const struct transport *transport = context;
    size_t samples = transport->samples;
    rt_divergence_row row = rt_divergence_at(&transport->work, i);
    const double *restrict q = row.q;
    double *restrict slopes = row.spare[0];
    /* The mean over the batch, which rt_divergence_run() takes, becomes the sum. */
    double scale = transport->settings->batch_mean ? 1.0 : (double)samples, *losses = transport->work.io->scratch;
    memset(slopes, 0, row.classes * sizeof *slopes);
    for (size_t j = 0; j < samples && transport->work.io->ports[RT_DIVERGENCE_STUDENT].gradient; ++j) {
        const double *restrict p = rt_divergence_at(&transport->work, j).p;
        double change = transport->student.change[i * samples + j] + transport->teacher.change[j * samples + i];
        double slope = -scale * change / transport->settings->epsilon;
        for (size_t k = 0; k < row.classes; ++k)
            slopes[k] += (q[k] > p[k] ? slope : 0.0) - (q[k] < p[k] ? slope : 0.0);
    }
    for (size_t k = 0; k < row.classes; ++k)
        slopes[k] *= q[k];
    rt_divergence_close(&row, scale * losses[i], slopes);
}

RT_WIDE static void soften(void *work, size_t n)
{
    rt_divergence_open(work, n);
}

/* One step: `own` side's potential number `iteration`, seen with the other side's number `other_iteration`. */
static void step(struct transport *transport, struct side *own, int64_t iteration, const struct side *other,
                 int64_t other_iteration, void (*body)(void *context, size_t i))
{
    size_t samples = transport->samples;
    transport->own = own;
    transport->potential = own->potentials + (size_t)iteration * samples;
    transport->other_potential = other->potentials + (size_t)other_iteration * samples;
    transport->other_slopes = other->slopes;
    rt_parallel_samples(samples, samples, body, transport);
}

static rt_status run(void *state, const rt_loss_io *io, double *loss, rt_error *err)
{
    (void)err;
    const struct sinkhorn *settings = state;
    const rt_shape *shape = &io->ports[RT_DIVERGENCE_STUDENT].shape;
    size_t samples = shape->dims[0], classes = shape->dims[1], matrix = samples * samples;
    int64_t last = settings->iterations;
    double temperature = settings->common.temperature, *losses = io->scratch;
    double *matrices = losses + samples * (1 + RT_DIVERGENCE_ARRAYS * classes), *vectors = matrices + MATRICES * matrix;
    size_t history = (1 + (size_t)last) * samples;
    struct transport transport = {
        .work = {.io = io,
                 .settings = state,
                 .temperature = temperature,
                 .scale = settings->common.temperature_squared ? temperature * temperature : 1.0},
        .settings = settings,
        .samples = samples,
        .plain = settings->epsilon >= plain_from,
        .student = {matrices, matrices + matrix, vectors, vectors + 2 * history},
        .teacher = {matrices + 2 * matrix, matrices + 3 * matrix, vectors + history, vectors + 2 * history + samples},
        .spare = matrices + 4 * matrix,
    };
    struct side *student = &transport.student, *teacher = &transport.teacher;
    rt_parallel_samples(samples, classes, soften, &transport.work);
    rt_parallel_samples(samples, samples * classes, compare, &transport);
    for (size_t j = 0; j < samples; ++j)
        teacher->potentials[j] = transport.plain ? 1.0 : 0.0;
    for (int64_t t = 1; t <= last; ++t) {
        step(&transport, student, t, teacher, t - 1, balance);
        step(&transport, teacher, t, student, t, balance);
    }
    step(&transport, teacher, last, student, last, couple);
    step(&transport, student, last, teacher, last, couple);
    memcpy(losses, student->slopes, samples * sizeof *losses);
    for (int64_t t = last; t >= 1 && settings->gradient == UNROLLED && io->ports[RT_DIVERGENCE_STUDENT].gradient; --t) {
        step(&transport, student, t, teacher, t, unroll);
        memset(teacher->slopes, 0, samples * sizeof(double));
        step(&transport, teacher, t - 1, student, t, unroll);
        memset(student->slopes, 0, samples * sizeof(double));
    }
    rt_parallel_samples(samples, samples * classes, finish, &transport);
    *loss = rt_batch_mean(losses, samples);
    return RT_OK;
}

const rt_loss rt_loss_sinkhorn = {
    .abi = RT_LOSS_ABI,
    .name = "sinkhorn",
    .summary = "cost of moving the batch's student distributions to the teacher's (batch-wise SinKD)",
    .formula =
        "sum_ij X_ij D_ij over all pairs of student and teacher samples, D_ij = sum_c |q_ic - p_jc|,\n"
        "q = softmax(student / temperature), p = softmax(teacher / temperature), X = e^(-D / epsilon) after\n"
        "`iterations` of normalising rows, then columns; the sum over the plan, whose mass is the batch's size,\n"
        "so that weights are per batch; batch_mean divides by that size",
    .reference = "Cui, Qin, Gao et al.: Sinkhorn Distance Minimization for Knowledge Distillation, LREC-COLING 2024, "
                 "arXiv:2402.17110; temperature, epsilon and iterations are those of its code",
    .ports = rt_divergence_ports,
    .port_count = RT_DIVERGENCE_PORTS,
    .params = params,
    .state_size = sizeof(struct sinkhorn),
    .properties = RT_LOSS_NON_NEGATIVE | RT_LOSS_SHIFT_INVARIANT,
    .plan = plan,
    .run = run,
};
