/* The f-divergence of any generator, which the recipe gives as a formula in u, teacher over student.
 *
 *     p = softmax(teacher / T), q = softmax(student / T), u = p / q; f convex, f(1) = 0
 *     l = sum_k q_k f(u_k)        loss = mean of l over the batch
 *     phi(u) = u f'(u) - f(u)
 *     dl/dstudent_k = (1 / T) q_k (sum_j q_j phi(u_j) - phi(u_k))
 *
 * u*log(u) is kl, -log(u) reverse_kl, (u-1)^2 Pearson's chi_square, and so on, all without T^2. The formula is read,
 * checked and differentiated once (generator/generator.h), and then runs as a small vectorised program.
 *
 * u comes from the difference of the log-probabilities, and log(u) is that difference: exact where p and q underflow.
 * Its range ends where f stops being finite, for most generators at e^-700 and e^700. Beyond it u is taken to be at the
 * end: of a class that is too improbable for the student q f(u) becomes p f(u) / u. What a class adds is held at e^70,
 * as in retort/divergence.h. */
#include "generator/generator.h"
#include "retort/divergence.h"
#include "retort/loss.h"

struct f_divergence {
    rt_divergence common;
    const char *formula;
    rt_generator *generator; /* made by init() */
};

static const rt_param params[] = {
    RT_DIVERGENCE_PARAMS(false),
    {"generator",
     "f(u), convex with f(1) = 0, u = teacher / student: numbers, + - * / ^ ( ), log, exp, sqrt, abs, min, max",
     RT_PARAM_STRING, offsetof(struct f_divergence, formula), 0.0, 0.0, 0.0, "u*log(u)", NULL, false},
    RT_PARAM_END,
};

static rt_status init(void *state, rt_error *err)
{
    struct f_divergence *f_divergence = state;
    rt_error inner = {0};
    rt_status status = rt_generator_new(f_divergence->formula, &f_divergence->generator, &inner);
    return status == RT_OK ? RT_OK : rt_fail(err, status, "loss 'f_divergence': %s", inner.message);
}

static void done(void *state)
{
    rt_generator_free(((struct f_divergence *)state)->generator);
}

RT_WIDE static void sample(void *context, size_t n)
{
    rt_divergence_row row = rt_divergence_open(context, n);
    const rt_generator *generator = ((const struct f_divergence *)row.settings)->generator;
    double least = generator->log_least, most = generator->log_most, smallest_share = exp(-most);
    double *restrict u = row.log_q, *restrict log_u = row.log_p, *restrict weights = row.p;
    double *restrict values = row.spare[0], *restrict slopes = row.spare[1];
    for (size_t k = 0; k < row.classes; ++k) {
        double difference = log_u[k] - u[k];
        weights[k] = difference > most ? weights[k] * smallest_share : row.q[k];
        difference = difference > most ? most : difference;
        log_u[k] = difference < least ? least : difference;
        u[k] = rt_exp(log_u[k]);
    }
    rt_generator_run(generator, u, log_u, row.classes, values, slopes);
    const double bound = exp(RT_LARGEST_EXPONENT);
    for (size_t k = 0; k < row.classes; ++k) {
        double value = weights[k] * values[k], slope = -weights[k] * slopes[k];
        values[k] = value > bound ? bound : value;
        slope = slope > bound ? bound : slope;
        slopes[k] = slope < -bound ? -bound : slope;
    }
    rt_divergence_close(&row, rt_sum(values, row.classes), slopes);
}

static rt_status run(void *state, const rt_loss_io *io, double *loss, rt_error *err)
{
    (void)err;
    return rt_divergence_run(state, io, sample, loss);
}

const rt_loss rt_loss_f_divergence = {
    .abi = RT_LOSS_ABI,
    .name = "f_divergence",
    .summary = "the f-divergence of a generator that the recipe writes as a formula",
    .formula = "sum_k q_k f(u_k), u = p / q, p = softmax(teacher / temperature),\n"
               "q = softmax(student / temperature); mean over the batch. Among them, without temperature^2, are\n"
               "kl u*log(u), reverse_kl -log(u), jeffreys (u-1)*log(u), hellinger (sqrt(u)-1)^2,\n"
               "total_variation abs(u-1)/2, chi_square (u-1)^2 and (u-1)^2/u, js (u*log(u)-(u+1)*log((u+1)/2))/2",
    .reference =
        "Csiszar: Information-Type Measures of Difference of Probability Distributions and Indirect Observations, "
        "Studia Scientiarum Mathematicarum Hungarica, 1967",
    .ports = rt_divergence_ports,
    .port_count = RT_DIVERGENCE_PORTS,
    .params = params,
    .state_size = sizeof(struct f_divergence),
    .properties = RT_LOSS_NON_NEGATIVE | RT_LOSS_ZERO_AT_EQUALITY | RT_LOSS_SHIFT_INVARIANT,
    .init = init,
    .plan = rt_divergence_plan,
    .run = run,
    .done = done,
};
