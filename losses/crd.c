/* Contrastive representation distillation: a sample's two embeddings against each other's embeddings of other samples.
 *
 *     s = unit(W_s x_s + b_s), t = unit(W_t x_t + b_t), both embeddings trained; memories M_s, M_t of unit vectors,
 *     one place for each of S training samples
 *     for sample i and its places p_0 = i, p_1 .. p_K of others, with temperature T:
 *         o_k = exp(<M_t[p_k], s> / T) / Z,  c = K / S,  k0 = c + 1e-7
 *         l_s = -log(o_0 / (o_0 + k0)) - sum_k>0 log(c / (o_k + k0))
 *     likewise l_t from <M_s[p_k], t>;  l = l_s + l_t, mean over the batch
 *     dl_s/d<M_t[p_0], s> = -k0 / (o_0 + k0) / T,  dl_s/d<M_t[p_k], s> = o_k / (o_k + k0) / T
 *     afterwards M[i] = unit(momentum M[i] + (1 - momentum) embedding)
 *
 * Z is S times the mean exponential between the memories as they are at first, and stays. (Published code takes the
 * first batch, whose embeddings are as random.) */
#include "retort/embedding.h"
#include "retort/loss.h"

struct crd {
    int64_t dimension, negatives;
    double temperature, momentum;
    bool other_classes;
    size_t places; /* of the memories, set by plan() */
};

static const rt_param params[] = {
    RT_INT(struct crd, dimension, 128, 1, 4096, "of the embeddings"),
    RT_INT(struct crd, negatives, 1024, 1, 65536,
           "samples from memory that each sample is set against; published: 16384"),
    RT_FLOAT(struct crd, temperature, 0.07, 0.005, 100.0, "divides the cosines"),
    RT_FLOAT(struct crd, momentum, 0.5, 0.0, 0.9999, "share of the old vector in what a memory keeps"),
    RT_BOOL(struct crd, other_classes, true, "negatives are of other classes, as far as their labels have been seen"),
    RT_PARAM_END,
};

enum { STUDENT, TEACHER, LABELS, INDICES, PORTS };
enum {
    STUDENT_WEIGHT,
    STUDENT_BIAS,
    TEACHER_WEIGHT,
    TEACHER_BIAS,
    STUDENT_MEMORY,
    TEACHER_MEMORY,
    MEMORY_LABELS,
    LOG_NORMALIZER,
    OWN
};

static const rt_port ports[] = {
    [STUDENT] = {"student.features", "N K", RT_PORT_DIFF},
    [TEACHER] = {"teacher.features", "N D", 0},
    [LABELS] = {"labels", "N", RT_PORT_INDEX},
    [INDICES] = {"indices", "N", RT_PORT_INDEX},
};

/* Scratch: a loss and the norms of both per sample [3, N]; unit vectors of both and slopes by them [4, N, dimension].
 */
static rt_status plan(void *state, rt_loss_plan *plan, rt_error *err)
{
    (void)err;
    struct crd *crd = state;
    size_t samples = plan->shapes[STUDENT].dims[0], dimension = (size_t)crd->dimension, places = rt_memory_places(plan);
    crd->places = places;
    size_t size = plan->shapes[STUDENT].dims[1], other = plan->shapes[TEACHER].dims[1];
    plan->scratch_bytes = samples * (3 + 4 * dimension) * sizeof(double);
    plan->own[STUDENT_WEIGHT] = rt_own_weight("student_embedding.weight", dimension, size);
    plan->own[STUDENT_BIAS] = rt_own_bias("student_embedding.bias", dimension, size);
    plan->own[TEACHER_WEIGHT] = rt_own_weight("teacher_embedding.weight", dimension, other);
    plan->own[TEACHER_BIAS] = rt_own_bias("teacher_embedding.bias", dimension, other);
    plan->own[STUDENT_MEMORY] = rt_own_memory("student_memory", places, dimension);
    plan->own[TEACHER_MEMORY] = rt_own_memory("teacher_memory", places, dimension);
    plan->own[MEMORY_LABELS] = (rt_own){"labels", {1, {places}}, false, -1.0, 0.0};    /* -1: not seen yet */
    plan->own[LOG_NORMALIZER] = (rt_own){"log_normalizer", {1, {1}}, false, 0.0, 0.0}; /* 0: not known yet */
    plan->own_count = OWN;
    return RT_OK;
}

struct work {
    const struct crd *crd;
    const rt_loss_io *io;
    size_t samples, dimension;
    double log_normalizer;
    double *losses, *student_norms, *teacher_norms;
    double *student, *teacher, *student_slopes, *teacher_slopes;
};

/* Of the memories' first places, all pairs; a number once and for all. */
RT_WIDE static float find_log_normalizer(const struct work *work)
{
    enum { PLACES = 64 };
    const rt_own_data *own = work->io->own;
    size_t size = work->dimension, places = work->crd->places < PLACES ? work->crd->places : PLACES;
    double vector[4096], sum = 0.0;
    for (size_t i = 0; i < places; ++i) {
        for (size_t k = 0; k < size; ++k)
            vector[k] = (double)own[STUDENT_MEMORY].values[i * size + k];
        for (size_t j = 0; j < places; ++j)
            sum += rt_exp(rt_dot_floats(own[TEACHER_MEMORY].values + j * size, vector, size) / work->crd->temperature);
    }
    return (float)log((double)work->crd->places * sum / (double)(places * places));
}

/* Negative k of sample n: drawn again where it is the sample itself or of its class, up to a limit. */
static size_t draw_negative(const struct work *work, size_t n, size_t k)
{
    enum { ATTEMPTS = 32 };
    const rt_loss_io *io = work->io;
    int64_t own = io->ports[INDICES].indices[n];
    float label = (float)io->ports[LABELS].indices[n];
    size_t place = 0;
    for (uint32_t attempt = 0; attempt < ATTEMPTS; ++attempt) {
        place = rt_memory_draw(io, attempt, n * (size_t)work->crd->negatives + k, work->crd->places);
        bool alike = work->crd->other_classes && io->own[MEMORY_LABELS].values[place] == label;
        if ((int64_t)place != own && !alike)
            return place;
    }
    return place;
}

/* One direction of one sample against one place; returns its part of the loss. */
RT_WIDE_INLINE double contrast(const struct work *work, const float *place, const double *unit, bool positive,
                               double *slopes)
{
    const struct crd *crd = work->crd;
    double share = (double)crd->negatives / (double)crd->places, k0 = share + 1e-7;
    double exponent = rt_dot_floats(place, unit, work->dimension) / crd->temperature - work->log_normalizer;
    double o = rt_exp(exponent);
    double slope = (positive ? -k0 : o) / (o + k0) / (crd->temperature * (double)work->samples);
    for (size_t k = 0; k < work->dimension; ++k)
        slopes[k] += slope * (double)place[k];
    return positive ? log(o + k0) - exponent : log((o + k0) / share);
}

RT_WIDE static void sample(void *context, size_t n)
{
    const struct work *work = context;
    const rt_own_data *own = work->io->own;
    size_t size = work->dimension;
    double *restrict student = work->student + n * size, *restrict teacher = work->teacher + n * size;
    double *restrict student_slopes = work->student_slopes + n * size;
    double *restrict teacher_slopes = work->teacher_slopes + n * size, loss = 0.0;
    work->student_norms[n] = rt_normalize(student, size);
    work->teacher_norms[n] = rt_normalize(teacher, size);
    for (size_t k = 0; k < size; ++k)
        student_slopes[k] = teacher_slopes[k] = 0.0;
    for (size_t k = 0; k <= (size_t)work->crd->negatives; ++k) {
        size_t place = k == 0 ? (size_t)work->io->ports[INDICES].indices[n] : draw_negative(work, n, k - 1);
        loss += contrast(work, own[TEACHER_MEMORY].values + place * size, student, k == 0, student_slopes);
        loss += contrast(work, own[STUDENT_MEMORY].values + place * size, teacher, k == 0, teacher_slopes);
    }
    work->losses[n] = loss;
    rt_normalize_backward(student, work->student_norms[n], size, student_slopes);
    rt_normalize_backward(teacher, work->teacher_norms[n], size, teacher_slopes);
}

/* In the order of the batch, for a sample may come twice. */
static void remember(const struct work *work)
{
    const rt_own_data *own = work->io->own;
    size_t size = work->dimension;
    for (size_t n = 0; n < work->samples; ++n) {
        size_t place = (size_t)work->io->ports[INDICES].indices[n];
        double momentum = work->crd->momentum;
        rt_memory_update(own[STUDENT_MEMORY].values + place * size, work->student + n * size, size, momentum, true);
        rt_memory_update(own[TEACHER_MEMORY].values + place * size, work->teacher + n * size, size, momentum, true);
        own[MEMORY_LABELS].values[place] = (float)work->io->ports[LABELS].indices[n];
    }
    *own[LOG_NORMALIZER].values = (float)work->log_normalizer;
}

static rt_status run(void *state, const rt_loss_io *io, double *loss, rt_error *err)
{
    const struct crd *crd = state;
    const rt_port_data *student = &io->ports[STUDENT], *teacher = &io->ports[TEACHER];
    const rt_own_data *own = io->own;
    size_t samples = student->shape.dims[0], dimension = (size_t)crd->dimension, cells = samples * dimension;
    RT_TRY(rt_memory_check("crd", io->ports[INDICES].indices, samples, crd->places, err));
    struct work work = {.crd = crd, .io = io, .samples = samples, .dimension = dimension, .losses = io->scratch};
    work.student_norms = work.losses + samples, work.teacher_norms = work.student_norms + samples;
    work.student = work.teacher_norms + samples, work.teacher = work.student + cells;
    work.student_slopes = work.teacher + cells, work.teacher_slopes = work.student_slopes + cells;
    const float known = *own[LOG_NORMALIZER].values;
    work.log_normalizer = (double)(known > 0.0f ? known : find_log_normalizer(&work));

    const rt_matrix of_student = rt_matrix_floats(student->values, samples, student->shape.dims[1]);
    const rt_matrix of_teacher = rt_matrix_floats(teacher->values, samples, teacher->shape.dims[1]);
    rt_embed(of_student, own[STUDENT_WEIGHT].values, own[STUDENT_BIAS].values, dimension, work.student);
    rt_embed(of_teacher, own[TEACHER_WEIGHT].values, own[TEACHER_BIAS].values, dimension, work.teacher);
    rt_parallel_samples(samples, (size_t)crd->negatives * dimension, sample, &work);
    *loss = rt_batch_mean(work.losses, samples);
    rt_embed_backward(io->weight, work.student_slopes, of_student, own[STUDENT_WEIGHT].values, dimension,
                      own[STUDENT_WEIGHT].gradient, own[STUDENT_BIAS].gradient, student->gradient);
    rt_embed_backward(io->weight, work.teacher_slopes, of_teacher, own[TEACHER_WEIGHT].values, dimension,
                      own[TEACHER_WEIGHT].gradient, own[TEACHER_BIAS].gradient, NULL);
    if (isfinite(*loss))
        remember(&work);
    return RT_OK;
}

const rt_loss rt_loss_crd = {
    .abi = RT_LOSS_ABI,
    .name = "crd",
    .summary = "contrastive representation distillation (CRD): trained embeddings against memories of others",
    .formula = "mean over the batch of l_s + l_t; l_s = -log(o_0 / (o_0 + k0)) - sum_k>0 log(c / (o_k + k0)),\n"
               "o_k = exp(<M_t[p_k], s> / temperature) / Z, c = negatives / S, k0 = c + 1e-7, S the training set;\n"
               "p_0 the sample itself, p_k others, drawn anew for each sample and step; l_t with M_s and t.\n"
               "s, t are linear embeddings at unit length, both trained; M_s, M_t memories of them.\n"
               "Z is S times the mean exponential of the memories as they are at first (published code: of the\n"
               "first batch)",
    .reference = "Tian, Krishnan, Isola: Contrastive Representation Distillation, ICLR 2020, arXiv:1910.10699",
    .published = "CIFAR-100, weight 0.8 beside cross-entropy at 1, pooled features, negatives: 16384;\n"
                 "240 epochs by RepDistiller's recipe, last epoch, test set:\n"
                 "wrn_40_2 to wrn_16_2 75.48, resnet56 to resnet20 71.16,\n"
                 "resnet32x4 to resnet8x4 75.51, vgg13 to vgg8 73.94",
    .ports = ports,
    .port_count = PORTS,
    .params = params,
    .state_size = sizeof(struct crd),
    .plan = plan,
    .run = run,
};
