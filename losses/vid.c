/* Variational information distillation: a trained regressor predicts the teacher's features from the student's, and
 * says for each channel how sure it is.
 *
 *     mu = W_3 relu(W_2 relu(W_1 f))  at every pixel (1x1 convolutions without bias)
 *     v_d = log(1 + e^rho_d) + 1e-5   the variance of channel d, trained
 *     l = mean over batch, pixels and channels of ((mu - t)^2 / v + log v) / 2
 *     dl/dmu = (mu - t) / v / M,  dl/dv = sum of (1 - (mu - t)^2 / v) / (2 v) / M, M the number of elements
 *
 * Maps of two sizes: in each direction the larger is pooled to the smaller (adaptive average). */
#include "retort/embedding.h"
#include "retort/loss.h"

struct vid {
    double variance;
};

static const rt_param params[] = {
    RT_FLOAT(struct vid, variance, 5.0, 0.001, 1e6, "of every channel at first"),
    RT_PARAM_END,
};

enum { STUDENT, TEACHER, PORTS };
enum { LAYERS = 3, RHO = LAYERS, OWN, TOGETHER = 32 };

static const rt_port ports[] = {
    [STUDENT] = {"student.features", "N H W K", RT_PORT_DIFF},
    [TEACHER] = {"teacher.features", "N I J D", 0},
};

static const double floor_variance = 1e-5;

struct work {
    const rt_loss_io *io;
    rt_pool pools[2];
    size_t samples, pixels, rows; /* rows are the pixels of the batch */
    size_t sizes[LAYERS + 1];     /* of layer 0's input up to the last's output */
    double *values[LAYERS + 1];   /* pooled features, and what each layer makes of them [rows, size] */
    double *target, *losses;      /* [rows, D], [rows] */
    double *slopes[2];            /* [rows, the larger size]: of the layer at hand, and of the one before it */
    double *variances;            /* [D] */
};

/* What a layer makes of its inputs, and slopes by it: [rows, size]. */
struct layer {
    double *outputs, *slopes;
    size_t size;
};

static size_t lay_out(const rt_shape *student, const rt_shape *teacher, struct work *work, double *scratch)
{
    size_t used = 0, k = student->dims[3], d = teacher->dims[3];
    rt_pool_both(student, teacher, &work->pools[0], &work->pools[1]);
    work->samples = student->dims[0];
    work->pixels = work->pools[0].rows * work->pools[0].columns, work->rows = work->samples * work->pixels;
#define TAKE(pointer, count) ((pointer) = scratch ? scratch + used : NULL, used += (count))
    for (size_t layer = 0; layer <= LAYERS; ++layer) {
        work->sizes[layer] = layer == 0 ? k : d;
        TAKE(work->values[layer], work->rows * work->sizes[layer]);
    }
    TAKE(work->target, work->rows * d), TAKE(work->losses, work->rows), TAKE(work->variances, d);
    TAKE(work->slopes[0], work->rows * (k > d ? k : d)), TAKE(work->slopes[1], work->rows * (k > d ? k : d));
#undef TAKE
    return used;
}

static rt_status plan(void *state, rt_loss_plan *plan, rt_error *err)
{
    (void)err;
    const struct vid *vid = state;
    struct work work;
    plan->scratch_bytes = lay_out(&plan->shapes[STUDENT], &plan->shapes[TEACHER], &work, NULL) * sizeof(double);
    static const char *const names[LAYERS] = {"regressor.0.weight", "regressor.2.weight", "regressor.4.weight"};
    for (size_t layer = 0; layer < LAYERS; ++layer)
        plan->own[layer] = rt_own_weight(names[layer], work.sizes[layer + 1], work.sizes[layer]);
    double rho = log(expm1(vid->variance - floor_variance)),
           large = 30.0; /* e^30 - 1 is e^30, as far as a double can tell */
    plan->own[RHO] = (rt_own){"rho", {1, {work.sizes[LAYERS]}}, true, vid->variance > large ? vid->variance : rho, 0.0};
    plan->own_count = OWN;
    return RT_OK;
}

RT_WIDE static void pool(void *context, size_t n)
{
    const struct work *work = context;
    for (size_t side = 0; side < 2; ++side) {
        const rt_pool *pool = &work->pools[side];
        const float *map = work->io->ports[side].values + n * pool->height * pool->width * pool->channels;
        double *pixels = (side ? work->target : work->values[0]) + n * work->pixels * pool->channels;
        for (size_t y = 0; y < pool->rows; ++y)
            for (size_t x = 0; x < pool->columns; ++x)
                rt_pool_pixel(pool, map, y, x, pixels + (y * pool->columns + x) * pool->channels);
    }
}

/* The loss of one pixel, and the slopes by what is predicted for it. */
RT_WIDE static void compare(void *context, size_t row)
{
    const struct work *work = context;
    size_t size = work->sizes[LAYERS];
    const double *restrict mu = work->values[LAYERS] + row * size, *restrict target = work->target + row * size;
    double *restrict slopes = work->slopes[0] + row * size, scale = 1.0 / (double)(work->rows * size), loss = 0.0;
    for (size_t d = 0; d < size; ++d) {
        double error = mu[d] - target[d];
        slopes[d] = error / work->variances[d] * scale;
        loss += error * error / work->variances[d];
    }
    work->losses[row] = loss / (2.0 * (double)size);
}

/* Sums over the batch go from pixel to pixel, for some channels at a time. */
RT_WIDE static void add_variance_gradient(void *context, size_t number)
{
    const struct work *work = context;
    const rt_own_data *rho = &work->io->own[RHO];
    size_t size = work->sizes[LAYERS], first = number * TOGETHER;
    size_t count = size - first < TOGETHER ? size - first : TOGETHER;
    const double *mu = work->values[LAYERS] + first, *target = work->target + first;
    double squares[TOGETHER] = {0};
    for (size_t row = 0; row < work->rows; ++row, mu += size, target += size)
        for (size_t d = 0; d < count; ++d)
            squares[d] += (mu[d] - target[d]) * (mu[d] - target[d]);
    for (size_t d = 0; d < count; ++d) {
        double variance = work->variances[first + d], x = (double)rho->values[first + d];
        double slope = (1.0 - squares[d] / ((double)work->rows * variance)) / (2.0 * variance * (double)size);
        double sigmoid = x > 0.0 ? 1.0 / (1.0 + exp(-x)) : exp(x) / (1.0 + exp(x));
        rho->gradient[first + d] += (float)(work->io->weight * slope * sigmoid);
    }
}

RT_WIDE static void rectify(void *context, size_t row)
{
    const struct layer *layer = context;
    double *values = layer->outputs + row * layer->size;
    for (size_t k = 0; k < layer->size; ++k)
        values[k] = values[k] < 0.0 ? 0.0 : values[k]; /* NaN stays */
}

RT_WIDE static void rectify_backward(void *context, size_t row)
{
    const struct layer *layer = context;
    const double *restrict values = layer->outputs + row * layer->size;
    double *restrict slopes = layer->slopes + row * layer->size;
    for (size_t k = 0; k < layer->size; ++k)
        slopes[k] = values[k] > 0.0 ? slopes[k] : 0.0;
}

RT_WIDE static void pool_backward(void *context, size_t n)
{
    const struct work *work = context;
    const rt_pool *pool = &work->pools[0];
    const double *slopes = work->slopes[0] + n * work->pixels * pool->channels;
    float *gradient = work->io->ports[STUDENT].gradient + n * pool->height * pool->width * pool->channels;
    for (size_t y = 0; y < pool->rows; ++y)
        for (size_t x = 0; x < pool->columns; ++x, slopes += pool->channels)
            rt_pool_pixel_backward(pool, slopes, work->io->weight, y, x, gradient);
}

static void regress_backward(struct work *work)
{
    const rt_loss_io *io = work->io;
    for (size_t layer = LAYERS; layer-- > 0;) {
        size_t in = work->sizes[layer], out = work->sizes[layer + 1];
        const rt_matrix inputs = rt_matrix_doubles(work->values[layer], work->rows, in);
        double *slopes = work->slopes[0], *next = work->slopes[1];
        rt_embed_backward(io->weight, slopes, inputs, io->own[layer].values, out, io->own[layer].gradient, NULL, NULL);
        if (layer == 0 && !io->ports[STUDENT].gradient)
            return;
        rt_multiply(rt_matrix_doubles(slopes, work->rows, out), rt_matrix_floats(io->own[layer].values, out, in), next);
        if (layer > 0)
            rt_parallel_samples(work->rows, in, rectify_backward, &(struct layer){work->values[layer], next, in});
        work->slopes[0] = next, work->slopes[1] = slopes;
    }
    rt_parallel_samples(work->samples, work->pixels * work->sizes[0], pool_backward, work);
}

RT_WIDE static double total(const double *values, size_t count)
{
    return rt_sum(values, count);
}

static rt_status run(void *state, const rt_loss_io *io, double *loss, rt_error *err)
{
    (void)state, (void)err;
    struct work work = {.io = io};
    lay_out(&io->ports[STUDENT].shape, &io->ports[TEACHER].shape, &work, io->scratch);
    rt_parallel_samples(work.samples, work.pixels * (work.sizes[0] + work.sizes[1]), pool, &work);
    for (size_t layer = 0; layer < LAYERS; ++layer) {
        const rt_matrix inputs = rt_matrix_doubles(work.values[layer], work.rows, work.sizes[layer]);
        rt_embed(inputs, io->own[layer].values, NULL, work.sizes[layer + 1], work.values[layer + 1]);
        if (layer + 1 < LAYERS)
            rt_parallel_samples(work.rows, work.sizes[layer + 1], rectify,
                                &(struct layer){work.values[layer + 1], NULL, work.sizes[layer + 1]});
    }
    double logs = 0.0;
    for (size_t d = 0; d < work.sizes[LAYERS]; ++d) {
        double rho = (double)io->own[RHO].values[d];
        work.variances[d] = fmax(rho, 0.0) + log1p(exp(-fabs(rho))) + floor_variance;
        logs += log(work.variances[d]);
    }
    rt_parallel_samples(work.rows, work.sizes[LAYERS], compare, &work);
    *loss = rt_batch_mean(work.losses, work.rows) + logs / (2.0 * (double)work.sizes[LAYERS]);
    *loss += 0.0 * total(work.values[0], work.rows * work.sizes[0]); /* an infinity may hide behind a layer's zeros */
    if (io->own[RHO].gradient)
        rt_parallel_samples((work.sizes[LAYERS] + TOGETHER - 1) / TOGETHER, work.rows * TOGETHER, add_variance_gradient,
                            &work);
    regress_backward(&work);
    return RT_OK;
}

const rt_loss rt_loss_vid = {
    .abi = RT_LOSS_ABI,
    .name = "vid",
    .summary = "variational information distillation (VID): a trained regressor's Gaussian log-likelihood",
    .formula = "mean over batch, pixels and channels of ((mu - teacher)^2 / v + log v) / 2;\n"
               "mu = W_3 relu(W_2 relu(W_1 student)) at each pixel, v = log(1 + e^rho) + 1e-5 for each channel,\n"
               "all trained. The larger map is pooled to the smaller first. Several layers: one term each",
    .reference = "Ahn, Hu, Damianou, Lawrence, Dai: Variational Information Distillation for Knowledge Transfer,\n"
                 "CVPR 2019, arXiv:1904.05835",
    .published = "CIFAR-100, weight 1 beside cross-entropy at 1, each stage a term;\n"
                 "240 epochs by RepDistiller's recipe, last epoch, test set:\n"
                 "wrn_40_2 to wrn_16_2 74.11, resnet56 to resnet20 70.38,\n"
                 "resnet32x4 to resnet8x4 73.09, vgg13 to vgg8 71.23",
    .ports = ports,
    .port_count = PORTS,
    .params = params,
    .state_size = sizeof(struct vid),
    .plan = plan,
    .run = run,
};
