/* Transformed teacher matching: a temperature for the teacher alone, which is a power of its distribution.
 *
 *     p = softmax(teacher / T) = softmax(teacher)^(1 / T), normalised; q = softmax(student)
 *     u = 1, or, weighted (WTTM), sum_k softmax(teacher)_k^(1 / T), which is large where the teacher is unsure
 *     l = u sum_k p_k (log p_k - log q_k)            loss = mean of l over the batch
 *     dl/dstudent_k = u (q_k - p_k)
 *
 * A student that matches the softened teacher at temperature 1 is itself unsure; cross-entropy stands beside it. */
#include "retort/divergence.h"
#include "retort/loss.h"

struct ttm {
    rt_divergence common;
    bool weighted;
};

static const rt_param params[] = {
    RT_FLOAT(rt_divergence, temperature, 4.0, 0.05, 1000.0, "divides the teacher's logits alone"),
    RT_BOOL(struct ttm, weighted, false, "weigh each sample by the sum of the teacher's powers (WTTM)"),
    RT_PARAM_END,
};

RT_WIDE static void sample(void *context, size_t n)
{
    rt_divergence_row row = rt_divergence_at(context, n);
    const rt_port_data *ports = row.work->io->ports;
    const size_t classes = row.classes;
    const float *teacher = ports[RT_DIVERGENCE_TEACHER].values + n * classes;
    double weight = 1.0;
    if (((const struct ttm *)row.settings)->weighted) {
        rt_softmax(teacher, classes, 1.0, row.log_p, row.p);
        const double power = 1.0 / row.work->temperature;
        for (size_t k = 0; k < classes; ++k)
            row.p[k] = rt_exp(power * row.log_p[k]);
        weight = rt_sum(row.p, classes);
    }
    rt_softmax(teacher, classes, row.work->temperature, row.log_p, row.p);
    rt_softmax(ports[RT_DIVERGENCE_STUDENT].values + n * classes, classes, 1.0, row.log_q, row.q);
    for (size_t k = 0; k < classes; ++k) {
        row.log_p[k] = weight * row.p[k] * (row.log_p[k] - row.log_q[k]);
        row.q[k] = weight * (row.q[k] - row.p[k]);
    }
    rt_divergence_close_with(&row, rt_sum(row.log_p, classes), row.q);
}

static rt_status run(void *state, const rt_loss_io *io, double *loss, rt_error *err)
{
    (void)err;
    return rt_divergence_run(state, io, sample, loss);
}

const rt_loss rt_loss_ttm = {
    .abi = RT_LOSS_ABI,
    .name = "ttm",
    .summary = "kl with a temperature for the teacher alone (TTM), or weighted by it (WTTM)",
    .formula = "u sum_k p_k (log p_k - log q_k), p = softmax(teacher / temperature), q = softmax(student);\n"
               "u = 1, or with weighted sum_k softmax(teacher)_k^(1 / temperature); mean over the batch",
    .reference =
        "Zheng, Yang: Knowledge Distillation Based on Transformed Teacher Matching, ICLR 2024, arXiv:2402.11148",
    .published =
        "CIFAR-100, beside cross-entropy at 1, 240 epochs by RepDistiller's recipe; TTM, then WTTM: resnet56 to\n"
        "resnet20 71.83, 71.92; resnet32x4 to resnet8x4 76.17, 76.06; vgg13 to vgg8 74.33, 74.44. TTM's for vgg13 has\n"
        "temperature 10 and weight 45; those of the others, and whether of the last or the best epoch, could not be\n"
        "read",
    .ports = rt_divergence_ports,
    .port_count = RT_DIVERGENCE_PORTS,
    .params = params,
    .state_size = sizeof(struct ttm),
    .properties = RT_LOSS_NON_NEGATIVE | RT_LOSS_SHIFT_INVARIANT,
    .plan = rt_divergence_plan,
    .run = run,
};
