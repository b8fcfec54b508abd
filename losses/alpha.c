/* Alpha-divergence: one family from reverse_kl (alpha 0) to kl (alpha 1) and beyond, in AlphaNet's normalisation.
 *
 *     p = softmax(teacher / T), q = softmax(student / T)
 *     S = sum_k p_k^alpha q_k^(1 - alpha)
 *     l = (S - 1) / (alpha (alpha - 1))              loss = mean of l over the batch
 *     w = softmax((alpha teacher + (1 - alpha) student) / T)
 *     dl/dstudent_k = S / (alpha T) (q_k - w_k)
 *
 * No ratio p / q is ever formed. The larger alpha, the more l shuns to miss a class of the teacher's; the smaller, the
 * more it shuns to invent one. S has no bound outside 0 <= alpha <= 1: it is held at e^70.
 *
 * adaptive: AlphaNet's loss. With u = p / q and, for a = alpha_minimum and a = alpha_maximum,
 *
 *     c_k = min(u_k^a, clip), V_a = sum_k q_k (c_k - 1) / (a (a - 1)), r_k = c_k / a
 *
 * each sample takes the a with the larger V_a, alpha_maximum if they are equal, and
 *
 *     l = V_a, dl/dstudent_k = -(1 / T) q_k (r_k - sum_j q_j r_j)
 *
 * The clip caps weights and lets the gradient through (so it is not that of the clipped V_a). Within 1e-3 of a = 1
 * nothing is clipped: V = sum_k p_k log u_k and r = u. Within 1e-3 of a = 0, u itself is:
 * V = -sum_k q_k log min(u_k, clip) and r = log min(u, clip). AlphaNet's code reports a surrogate that may be negative
 * in place of V. */
#include "retort/divergence.h"
#include "retort/loss.h"

struct alpha {
    rt_divergence common;
    double alpha;
    bool adaptive;
    double alpha_minimum, alpha_maximum, clip;
};

static const rt_param params[] = {
    RT_DIVERGENCE_PARAMS(false),
    RT_FLOAT(struct alpha, alpha, 0.5, -16.0, 16.0, "the divergence's order: kl at 1, reverse_kl at 0"),
    RT_BOOL(struct alpha, adaptive, false,
            "AlphaNet's: each sample takes the larger of two clipped divergences instead of `alpha`"),
    RT_FLOAT(struct alpha, alpha_minimum, -1.0, -16.0, 16.0, "one order of the adaptive form"),
    RT_FLOAT(struct alpha, alpha_maximum, 1.0, -16.0, 16.0, "the other, which a tie takes"),
    RT_FLOAT(struct alpha, clip, 5.0, 1.0, 1e9, "largest (p / q)^alpha that counts in the adaptive form"),
    RT_PARAM_END,
};

static rt_status init(void *state, rt_error *err)
{
    const struct alpha *settings = state;
    if (settings->alpha_minimum > settings->alpha_maximum)
        return rt_fail(err, RT_ERROR_USAGE, "loss 'alpha': alpha_minimum %g; it must not exceed alpha_maximum %g",
                       settings->alpha_minimum, settings->alpha_maximum);
    return RT_OK;
}

/* Nearer to 0 and 1 the limits are exact to 1e-6, while S - 1 has lost its digits. */
static const double limit = 1e-6, limit_of_alphanet = 1e-3;

/* Gives l; slopes [classes] are its derivatives with respect to log q. `spare` has the same size. */
RT_WIDE_INLINE double fixed(const rt_divergence_row *row, double alpha, double *restrict slopes, double *restrict spare)
{
    if (fabs(alpha - 1.0) < limit) {
        for (size_t k = 0; k < row->classes; ++k) {
            slopes[k] = -row->p[k];
            spare[k] = row->p[k] * (row->log_p[k] - row->log_q[k]);
        }
        return rt_sum(spare, row->classes);
    }
    if (fabs(alpha) < limit) {
        for (size_t k = 0; k < row->classes; ++k)
            slopes[k] = row->q[k] * (row->log_q[k] - row->log_p[k]);
        return rt_sum(slopes, row->classes);
    }
    for (size_t k = 0; k < row->classes; ++k)
        spare[k] = alpha * row->log_p[k] + (1.0 - alpha) * row->log_q[k];
    double log_sum = rt_log_sum_exp(spare, row->classes, slopes);
    log_sum = log_sum > RT_LARGEST_EXPONENT ? RT_LARGEST_EXPONENT : log_sum;
    double slope = -exp(log_sum) / alpha;
    for (size_t k = 0; k < row->classes; ++k)
        slopes[k] *= slope;
    return expm1(log_sum) / (alpha * (alpha - 1.0));
}

/* Gives V_a; slopes [classes] are -q r. `spare` has the same size. */
RT_WIDE_INLINE double clipped(const rt_divergence_row *row, double a, double clip, double *restrict slopes,
                              double *restrict spare)
{
    if (fabs(a - 1.0) < limit_of_alphanet)
        return fixed(row, 1.0, slopes, spare);
    if (fabs(a) < limit_of_alphanet) {
        double most = log(clip);
        for (size_t k = 0; k < row->classes; ++k) {
            double log_u = row->log_p[k] - row->log_q[k];
            slopes[k] = -row->q[k] * (log_u < most ? log_u : most);
        }
        return rt_sum(slopes, row->classes);
    }
    double factor = 1.0 / (a * (a - 1.0));
    for (size_t k = 0; k < row->classes; ++k) {
        double power = rt_exp(a * (row->log_p[k] - row->log_q[k]));
        power = power < clip ? power : clip;
        slopes[k] = -row->q[k] * power / a;
        spare[k] = row->q[k] * (power - 1.0) * factor;
    }
    return rt_sum(spare, row->classes);
}

RT_WIDE static void sample(void *context, size_t n)
{
    rt_divergence_row row = rt_divergence_open(context, n);
    const struct alpha *settings = row.settings;
    double *slopes = row.spare[0], *spare = row.spare[1];
    double value;
    if (settings->adaptive) {
        double least = clipped(&row, settings->alpha_minimum, settings->clip, slopes, spare);
        value = clipped(&row, settings->alpha_maximum, settings->clip, slopes, spare);
        if (least > value)
            value = clipped(&row, settings->alpha_minimum, settings->clip, slopes, spare);
    } else {
        value = fixed(&row, settings->alpha, slopes, spare);
    }
    rt_divergence_close(&row, value, slopes);
}

static rt_status run(void *state, const rt_loss_io *io, double *loss, rt_error *err)
{
    (void)err;
    return rt_divergence_run(state, io, sample, loss);
}

const rt_loss rt_loss_alpha = {
    .abi = RT_LOSS_ABI,
    .name = "alpha",
    .summary = "alpha-divergence of fixed order, or AlphaNet's adaptive, clipped one",
    .formula = "(sum_k p_k^alpha q_k^(1 - alpha) - 1) / (alpha (alpha - 1)), p = softmax(teacher / temperature),\n"
               "q = softmax(student / temperature); kl at alpha 1, reverse_kl at alpha 0, both without T^2;\n"
               "adaptive: of sum_k q_k (min((p_k / q_k)^a, clip) - 1) / (a (a - 1)) for a = alpha_minimum and\n"
               "a = alpha_maximum each sample takes the larger, with a gradient whose weights are clipped and which\n"
               "is therefore not the derivative; an order above 1 may then make it negative;\n"
               "mean over the batch",
    .reference = "Amari: Differential-Geometrical Methods in Statistics, 1985; adaptive: Wang, Gong, Li, Liu, Chandra: "
                 "AlphaNet: Improved Training of Supernets with Alpha-Divergence, ICML 2021, arXiv:2102.07954",
    .published = "adaptive, as the only loss of the smaller networks of a supernet, gradients clipped to 1 by element: "
                 "ImageNet top-1 of A0 (203 MFLOPs) 77.87, A4 (444) 80.01, A6 (709) 80.78; whether of the last or the "
                 "best epoch is not stated",
    .ports = rt_divergence_ports,
    .port_count = RT_DIVERGENCE_PORTS,
    .params = params,
    .state_size = sizeof(struct alpha),
    .properties = RT_LOSS_NON_NEGATIVE | RT_LOSS_ZERO_AT_EQUALITY | RT_LOSS_SHIFT_INVARIANT,
    .init = init,
    .plan = rt_divergence_plan,
    .run = run,
};
