/* Wasserstein contrastive representation distillation: a global and a local part. No reference could be read, and the
 * form is ours, after the published abstract.
 *
 *     s, t: embeddings of both networks' features x, both trained
 *         l2:        s = unit(W_s x_s + b_s)
 *         spectral:  s = W_s unit(x_s) / sigma(W_s), sigma the largest singular value: a critic <s, t> that is
 *                    1-Lipschitz in either argument, with vectors of length at most 1
 *     global, the dual form:  mean_i of -<s_i, t_i> + negative_weight * negatives_i
 *         from the batch:  negatives_i = mean over j != i of <s_i, t_j>
 *         from memory:     negatives_i = (mean over k of <s_i, M_t[k]> + mean over k of <t_i, M_s[k]>) / 2
 *     local, the primal form:  sum_ij P_ij c_ij, c_ij = 1 - cosine(s_i, t_j), P the plan that IPOT gives for c
 *     l = global_weight * global + local_weight * local
 *
 * retort/spectral.h tells how sigma is found, retort/transport.h what IPOT is. */
#include "retort/embedding.h"
#include "retort/loss.h"
#include "retort/spectral.h"
#include "retort/transport.h"

enum { L2, SPECTRAL };
enum { BATCH, MEMORY };
enum { UNROLLED, ENVELOPE };
static const char *const normalizations[] = {"l2", "spectral", NULL};
static const char *const sources[] = {"batch", "memory", NULL};
static const char *const gradients[] = {"unrolled", "envelope", NULL};

struct contrastive {
    int64_t dimension, negatives, iterations;
    double global_weight, local_weight, negative_weight, beta, momentum;
    int normalization, negatives_from, gradient;
    size_t places, biases, directions, memories; /* of memory, and where in own the pairs begin; by plan() */
};

static const rt_param params[] = {
    RT_INT(struct contrastive, dimension, 128, 1, 4096, "of the embeddings"),
    RT_FLOAT(struct contrastive, global_weight, 0.8, 0.0, 1e6, "of the global, dual part"),
    RT_FLOAT(struct contrastive, local_weight, 0.05, 0.0, 1e6, "of the local, primal part"),
    RT_ENUM(struct contrastive, normalization, L2, normalizations, "how the critic is kept bounded"),
    RT_ENUM(struct contrastive, negatives_from, BATCH, sources, "the batch's other samples, or memories of all"),
    RT_INT(struct contrastive, negatives, 1024, 1, 65536, "from memory, for each sample"),
    RT_FLOAT(struct contrastive, negative_weight, 1.0, 0.0, 1e6, "of the negatives' mean in the global part"),
    RT_FLOAT(struct contrastive, momentum, 0.5, 0.0, 0.9999, "share of the old vector in what a memory keeps"),
    RT_FLOAT(struct contrastive, beta, 0.5, 0.01, 100.0, "proximal strength of IPOT; smaller goes faster"),
    RT_INT(struct contrastive, iterations, 50, 1, 10000, "of IPOT"),
    RT_ENUM(struct contrastive, gradient, UNROLLED, gradients,
            "of the local part: through IPOT's iterations, or of the costs alone"),
    RT_PARAM_END,
};

enum { STUDENT, TEACHER, INDICES, PORTS };

static const rt_port ports[] = {
    [STUDENT] = {"student.features", "N K", RT_PORT_DIFF},
    [TEACHER] = {"teacher.features", "N D", 0},
    [INDICES] = {"indices", "N", RT_PORT_INDEX | RT_PORT_OPTIONAL},
};

/* Of one network. Slopes are gradients by what is embedded; radial, factors of the embedded vectors themselves. */
struct side {
    rt_matrix features;
    const rt_own_data *weight, *bias, *direction, *memory; /* NULL where the settings have none */
    rt_spectral spectral;
    double *embedded, *slopes;        /* [N, dimension] */
    double *norms, *lengths, *radial; /* before normalisation, after it [N] */
};

struct work {
    const struct contrastive *loss;
    const rt_loss_io *io;
    size_t samples, dimension;
    struct side sides[2];
    double *dots, *costs, *slopes, *by_costs, *transport; /* [N, N], the last twice */
    double *history, *negatives;
};

/* Cuts the scratch memory up, or counts what it takes where there is none yet: in doubles. */
static size_t lay_out(struct work *work, const rt_shape *student, const rt_shape *teacher, double *scratch)
{
    size_t used = 0, samples = student->dims[0], dimension = (size_t)work->loss->dimension, cells = samples * samples;
    work->samples = samples, work->dimension = dimension;
#define TAKE(pointer, count) ((pointer) = scratch ? scratch + used : NULL, used += (count))
    for (size_t s = 0; s < 2; ++s) {
        struct side *side = &work->sides[s];
        size_t size = work->loss->normalization == SPECTRAL ? (s ? teacher : student)->dims[1] : 0;
        TAKE(side->embedded, samples * dimension), TAKE(side->slopes, samples * dimension);
        TAKE(side->norms, samples), TAKE(side->lengths, samples), TAKE(side->radial, samples);
        TAKE(side->spectral.inputs, samples * size), TAKE(side->spectral.pulls, samples * size);
        TAKE(side->spectral.norms, samples), TAKE(side->spectral.u, dimension), TAKE(side->spectral.v, size);
    }
    TAKE(work->dots, cells), TAKE(work->costs, cells), TAKE(work->slopes, cells), TAKE(work->by_costs, cells);
    TAKE(work->transport, 2 * cells);
    TAKE(work->history, ((size_t)work->loss->iterations + 3) * 2 * samples), TAKE(work->negatives, samples);
#undef TAKE
    return used;
}

static rt_status plan(void *state, rt_loss_plan *plan, rt_error *err)
{
    struct contrastive *loss = state;
    struct work work = {.loss = loss};
    const rt_shape *shapes = plan->shapes;
    size_t dimension = (size_t)loss->dimension, sizes[2] = {shapes[STUDENT].dims[1], shapes[TEACHER].dims[1]},
           count = 2;
    plan->scratch_bytes = lay_out(&work, &shapes[STUDENT], &shapes[TEACHER], NULL) * sizeof(double);
    plan->own[0] = rt_own_weight("student_embedding.weight", dimension, sizes[0]);
    plan->own[1] = rt_own_weight("teacher_embedding.weight", dimension, sizes[1]);
    loss->places = rt_memory_places(plan);
    if (loss->normalization == L2) {
        loss->biases = count;
        plan->own[count++] = rt_own_bias("student_embedding.bias", dimension, sizes[0]);
        plan->own[count++] = rt_own_bias("teacher_embedding.bias", dimension, sizes[1]);
    } else {
        loss->directions = count;
        plan->own[count++] = (rt_own){"student_direction", {1, {sizes[0]}}, false, 0.0, 1.0};
        plan->own[count++] = (rt_own){"teacher_direction", {1, {sizes[1]}}, false, 0.0, 1.0};
    }
    if (loss->negatives_from == MEMORY) {
        if (shapes[INDICES].count == 0)
            return rt_fail(err, RT_ERROR_USAGE,
                           "loss 'wasserstein_contrastive': negatives from memory need 'indices', which "
                           "mixed images do not have");
        loss->memories = count;
        plan->own[count++] = rt_own_memory("student_memory", loss->places, dimension);
        plan->own[count++] = rt_own_memory("teacher_memory", loss->places, dimension);
    }
    plan->own_count = count;
    return RT_OK;
}

/* Embedded vectors: of unit length, or as they come from the map whose largest singular value is 1. */
RT_WIDE static void embed(const struct work *work, struct side *side)
{
    size_t dimension = work->dimension;
    if (side->direction)
        rt_spectral_embed(&side->spectral, side->embedded);
    else
        rt_embed(side->features, side->weight->values, side->bias->values, dimension, side->embedded);
    for (size_t n = 0; n < work->samples; ++n) {
        double *vector = side->embedded + n * dimension;
        if (side->bias)
            side->norms[n] = rt_normalize(vector, dimension);
        side->lengths[n] = sqrt(rt_dot(vector, vector, dimension));
        side->radial[n] = 0.0;
    }
}

static double inverse(double norm)
{
    return norm > 1e-12 ? 1.0 / norm : 0.0;
}

/* The global part's slopes by the products <s_i, t_j>, whose sum with these it is; and the costs of the local part. */
static double compare(struct work *work)
{
    const struct contrastive *loss = work->loss;
    size_t samples = work->samples;
    double positive = -loss->global_weight / (double)samples, negative = 0.0;
    if (loss->negatives_from == BATCH && samples > 1)
        negative = loss->global_weight * loss->negative_weight / (double)(samples * (samples - 1));
    for (size_t i = 0; i < samples; ++i)
        for (size_t j = 0; j < samples; ++j) {
            size_t place = i * samples + j;
            double lengths = inverse(work->sides[0].lengths[i]) * inverse(work->sides[1].lengths[j]);
            work->costs[place] = 1.0 - work->dots[place] * lengths;
            work->slopes[place] = i == j ? positive : negative;
        }
    return rt_dot(work->slopes, work->dots, samples * samples);
}

/* Adds the local part's slopes by products, and by lengths: radial is the factor of the vector itself. */
static double transport(struct work *work)
{
    const struct contrastive *loss = work->loss;
    size_t samples = work->samples, cells = samples * samples, iterations = (size_t)loss->iterations;
    struct side *student = &work->sides[0], *teacher = &work->sides[1];
    double total = rt_ipot(work->costs, samples, samples, loss->beta, iterations, work->transport, work->history);
    if (loss->gradient == UNROLLED)
        rt_ipot_backward(work->costs, samples, samples, loss->beta, iterations, work->history, work->by_costs,
                         work->transport);
    else
        memcpy(work->by_costs, work->transport, cells * sizeof *work->by_costs);
    for (size_t i = 0; i < samples; ++i)
        for (size_t j = 0; j < samples; ++j) {
            double by_cost = loss->local_weight * work->by_costs[i * samples + j];
            double cosine = 1.0 - work->costs[i * samples + j];
            double of_student = inverse(student->lengths[i]), of_teacher = inverse(teacher->lengths[j]);
            work->slopes[i * samples + j] -= by_cost * of_student * of_teacher;
            student->radial[i] += by_cost * cosine * of_student * of_student;
            teacher->radial[j] += by_cost * cosine * of_teacher * of_teacher;
        }
    return loss->local_weight * total;
}

/* Negatives from memory of sample n, places other than its own. */
RT_WIDE static void recall(void *context, size_t n)
{
    enum { ATTEMPTS = 32 };
    const struct work *work = context;
    const struct contrastive *loss = work->loss;
    size_t count = (size_t)loss->negatives, size = work->dimension;
    int64_t index = work->io->ports[INDICES].indices[n];
    double scale = 0.5 * loss->global_weight * loss->negative_weight / (double)count, sum = 0.0;
    for (size_t k = 0; k < count; ++k) {
        size_t place = 0;
        for (uint32_t attempt = 0; attempt < ATTEMPTS; ++attempt) {
            place = rt_memory_draw(work->io, attempt, n * count + k, loss->places);
            if ((int64_t)place != index)
                break;
        }
        for (size_t s = 0; s < 2; ++s) { /* the student's embedding and the teacher's memory, and the reverse */
            const float *restrict other = work->sides[1 - s].memory->values + place * size;
            double *restrict slopes = work->sides[s].slopes + n * size;
            sum += rt_dot_floats(other, work->sides[s].embedded + n * size, size);
            for (size_t d = 0; d < size; ++d)
                slopes[d] += scale / (double)work->samples * (double)other[d];
        }
    }
    work->negatives[n] = scale * sum;
}

RT_WIDE static void add_radial(const struct work *work, struct side *side)
{
    for (size_t n = 0; n < work->samples; ++n)
        for (size_t k = 0; k < work->dimension; ++k)
            side->slopes[n * work->dimension + k] += side->radial[n] * side->embedded[n * work->dimension + k];
}

/* From slopes to the gradients of what is trained; `gradient` is that of the student's features, or NULL. */
RT_WIDE static void embed_backward(const struct work *work, struct side *side, float *gradient)
{
    size_t dimension = work->dimension;
    if (side->direction) {
        rt_spectral_backward(&side->spectral, work->io->weight, side->slopes, side->embedded, side->weight->gradient,
                             gradient);
        return;
    }
    for (size_t n = 0; n < work->samples; ++n)
        rt_normalize_backward(side->embedded + n * dimension, side->norms[n], dimension, side->slopes + n * dimension);
    rt_embed_backward(work->io->weight, side->slopes, side->features, side->weight->values, dimension,
                      side->weight->gradient, side->bias->gradient, gradient);
}

/* In the order of the batch, for a sample may come twice. */
static void remember(const struct work *work, struct side *side)
{
    size_t dimension = work->dimension;
    for (size_t n = 0; side->memory && n < work->samples; ++n) {
        size_t place = (size_t)work->io->ports[INDICES].indices[n];
        rt_memory_update(side->memory->values + place * dimension, side->embedded + n * dimension, dimension,
                         work->loss->momentum, side->bias != NULL);
    }
    if (side->direction)
        rt_spectral_turn(&side->spectral, side->direction->values);
}

static rt_status run(void *state, const rt_loss_io *io, double *result, rt_error *err)
{
    const struct contrastive *loss = state;
    struct work work = {.loss = loss, .io = io};
    lay_out(&work, &io->ports[STUDENT].shape, &io->ports[TEACHER].shape, io->scratch);
    size_t samples = work.samples, dimension = work.dimension;
    bool from_memory = loss->negatives_from == MEMORY;
    if (from_memory)
        RT_TRY(rt_memory_check("wasserstein_contrastive", io->ports[INDICES].indices, samples, loss->places, err));
    for (size_t s = 0; s < 2; ++s) {
        struct side *side = &work.sides[s];
        side->features = rt_matrix_floats(io->ports[s].values, samples, io->ports[s].shape.dims[1]);
        side->weight = &io->own[s];
        side->bias = loss->biases ? &io->own[loss->biases + s] : NULL;
        side->direction = loss->directions ? &io->own[loss->directions + s] : NULL;
        side->memory = from_memory ? &io->own[loss->memories + s] : NULL;
        side->spectral.features = side->features, side->spectral.dimension = dimension;
        side->spectral.weight = side->weight->values;
        side->spectral.direction = side->direction ? side->direction->values : NULL;
        embed(&work, side);
    }
    struct side *student = &work.sides[0], *teacher = &work.sides[1];
    const rt_matrix of_student = rt_matrix_doubles(student->embedded, samples, dimension);
    const rt_matrix of_teacher = rt_matrix_doubles(teacher->embedded, samples, dimension);
    const rt_matrix slopes = rt_matrix_doubles(work.slopes, samples, samples);
    rt_multiply(of_student, rt_transposed(of_teacher), work.dots);
    *result = compare(&work);
    if (loss->local_weight > 0.0)
        *result += transport(&work);
    rt_multiply(slopes, of_teacher, student->slopes);
    rt_multiply(rt_transposed(slopes), of_student, teacher->slopes);
    add_radial(&work, student), add_radial(&work, teacher);
    if (from_memory) {
        rt_parallel_samples(samples, (size_t)loss->negatives * dimension, recall, &work);
        *result += rt_batch_mean(work.negatives, samples);
    }
    embed_backward(&work, student, io->ports[STUDENT].gradient);
    embed_backward(&work, teacher, NULL);
    for (size_t s = 0; s < 2 && isfinite(*result); ++s)
        remember(&work, &work.sides[s]);
    return RT_OK;
}

const rt_loss rt_loss_wasserstein_contrastive = {
    .abi = RT_LOSS_ABI,
    .name = "wasserstein_contrastive",
    .summary = "Wasserstein contrastive distillation (WCoRD): a dual, global and a primal, local part; our form",
    .formula = "global_weight * mean_i (-<s_i, t_i> + negative_weight * negatives_i)\n"
               "+ local_weight * sum_ij P_ij (1 - cosine(s_i, t_j)), P the plan that IPOT gives for these costs;\n"
               "s, t embeddings of each network, both trained: linear and at unit length (l2), or of features at\n"
               "unit length by a matrix over its largest singular value (spectral).\n"
               "negatives_i: mean over j != i of <s_i, t_j>, or from memories half the means of <s_i, M_t[k]> and\n"
               "<t_i, M_s[k]>. The form is ours: neither the paper's text nor its code could be read",
    .reference = "Chen, Wang, Gan, Liu, Henao, Carin: Wasserstein Contrastive Representation Distillation,\n"
                 "CVPR 2021, arXiv:2012.08674; the form is ours, after its abstract",
    .published =
        "CIFAR-100, resnet32x4 to resnet8x4 with kl beside it 76.15; weights, schedule and whether of the last or\n"
        "the best epoch could not be read",
    .ports = ports,
    .port_count = PORTS,
    .params = params,
    .state_size = sizeof(struct contrastive),
    .plan = plan,
    .run = run,
};
