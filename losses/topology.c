/* Alignment of topology: how the batch's samples grow together into one piece, as circles about them grow.
 *
 * The lengths at which pieces join, persistent homology of dimension 0, are the edges of a minimum spanning tree of the
 * distances. Each network has its own tree; with lengths e_1 <= .. <= e_{N-1}, divided by a measure m of all distances:
 *
 *     l = 1/N sum_k (e_student,k / m_student - e_teacher,k / m_teacher)^2
 *     dl/de_k = 2/N (..) / m, an edge pulls at its two samples; dl/dm = -2/N sum_k (..) e_k / m^2 */
#include "retort/features.h"
#include "retort/loss.h"
#include "retort/matrix.h"

enum { MEAN, MAXIMUM, NONE };
static const char *const normalizations[] = {"mean", "maximum", "none", NULL};

struct topology {
    int normalization;
};

static const rt_param params[] = {
    RT_ENUM(struct topology, normalization, MEAN, normalizations, "of all distances, by which lengths are divided"),
    RT_PARAM_END,
};

enum { STUDENT, TEACHER, PORTS };

static const rt_port ports[] = {
    [STUDENT] = {"student.features", "N K", RT_PORT_DIFF},
    [TEACHER] = {"teacher.features", "N D", 0},
};

struct edge {
    double length;
    size_t a, b;
};

struct tree {
    double *distances;  /* [N, N] */
    struct edge *edges; /* [N], of which the last is scratch, from short to long */
    double measure;
    size_t a, b; /* the samples furthest apart */
};

struct work {
    size_t samples;
    struct tree trees[2];
    double *nearest; /* [N], each sample's distance to the tree so far */
    size_t *links;   /* [N], to which of its samples; N for those in the tree */
    double *slopes, *pulls;
};

/* Counts what it takes, in bytes, where there is no scratch memory yet. Everything in it has 8 bytes a piece. */
static size_t lay_out(size_t samples, size_t size, struct work *work, char *scratch)
{
    size_t used = 0;
    work->samples = samples;
#define TAKE(pointer, count)                                                                                           \
    ((pointer) = scratch ? (void *)(scratch + used) : NULL, used += (count) * sizeof *(pointer))
    for (size_t s = 0; s < 2; ++s)
        TAKE(work->trees[s].distances, samples * samples), TAKE(work->trees[s].edges, samples);
    TAKE(work->nearest, samples), TAKE(work->links, samples);
    TAKE(work->slopes, samples * samples), TAKE(work->pulls, samples * size);
#undef TAKE
    return used;
}

static rt_status plan(void *state, rt_loss_plan *plan, rt_error *err)
{
    (void)state, (void)err;
    struct work work;
    plan->scratch_bytes = lay_out(plan->shapes[STUDENT].dims[0], plan->shapes[STUDENT].dims[1], &work, NULL);
    return RT_OK;
}

/* Prim's algorithm from sample 0; each edge goes where it belongs by length, behind equals. */
static void grow(const struct work *work, struct tree *tree)
{
    size_t samples = work->samples;
    for (size_t j = 1; j < samples; ++j)
        work->nearest[j] = tree->distances[j], work->links[j] = 0;
    work->links[0] = samples;
    for (size_t count = 0; count + 1 < samples; ++count) {
        size_t next = samples;
        for (size_t j = 0; j < samples; ++j)
            if (work->links[j] < samples && (next == samples || work->nearest[j] < work->nearest[next]))
                next = j;
        const struct edge edge = {work->nearest[next], work->links[next], next};
        size_t place = count;
        for (; place > 0 && tree->edges[place - 1].length > edge.length; --place)
            tree->edges[place] = tree->edges[place - 1];
        tree->edges[place] = edge;
        work->links[next] = samples;
        for (size_t j = 0; j < samples; ++j)
            if (work->links[j] < samples && tree->distances[next * samples + j] < work->nearest[j])
                work->nearest[j] = tree->distances[next * samples + j], work->links[j] = next;
    }
}

static void measure(const struct work *work, struct tree *tree, int normalization)
{
    size_t samples = work->samples;
    double sum = 0.0, most = 0.0;
    tree->a = tree->b = 0; /* of samples that are all in one place */
    for (size_t i = 0; i < samples; ++i)
        for (size_t j = 0; j < samples; ++j) {
            double distance = tree->distances[i * samples + j];
            sum += distance;
            if (!(distance <= most)) /* NaN, too */
                most = distance, tree->a = i, tree->b = j;
        }
    double mean = samples > 1 ? sum / (double)(samples * (samples - 1)) : 1.0 + sum;
    tree->measure = normalization == MEAN ? mean : normalization == MAXIMUM ? most : 1.0 + 0.0 * sum;
    if (tree->measure == 0.0)
        tree->measure = 1.0; /* all in one place: lengths are zero whatever they are divided by */
}

/* Slopes by distances (i, j), each pair in both places. */
static void pull(double *slopes, size_t samples, size_t a, size_t b, double slope)
{
    slopes[a * samples + b] += slope;
    slopes[b * samples + a] += slope;
}

static double compare(const struct work *work, int normalization)
{
    size_t samples = work->samples;
    const struct tree *student = &work->trees[0], *teacher = &work->trees[1];
    double loss = 0.0, by_measure = 0.0, share = 1.0 / (double)samples;
    memset(work->slopes, 0, samples * samples * sizeof *work->slopes);
    for (size_t k = 0; k + 1 < samples; ++k) {
        const struct edge *edge = &student->edges[k];
        double length = edge->length / student->measure;
        double difference = length - teacher->edges[k].length / teacher->measure;
        loss += share * difference * difference;
        pull(work->slopes, samples, edge->a, edge->b, 2.0 * share * difference / student->measure);
        by_measure -= 2.0 * share * difference * length / student->measure;
    }
    if (normalization == MAXIMUM)
        pull(work->slopes, samples, student->a, student->b, by_measure);
    double of_each = normalization == MEAN && samples > 1 ? 2.0 * by_measure / (double)(samples * (samples - 1)) : 0.0;
    for (size_t k = 0; k < samples * samples; ++k) {
        double distance = student->distances[k]; /* and from distances to their squares */
        work->slopes[k] = distance > 0.0 ? (work->slopes[k] + of_each) / (2.0 * distance) : 0.0;
    }
    return samples > 1 ? loss : 0.0 * (student->distances[0] + teacher->distances[0]);
}

static rt_status run(void *state, const rt_loss_io *io, double *loss, rt_error *err)
{
    (void)err;
    const struct topology *topology = state;
    struct work work;
    const rt_port_data *student = &io->ports[STUDENT];
    size_t samples = student->shape.dims[0];
    lay_out(samples, student->shape.dims[1], &work, io->scratch);
    for (size_t s = 0; s < 2; ++s) {
        struct tree *tree = &work.trees[s];
        const rt_matrix features = rt_matrix_floats(io->ports[s].values, samples, io->ports[s].shape.dims[1]);
        rt_squared_distances(features, features, tree->distances);
        for (size_t k = 0; k < samples * samples; ++k)
            tree->distances[k] = sqrt(tree->distances[k]);
        measure(&work, tree, topology->normalization);
        grow(&work, tree);
    }
    *loss = compare(&work, topology->normalization);
    const rt_matrix features = rt_matrix_floats(student->values, samples, student->shape.dims[1]);
    if (student->gradient)
        rt_squared_distances_backward(io->weight, work.slopes, features, features, work.pulls, student->gradient);
    return RT_OK;
}

const rt_loss rt_loss_topology = {
    .abi = RT_LOSS_ABI,
    .name = "topology",
    .summary = "persistent homology of dimension 0: lengths of the minimum spanning trees of the batch's samples",
    .formula = "1/N sum_k (e_student,k / m_student - e_teacher,k / m_teacher)^2 over the batch of N;\n"
               "e_k the edges of each network's minimum spanning tree, from short to long, Euclidean;\n"
               "m the mean (or the largest, or 1) of all distances between two samples",
    .reference = "After Dan et al.: TopoFR, NeurIPS 2024; that student's and teacher's features are paired, and how\n"
                 "they are normalised, is ours",
    .ports = ports,
    .port_count = PORTS,
    .params = params,
    .state_size = sizeof(struct topology),
    .properties = RT_LOSS_NON_NEGATIVE | RT_LOSS_ZERO_AT_EQUALITY,
    .plan = plan,
    .run = run,
};
