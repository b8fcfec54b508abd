/* y = W x + b of a frozen network, one image like the other.
 *
 * A library's matrix product treats the rows of a batch in blocks, and may sum the rows of the last block in another
 * order; on AVX2 oneDNN's does. Then the same image has other last bits at another place in its batch, and logits could
 * not be kept for later (place_probe.h). Here every image is summed alike, and in double, which a layer as small as the
 * last one of a classifier can well afford. Those of transformers, for every token, cannot. */
#include <stdlib.h>

#include "base/vector.h"
#include "engine/kernel.h"
#include "graph/parameters.h"

enum { TILE = 16 }; /* outputs that are summed at the same time */

struct linear_frozen {
    size_t inputs, outputs, tiles;
    float *weights; /* [tiles, inputs, TILE], zeros behind the last output */
    double *bias;   /* [tiles, TILE] */
};

static bool fits(const rt_kernel *kernel)
{
    return kernel->mode == RT_MODE_FROZEN && kernel->node->shape.height * kernel->node->shape.width == 1;
}

static rt_status plan(rt_kernel *kernel, rt_error *err)
{
    struct linear_frozen *l = calloc(1, sizeof *l);
    kernel->state = l;
    if (l) {
        l->inputs = rt_kernel_source(kernel, 0).channels;
        l->outputs = kernel->node->shape.channels;
        l->tiles = (l->outputs + TILE - 1) / TILE;
        l->weights = rt_aligned_zeros(l->tiles * l->inputs * TILE * sizeof *l->weights);
        l->bias = rt_aligned_zeros(l->tiles * TILE * sizeof *l->bias);
    }
    if (!l || !l->weights || !l->bias)
        return rt_fail(err, RT_ERROR_MEMORY, "linear '%s': no memory", kernel->node->name);
    kernel->implementation[0] = "retort";
    kernel->weight_packs = 1;
    return RT_OK;
}

static rt_status prepare(rt_kernel *kernel, rt_error *err)
{
    (void)err;
    struct linear_frozen *l = kernel->state;
    const float *weights = rt_parameter_values(kernel->parameters, kernel->node->weight);
    for (size_t o = 0; o < l->outputs; ++o)
        for (size_t i = 0; i < l->inputs; ++i)
            l->weights[(o / TILE * l->inputs + i) * TILE + o % TILE] = weights[o * l->inputs + i];
    for (size_t o = 0; kernel->node->bias >= 0 && o < l->outputs; ++o)
        l->bias[o] = (double)rt_parameter_values(kernel->parameters, kernel->node->bias)[o];
    return RT_OK;
}

/* sums[k] += src . weights[.][k] for TILE outputs, in the order of the inputs. */
RT_WIDE static void sum_tile(const float *src, const float *weights, size_t inputs, double sums[TILE])
{
    double totals[TILE];
    for (size_t k = 0; k < TILE; ++k)
        totals[k] = sums[k];
    for (size_t i = 0; i < inputs; ++i) {
        double value = (double)src[i];
#pragma omp simd
        for (size_t k = 0; k < TILE; ++k)
            totals[k] += value * (double)weights[i * TILE + k];
    }
    for (size_t k = 0; k < TILE; ++k)
        sums[k] = totals[k];
}

static rt_status forward(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    (void)err;
    const struct linear_frozen *l = kernel->state;
    /* A tile's weights stay in the cache while the images pass by. */
#pragma omp parallel for collapse(2) schedule(static)
    for (size_t t = 0; t < l->tiles; ++t)
        for (size_t n = 0; n < kernel->batch; ++n) {
            double sums[TILE];
            for (size_t k = 0; k < TILE; ++k)
                sums[k] = l->bias[t * TILE + k];
            sum_tile(io->src[0] + n * l->inputs, l->weights + t * l->inputs * TILE, l->inputs, sums);
            for (size_t k = 0; k < TILE && t * TILE + k < l->outputs; ++k)
                io->dst[n * l->outputs + t * TILE + k] = (float)sums[k];
        }
    return RT_OK;
}

static void done(rt_kernel *kernel)
{
    struct linear_frozen *l = kernel->state;
    if (!l)
        return;
    free(l->weights);
    free(l->bias);
    free(l);
    kernel->state = NULL;
}

const rt_kernel_class rt_kernel_linear_frozen = {
    .name = "frozen",
    .fits = fits,
    .plan = plan,
    .prepare = prepare,
    .forward = forward,
    .done = done,
};
