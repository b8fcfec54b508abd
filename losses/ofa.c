/* OFA-KD on logits: cross-entropy against the teacher, the label's class raised and all of it sharpened.
 *
 *     p = softmax(teacher / T), q = softmax(student / T), y = label
 *     code:  w_y = (1 + p_y)^gamma - 1, w_j = p_j^gamma for the others
 *     paper: w_y = (1 + p_y)^gamma,     w_j = p_j
 *     l = -sum_k w_k log q_k                         loss = mean of l over the batch
 *     dl/dstudent_k = (q_k sum_j w_j - w_k) / T
 *
 * At gamma 1 the code's form is soft_target. The branches that OFA-KD adds to a network's stages are not here: several
 * terms on the last logits are. */
#include "retort/loss.h"
#include "retort/target.h"

enum { CODE, PAPER };

struct ofa {
    rt_divergence common;
    double gamma;
    int form;
};

static const char *const forms[] = {[CODE] = "code", [PAPER] = "paper", NULL};

static const rt_param params[] = {
    RT_DIVERGENCE_PARAMS(false),
    RT_FLOAT(struct ofa, gamma, 1.0, 0.05, 100.0, "the exponent that sharpens"),
    RT_ENUM(struct ofa, form, CODE, forms,
            "code takes 1 off the label's weight, for cross-entropy stands beside it, and sharpens the others, too"),
    RT_PARAM_END,
};

RT_WIDE static void sample(void *context, size_t n)
{
    rt_divergence_row row = rt_divergence_open(context, n);
    const struct ofa *ofa = row.settings;
    const size_t target = rt_target(&row), classes = row.classes;
    const double raised = ofa->gamma * log1p(row.p[target]);
    for (size_t k = 0; ofa->form == CODE && ofa->gamma != 1.0 && k < classes; ++k)
        row.p[k] = rt_exp(ofa->gamma * row.log_p[k]);
    row.p[target] = ofa->form == CODE ? expm1(raised) : exp(raised);
    for (size_t k = 0; k < classes; ++k) {
        row.p[k] = -row.p[k];
        row.log_q[k] *= row.p[k];
    }
    rt_divergence_close(&row, rt_sum(row.log_q, classes), row.p);
}

static rt_status run(void *state, const rt_loss_io *io, double *loss, rt_error *err)
{
    return rt_target_run("ofa", state, io, sample, loss, err);
}

const rt_loss rt_loss_ofa = {
    .abi = RT_LOSS_ABI,
    .name = "ofa",
    .summary = "cross-entropy against the teacher, sharpened and with the label raised (OFA-KD, last logits)",
    .formula =
        "-sum_k w_k log q_k, p = softmax(teacher / temperature), q = softmax(student / temperature), y the label;\n"
        "form code: w_y = (1 + p_y)^gamma - 1, w_j = p_j^gamma; paper: w_y = (1 + p_y)^gamma, w_j = p_j;\n"
        "mean over the batch. The branches that the paper adds to a network's stages are not part of it, and its\n"
        "own formula is quoted from others",
    .reference =
        "Hao, Guo, Han, Tang, Hu, Wang, Xu: One-for-All: Bridge the Gap Between Heterogeneous Architectures in\n"
        "Knowledge Distillation, NeurIPS 2023, arXiv:2310.19444",
    .published =
        "with a branch at each of four stages, gamma 1 to 1.5, beside cross-entropy at 1: up to 8.0 points on\n"
        "CIFAR-100 and 0.7 on ImageNet over the best method before; whether of the last or the best epoch is not\n"
        "stated",
    .ports = rt_target_ports,
    .port_count = RT_TARGET_PORTS,
    .params = params,
    .state_size = sizeof(struct ofa),
    .properties = RT_LOSS_NON_NEGATIVE | RT_LOSS_SHIFT_INVARIANT,
    .plan = rt_divergence_plan,
    .run = run,
};
