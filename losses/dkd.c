/* Decoupled knowledge distillation: kl, taken apart into how sure of the true class one is, and the other classes.
 *
 *     p = softmax(teacher / T), q = softmax(student / T), y = label
 *     p'_j = p_j / (1 - p_y) and q'_j likewise, for the classes j other than y
 *     target = p_y log(p_y / q_y) + (1 - p_y) log((1 - p_y) / (1 - q_y))
 *     others = sum_(j != y) p'_j (log p'_j - log q'_j)
 *     l = T^2 (alpha target + beta others)           loss = mean of l over the batch
 *     dl/dstudent_y = T alpha (q_y - p_y)
 *     dl/dstudent_j = T (-alpha (q_y - p_y) q'_j + beta (q'_j - p'_j))
 *
 * kl is the same with alpha = 1 and beta = 1 - p_y, so that a teacher who is sure hardly speaks of the other classes.
 */
#include "retort/loss.h"
#include "retort/target.h"

struct dkd {
    rt_divergence common;
    double alpha, beta;
};

static const rt_param params[] = {
    RT_DIVERGENCE_PARAMS_FROM(4.0, true),
    RT_FLOAT(struct dkd, alpha, 1.0, 0.0, 1e6, "weight of the target's part"),
    RT_FLOAT(struct dkd, beta, 8.0, 0.0, 1e6, "weight of the other classes' part"),
    RT_PARAM_END,
};

RT_WIDE static void sample(void *context, size_t n)
{
    rt_divergence_row row = rt_divergence_open(context, n);
    const struct dkd *dkd = row.settings;
    const size_t target = rt_target(&row), classes = row.classes;
    const double q_y = row.q[target], p_y = row.p[target], log_q_y = row.log_q[target], log_p_y = row.log_p[target];
    const double log_rest_q = rt_others(row.log_q, classes, target, row.q);
    const double log_rest_p = rt_others(row.log_p, classes, target, row.p);
    const double rest_q = rt_exp(log_rest_q), rest_p = rt_exp(log_rest_p);
    /* Whichever is exact: two numbers near 1 leave nothing of their difference. */
    const double surer = q_y < 0.5 ? q_y - p_y : rest_p - rest_q;
    for (size_t k = 0; k < classes; ++k)
        row.log_p[k] = row.p[k] * (row.log_p[k] - row.log_q[k]);
    const double value = dkd->alpha * (p_y * (log_p_y - log_q_y) + rest_p * (log_rest_p - log_rest_q)) +
                         dkd->beta * rt_sum(row.log_p, classes);
    const double divided = 1.0 / row.work->temperature;
    for (size_t k = 0; k < classes; ++k)
        row.log_q[k] = divided * (dkd->beta * (row.q[k] - row.p[k]) - dkd->alpha * surer * row.q[k]);
    row.log_q[target] = divided * dkd->alpha * surer;
    rt_divergence_close_with(&row, value, row.log_q);
}

static rt_status run(void *state, const rt_loss_io *io, double *loss, rt_error *err)
{
    return rt_target_run("dkd", state, io, sample, loss, err);
}

const rt_loss rt_loss_dkd = {
    .abi = RT_LOSS_ABI,
    .name = "dkd",
    .summary = "decoupled distillation (DKD): the true class and the others, each with its own weight",
    .formula =
        "temperature^2 * (alpha KL(p_y, 1 - p_y || q_y, 1 - q_y) + beta sum_(j != y) p'_j (log p'_j - log q'_j)),\n"
        "p = softmax(teacher / temperature), q = softmax(student / temperature), y the label,\n"
        "p' and q' the distributions given that it is not y; mean over the batch",
    .reference = "Zhao, Cui, Song, Qiu, Liang: Decoupled Knowledge Distillation, CVPR 2022, arXiv:2203.08679",
    .published = "CIFAR-100, temperature 4, alpha 1, beta 8, warm-up of 20 epochs, beside cross-entropy at 1;\n"
                 "240 epochs, best epoch, test set: resnet32x4 to resnet8x4 76.32.\n"
                 "ImageNet, temperature 1, beta 0.5: resnet34 to resnet18 71.70",
    .ports = rt_target_ports,
    .port_count = RT_TARGET_PORTS,
    .params = params,
    .state_size = sizeof(struct dkd),
    .properties = RT_LOSS_NON_NEGATIVE | RT_LOSS_ZERO_AT_EQUALITY | RT_LOSS_SHIFT_INVARIANT,
    .plan = rt_divergence_plan,
    .run = run,
};
