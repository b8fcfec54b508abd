/* Generalized Cauchy-Schwarz divergence: how far the student and all of several teachers are from being one.
 *
 *     p_1 ... p_M = softmax(teacher_i / T), q = softmax(student / T), m = M + 1; M(x) = log sum_k e^x_k
 *     l = 1/m (M(m log q) + sum_i M(m log p_i)) - M(log q + sum_i log p_i)        loss = mean of l over the batch
 *     dl/dstudent = (1 / T) (softmax(m log q) - softmax(log q + sum_i log p_i))
 *
 * 0 where all are equal and nowhere else. With one teacher it is half of cauchy_schwarz. A class counts as far as every
 * teacher allows it: one that thinks it impossible is a veto. */
#include "retort/divergence.h"
#include "retort/loss.h"

enum { STUDENT, TEACHERS, PORTS, ARRAYS = 4 };

static const rt_param params[] = {
    RT_DIVERGENCE_PARAMS(false),
    RT_PARAM_END,
};

static const rt_port ports[] = {
    [STUDENT] = {"student.logits", "N C", RT_PORT_DIFF},
    [TEACHERS] = {"teachers.logits", "M N C", 0},
};

/* Scratch: a loss per sample [N], then the arrays of its row [N, ARRAYS, C]. */
static rt_status plan(void *state, rt_loss_plan *plan, rt_error *err)
{
    (void)state, (void)err;
    size_t samples = plan->shapes[STUDENT].dims[0], classes = plan->shapes[STUDENT].dims[1];
    plan->scratch_bytes = samples * (1 + ARRAYS * classes) * sizeof(double);
    return RT_OK;
}

/* Adds the log-probabilities of one distribution to `product` [classes] and gives their part of the sum over powers;
 * powers [classes] = softmax(number log p). `spare` has the same size. */
RT_WIDE_INLINE double add(const float *logits, size_t classes, double temperature, double number,
                          double *restrict product, double *restrict powers, double *restrict spare)
{
    rt_log_softmax(logits, classes, temperature, spare);
    for (size_t k = 0; k < classes; ++k) {
        product[k] += spare[k];
        spare[k] *= number;
    }
    return rt_log_sum_exp(spare, classes, powers) / number;
}

RT_WIDE static void sample(void *context, size_t n)
{
    const rt_divergence_work *work = context;
    const rt_port_data *student = &work->io->ports[STUDENT], *teachers = &work->io->ports[TEACHERS];
    size_t samples = student->shape.dims[0], classes = student->shape.dims[1], count = teachers->shape.dims[0];
    double number = (double)(count + 1);
    double *losses = work->io->scratch;
    double *restrict product = losses + samples + n * ARRAYS * classes, *restrict powers = product + classes;
    double *restrict spare = powers + classes, *restrict shares = spare + classes;
    memset(product, 0, classes * sizeof *product);
    double value = 0.0;
    for (size_t i = 0; i < count; ++i)
        value += add(teachers->values + (i * samples + n) * classes, classes, work->temperature, number, product,
                     powers, spare);
    value += add(student->values + n * classes, classes, work->temperature, number, product, powers, spare);
    losses[n] = work->scale * (value - rt_log_sum_exp(product, classes, shares));
    if (!student->gradient)
        return;
    double slope = work->io->weight * work->scale / (work->temperature * (double)samples);
    float *restrict gradient = student->gradient + n * classes;
    for (size_t k = 0; k < classes; ++k)
        gradient[k] += (float)(slope * (powers[k] - shares[k]));
}

static rt_status run(void *state, const rt_loss_io *io, double *loss, rt_error *err)
{
    (void)err;
    return rt_divergence_run(state, io, sample, loss);
}

const rt_loss rt_loss_generalized_cauchy_schwarz = {
    .abi = RT_LOSS_ABI,
    .name = "generalized_cauchy_schwarz",
    .summary = "Cauchy-Schwarz divergence of the student and several teachers at once",
    .formula =
        "1/m (M(m log q) + sum_i M(m log p_i)) - M(log q + sum_i log p_i), M(x) = log sum_k e^x_k,\n"
        "p_i = softmax(teacher_i / temperature), q = softmax(student / temperature), m = 1 + number of teachers;\n"
        "mean over the batch",
    .reference =
        "Lu, Li, Yu, Jenssen, Chen: Generalized Cauchy-Schwarz Divergence and Its Deep Learning Applications,\n"
        "2024, arXiv:2405.04061",
    .ports = ports,
    .port_count = PORTS,
    .params = params,
    .state_size = sizeof(rt_divergence),
    .properties = RT_LOSS_NON_NEGATIVE | RT_LOSS_ZERO_AT_EQUALITY | RT_LOSS_SHIFT_INVARIANT,
    .plan = plan,
    .run = run,
};
