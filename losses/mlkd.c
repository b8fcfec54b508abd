/* Multi-level logit distillation: samples one by one, classes and samples among each other, at several temperatures.
 *
 *     at each temperature T: Q [N, C] = softmax(student / T), P from the teacher
 *     D = Q^T Q - P^T P, how classes go together; E = Q Q^T - P P^T, how samples do
 *     l(T) = alpha mean_n KL(P_n | Q_n) + beta |D|^2 / C + gamma |E|^2 / N        loss = sum of l(T)
 *     dl/dQ = -(alpha / N) P / Q + (4 beta / C) Q D + (4 gamma / N) E Q; then through softmax
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

/* Inner products among the rows of Q, and what they contribute. */
struct relation {
    size_t size;               /* classes or samples */
    double *student, *teacher; /* [size, size]; the student's become the difference, the teacher's its squares */
    double *pulls;             /* [N, C]: the difference times Q */
    double *sums;              /* [size]: of squares */
    double factor;
};

struct work {
    rt_divergence_work common;
    struct relation classes, samples;
    double kl; /* factor of the divergence */
};

/* Scratch: that of a divergence, then of both relations the two squares, the pulls, and the sums. */
static rt_status plan(void *state, rt_loss_plan *plan, rt_error *err)
{
    const size_t samples = plan->shapes[RT_DIVERGENCE_STUDENT].dims[0];
    const size_t classes = plan->shapes[RT_DIVERGENCE_STUDENT].dims[1];
    RT_TRY(rt_divergence_plan(state, plan, err));
    plan->scratch_bytes +=
        (2 * classes * classes + 2 * samples * samples + 2 * samples * classes + classes + samples) * sizeof(double);
    return RT_OK;
}

static double *lay_out(struct relation *relation, size_t size, size_t cells, double factor, double *memory)
{
    *relation = (struct relation){.size = size,
                                  .student = memory,
                                  .teacher = memory + size * size,
                                  .pulls = memory + 2 * size * size,
                                  .sums = memory + 2 * size * size + cells,
                                  .factor = factor};
    return relation->sums + size;
}

RT_WIDE static void open_sample(void *context, size_t n)
{
    const struct work *work = context;
    rt_divergence_row row = rt_divergence_open(&work->common, n);
    for (size_t k = 0; k < row.classes; ++k)
        row.spare[0][k] = row.p[k] * (row.log_p[k] - row.log_q[k]);
    ((double *)work->common.io->scratch)[n] = work->kl * rt_sum(row.spare[0], row.classes);
}

RT_WIDE static void compare_row(void *context, size_t i)
{
    const struct relation *relation = context;
    double *restrict difference = relation->student + i * relation->size;
    double *restrict squares = relation->teacher + i * relation->size;
    for (size_t j = 0; j < relation->size; ++j) {
        difference[j] -= squares[j];
        squares[j] = difference[j] * difference[j];
    }
    relation->sums[i] = rt_sum(squares, relation->size);
}

RT_WIDE static void close_sample(void *context, size_t n)
{
    const struct work *work = context;
    rt_divergence_row row = rt_divergence_at(&work->common, n);
    const size_t classes = row.classes, samples = work->samples.size;
    const double by_class = 4.0 * work->classes.factor * (double)samples / (double)classes;
    const double by_sample = 4.0 * work->samples.factor;
    const double *restrict of_classes = work->classes.pulls + n * classes;
    const double *restrict of_samples = work->samples.pulls + n * classes;
    for (size_t k = 0; k < classes; ++k) {
        double slope = -work->kl * row.p[k];
        slope += work->classes.factor > 0.0 ? by_class * row.q[k] * of_classes[k] : 0.0;
        slope += work->samples.factor > 0.0 ? by_sample * row.q[k] * of_samples[k] : 0.0;
        row.spare[0][k] = slope;
    }
    rt_divergence_close(&row, ((const double *)work->common.io->scratch)[n], row.spare[0]);
}

/* The sum of squares, and the pulls: difference Q or Q difference. */
static double relate(struct relation *relation, rt_matrix student, rt_matrix teacher, bool of_classes)
{
    if (relation->factor == 0.0)
        return 0.0;
    const rt_matrix first = of_classes ? rt_transposed(student) : student;
    const rt_matrix other = of_classes ? rt_transposed(teacher) : teacher;
    rt_multiply(first, rt_transposed(first), relation->student);
    rt_multiply(other, rt_transposed(other), relation->teacher);
    rt_parallel_samples(relation->size, relation->size, compare_row, relation);
    const rt_matrix difference = rt_matrix_doubles(relation->student, relation->size, relation->size);
    rt_multiply(of_classes ? student : difference, of_classes ? difference : student, relation->pulls);
    return relation->factor * rt_batch_mean(relation->sums, relation->size);
}

static double at_temperature(const struct mlkd *mlkd, const rt_loss_io *io, double temperature)
{
    const rt_shape *shape = &io->ports[RT_DIVERGENCE_STUDENT].shape;
    const size_t samples = shape->dims[0], classes = shape->dims[1];
    const size_t stride = RT_DIVERGENCE_ARRAYS * classes;
    struct work work = {.common = {io, mlkd, temperature, 1.0},
                        .kl = mlkd->alpha * (mlkd->temperature_squared ? temperature * temperature : 1.0)};
    double *rest = (double *)io->scratch + samples * (1 + stride);
    rest = lay_out(&work.classes, classes, samples * classes, mlkd->beta, rest);
    lay_out(&work.samples, samples, samples * classes, mlkd->gamma, rest);
    rt_parallel_samples(samples, classes, open_sample, &work);

    const rt_divergence_row first = rt_divergence_at(&work.common, 0);
    const rt_matrix student = {NULL, first.q, samples, classes, stride, 1};
    const rt_matrix teacher = {NULL, first.p, samples, classes, stride, 1};
    double related = relate(&work.classes, student, teacher, true);
    related += relate(&work.samples, student, teacher, false);
    rt_parallel_samples(samples, classes, close_sample, &work);
    return rt_batch_mean(io->scratch, samples) + related;
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
