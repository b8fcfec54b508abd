/* Plackett-Luce distillation: the student ranks the classes as the teacher does, the true one first.
 *
 *     o_1 = label, o_2 ... o_C = the other classes by falling teacher logit (of equal ones the lower number first)
 *     a_k = softmax(teacher / T)[o_k], but a_1 at least label_floor
 *     L_k = log sum_(m >= k) e^student[o_m]
 *     l = sum_k a_k (L_k - student[o_k])             loss = mean of l over the batch
 *     A_k = sum_(i <= k) a_i e^(L_k - L_i)
 *     dl/dstudent[o_k] = e^(student[o_k] - L_k) A_k - a_k
 *
 * It takes the place of cross-entropy and of kl at once. The student is not softened. The true class weighs what the
 * teacher gives it: where the teacher is wrong, next to nothing, unless label_floor keeps it up. Everything is computed
 * from running maxima and differences of logarithms that are at most 0, so no logit is too large. */
#include "retort/loss.h"
#include "retort/target.h"

struct plackett_luce {
    double temperature, label_floor;
};

static const rt_param params[] = {
    RT_FLOAT(struct plackett_luce, temperature, 1.0, 0.05, 1000.0,
             "divides the teacher's logits, and so evens out the weights of ranks; the student's stay as they are"),
    RT_FLOAT(struct plackett_luce, label_floor, 0.0, 0.0, 1.0,
             "least weight of the true class; 0 is the paper's, 1 makes cross-entropy a part of it"),
    RT_PARAM_END,
};

/* Puts the classes in their order: into elements [classes], which `spare` has the size of. Elements are a key, in which
 * floats that fall are integers that rise, above the class's number; a radix sort of 8 bits at a time keeps the order
 * of equals. NaN may land anywhere. */
static void rank(const float *teacher, size_t classes, size_t label, uint64_t *elements, uint64_t *spare)
{
    for (size_t k = 0; k < classes; ++k) {
        float logit = teacher[k] + 0.0f; /* -0 is 0 */
        uint32_t bits;
        memcpy(&bits, &logit, sizeof bits);
        uint32_t rising = bits >> 31 ? ~bits : bits | 0x80000000u;
        elements[k] = (uint64_t)(k == label ? 0 : ~rising) << 32 | k;
    }
    for (unsigned shift = 32; shift < 64; shift += 8) {
        size_t places[256] = {0}, place = 0;
        for (size_t k = 0; k < classes; ++k)
            ++places[elements[k] >> shift & 255];
        for (size_t digit = 0; digit < 256; ++digit) {
            size_t count = places[digit];
            places[digit] = place;
            place += count;
        }
        for (size_t k = 0; k < classes; ++k)
            spare[places[elements[k] >> shift & 255]++] = elements[k];
        uint64_t *sorted = spare;
        spare = elements;
        elements = sorted;
    }
}

/* tails[k] = log sum_(m >= k) e^logits[m], for ordered logits [classes]. */
RT_WIDE_INLINE void sum_tails(const double *restrict logits, size_t classes, double *restrict tails,
                              double *restrict largest)
{
    largest[classes - 1] = logits[classes - 1];
    tails[classes - 1] = 0.0;
    for (size_t k = classes - 1; k-- > 0;) {
        largest[k] = logits[k] > largest[k + 1] ? logits[k] : largest[k + 1];
        tails[k] = -fabs(logits[k] - largest[k + 1]);
    }
    for (size_t k = 0; k < classes; ++k)
        tails[k] = rt_exp(tails[k]);
    for (size_t k = classes - 1; k-- > 0;) /* sums relative to the largest so far */
        tails[k] = logits[k] > largest[k + 1] ? tails[k + 1] * tails[k] + 1.0 : tails[k + 1] + tails[k];
    for (size_t k = 0; k < classes; ++k)
        tails[k] = largest[k] + rt_log(tails[k]);
}

RT_WIDE static void sample(void *context, size_t n)
{
    rt_divergence_row row = rt_divergence_at(context, n);
    const struct plackett_luce *settings = row.settings;
    const rt_port_data *ports = row.work->io->ports;
    const float *student = ports[RT_DIVERGENCE_STUDENT].values + n * row.classes;
    const float *teacher = ports[RT_DIVERGENCE_TEACHER].values + n * row.classes;
    size_t classes = row.classes;
    double *restrict logits = row.log_q, *restrict tails = row.q, *restrict weights = row.log_p;
    double *restrict sums = row.p, *restrict spare = row.spare[1];
    uint64_t *order = (uint64_t *)row.spare[0];
    rt_softmax(teacher, classes, settings->temperature, logits, sums);
    rank(teacher, classes, rt_target(&row), order, (uint64_t *)row.spare[1]);
    for (size_t k = 0; k < classes; ++k) {
        logits[k] = (double)student[(uint32_t)order[k]];
        weights[k] = sums[(uint32_t)order[k]];
    }
    if (weights[0] < settings->label_floor)
        weights[0] = settings->label_floor;
    sum_tails(logits, classes, tails, spare);

    for (size_t k = 1; k < classes; ++k)
        sums[k] = tails[k] - tails[k - 1];
    for (size_t k = 1; k < classes; ++k)
        sums[k] = rt_exp(sums[k]);
    sums[0] = weights[0];
    for (size_t k = 1; k < classes; ++k)
        sums[k] = sums[k] * sums[k - 1] + weights[k];
    for (size_t k = 0; k < classes; ++k) {
        double ahead = tails[k] - logits[k];
        spare[k] = weights[k] * ahead;
        sums[k] = rt_exp(-ahead) * sums[k] - weights[k];
    }
    for (size_t k = 0; k < classes; ++k)
        tails[(uint32_t)order[k]] = sums[k];
    rt_divergence_close_with(&row, rt_sum(spare, classes), tails);
}

static rt_status run(void *state, const rt_loss_io *io, double *loss, rt_error *err)
{
    const rt_shape *shape = &io->ports[RT_DIVERGENCE_STUDENT].shape;
    RT_TRY(rt_labels_check("plackett_luce", io->ports[RT_TARGET_LABELS].indices, shape->dims[0], shape->dims[1], err));
    rt_divergence_work work = {.io = io, .settings = state, .temperature = 1.0, .scale = 1.0};
    rt_parallel_samples(shape->dims[0], shape->dims[1], sample, &work);
    *loss = rt_batch_mean(io->scratch, shape->dims[0]);
    return RT_OK;
}

const rt_loss rt_loss_plackett_luce = {
    .abi = RT_LOSS_ABI,
    .name = "plackett_luce",
    .summary = "likelihood of the teacher's ranking, the true class first, weighted by the teacher's probabilities",
    .formula = "sum_k a_k (log sum_(m >= k) e^student[o_m] - student[o_k]), o = the label, then the other classes by\n"
               "falling teacher logit, a_k = softmax(teacher / temperature)[o_k], a_1 at least label_floor;\n"
               "mean over the batch",
    .reference = "Bassam, Zhu, Bian: PLD: A Choice-Theoretic List-Wise Knowledge Distillation, NeurIPS 2025, "
                 "arXiv:2506.12542, appendix C",
    .published = "alone, at weight 1: ImageNet, resnet152 -> resnet50, temperature 1: 77.30 (kl 76.80, dist 76.60); "
                 "CIFAR-100, temperature 4, 250 epochs of AdamW with weight decay 0.5, 3 seeds: resnet56 -> resnet20 "
                 "70.28, wrn_40_2 -> wrn_40_1 73.50, resnet32x4 -> resnet8x4 73.97; whether of the last or the best "
                 "epoch is not stated",
    .ports = rt_target_ports,
    .port_count = RT_TARGET_PORTS,
    .params = params,
    .state_size = sizeof(struct plackett_luce),
    .properties = RT_LOSS_NON_NEGATIVE | RT_LOSS_SHIFT_INVARIANT,
    .plan = rt_divergence_plan,
    .run = run,
};
