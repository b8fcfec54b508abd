/* Multi-level logit distillation: samples one by one, classes and samples among each other, at several temperatures.
 *
 *     at each temperature T: Q [N, C] = softmax(student / T), P from the teacher
 *     D = Q^T Q - P^T P, how classes go together; E = Q Q^T - P P^T, how samples do
 *     l(T) = alpha mean_n KL(P_n | Q_n) + beta |D|^2 / C + gamma |E|^2 / N        loss = sum of l(T)
 *     dl/dQ = -(alpha / N) P / Q + (4 beta / C) Q D + (4 gamma / N) E Q; then through softmax
 *
 * Neither D nor a difference of squares is ever computed. With S = Q + P, R = Q - P and G = S R^T [N, N],
 *
 *     D = (S^T R + R^T S) / 2     |D|^2 = (<S S^T, R R^T> + <G, G^T>) / 2     E = (G + G^T) / 2
 *     Q D = ((S S^T + G^T) R + (G + R R^T) S) / 4                             E Q = (G + G^T) (R + S) / 4
 *
 * which are exactly 0 where Q = P, and cost N^2 C instead of N C^2. Where classes are fewer than samples, the same is
 * done with Q, P, S and R transposed, at N C^2: D and E, and Q D and E Q transposed, then change places.
 *
 * With temperature_squared the divergence is multiplied by T^2, as the published code does. That code sees each image
 * twice, weakly and strongly augmented, and halves its terms by what was meant to pick samples; here an image is seen
 * once and nothing is picked. */
#include "retort/divergence.h"
#include "retort/loss.h"
#include "retort/matrix.h"

struct mlkd {
    rt_float_list temperatures;
    bool temperature_squared;
    double alpha, beta, gamma;
};

static const rt_float_list usual = {5, {2.0, 3.0, 4.0, 5.0, 6.0}};

static const rt_param params[] = {
    RT_FLOAT_LIST(struct mlkd, temperatures, 0.05, 1000.0,
                  "each divides the logits of both, in a term of its own; 2, 3, 4, 5 and 6 when absent"),
    RT_BOOL(struct mlkd, temperature_squared, false,
            "multiply the divergence by temperature^2, as the published code does"),
    RT_FLOAT(struct mlkd, alpha, 1.0, 0.0, 1e6, "weight of the divergence, sample by sample"),
    RT_FLOAT(struct mlkd, beta, 1.0, 0.0, 1e6, "weight of the classes among each other"),
    RT_FLOAT(struct mlkd, gamma, 1.0, 0.0, 1e6, "weight of the samples among each other"),
    RT_PARAM_END,
};

struct work {
    rt_divergence_work common;
    double kl;                  /* factor of the divergence */
    size_t order;               /* N, or C where it is less */
    double by_far, by_near;     /* of Q D and E Q, or of E Q and Q D */
    double *sums, *differences; /* [order, order]: S S^T and R R^T; then what R and S are multiplied by */
    double *mixed, *terms;      /* [order, order]: G; scratch */
    double *far, *near;         /* [order]: |D|^2 and |E|^2, or the reverse, row by row of G */
    double *pulls_r, *pulls_s;  /* [N, C] */
};

/* Scratch: that of a divergence, then four squares, two sums and two pulls. */
static rt_status plan(void *state, rt_loss_plan *plan, rt_error *err)
{
    const size_t samples = plan->shapes[RT_DIVERGENCE_STUDENT].dims[0];
    const size_t classes = plan->shapes[RT_DIVERGENCE_STUDENT].dims[1];
    RT_TRY(rt_divergence_plan(state, plan, err));
    const size_t order = samples < classes ? samples : classes;
    plan->scratch_bytes += (4 * order * order + 2 * order + 2 * samples * classes) * sizeof(double);
    return RT_OK;
}

/* S and R of a sample are its spare rows. */
RT_WIDE static void open_sample(void *context, size_t n)
{
    const struct work *work = context;
    rt_divergence_row row = rt_divergence_open(&work->common, n);
    for (size_t k = 0; k < row.classes; ++k)
        row.spare[0][k] = row.p[k] * (row.log_p[k] - row.log_q[k]);
    ((double *)work->common.io->scratch)[n] = work->kl * rt_sum(row.spare[0], row.classes);
    for (size_t k = 0; k < row.classes; ++k) {
        row.spare[0][k] = row.q[k] + row.p[k];
        row.spare[1][k] = row.q[k] - row.p[k];
    }
}

/* Row i of both squared norms, and of what R and S are multiplied by for the pulls. */
RT_WIDE static void relate_row(void *context, size_t i)
{
    const struct work *work = context;
    const size_t order = work->order;
    double *restrict sums = work->sums + i * order, *restrict differences = work->differences + i * order;
    double *restrict terms = work->terms + i * order;
    const double *restrict row = work->mixed + i * order, *restrict column = work->mixed + i;
    const double by_far = 0.25 * work->by_far, by_near = 0.25 * work->by_near;
    for (size_t j = 0; j < order; ++j)
        terms[j] = 0.5 * (sums[j] * differences[j] + row[j] * column[j * order]);
    work->far[i] = rt_sum(terms, order);
    for (size_t j = 0; j < order; ++j) {
        const double both = row[j] + column[j * order];
        terms[j] = 0.25 * both * both;
        sums[j] = by_far * (sums[j] + column[j * order]) + by_near * both;
        differences[j] = by_far * (row[j] + differences[j]) + by_near * both;
    }
    work->near[i] = rt_sum(terms, order);
}

RT_WIDE static void close_sample(void *context, size_t n)
{
    const struct work *work = context;
    rt_divergence_row row = rt_divergence_at(&work->common, n);
    const double *restrict pulls_r = work->pulls_r + n * row.classes;
    const double *restrict pulls_s = work->pulls_s + n * row.classes;
    for (size_t k = 0; k < row.classes; ++k)
        row.spare[0][k] = row.q[k] * (pulls_r[k] + pulls_s[k]) - work->kl * row.p[k];
    rt_divergence_close(&row, ((const double *)work->common.io->scratch)[n], row.spare[0]);
}

/* A logit of a sample, or a product, is this many times the work that rt_parallel_samples() counts for one:
 * exponentials and logarithms of both sides, terms of two sums and of two factors. */
enum { WORK = 4 };

static double at_temperature(const struct mlkd *mlkd, const rt_loss_io *io, double temperature)
{
    const rt_shape *shape = &io->ports[RT_DIVERGENCE_STUDENT].shape;
    const size_t samples = shape->dims[0], classes = shape->dims[1];
    const bool transposed = classes < samples;
    const size_t order = transposed ? classes : samples, square = order * order;
    const size_t stride = RT_DIVERGENCE_ARRAYS * classes;
    double *rest = (double *)io->scratch + samples * (1 + stride);
    const double by_class = 4.0 * mlkd->beta * (double)samples / (double)classes, by_sample = 4.0 * mlkd->gamma;
    struct work work = {.common = {.io = io, .settings = mlkd, .temperature = temperature, .scale = 1.0},
                        .kl = mlkd->alpha * (mlkd->temperature_squared ? temperature * temperature : 1.0),
                        .order = order,
                        .by_far = transposed ? by_sample : by_class,
                        .by_near = transposed ? by_class : by_sample,
                        .sums = rest,
                        .differences = rest + square,
                        .mixed = rest + 2 * square,
                        .terms = rest + 3 * square,
                        .far = rest + 4 * square,
                        .near = rest + 4 * square + order,
                        .pulls_r = rest + 4 * square + 2 * order,
                        .pulls_s = rest + 4 * square + 2 * order + samples * classes};
    rt_parallel_samples(samples, WORK * classes, open_sample, &work);

    const rt_divergence_row first = rt_divergence_at(&work.common, 0);
    const rt_matrix s = {NULL, first.spare[0], samples, classes, stride, 1};
    const rt_matrix r = {NULL, first.spare[1], samples, classes, stride, 1};
    const rt_matrix sums = transposed ? rt_transposed(s) : s, differences = transposed ? rt_transposed(r) : r;
    rt_multiply(sums, rt_transposed(sums), work.sums);
    rt_multiply(differences, rt_transposed(differences), work.differences);
    rt_multiply(sums, rt_transposed(differences), work.mixed);
    rt_parallel_samples(order, WORK * order, relate_row, &work);
    const rt_matrix of_r = rt_matrix_doubles(work.sums, order, order);
    const rt_matrix of_s = rt_matrix_doubles(work.differences, order, order);
    if (transposed) {
        rt_multiply(r, rt_transposed(of_r), work.pulls_r);
        rt_multiply(s, rt_transposed(of_s), work.pulls_s);
    } else {
        rt_multiply(of_r, r, work.pulls_r);
        rt_multiply(of_s, s, work.pulls_s);
    }
    rt_parallel_samples(samples, WORK * classes, close_sample, &work);
    /* The two parts of the far one may cancel to less than their rounding. */
    double far = rt_sum(work.far, order);
    far = far > 0.0 ? far : 0.0;
    const double near = rt_sum(work.near, order);
    return rt_batch_mean(io->scratch, samples) + mlkd->beta * (transposed ? near : far) / (double)classes +
           mlkd->gamma * (transposed ? far : near) / (double)samples;
}

static rt_status run(void *state, const rt_loss_io *io, double *loss, rt_error *err)
{
    (void)err;
    const struct mlkd *mlkd = state;
    const rt_float_list *temperatures = mlkd->temperatures.count > 0 ? &mlkd->temperatures : &usual;
    *loss = 0.0;
    for (size_t i = 0; i < temperatures->count; ++i)
        *loss += at_temperature(mlkd, io, temperatures->values[i]);
    return RT_OK;
}

const rt_loss rt_loss_mlkd = {
    .abi = RT_LOSS_ABI,
    .name = "mlkd",
    .summary = "multi-level logit distillation: samples, classes among each other, samples among each other",
    .formula = "sum over the temperatures of alpha mean_n KL(P_n | Q_n) + beta |Q^T Q - P^T P|^2 / C\n"
               "+ gamma |Q Q^T - P P^T|^2 / N, Q = softmax(student / temperature) [N, C], P the teacher's;\n"
               "temperature_squared multiplies the divergence",
    .reference = "Jin, Wang, Lin: Multi-Level Logit Distillation, CVPR 2023",
    .published =
        "CIFAR-100, resnet32x4 to resnet8x4 77.08: weight 0.9 with T^2, temperatures 2 to 6, beside cross-entropy\n"
        "at 0.1, each image seen weakly and strongly augmented, 480 epochs; whether of the last or the best epoch\n"
        "is not stated",
    .ports = rt_divergence_ports,
    .port_count = RT_DIVERGENCE_PORTS,
    .params = params,
    .state_size = sizeof(struct mlkd),
    .properties = RT_LOSS_NON_NEGATIVE | RT_LOSS_ZERO_AT_EQUALITY | RT_LOSS_SHIFT_INVARIANT,
    .plan = plan,
    .run = run,
};
