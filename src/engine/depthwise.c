/* Depthwise 3 x 3 convolution (MobileNet, ShuffleNet) in loops of our own: each channel has one 3 x 3 filter. Nine
 * multiplications for a number read and a number written are bound by memory, so what counts is that each number comes
 * from memory once, and that no time goes into deciding what is border.
 *
 * Maps are cut into tiles (some images, or a rectangle of one) that stay in the cache near a core; threads take tiles.
 * Tiles follow from the shape alone, and the gradient's sums over tiles are joined in order: bits do not depend on the
 * number of threads. Tiles are in depthwise_regions.c, the vector loops in depthwise_loops.c. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/depthwise_loops.h"
#include "engine/folding.h"

enum {
    SHARES = 32, /* of the weight gradient: tiles whose sums are joined last */
    LANES = RT_DEPTHWISE_LANES
};

struct depthwise {
    rt_depthwise_direction forward, backward;
    size_t blocks;                       /* of channels */
    float *weights, *bias;               /* [blocks][9][16] and [blocks][16] */
    float *folded_weights, *folded_bias; /* frozen with a batch norm: in the parameters' order */
    size_t shares;
};

/* What the loops can compute. Fewer channels than lanes are oneDNN's; so is a residual where the last block overlaps,
 * since it may stand where dst goes and must be added once. */
static bool can(const rt_kernel *kernel)
{
    const rt_window *w = &kernel->node->window;
    const size_t channels = kernel->node->shape.channels;
    return w->groups == channels && rt_kernel_source(kernel, 0).channels == channels && w->kernel == 3 &&
           w->padding == 1 && w->dilation == 1 && (w->stride == 1 || w->stride == 2) && channels >= LANES &&
           (kernel->node->source_count == 1 || channels % LANES == 0);
}

/* Where forward and backward together were measured to be faster than oneDNN 3.2's: on maps narrower than the filter,
 * for which oneDNN has no depthwise weight gradient; with one block of channels; and trained with stride 2 on maps that
 * are not large. Elsewhere oneDNN is ahead, mostly by less than a tenth, by a fifth on large maps. */
static bool pays(const rt_kernel *kernel)
{
    const rt_extent in = rt_kernel_source(kernel, 0);
    const size_t longer = in.height > in.width ? in.height : in.width;
    return in.height < 3 || in.width < 3 || (in.channels == LANES && longer <= 32) ||
           (kernel->mode != RT_MODE_FROZEN && kernel->node->window.stride == 2 && longer <= 16);
}

static bool fits(const rt_kernel *kernel)
{
    return can(kernel) && pays(kernel);
}

static size_t divided_up(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

/* The last block begins early enough to be whole: some of its channels are in the block before, too, and get the same
 * values twice. */
static size_t first_channel(const rt_kernel *kernel, size_t block)
{
    size_t last = kernel->node->shape.channels - LANES;
    return block * LANES < last ? block * LANES : last;
}

static rt_status plan(rt_kernel *kernel, rt_error *err)
{
    struct depthwise *s = kernel->state = calloc(1, sizeof *s);
    if (!s)
        return rt_fail(err, RT_ERROR_MEMORY, "convolution '%s': no memory", kernel->node->name);
    const size_t channels = kernel->node->shape.channels;
    s->blocks = divided_up(channels, LANES);
    s->weights = rt_aligned_zeros(s->blocks * RT_DEPTHWISE_TAPS * LANES * sizeof(float));
    s->bias = rt_aligned_zeros(s->blocks * LANES * sizeof(float));
    bool folds = rt_folds_norm(kernel);
    if (folds) {
        s->folded_weights = rt_aligned_zeros(channels * RT_DEPTHWISE_TAPS * sizeof(float));
        s->folded_bias = rt_aligned_zeros(channels * sizeof(float));
    }
    if (!s->weights || !s->bias || (folds && (!s->folded_weights || !s->folded_bias)))
        return rt_fail(err, RT_ERROR_MEMORY, "convolution '%s': no memory for its weights", kernel->node->name);
    const rt_extent in = rt_kernel_source(kernel, 0), out = kernel->node->shape;
    s->forward = rt_depthwise_forward(in, out, kernel->node->window.stride, kernel->batch);
    s->backward = rt_depthwise_backward(in, out, kernel->node->window.stride, kernel->batch);
    ++kernel->weight_packs;
    kernel->implementation[0] = "retort";
    if (kernel->mode == RT_MODE_FROZEN)
        return RT_OK;
    kernel->keeps_src = true;
    kernel->implementation[1] = kernel->wants_diff_src ? "retort" : NULL;
    kernel->implementation[2] = "retort";
    s->shares = s->forward.tiles < SHARES ? s->forward.tiles : SHARES;
    kernel->scratch_bytes = s->shares * s->blocks * RT_DEPTHWISE_SUMS * LANES * sizeof(double);
    return RT_OK;
}

static rt_status prepare(rt_kernel *kernel, rt_error *err)
{
    (void)err;
    struct depthwise *s = kernel->state;
    const float *weights = rt_parameter_values(kernel->parameters, kernel->node->weight);
    const float *bias = kernel->node->bias >= 0 ? rt_parameter_values(kernel->parameters, kernel->node->bias) : NULL;
    if (s->folded_weights) {
        rt_fold_norm(kernel, s->folded_weights, s->folded_bias);
        weights = s->folded_weights;
        bias = s->folded_bias;
    }
    for (size_t b = 0; b < s->blocks; ++b) {
        const size_t first = first_channel(kernel, b);
        for (size_t i = 0; i < LANES; ++i) {
            for (size_t k = 0; k < RT_DEPTHWISE_TAPS; ++k)
                s->weights[(b * RT_DEPTHWISE_TAPS + k) * LANES + i] = weights[(first + i) * RT_DEPTHWISE_TAPS + k];
            s->bias[b * LANES + i] = bias ? bias[first + i] : 0.0f;
        }
    }
    return RT_OK;
}

/* All tiles of one direction; `bias` [blocks][16], or NULL. */
static void convolve(const rt_kernel *kernel, const rt_depthwise_direction *direction,
                     const rt_depthwise_operands *operands, const float *bias)
{
    static const float no_bias[LANES];
    const struct depthwise *s = kernel->state;
#pragma omp parallel for schedule(static)
    for (size_t t = 0; t < direction->tiles; ++t) {
        rt_depthwise_tile tile;
        rt_depthwise_tile_of(direction, t, &tile);
        for (size_t b = 0; b < s->blocks; ++b)
            rt_depthwise_convolve(&tile, operands, first_channel(kernel, b), s->weights + b * RT_DEPTHWISE_TAPS * LANES,
                                  bias ? bias + b * LANES : no_bias);
    }
}

static rt_status forward(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    (void)err;
    const struct depthwise *s = kernel->state;
    const rt_activation activation = kernel->node->activation;
    const rt_depthwise_operands operands = {
        .read = io->src[0],
        .written = io->dst,
        .residual = kernel->node->source_count == 2 ? io->src[1] : NULL,
        .low = activation == RT_ACTIVATION_NONE ? -INFINITY : 0.0f,
        .high = activation == RT_ACTIVATION_RELU6 ? 6.0f : INFINITY,
    };
    convolve(kernel, &s->forward, &operands, s->bias);
    return RT_OK;
}

static void join_shares(const rt_kernel *kernel, const double *sums)
{
    const struct depthwise *s = kernel->state;
    const size_t block_sums = RT_DEPTHWISE_SUMS * LANES;
    float *weights = rt_parameter_gradients(kernel->parameters, kernel->node->weight);
    float *bias = kernel->node->bias >= 0 ? rt_parameter_gradients(kernel->parameters, kernel->node->bias) : NULL;
#pragma omp parallel for schedule(static)
    for (size_t b = 0; b < s->blocks; ++b) {
        const size_t first = first_channel(kernel, b);
        double total[RT_DEPTHWISE_SUMS * LANES] = {0};
        for (size_t share = 0; share < s->shares; ++share)
            for (size_t k = 0; k < block_sums; ++k)
                total[k] += sums[(share * s->blocks + b) * block_sums + k];
        for (size_t c = b * LANES; c < first + LANES; ++c) { /* not those that the block before wrote */
            for (size_t k = 0; k < RT_DEPTHWISE_TAPS; ++k)
                weights[c * RT_DEPTHWISE_TAPS + k] = (float)total[k * LANES + c - first];
            if (bias)
                bias[c] = (float)total[RT_DEPTHWISE_TAPS * LANES + c - first];
        }
    }
}

static void backward_weights(const rt_kernel *kernel, const rt_kernel_io *io)
{
    const struct depthwise *s = kernel->state;
    const size_t block_sums = RT_DEPTHWISE_SUMS * LANES, tiles = s->forward.tiles;
#pragma omp parallel for schedule(static)
    for (size_t share = 0; share < s->shares; ++share) {
        double *sums = (double *)io->scratch + share * s->blocks * block_sums;
        memset(sums, 0, s->blocks * block_sums * sizeof *sums);
        for (size_t t = share * tiles / s->shares; t < (share + 1) * tiles / s->shares; ++t) {
            rt_depthwise_tile tile;
            rt_depthwise_tile_of(&s->forward, t, &tile);
            for (size_t b = 0; b < s->blocks; ++b)
                rt_depthwise_gradient(&tile, io->src[0], io->diff_dst[0], first_channel(kernel, b),
                                      kernel->node->bias >= 0, sums + b * block_sums);
        }
    }
    join_shares(kernel, io->scratch);
}

static rt_status backward(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    (void)err;
    const struct depthwise *s = kernel->state;
    if (io->diff_src[0]) {
        const rt_depthwise_operands operands = {
            .read = io->diff_dst[0], .written = io->diff_src[0], .low = -INFINITY, .high = INFINITY};
        convolve(kernel, &s->backward, &operands, NULL);
    }
    backward_weights(kernel, io);
    return RT_OK;
}

static void done(rt_kernel *kernel)
{
    struct depthwise *s = kernel->state;
    if (!s)
        return;
    free(s->weights);
    free(s->bias);
    free(s->folded_weights);
    free(s->folded_bias);
    free(s);
    kernel->state = NULL;
}

const rt_kernel_class rt_kernel_depthwise = {
    .name = "retort depthwise",
    .fits = fits,
    .can = can,
    .plan = plan,
    .prepare = prepare,
    .forward = forward,
    .backward = backward,
    .done = done,
};
