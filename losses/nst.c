/* Neuron selectivity transfer: the distributions of where channels are active, compared by maximum mean discrepancy.
 *
 *     a_k: channel k of a sample's map, flattened, divided by its Euclidean norm
 *     l = mean over the batch of  mean_kk' <s_k, s_k'>^2 + mean_dd' <t_d, t_d'>^2 - 2 mean_kd <s_k, t_d>^2
 *     dl/ds_k = 4 mean_k' <s_k, s_k'> s_k' / K - 4 mean_d <s_k, t_d> t_d / K
 * or, where pixels are fewer than channels, the same by products of pixels, S [K, pixels] the rows s_k, T likewise:
 *     l = mean over the batch of |G|^2,  G = S^T S / K - T^T T / D,  dl/dS = 4 S G / K
 *
 * Maps of two sizes: in each direction the larger is pooled to the smaller (adaptive average). */
#include <stdbool.h>

#include "retort/features.h"
#include "retort/loss.h"
#include "retort/matrix.h"

enum { STUDENT, TEACHER, PORTS };

static const rt_port ports[] = {
    [STUDENT] = {"student.features", "N H W K", RT_PORT_DIFF},
    [TEACHER] = {"teacher.features", "N I J D", 0},
};

/* A batch's samples are taken in so many runs, one after the other in each: what a sample needs is there once a run. */
enum { RUNS = 16 };

struct work {
    const rt_loss_io *io;
    rt_pool pools[2];
    size_t samples, pixels, run; /* samples in a run */
    bool by_pixels;
    double *losses; /* [samples]; all else is of one run */
    double *pixel;
    double *channels[2], *norms[2]; /* [channels, pixels], [channels] */
    double *own, *across, *others;  /* products of channels [K, K], [K, D], [D, D]; or of pixels, across then NULL */
    double *slopes, *pulls;         /* [K, pixels] each */
};

/* Of a run's arrays. Counts them, in doubles, where there is no memory yet. */
static size_t lay_out(struct work *work, double *scratch)
{
    size_t used = 0, k = work->pools[0].channels, d = work->pools[1].channels;
#define TAKE(pointer, count) ((pointer) = scratch ? scratch + used : NULL, used += (count))
    TAKE(work->pixel, k > d ? k : d);
    TAKE(work->channels[0], k * work->pixels), TAKE(work->channels[1], d * work->pixels);
    TAKE(work->norms[0], k), TAKE(work->norms[1], d);
    if (work->by_pixels)
        TAKE(work->own, work->pixels * work->pixels), TAKE(work->others, work->pixels * work->pixels);
    else
        TAKE(work->own, k * k), TAKE(work->across, k * d), TAKE(work->others, d * d);
    TAKE(work->slopes, k * work->pixels), TAKE(work->pulls, k * work->pixels);
#undef TAKE
    return used;
}

static struct work open_work(const rt_shape *student, const rt_shape *teacher)
{
    struct work work = {.samples = student->dims[0]};
    rt_pool_both(student, teacher, &work.pools[0], &work.pools[1]);
    work.pixels = work.pools[0].rows * work.pools[0].columns;
    work.run = (work.samples + RUNS - 1) / RUNS;
    /* Multiplications of either way, over pixels; a product with itself counts half. */
    size_t k = work.pools[0].channels, d = work.pools[1].channels;
    work.by_pixels = work.pixels * (3 * k + d) < 3 * k * k + 4 * k * d + d * d;
    return work;
}

static size_t count_runs(const struct work *work)
{
    return (work->samples + work->run - 1) / work->run;
}

static rt_status plan(void *state, rt_loss_plan *plan, rt_error *err)
{
    (void)state, (void)err;
    struct work work = open_work(&plan->shapes[STUDENT], &plan->shapes[TEACHER]);
    plan->scratch_bytes = (work.samples + count_runs(&work) * lay_out(&work, NULL)) * sizeof(double);
    return RT_OK;
}

/* The channels of one map, at unit length. */
RT_WIDE static void select_channels(const struct work *work, size_t side, const float *map)
{
    const rt_pool *pool = &work->pools[side];
    for (size_t y = 0; y < pool->rows; ++y)
        for (size_t x = 0; x < pool->columns; ++x) {
            rt_pool_pixel(pool, map, y, x, work->pixel);
            for (size_t c = 0; c < pool->channels; ++c)
                work->channels[side][c * work->pixels + y * pool->columns + x] = work->pixel[c];
        }
    for (size_t c = 0; c < pool->channels; ++c)
        work->norms[side][c] = rt_normalize(work->channels[side] + c * work->pixels, work->pixels);
}

RT_WIDE static double mean_square(const double *products, size_t cells)
{
    return rt_dot(products, products, cells) / (double)cells;
}

/* own = G, and its sum of squares. */
RT_WIDE static double compare_pixels(const struct work *work)
{
    size_t k = work->pools[0].channels, d = work->pools[1].channels, cells = work->pixels * work->pixels;
    const rt_matrix student = rt_matrix_doubles(work->channels[0], k, work->pixels);
    const rt_matrix teacher = rt_matrix_doubles(work->channels[1], d, work->pixels);
    rt_multiply(rt_transposed(student), student, work->own);
    rt_multiply(rt_transposed(teacher), teacher, work->others);
    for (size_t i = 0; i < cells; ++i)
        work->own[i] = work->own[i] / (double)k - work->others[i] / (double)d;
    return rt_dot(work->own, work->own, cells);
}

static double compare_channels(const struct work *work)
{
    size_t k = work->pools[0].channels, d = work->pools[1].channels;
    const rt_matrix student = rt_matrix_doubles(work->channels[0], k, work->pixels);
    const rt_matrix teacher = rt_matrix_doubles(work->channels[1], d, work->pixels);
    rt_multiply(student, rt_transposed(student), work->own);
    rt_multiply(student, rt_transposed(teacher), work->across);
    rt_multiply(teacher, rt_transposed(teacher), work->others);
    return mean_square(work->own, k * k) + mean_square(work->others, d * d) - 2.0 * mean_square(work->across, k * d);
}

/* slopes = dl/dS, from what was compared. */
RT_WIDE static void find_slopes(const struct work *work)
{
    size_t k = work->pools[0].channels, d = work->pools[1].channels, pixels = work->pixels;
    const rt_matrix student = rt_matrix_doubles(work->channels[0], k, pixels);
    if (work->by_pixels) {
        rt_multiply(student, rt_matrix_doubles(work->own, pixels, pixels), work->slopes);
        for (size_t i = 0; i < k * pixels; ++i)
            work->slopes[i] *= 4.0 / (double)k;
        return;
    }
    rt_multiply(rt_matrix_doubles(work->own, k, k), student, work->slopes);
    rt_multiply(rt_matrix_doubles(work->across, k, d), rt_matrix_doubles(work->channels[1], d, pixels), work->pulls);
    for (size_t i = 0; i < k * pixels; ++i)
        work->slopes[i] = 4.0 / (double)k * (work->slopes[i] / (double)k - work->pulls[i] / (double)d);
}

RT_WIDE static void add_gradient(const struct work *work, double scale, float *gradient)
{
    const rt_pool *pool = &work->pools[0];
    size_t k = pool->channels, pixels = work->pixels;
    find_slopes(work);
    for (size_t c = 0; c < k; ++c)
        rt_normalize_backward(work->channels[0] + c * pixels, work->norms[0][c], pixels, work->slopes + c * pixels);
    for (size_t y = 0; y < pool->rows; ++y)
        for (size_t x = 0; x < pool->columns; ++x) {
            for (size_t c = 0; c < k; ++c)
                work->pixel[c] = work->slopes[c * pixels + y * pool->columns + x];
            rt_pool_pixel_backward(pool, work->pixel, scale, y, x, gradient);
        }
}

static void run_of_samples(void *context, size_t number)
{
    struct work work = *(const struct work *)context;
    const rt_port_data *student = &work.io->ports[STUDENT], *teacher = &work.io->ports[TEACHER];
    size_t size = work.pools[0].height * work.pools[0].width * work.pools[0].channels;
    size_t other = work.pools[1].height * work.pools[1].width * work.pools[1].channels;
    lay_out(&work, work.losses + work.samples + number * lay_out(&work, NULL));
    for (size_t n = number * work.run; n < (number + 1) * work.run && n < work.samples; ++n) {
        select_channels(&work, 0, student->values + n * size);
        select_channels(&work, 1, teacher->values + n * other);
        work.losses[n] = work.by_pixels ? compare_pixels(&work) : compare_channels(&work);
        if (student->gradient)
            add_gradient(&work, work.io->weight / (double)work.samples, student->gradient + n * size);
    }
}

static rt_status run(void *state, const rt_loss_io *io, double *loss, rt_error *err)
{
    (void)state, (void)err;
    struct work work = open_work(&io->ports[STUDENT].shape, &io->ports[TEACHER].shape);
    work.io = io, work.losses = io->scratch;
    rt_parallel_samples(count_runs(&work), work.run * work.pools[0].channels * work.pixels, run_of_samples, &work);
    *loss = rt_batch_mean(work.losses, work.samples);
    return RT_OK;
}

const rt_loss rt_loss_nst = {
    .abi = RT_LOSS_ABI,
    .name = "nst",
    .summary = "neuron selectivity transfer (NST): where channels are active, by a squared product kernel",
    .formula = "mean over the batch of mean_kk' <s_k, s_k'>^2 + mean_dd' <t_d, t_d'>^2 - 2 mean_kd <s_k, t_d>^2;\n"
               "s_k, t_d the channels of each network's map, flattened, over their Euclidean norms.\n"
               "The larger map is pooled to the smaller first. Several layers: one term each",
    .reference = "Huang, Wang: Like What You Like: Knowledge Distill via Neuron Selectivity Transfer, 2017,\n"
                 "arXiv:1707.01219",
    .published = "CIFAR-100, weight 50 beside cross-entropy at 1, each stage a term;\n"
                 "240 epochs by RepDistiller's recipe, last epoch, test set:\n"
                 "wrn_40_2 to wrn_16_2 73.68, resnet56 to resnet20 69.60,\n"
                 "resnet32x4 to resnet8x4 73.30, vgg13 to vgg8 71.53",
    .ports = ports,
    .port_count = PORTS,
    .properties = RT_LOSS_ZERO_AT_EQUALITY,
    .plan = plan,
    .run = run,
};
