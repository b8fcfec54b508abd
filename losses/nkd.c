/* Normalised knowledge distillation: the true class at temperature 1, the others as a distribution of their own.
 *
 *     p1 = softmax(teacher), q1 = softmax(student), y = label
 *     p'_j, q'_j = softmax of the logits over T, over the classes j other than y
 *     l = -p1_y log q1_y - gamma sum_(j != y) p'_j log q'_j       loss = mean of l over the batch
 *     dl/dstudent_k = p1_y (q1_k - [k = y]) + gamma / T (q'_k - p'_k) [k != y]
 *
 * With temperature_squared the second part is multiplied by T^2, as the published code does. */
#include "retort/loss.h"
#include "retort/target.h"

struct nkd {
    rt_divergence common;
    double gamma;
};

static const rt_param params[] = {
    RT_FLOAT(rt_divergence, temperature, 1.0, 0.05, 1000.0, "divides the logits of both, for the other classes alone"),
    RT_BOOL(rt_divergence, temperature_squared, false,
            "multiply the other classes' part by temperature^2, as the published code does"),
    RT_FLOAT(struct nkd, gamma, 1.5, 0.0, 1e6, "weight of the other classes' part"),
    RT_PARAM_END,
};

RT_WIDE static void sample(void *context, size_t n)
{
    rt_divergence_row row = rt_divergence_open(context, n);
    const struct nkd *nkd = row.settings;
    const rt_port_data *ports = row.work->io->ports;
    const size_t target = rt_target(&row), classes = row.classes;
    const double temperature = row.work->temperature;
    const double gamma = nkd->gamma * (nkd->common.temperature_squared ? temperature * temperature : 1.0);
    rt_others(row.log_q, classes, target, row.q);
    rt_others(row.log_p, classes, target, row.p);
    for (size_t k = 0; k < classes; ++k) {
        row.log_p[k] = row.p[k] * row.log_q[k];
        row.p[k] = gamma / temperature * (row.q[k] - row.p[k]);
    }
    const double others = rt_sum(row.log_p, classes);

    rt_softmax(ports[RT_DIVERGENCE_TEACHER].values + n * classes, classes, 1.0, row.log_q, row.q);
    const double sure = row.q[target];
    rt_softmax(ports[RT_DIVERGENCE_STUDENT].values + n * classes, classes, 1.0, row.log_q, row.q);
    const double value = -sure * row.log_q[target] - gamma * others;
    /* q - 1 of the target, where q is near 1, from what is left for the others. */
    double rest = 0.0;
    for (size_t k = 0; k < classes; ++k) {
        rest += k == target ? 0.0 : row.q[k];
        row.p[k] += sure * row.q[k];
    }
    row.p[target] = -sure * rest;
    rt_divergence_close_with(&row, value, row.p);
}

static rt_status run(void *state, const rt_loss_io *io, double *loss, rt_error *err)
{
    const struct nkd *nkd = state;
    const rt_shape *shape = &io->ports[RT_DIVERGENCE_STUDENT].shape;
    RT_TRY(rt_labels_check("nkd", io->ports[RT_TARGET_LABELS].indices, shape->dims[0], shape->dims[1], err));
    rt_divergence_work work = {.io = io, .settings = state, .temperature = nkd->common.temperature, .scale = 1.0};
    rt_parallel_samples(shape->dims[0], shape->dims[1], sample, &work);
    *loss = rt_batch_mean(io->scratch, shape->dims[0]);
    return RT_OK;
}

const rt_loss rt_loss_nkd = {
    .abi = RT_LOSS_ABI,
    .name = "nkd",
    .summary = "normalised distillation (NKD): the true class by the teacher's share, the others normalised",
    .formula =
        "-p_y log q_y - gamma sum_(j != y) p'_j log q'_j, y the label, p = softmax(teacher), q = softmax(student),\n"
        "p' and q' softmax of the logits over the temperature, over the classes other than y;\n"
        "mean over the batch",
    .reference =
        "Yang, Zeng, Li, Zhang, Yuan, Li: From Knowledge Distillation to Self-Knowledge Distillation: A Unified "
        "Approach with Normalized Loss and Customized Soft Labels, ICCV 2023, arXiv:2303.13005",
    .published =
        "ImageNet, gamma 1.5 at temperature 1 beside cross-entropy at 1: resnet34 to resnet18 71.96; whether of\n"
        "the last or the best epoch is not stated",
    .ports = rt_target_ports,
    .port_count = RT_TARGET_PORTS,
    .params = params,
    .state_size = sizeof(struct nkd),
    .properties = RT_LOSS_NON_NEGATIVE | RT_LOSS_SHIFT_INVARIANT,
    .plan = rt_divergence_plan,
    .run = run,
};
